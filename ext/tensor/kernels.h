/*
** The loops over many elements, each made for several instruction sets: plain C for every machine,
** AVX2 and AVX-512 for x86-64. The set is chosen once, at load, for the machine.
**
** All sets give the same results, to the last bit: nothing is rounded in one set that is not rounded in
** the others, or in another order.
**
** Elements lie together, at any address. Counts are of elements, and may be 0.
*/
#ifndef SAFETENSORS_TENSOR_KERNELS_H
#define SAFETENSORS_TENSOR_KERNELS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "format/dtype.h"
#include "tensor/pair_kernels.h"
#include "tensor/scan_kernels.h"

/* Of XXH3, with its own secret: bytes of a block, accumulators, and where in the secret the key for
** scrambling begins. */
enum { HASH_BLOCK = 1024, HASH_LANES = 8, HASH_SCRAMBLE_KEY = 128 };
#define HASH_PRIME 0x9e3779b1u /* XXH_PRIME32_1 */

/* How far ahead hashing asks for data, in bytes: by measurement. Tensors seldom start on a cache line,
** and without asking are hashed at nine tenths of the speed, on some machines at two thirds. */
enum { HASH_AHEAD = 4096 };

/* What each byte stands for: floats of which only the upper half is not 0. `low` and `high` have the
** bytes of that half. */
typedef struct ByteValues {
  float values[256];
  unsigned char low[256], high[256];
} ByteValues;

/* How numbers are put into bins of equal width. */
typedef struct Binning {
  double unit, lo,
      scale;   /* a number's place is (number * unit - lo) * scale: in bin 0 from 0 to 1 */
  double bins; /* at most 2^30 */
} Binning;

/* A place this near to a whole number may be on either side of it. */
#define BINNING_DOUBT 0x1p-16

/* Elements as floats, where a float holds all of the dtype's values. */
typedef void KernelFloats(const unsigned char *data, uint64_t count, float *out);

/* Number `index` of an array of the machine's own floats, or doubles, at any address. */
static inline float float_at(const void *data, uint64_t index) {
  float number;
  memcpy(&number, (const unsigned char *)data + index * sizeof number, sizeof number);
  return number;
}

static inline double double_at(const void *data, uint64_t index) {
  double number;
  memcpy(&number, (const unsigned char *)data + index * sizeof number, sizeof number);
  return number;
}

typedef struct Kernels {
  const char *name;
  const PairKernels *pairs; /* the loops over two tensors */
  const ScanKernels *scans; /* the loops of statistics over one */

  /* By dtype; NULL where there is no such loop: of F32, which needs none, and of what `lookup` or
  ** decode_doubles() is for. */
  KernelFloats *floats[DTYPE_COUNT];

  void (*lookup)(const unsigned char *data, uint64_t count, const ByteValues *table, float *out);

  /* The bins of numbers: the number of bins, if they are in none, NaN too; -1 where it is in doubt.
  ** Whether any is. */
  bool (*find_bins)(const double *numbers, uint64_t count, const Binning *binning, int32_t *out);

  /* The same of floats, which may be at any address. */
  bool (*find_float_bins)(const void *numbers, uint64_t count, const Binning *binning,
                          int32_t *out);

  /* XXH3's accumulation: what each of `count` blocks of HASH_BLOCK bytes adds to the accumulators,
  ** HASH_LANES numbers for each. `secret` has 192 bytes. */
  void (*hash_blocks)(const unsigned char *data, uint64_t count, const unsigned char *secret,
                      uint64_t *out);

  /* Adds that to the accumulators, which are scrambled after each block. */
  void (*hash_merge)(const uint64_t *sums, uint64_t count, const unsigned char *secret,
                     uint64_t *accumulators);
} Kernels;

extern const Kernels kernels_portable;
#if defined(__x86_64__)
extern const Kernels kernels_avx2;   /* Haswell, Zen and later: AVX2, FMA and F16C */
extern const Kernels kernels_avx512; /* Ice Lake, Zen 4 and later: F, BW, DQ, VL, VBMI and VNNI */
#endif

/* The set of this name. NULL if there is none, or this machine cannot run it. */
const Kernels *kernels_find(const char *name);

/* Chooses the set of this name, or, of NULL and "", the best that the machine can run, for all that
** is computed from now on. */
bool kernels_choose(const char *name, Error *error);

/* The chosen set; the best, if none was chosen. */
const Kernels *kernels_chosen(void);

#endif
