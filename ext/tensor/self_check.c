#include "tensor/self_check.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "tensor/double_double.h"
#include "tensor/moments.h"
#include "tensor/value.h"

/* The compiler must not know these numbers. Otherwise it would evaluate the expressions itself,
** perhaps differently from the machine. */
static volatile const double self_check_one = 1, self_check_three = 3, self_check_five = 5,
                             self_check_tiny = 0x1p-53, self_check_huge = 0x1p54,
                             self_check_subnormal = 0x1p-1073, self_check_infinite = INFINITY;

/* Rounding to nearest, ties to even; divisions that are not turned into multiplications; subnormal
** numbers that are not flushed to 0. */
static bool self_check_rounds(void) {
  double sum = self_check_one + self_check_tiny, more = self_check_one + 3 * self_check_tiny,
         above = self_check_one + self_check_tiny;
  return sum == 1 && more == 1 + 0x1p-51 && above - self_check_one == 0 &&
         self_check_five / self_check_three !=
             self_check_five * (self_check_one / self_check_three) &&
         self_check_subnormal / 2 != 0 && self_check_subnormal * 2 == 0x1p-1072 &&
         (float)(self_check_subnormal * 0x1p924) != 0;
}

/* A product is rounded before something is added to it or subtracted from it. Otherwise the
** rounding error would show. */
static bool self_check_rounds_products(void) {
  double factor = self_check_one + 0x1p-30, rounded = self_check_one + 0x1p-29;
  float single = (float)self_check_one + 0x1p-13f,
        single_rounded = (float)self_check_one + 0x1p-12f;
  /* cppcheck-suppress duplicateExpression */
  return factor * factor - rounded == 0 && rounded - factor * factor == 0 &&
         factor * factor + -rounded == 0 && single * single - single_rounded == 0;
}

/* NaN, infinity and both zeros. */
static bool self_check_special_values(void) {
  double none = self_check_infinite - self_check_infinite, minus = -1 / self_check_infinite;
  return isnan(none) && !(none == none) && !(none < self_check_one) && !isfinite(none) &&
         isinf(self_check_infinite) && signbit(minus) && double_bits(minus + 0.0) == 0 &&
         double_bits(minus * self_check_one) >> 63 == 1;
}

/* Sums and products with their rounding errors. */
static bool self_check_compensates(void) {
  DoubleDouble sum = double_two_sum(self_check_one, 0x1p60 * self_check_three), product;
  product = double_two_product(self_check_one + 0x1p-30, self_check_one + 0x1p-30);
  DoubleDouble third = {self_check_one / self_check_three, 0};
  third = double_double_subtract(double_double_multiply(third, self_check_three),
                                 (DoubleDouble){self_check_one, 0});
  return sum.high == 0x1.8p61 && sum.low == 1 && product.high == 1 + 0x1p-29 &&
         product.low == 0x1p-60 && third.high == -0x1p-54 &&
         double_double_divide((DoubleDouble){self_check_one, -self_check_tiny / 2},
                              self_check_three) == 0x1.5555555555555p-2;
}

/* Each lane gets huge, 1, -huge, 1. The sum loses the 1s, so they must show up in its
** compensation. */
static bool self_check_kernels_sum(const Kernels *kernels) {
  double numbers[4 * KERNEL_LANES], sum = 0;
  for (unsigned i = 0; i < 4 * KERNEL_LANES; i++) {
    const double turns[] = {self_check_huge, self_check_one, -self_check_huge, self_check_one};
    numbers[i] = turns[i / KERNEL_LANES];
  }
  DoubleScan scan;
  kernels->scan_doubles(numbers, 4 * KERNEL_LANES, &scan);
  for (unsigned j = 0; j < KERNEL_LANES; j++) {
    if (scan.sum_high[j] != 1 || scan.sum_low[j] != 1) return false;
    sum += scan.min[j] + scan.max[j];
  }
  return sum == 0;
}

