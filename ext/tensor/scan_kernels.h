/*
** The loops of statistics over the elements of one tensor: see kernels.h for the instruction sets
** that they are made for. What is summed is summed in KERNEL_LANES lanes, in order, and is the same
** to the last bit in every set: a multiplication and an addition are one instruction only where the
** product is exact.
**
** Elements lie together, at any address.
*/
#ifndef SAFETENSORS_TENSOR_SCAN_KERNELS_H
#define SAFETENSORS_TENSOR_SCAN_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/dtype.h"

enum { KERNEL_LANES = 16, SCAN_STEP = 2 * KERNEL_LANES };

/* The lane of element number `index`. Of BF16, where every second one is taken out of its pair by a
** mask instead of a shift, first those and then the others have half of the lanes. */
static inline unsigned scan_lane(Dtype dtype, uint64_t index) {
  unsigned place = (unsigned)(index % KERNEL_LANES);
  return dtype == DTYPE_BF16 ? place / 2 + place % 2 * (KERNEL_LANES / 2) : place;
}

/* Of F32, F16 or BF16. If a number is not finite, the sum of the squares is not either, and nothing
** else means anything. */
typedef struct FloatScan {
  double sum[KERNEL_LANES], squares[KERNEL_LANES];
  float min, max; /* infinity and -infinity if there is no number */
  float least;    /* magnitude but 0; infinity if there is none. Of F16 always infinity: there it is
                  ** not needed to know that sums are exact */
  uint32_t zeros;
} FloatScan;

typedef struct FloatRange {
  float min, max; /* as in a FloatScan */
  bool finite;    /* all are; if not, nothing else means anything */
  uint32_t zeros;
} FloatRange;

/* Of doubles. What rounding takes from sum_high is in sum_low. A NaN is in none of min and max; it, or
** an infinity, makes sum_high a NaN or infinite. */
typedef struct DoubleScan {
  double sum_high[KERNEL_LANES], sum_low[KERNEL_LANES];
  double min[KERNEL_LANES], max[KERNEL_LANES]; /* infinity and -infinity if there is no number */
  uint32_t zeros[KERNEL_LANES];                /* only all lanes together mean something */
} DoubleScan;

/* Of a dtype of a sign and 7 bits: how magnitudes are made of digits. What the 7 bits stand for is
** the digit in the one place where it is not 0, times 2^(place_bits * place), times a unit. */
enum { DIGIT_PLACES = 7, MAGNITUDE_CODES = 128 };
typedef struct ByteDigits {
  unsigned char digit[DIGIT_PLACES][MAGNITUDE_CODES]; /* at most 127; 0 of what is not finite */
  unsigned places, place_bits;
} ByteDigits;

enum { BYTES_STEP = 64 };
typedef struct ByteScan {
  int64_t sums[DIGIT_PLACES];     /* of the digits, with their signs */
  uint64_t squares[DIGIT_PLACES]; /* of the digits */
  uint64_t zeros;                 /* codes whose 7 bits are 0 */
  bool minus_zero;                /* there is such a code with a sign */
  unsigned char min, max;         /* codes, in the order of values; of no elements 0x7f and 0xff */
} ByteScan;

/* The code that is the number `key` when codes are numbered in the order of their values: those with a
** sign, the uppermost bit, the other way round. */
static inline unsigned char byte_code(int8_t key) {
  return (unsigned char)(key < 0 ? key ^ 0x7f : key);
}

/* `count` is a multiple of SCAN_STEP, at most 2^16. */
typedef void ScanFloats(const unsigned char *data, uint64_t count, FloatScan *out);
typedef void RangeFloats(const unsigned char *data, uint64_t count, FloatRange *out);

typedef struct ScanKernels {
  /* Of F32 (the machine's own floats), F16 and BF16 (as they are stored). */
  ScanFloats *scan[DTYPE_COUNT];
  RangeFloats *range[DTYPE_COUNT];

  /* Doubles are the machine's own; `count` is a multiple of KERNEL_LANES. */
  void (*doubles)(const void *data, uint64_t count, DoubleScan *out);

  /* The sum, by lane, of the squares of doubles' distances from `mean`. */
  void (*deviations)(const void *data, uint64_t count, double mean, double *out);

  /* `count` is a multiple of BYTES_STEP, at most 2^16. Without `digits` (NULL) there are no sums. The
  ** function is NULL where it is faster to count how often each code comes. */
  void (*bytes)(const unsigned char *data, uint64_t count, const ByteDigits *digits, ByteScan *out);
} ScanKernels;

/* Before a loop of at most 8 rounds, whose arrays are to be kept in registers. */
#if defined(__clang__)
#define KERNEL_UNROLL _Pragma("unroll")
#else
#define KERNEL_UNROLL _Pragma("GCC unroll 8")
#endif

extern const ScanKernels scan_kernels_portable;
#if defined(__x86_64__)
extern const ScanKernels scan_kernels_avx2;
extern const ScanKernels scan_kernels_avx512;
#endif

#endif
