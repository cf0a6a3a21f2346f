#include "tensor/moments.h"

#include <math.h>
#include <stdbool.h>

static bool moments_are_zero(const Moments *moments) {
  return moments->sum.high == 0 && moments->squares.high == 0;
}

/* Changes the exponent to a larger one, or to any one if the moments are zero. */
static void moments_change_exponent(Moments *moments, int exponent) {
  int shift = moments->exponent - exponent;
  moments->exponent = exponent;
  moments->sum.high = ldexp(moments->sum.high, shift);
  moments->sum.low = ldexp(moments->sum.low, shift);
  moments->squares.high = ldexp(moments->squares.high, 2 * shift);
  moments->squares.low = ldexp(moments->squares.low, 2 * shift);
}

/* What the distance between the means of two groups adds to the sum of squares. */
static double moments_between(const Moments *a, const Moments *b) {
  double a_count = (double)a->count, b_count = (double)b->count;
  DoubleDouble a_share = double_double_multiply(a->sum, b_count);
  DoubleDouble b_share = double_double_multiply(b->sum, a_count);
  double apart = double_double_subtract(b_share, a_share).high;
  /* A difference below the resolution of 106 bits is the rounding error of equal means. */
  if (fabs(apart) <= 0x1p-100 * fabs(a_share.high)) return 0;
  double distance = apart / (a_count * b_count);
  return distance * distance * (a_count * b_count / (a_count + b_count));
}

Moments moments_of_sums(uint64_t count, double sum, DoubleDouble squares) {
  DoubleDouble apart = double_double_subtract(double_double_multiply(squares, (double)count),
                                              double_two_product(sum, sum));
  return (Moments){
      .count = count, .sum = {sum, 0}, .squares = {double_double_divide(apart, (double)count), 0}};
}

void moments_merge(Moments *moments, const Moments *more) {
  if (more->count == 0) return;
  if (moments->count == 0) {
    *moments = *more;
    return;
  }
  Moments other = *more;
  if (moments_are_zero(&other) ||
      (other.exponent < moments->exponent && !moments_are_zero(moments))) {
    moments_change_exponent(&other, moments->exponent);
  } else {
    moments_change_exponent(moments, other.exponent);
  }
  DoubleDouble apart = {moments_between(moments, &other), 0};
  moments->squares = double_double_add(moments->squares, double_double_add(other.squares, apart));
  moments->sum = double_double_add(moments->sum, other.sum);
  moments->count += other.count;
}

double moments_mean(const Moments *moments) {
  return ldexp(double_double_divide(moments->sum, (double)moments->count), moments->exponent);
}

double moments_deviation(const Moments *moments) {
  return ldexp(sqrt(moments->squares.high / (double)moments->count), moments->exponent);
}

double moments_norm(const Moments *moments) {
  if (moments->count == 0) return 0;
  double mean = double_double_divide(moments->sum, (double)moments->count);
  double about_0 = moments->squares.high + mean * moments->sum.high;
  return ldexp(sqrt(about_0), moments->exponent);
}
