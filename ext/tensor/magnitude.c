#include "tensor/magnitude.h"

#include <math.h>
#include <stdbool.h>

enum { MAGNITUDE_TERMS = 5 };

/* Whether the exact sum of the terms is positive. They are made into an expansion, whose last
** non-zero component has the sign of the sum (J. R. Shewchuk, Adaptive Precision Floating-Point
** Arithmetic and Fast Robust Geometric Predicates, 1997). */
static bool magnitude_is_positive(const double terms[MAGNITUDE_TERMS]) {
  double parts[MAGNITUDE_TERMS] = {0};
  for (unsigned i = 0; i < MAGNITUDE_TERMS; i++) {
    double carried = terms[i];
    for (unsigned j = 0; j < i; j++) {
      DoubleDouble sum = double_two_sum(carried, parts[j]);
      parts[j] = sum.low;
      carried = sum.high;
    }
    parts[i] = carried;
  }
  unsigned last = MAGNITUDE_TERMS - 1;
  while (last > 0 && parts[last] == 0) last--;
  return parts[last] > 0;
}

/* square - root * root, exactly, as the sum of three terms. */
static inline void magnitude_rest_of(DoubleDouble square, double root, double terms[3]) {
  DoubleDouble product = double_two_product(root, root);
  terms[0] = square.high - product.high; /* exact, because both are close together */
  terms[1] = -product.low;
  terms[2] = square.low;
}

/* Resolves a root that lies so close to the midpoint between two doubles that its rounding is in
** doubt, and returns the right one of the two. The root is never the midpoint itself, whose square
** has more bits than the sum of the squares of two floats. */
static DoubleDouble magnitude_settle(DoubleDouble square, DoubleDouble root) {
  double neighbour = nextafter(root.high, root.low > 0 ? INFINITY : 0);
  double half = (neighbour - root.high) / 2, terms[MAGNITUDE_TERMS];
  magnitude_rest_of(square, root.high, terms);
  terms[3] = -2 * root.high * half;
  terms[4] = -half * half;
  if (magnitude_is_positive(terms) != (half > 0)) return root;
  return (DoubleDouble){neighbour, root.low - 2 * half};
}

/* Whether the root, as computed, may have been rounded to the wrong side. */
static inline bool magnitude_in_doubt(DoubleDouble root) {
  return root.high + root.low * (1 + 0x1p-40) != root.high;
}

/* The root of a square: one step of Newton's method from the root of its rounded value. */
static inline DoubleDouble magnitude_step_to_root(DoubleDouble square) {
  double first = sqrt(square.high), terms[3];
  magnitude_rest_of(square, first, terms);
  DoubleDouble rest = double_two_sum(terms[0], terms[1]), all = double_two_sum(rest.high, terms[2]);
  return double_two_sum(first, (all.high + (all.low + rest.low)) / (2 * first));
}

DoubleDouble magnitude_of(double real, double imaginary) {
  if (imaginary == 0 || real == 0) return (DoubleDouble){fabs(real) + fabs(imaginary), 0};
  DoubleDouble a = double_two_product(real, real), b = double_two_product(imaginary, imaginary);
  DoubleDouble square = double_two_sum(a.high, b.high);
  square.low += a.low + b.low;
  DoubleDouble root = magnitude_step_to_root(square);
  return magnitude_in_doubt(root) ? magnitude_settle(square, root) : root;
}

static DoubleDouble magnitude_of_any(double real, double imaginary) {
  if (isinf(real) || isinf(imaginary)) return (DoubleDouble){INFINITY, 0};
  if (isnan(real) || isnan(imaginary)) return (DoubleDouble){NAN, 0};
  return magnitude_of(real, imaginary);
}

void magnitudes_of(const double real[MAGNITUDES], const double imaginary[MAGNITUDES],
                   double high[MAGNITUDES], double low[MAGNITUDES]) {
  double doubts[MAGNITUDES], all = 0;
  for (unsigned i = 0; i < MAGNITUDES; i++) { /* without branches, so that the loop is vectorised */
    DoubleDouble square = double_two_sum(real[i] * real[i], imaginary[i] * imaginary[i]);
    DoubleDouble root = magnitude_step_to_root(square);
    high[i] = root.high;
    low[i] = root.low;
    doubts[i] = (root.high + root.low * (1 + 0x1p-40)) - root.high; /* NaN for 0, too */
  }
  for (unsigned i = 0; i < MAGNITUDES; i++) all += fabs(doubts[i]);
  for (unsigned i = 0; i < MAGNITUDES && all != 0; i++) {
    if (doubts[i] == 0) continue;
    DoubleDouble one = magnitude_of_any(real[i], imaginary[i]);
    high[i] = one.high;
    low[i] = one.low;
  }
}

double magnitude_rounded(double real, double imaginary) {
  double larger = fmax(fabs(real), fabs(imaginary)), smaller = fmin(fabs(real), fabs(imaginary));
  if (smaller == 0 || (larger < 0x1p400 && smaller > 0x1p-400)) {
    return magnitude_of(real, imaginary).high;
  }
  return hypot(real, imaginary);
}
