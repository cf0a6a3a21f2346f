/* The kernels in plain C: what the others have to agree with. Loops over the lanes have a constant
** length, so that compilers vectorise them. */
#include <math.h>
#include <string.h>

#include "tensor/kernels.h"
#include "tensor/value.h"

/* ---- Elements as floats ---- */

static void floats_F16(const unsigned char *data, uint64_t count, float *out) {
  for (uint64_t i = 0; i < count; i++) {
    out[i] = float_widen(element_load_16(data + 2 * i), format_F16);
  }
}

static void floats_BF16(const unsigned char *data, uint64_t count, float *out) {
  for (uint64_t i = 0; i < count; i++) {
    out[i] = float_from_bits((uint32_t)element_load_16(data + 2 * i) << 16);
  }
}

static void floats_I16(const unsigned char *data, uint64_t count, float *out) {
  for (uint64_t i = 0; i < count; i++) out[i] = (int16_t)element_load_16(data + 2 * i);
}

static void floats_U16(const unsigned char *data, uint64_t count, float *out) {
  for (uint64_t i = 0; i < count; i++) out[i] = element_load_16(data + 2 * i);
}

static void lookup(const unsigned char *data, uint64_t count, const ByteValues *table, float *out) {
  for (uint64_t i = 0; i < count; i++) out[i] = table->values[data[i]];
}

/* ---- Bins ---- */

/* The bin of one number. */
static inline int32_t find_bin(double number, const Binning *binning) {
  const double rounder = 0x1.8p52; /* added, leaves no room for a fraction */
  double place = (number * binning->unit - binning->lo) * binning->scale;
  bool within = (place >= 0) & (place < binning->bins);
  bool doubt = fabs(place - ((place + rounder) - rounder)) < BINNING_DOUBT;
  int32_t bin = (int32_t)(within ? place : binning->bins);
  return doubt ? -1 : bin;
}

static bool find_bins(const double *numbers, uint64_t count, const Binning *binning, int32_t *out) {
  bool any_doubt = false;
  for (uint64_t i = 0; i < count; i++) {
    out[i] = find_bin(numbers[i], binning);
    any_doubt |= out[i] < 0;
  }
  return any_doubt;
}

static bool find_float_bins(const void *numbers, uint64_t count, const Binning *binning,
                            int32_t *out) {
  bool any_doubt = false;
  for (uint64_t i = 0; i < count; i++) {
    out[i] = find_bin((double)float_at(numbers, i), binning);
    any_doubt |= out[i] < 0;
  }
  return any_doubt;
}

/* ---- Hashing ---- */

/* github.com/Cyan4973/xxHash, doc/xxhash_spec.md: "XXH3 Algorithm Overview", inputs of more than
** 240 bytes: accumulation of a stripe, and scrambling. */
static void hash_blocks(const unsigned char *data, uint64_t count, const unsigned char *secret,
                        uint64_t *out) {
  enum { STRIPE = 8 * HASH_LANES };
  for (uint64_t block = 0; block < count; block++) {
    uint64_t sums[HASH_LANES] = {0};
    for (unsigned stripe = 0; stripe < HASH_BLOCK / STRIPE; stripe++, data += STRIPE) {
      for (unsigned j = 0; j < HASH_LANES; j++) {
        uint64_t value = element_load_64(data + 8 * j);
        uint64_t mixed = value ^ element_load_64(secret + 8 * (stripe + j));
        sums[j ^ 1] += value;
        sums[j] += (mixed & UINT32_MAX) * (mixed >> 32);
      }
    }
    memcpy(out + block * HASH_LANES, sums, sizeof sums);
  }
}

static void hash_merge(const uint64_t *sums, uint64_t count, const unsigned char *secret,
                       uint64_t *accumulators) {
  for (uint64_t block = 0; block < count; block++) {
    for (unsigned j = 0; j < HASH_LANES; j++) {
      uint64_t value = accumulators[j] + sums[block * HASH_LANES + j];
      value ^= value >> 47 ^ element_load_64(secret + HASH_SCRAMBLE_KEY + 8 * j);
      accumulators[j] = value * HASH_PRIME;
    }
  }
}

const Kernels kernels_portable = {
    .name = "portable",
    .pairs = &pair_kernels_portable,
    .scans = &scan_kernels_portable,
    .floats = {[DTYPE_F16] = floats_F16,
               [DTYPE_BF16] = floats_BF16,
               [DTYPE_I16] = floats_I16,
               [DTYPE_U16] = floats_U16},
    .lookup = lookup,
    .find_bins = find_bins,
    .find_float_bins = find_float_bins,
    .hash_blocks = hash_blocks,
    .hash_merge = hash_merge,
};
