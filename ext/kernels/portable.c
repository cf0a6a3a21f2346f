/* The kernels in plain C, which every machine can run and with which the other sets have to
** agree. */
#include "kernels/portable.h"

#include "kernels/halves.h"

#define SET(name) portable_##name

#include "kernels/generic/arithmetic.h"
#include "kernels/generic/bins.h"
#include "kernels/generic/convert.h"
#include "kernels/generic/hash.h"
#include "kernels/generic/integers.h"
#include "kernels/generic/pairs.h"
#include "kernels/generic/rows.h"
#include "kernels/generic/scan.h"
#include "kernels/generic/slots.h"
/* Needs the sums of scan.h. */
#include "kernels/generic/halves.h"

#undef SET

static void portable_lookup(const unsigned char *data, uint64_t count, const ByteValues *table,
                            float *out) {
  for (uint64_t i = 0; i < count; i++) out[i] = table->values[data[i]];
}

static void portable_lookup_nibbles(const unsigned char *data, uint64_t count, const float *values,
                                    float *out) {
  for (uint64_t i = 0; i < count / 2; i++) {
    out[2 * i] = values[data[i] & 0xf];
    out[2 * i + 1] = values[data[i] >> 4];
  }
  if (count % 2 == 1) out[count - 1] = values[data[count / 2] & 0xf];
}

/* ---- Counting codes ---- */

/* Each code has several counters that are used in turn, so that an increment does not have to wait
** for the previous one of the same counter. */
enum { PORTABLE_TURNS = 8, PORTABLE_LINE = 64 / 2 }; /* elements of a line of the cache */

static void portable_count_bytes(const unsigned char *data, uint64_t count,
                                 uint64_t counts[CODES]) {
  uint32_t turns[PORTABLE_TURNS][CODES] = {{0}};
  uint64_t i = 0;
  for (; count - i >= PORTABLE_TURNS; i += PORTABLE_TURNS) {
    uint64_t eight;
    memcpy(&eight, data + i, sizeof eight);
    KERNEL_UNROLL for (unsigned turn = 0; turn < PORTABLE_TURNS; turn++) {
      turns[turn][eight >> 8 * turn & 0xff]++;
    }
  }
  for (; i < count; i++) turns[0][data[i]]++;
  for (unsigned turn = 0; turn < PORTABLE_TURNS; turn++) {
    for (unsigned code = 0; code < CODES; code++) counts[code] += turns[turn][code];
  }
}

/* A byte has two elements. */
static void portable_count_nibbles(const unsigned char *data, uint64_t groups,
                                   uint64_t counts[CODES]) {
  uint64_t bytes[CODES] = {0};
  portable_count_bytes(data, groups, bytes);
  for (unsigned byte = 0; byte < CODES; byte++) {
    counts[byte & 0xf] += bytes[byte];
    counts[byte >> 4] += bytes[byte];
  }
}

/* Three bytes have four elements. */
static void portable_count_sixes(const unsigned char *data, uint64_t groups,
                                 uint64_t counts[CODES]) {
  enum { FOUR = 4, SIXES = 64 };
  uint32_t turns[FOUR][SIXES] = {{0}};
  for (uint64_t i = 0; i < groups; i++, data += 3) {
    uint32_t four = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16;
    KERNEL_UNROLL for (unsigned turn = 0; turn < FOUR; turn++) {
      turns[turn][four >> 6 * turn & 0x3f]++;
    }
  }
  for (unsigned turn = 0; turn < FOUR; turn++) {
    for (unsigned code = 0; code < SIXES; code++) counts[code] += turns[turn][code];
  }
}

static inline void portable_count_half(const unsigned char *data, unsigned turn,
                                       HalfCounts *counts) {
  unsigned code = element_load_16(data);
  if (++counts->turns[turn][code] == 0) counts->wraps[code]++;
}

static void portable_count_halves(const unsigned char *data, uint64_t count, HalfCounts *counts) {
  for (; count >= PORTABLE_LINE; count -= PORTABLE_LINE) {
    __builtin_prefetch(data + SCAN_AHEAD);
    for (unsigned part = 0; part < PORTABLE_LINE / PORTABLE_TURNS;
         part++, data += 2 * PORTABLE_TURNS) {
      KERNEL_UNROLL for (unsigned i = 0; i < PORTABLE_TURNS; i++) {
        portable_count_half(data + (size_t)2 * i, i % HALF_TURNS, counts);
      }
    }
  }
  for (; count > 0; count--, data += 2) portable_count_half(data, 0, counts);
}

/* ---- The set ---- */

