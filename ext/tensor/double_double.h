/*
** Numbers of twice the precision of a double, 106 bits, as the unevaluated sum of two doubles. They
** serve for sums that must be right even if most of their terms cancel.
**
** All functions rely on each operation being rounded once, to nearest. The results are the same on
** every machine with IEEE 754 doubles.
**
** Sources: T. J. Dekker, A floating-point technique for extending the available precision (1971);
** Y. Hida, X. S. Li, D. H. Bailey, Library for double-double and quad-double arithmetic (2007).
*/
#ifndef SAFETENSORS_TENSOR_DOUBLE_DOUBLE_H
#define SAFETENSORS_TENSOR_DOUBLE_DOUBLE_H

#include "base/arithmetic.h"

typedef struct DoubleDouble {
  double high, low; /* high is the rounded sum of both */
} DoubleDouble;

/* a + b, exactly. Requires |a| >= |b|, or a == 0. */
static inline DoubleDouble double_fast_two_sum(double a, double b) {
  double sum = a + b;
  return (DoubleDouble){sum, b - (sum - a)};
}

/* a + b, exactly. */
static inline DoubleDouble double_two_sum(double a, double b) {
  double sum = a + b, part = sum - a;
  return (DoubleDouble){sum, (a - (sum - part)) + (b - part)};
}

/* a * b, exactly. Requires |a| and |b| below 2^995, and a product whose last bits do not
** underflow. */
static inline DoubleDouble double_two_product(double a, double b) {
  const double splitter = 0x1p27 + 1;
  double a_split = splitter * a, b_split = splitter * b, product = a * b;
  double a_high = a_split - (a_split - a), b_high = b_split - (b_split - b);
  double a_low = a - a_high, b_low = b - b_high;
  return (DoubleDouble){
      product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
}

static inline DoubleDouble double_double_add(DoubleDouble a, DoubleDouble b) {
  DoubleDouble high = double_two_sum(a.high, b.high), low = double_two_sum(a.low, b.low);
  high = double_fast_two_sum(high.high, high.low + low.high);
  return double_fast_two_sum(high.high, high.low + low.low);
}

static inline DoubleDouble double_double_subtract(DoubleDouble a, DoubleDouble b) {
  return double_double_add(a, (DoubleDouble){-b.high, -b.low});
}

static inline DoubleDouble double_double_multiply(DoubleDouble a, double b) {
  DoubleDouble product = double_two_product(a.high, b);
  return double_fast_two_sum(product.high, product.low + a.low * b);
}

/* a / b, rounded to a double. */
static inline double double_double_divide(DoubleDouble a, double b) {
  double quotient = a.high / b;
  DoubleDouble product = double_two_product(quotient, b);
  return quotient + (((a.high - product.high) - product.low) + a.low) / b;
}

#endif
