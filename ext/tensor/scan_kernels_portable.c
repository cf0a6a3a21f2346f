/* The kernels over one tensor in plain C: what the others have to agree with. Loops over the lanes
** have a constant length, so that compilers vectorise them. */
#include <math.h>
#include <string.h>

#include "tensor/double_double.h"
#include "tensor/kernels.h"
#include "tensor/value.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

typedef float Number(const unsigned char *data, uint64_t index);

static ALWAYS_INLINE float number_F32(const unsigned char *data, uint64_t index) {
  return float_at(data, index);
}

static ALWAYS_INLINE float number_F16(const unsigned char *data, uint64_t index) {
  return float_widen(element_load_16(data + 2 * index), format_F16);
}

static ALWAYS_INLINE float number_BF16(const unsigned char *data, uint64_t index) {
  return float_from_bits((uint32_t)element_load_16(data + 2 * index) << 16);
}

/* ---- Floats ---- */

static ALWAYS_INLINE void scan_all(Dtype dtype, Number *number_at, const unsigned char *data,
                                   uint64_t count, FloatScan *out) {
  double sum[KERNEL_LANES] = {0}, squares[KERNEL_LANES] = {0};
  float numbers[KERNEL_LANES], min[KERNEL_LANES], max[KERNEL_LANES];
  uint32_t below[KERNEL_LANES], zeros[KERNEL_LANES] = {0}; /* a magnitude's bits, less 1 */
  for (unsigned j = 0; j < KERNEL_LANES; j++) {
    min[j] = INFINITY;
    max[j] = -INFINITY;
    below[j] = UINT32_MAX;
  }
  for (uint64_t i = 0; i < count; i += KERNEL_LANES) {
    for (unsigned j = 0; j < KERNEL_LANES; j++)
      numbers[scan_lane(dtype, j)] = number_at(data, i + j);
    for (unsigned j = 0; j < KERNEL_LANES; j++) {
      uint32_t less = (float_bits(numbers[j]) & 0x7fffffff) - 1; /* wraps for 0 */
      zeros[j] += less == UINT32_MAX;
      below[j] = less < below[j] ? less : below[j];
      min[j] = numbers[j] < min[j] ? numbers[j] : min[j];
      max[j] = numbers[j] > max[j] ? numbers[j] : max[j];
      double value = (double)numbers[j];
      sum[j] += value;
      squares[j] += value * value;
    }
  }
  FloatScan scan = {.min = INFINITY, .max = -INFINITY, .least = INFINITY};
  memcpy(scan.sum, sum, sizeof sum);
  memcpy(scan.squares, squares, sizeof squares);
  for (unsigned j = 0; j < KERNEL_LANES; j++) {
    float least = below[j] == UINT32_MAX ? INFINITY : float_from_bits(below[j] + 1);
    scan.zeros += zeros[j];
    scan.min = min[j] < scan.min ? min[j] : scan.min;
    scan.max = max[j] > scan.max ? max[j] : scan.max;
    scan.least = least < scan.least && dtype != DTYPE_F16 ? least : scan.least;
  }
  *out = scan;
}

static ALWAYS_INLINE void range_all(Number *number_at, const unsigned char *data, uint64_t count,
                                    FloatRange *out) {
  FloatRange range = {.min = INFINITY, .max = -INFINITY, .finite = true};
  for (uint64_t i = 0; i < count; i++) {
    float number = number_at(data, i);
    range.finite &= fabsf(number) < INFINITY;
    range.zeros += number == 0;
    range.min = number < range.min ? number : range.min;
    range.max = number > range.max ? number : range.max;
  }
  *out = range;
}

#define FLOATS(dtype)                                                                     \
  static void scan_##dtype(const unsigned char *data, uint64_t count, FloatScan *out) {   \
    scan_all(DTYPE_##dtype, number_##dtype, data, count, out);                            \
  }                                                                                       \
  static void range_##dtype(const unsigned char *data, uint64_t count, FloatRange *out) { \
    range_all(number_##dtype, data, count, out);                                          \
  }
FLOATS(F32)
FLOATS(F16)
FLOATS(BF16)
#undef FLOATS

/* ---- Doubles ---- */

static void scan_doubles(const void *data, uint64_t count, DoubleScan *out) {
  DoubleScan scan = {0};
  for (unsigned j = 0; j < KERNEL_LANES; j++) {
    scan.min[j] = INFINITY;
    scan.max[j] = -INFINITY;
  }
  for (uint64_t i = 0; i < count; i += KERNEL_LANES) {
    for (unsigned j = 0; j < KERNEL_LANES; j++) {
      double number = double_at(data, i + j);
      scan.zeros[j] += number == 0;
      scan.min[j] = number < scan.min[j] ? number : scan.min[j];
      scan.max[j] = number > scan.max[j] ? number : scan.max[j];
      DoubleDouble sum = double_two_sum(scan.sum_high[j], number);
      scan.sum_high[j] = sum.high;
      scan.sum_low[j] += sum.low;
    }
  }
  *out = scan;
}

static void deviations(const void *data, uint64_t count, double mean, double *out) {
  double squares[KERNEL_LANES] = {0};
  for (uint64_t i = 0; i < count; i += KERNEL_LANES) {
    for (unsigned j = 0; j < KERNEL_LANES; j++) {
      double distance = double_at(data, i + j) - mean;
      squares[j] += distance * distance;
    }
  }
  memcpy(out, squares, sizeof squares);
}

const ScanKernels scan_kernels_portable = {
    .scan = {[DTYPE_F32] = scan_F32, [DTYPE_F16] = scan_F16, [DTYPE_BF16] = scan_BF16},
    .range = {[DTYPE_F32] = range_F32, [DTYPE_F16] = range_F16, [DTYPE_BF16] = range_BF16},
    .doubles = scan_doubles,
    .deviations = deviations,
};