const Kernels kernels_portable = {
    .name = "portable",
    .convert = {[DTYPE_F16] = portable_convert_F16,
                [DTYPE_BF16] = portable_convert_BF16,
                [DTYPE_I16] = portable_convert_I16,
                [DTYPE_U16] = portable_convert_U16},
    .lookup = portable_lookup,
    .lookup_nibbles = portable_lookup_nibbles,
    .find_bins = {[DTYPE_F32] = portable_find_bins_F32, [DTYPE_F64] = portable_find_bins_F64},
    .count_slots = {[DTYPE_F32] = portable_count_slots_F32,
                    [DTYPE_F64] = portable_count_slots_F64,
                    [DTYPE_F16] = portable_count_slots_F16,
                    [DTYPE_BF16] = portable_count_slots_BF16},
    .hash_blocks = portable_hash_blocks,
    .hash_merge = portable_hash_merge,
    .scan = {[DTYPE_F32] = portable_scan_F32,
             [DTYPE_F16] = portable_scan_F16,
             [DTYPE_BF16] = portable_scan_BF16},
    .range = {[DTYPE_F32] = portable_range_F32,
              [DTYPE_F16] = portable_range_F16,
              [DTYPE_BF16] = portable_range_BF16},
    .scan_integers = {[DTYPE_I8] = portable_scan_I8,
                      [DTYPE_U8] = portable_scan_U8,
                      [DTYPE_I16] = portable_scan_I16,
                      [DTYPE_U16] = portable_scan_U16},
    .scan_doubles = portable_scan_doubles,
    .deviations = portable_deviations,
    .count_bytes = portable_count_bytes,
    .count_sixes = portable_count_sixes,
    .count_nibbles = portable_count_nibbles,
    .count_halves = portable_count_halves,
    .pairs = {[DTYPE_F32] = portable_pairs_F32,
              [DTYPE_F64] = portable_pairs_F64,
              [DTYPE_F16] = portable_pairs_F16,
              [DTYPE_BF16] = portable_pairs_BF16},
    .squares = {[DTYPE_F32] = portable_squares_F32,
                [DTYPE_F64] = portable_squares_F64,
                [DTYPE_F16] = portable_squares_F16,
                [DTYPE_BF16] = portable_squares_BF16},
    .row_products = {[DTYPE_F32] = portable_row_products_F32,
                     [DTYPE_F16] = portable_row_products_F16,
                     [DTYPE_BF16] = portable_row_products_BF16},
    .row_distances = {[DTYPE_F32] = portable_row_distances_F32,
                      [DTYPE_F16] = portable_row_distances_F16,
                      [DTYPE_BF16] = portable_row_distances_BF16},
    .sum = {[DTYPE_F32] = portable_sum_F32,
            [DTYPE_F16] = portable_sum_F16,
            [DTYPE_BF16] = portable_sum_BF16},
    .difference = {[DTYPE_F32] = portable_difference_F32,
                   [DTYPE_F16] = portable_difference_F16,
                   [DTYPE_BF16] = portable_difference_BF16},
    .product = {[DTYPE_F32] = portable_product_F32,
                [DTYPE_F16] = portable_product_F16,
                [DTYPE_BF16] = portable_product_BF16},
    .quotient = {[DTYPE_F32] = portable_quotient_F32,
                 [DTYPE_F16] = portable_quotient_F16,
                 [DTYPE_BF16] = portable_quotient_BF16},
    .scan_computed = portable_scan_computed,
    .scale_groups = portable_scale_groups,
    .doubles = {[DTYPE_F32] = portable_doubles_of_F32,
                [DTYPE_F16] = portable_doubles_of_F16,
                [DTYPE_BF16] = portable_doubles_of_BF16},
    .scale = {[DTYPE_F32] = portable_scale_F32,
              [DTYPE_F64] = portable_scale_F64,
              [DTYPE_F16] = portable_scale_F16,
              [DTYPE_BF16] = portable_scale_BF16},
    .add_scaled = {[DTYPE_F32] = portable_add_scaled_F32,
                   [DTYPE_F64] = portable_add_scaled_F64,
                   [DTYPE_F16] = portable_add_scaled_F16,
                   [DTYPE_BF16] = portable_add_scaled_BF16},
    .lerp = {[DTYPE_F32] = portable_lerp_F32,
             [DTYPE_F64] = portable_lerp_F64,
             [DTYPE_F16] = portable_lerp_F16,
             [DTYPE_BF16] = portable_lerp_BF16},
    .add = {[DTYPE_F64] = portable_add_F64},
    .subtract = {[DTYPE_F64] = portable_subtract_F64},
    .multiply = {[DTYPE_F64] = portable_multiply_F64},
    .divide = {[DTYPE_F64] = portable_divide_F64},
    .narrow = {[DTYPE_F32] = portable_narrow_F32},
    .multiply_tile = portable_multiply_tile,
};