/* Each lane gets two numbers whose squares add up to half a unit in the last place of 1, and one
** number whose square is slightly above 1 + 2^-29. If that square is not rounded before it is
** added, the sum is rounded up. */
static bool self_check_kernels_square(const Kernels *kernels) {
  double numbers[4 * KERNEL_LANES] = {0}, lanes[KERNEL_LANES];
  PairSums sums;
  for (unsigned i = 0; i < 3 * KERNEL_LANES; i++) {
    numbers[i] = i < 2 * KERNEL_LANES ? self_check_one * 0x1p-27 : self_check_one + 0x1p-30;
  }
  kernels->deviations(numbers, 4 * KERNEL_LANES, 0, lanes);
  for (unsigned j = 0; j < KERNEL_LANES; j++) {
    if (lanes[j] != 1 + 0x1p-29) return false;
  }
  double three_each[3 * PAIR_LANES];
  for (unsigned i = 0; i < 3 * PAIR_LANES; i++) {
    three_each[i] = numbers[i / PAIR_LANES * KERNEL_LANES];
  }
  kernels->pairs[DTYPE_F64](three_each, three_each, 3 * PAIR_LANES, &sums);
  const double expected = (double)PAIR_LANES * (1 + 0x1p-29);
  return sums.products == expected && sums.a_squares == expected && sums.unequal == 0 &&
         kernels->squares[DTYPE_F64](three_each, 3 * PAIR_LANES) == expected;
}

/* A NaN among numbers, a subnormal float, and a number on an edge. */
static bool self_check_kernels_special_values(const Kernels *kernels) {
  float floats[SCAN_STEP];
  for (unsigned i = 0; i < SCAN_STEP; i++) floats[i] = (float)(self_check_one * 0x1p-149);
  FloatRange range;
  unsigned char bytes[sizeof floats];
  memcpy(bytes, floats, sizeof bytes);
  kernels->range[DTYPE_F32](bytes, SCAN_STEP, &range);
  if (!range.finite || range.zeros != 0 || range.min != 0x1p-149f) return false;
  floats[5] = (float)(self_check_infinite - self_check_infinite);
  memcpy(bytes, floats, sizeof bytes);
  kernels->range[DTYPE_F32](bytes, SCAN_STEP, &range);
  if (range.finite) return false;

  const double numbers[] = {0.5 * self_check_one, 1 * self_check_one,
                            2.5 * self_check_one, self_check_infinite - self_check_infinite,
                            5 * self_check_one,   -1 * self_check_one};
  enum { SELF_CHECK_COUNT = sizeof numbers / sizeof numbers[0], SELF_CHECK_BINS = 4 };
  const int32_t expected[SELF_CHECK_COUNT] = {0, -1, 2, SELF_CHECK_BINS, -1, -1};
  const Binning binning = {
      .unit = self_check_one, .lo = 0, .scale = self_check_one, .bins = SELF_CHECK_BINS};
  int32_t bins[SELF_CHECK_COUNT];
  return kernels->find_bins[DTYPE_F64](numbers, SELF_CHECK_COUNT, &binning, bins) &&
         memcmp(bins, expected, sizeof bins) == 0;
}

/* Two groups far from 0 whose means are 1 apart. */
static bool self_check_puts_together(void) {
  Moments all = {.count = 2, .sum = {2 * self_check_huge, 0}, .squares = {2 * self_check_one, 0}};
  Moments more = {.count = 2, .sum = {2 * self_check_huge, 2 * self_check_one}, .squares = {0, 0}};
  moments_merge(&all, &more);
  return all.sum.high == 4 * self_check_huge && all.sum.low == 2 && all.squares.high == 3 &&
         moments_deviation(&all) == sqrt(0.75 * self_check_one);
}

bool self_check(Error *error) {
  const Kernels *kernels = kernels_chosen();
  const char *wrong =
      !self_check_rounds()                          ? "rounds its sums"
      : !self_check_rounds_products()               ? "rounds products before it adds them"
      : !self_check_special_values()                ? "takes NaN and infinities"
      : !self_check_compensates()                   ? "keeps what rounding takes from sums"
      : !self_check_puts_together()                 ? "puts sums together"
      : !self_check_kernels_sum(kernels)            ? "keeps what rounding takes from sums in loops"
      : !self_check_kernels_square(kernels)         ? "rounds products before it adds them in loops"
      : !self_check_kernels_special_values(kernels) ? "takes NaN, subnormals and edges in loops"
                                                    : NULL;
  if (wrong == NULL) return true;
  return error_raise(
      error, ERROR_ARGUMENT, "arithmetic",
      "expected code that %s as IEEE 754 does, found (by the %s kernels) that it does "
      "not; compile it without -ffast-math, its parts, and -ffp-contract=fast",
      wrong, kernels->name);
}
