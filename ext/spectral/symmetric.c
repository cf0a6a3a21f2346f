#include "spectral/symmetric.h"

#include <float.h>
#include <math.h>

#include "base/sort.h"

enum { SYMMETRIC_MAX_TURNS = 60 };

/* ---- Tridiagonal ---- */

/* Makes a vector of `length` numbers the one of a reflection that leaves its last number alone: x becomes v, and
** (0, ..., 0, result) what x is reflected to. Returns the factor: I - factor v v^T. */
static double symmetric_reflect(double *x, uint64_t length, double *result) {
  double squares = 0, alpha = x[length - 1];
  for (uint64_t i = 0; i + 1 < length; i++) squares += x[i] * x[i];
  *result = alpha;
  if (squares == 0) return 0;
  double norm = sqrt(squares + alpha * alpha), beta = alpha > 0 ? -norm : norm;
  for (uint64_t i = 0; i + 1 < length; i++) x[i] /= alpha - beta;
  x[length - 1] = 1;
  *result = beta;
  return (beta - alpha) / beta;
}

/* out = A v for the lower triangle of A. */
static void symmetric_multiply(const double *matrix, uint64_t n, uint64_t stride, const double *v,
                               double *out) {
  for (uint64_t i = 0; i < n; i++) {
    const double *row = matrix + i * stride;
    double sum = 0, factor = v[i];
    for (uint64_t j = 0; j < i; j++) {
      sum += row[j] * v[j];
      out[j] += factor * row[j];
    }
    out[i] = sum + row[i] * factor;
  }
}

/* Reflects the leading n x n part from both sides by the vector v, a row of the matrix. */
static void symmetric_reflect_both(double *matrix, uint64_t n, uint64_t stride, const double *v,
                                   double factor, double *spare) {
  symmetric_multiply(matrix, n, stride, v, spare);
  double product = 0;
  for (uint64_t i = 0; i < n; i++) product += spare[i] * v[i];
  for (uint64_t i = 0; i < n; i++) spare[i] = factor * (spare[i] - factor / 2 * product * v[i]);
  for (uint64_t i = 0; i < n; i++) {
    double *row = matrix + i * stride, a = v[i], b = spare[i];
    for (uint64_t j = 0; j <= i; j++) row[j] -= a * spare[j] + b * v[j];
  }
}

/* From the last row to the first: row i gets one number beside the diagonal. */
static bool symmetric_reduce(double *matrix, uint64_t n, uint64_t stride, double *diagonal,
                             double *beside, double *spare, const Asking *asking, Error *error) {
  for (uint64_t i = n; i-- > 0;) {
    double *row = matrix + i * stride;
    diagonal[i] = row[i];
    beside[i] = 0;
    if (i == 0) break;
    double factor = symmetric_reflect(row, i, &beside[i]);
    if (factor != 0) symmetric_reflect_both(matrix, i, stride, row, factor, spare);
    if (!asking_go_on(asking, error)) return false;
  }
  return true;
}

/* ---- Diagonal ---- */

/* One QL step on the rows first to last. beside[i] is between i - 1 and i. */
static void symmetric_step(double *diagonal, double *beside, uint64_t first, uint64_t last) {
  double difference = (diagonal[first + 1] - diagonal[first]) / (2 * beside[first + 1]);
  double root = hypot(difference, 1);
  double shifted = diagonal[last] - diagonal[first] +
                   beside[first + 1] / (difference + (difference >= 0 ? root : -root));
  double sine = 1, cosine = 1, change = 0;
  for (uint64_t i = last; i-- > first;) {
    double f = sine * beside[i + 1], b = cosine * beside[i + 1];
    double r = hypot(f, shifted);
    if (i + 1 < last) beside[i + 2] = r;
    if (r == 0) { /* it falls apart */
      diagonal[i + 1] -= change;
      if (i + 1 < last) beside[i + 2] = 0;
      return;
    }
    sine = f / r;
    cosine = shifted / r;
    shifted = diagonal[i + 1] - change;
    double t = (diagonal[i] - shifted) * sine + 2 * cosine * b;
    change = sine * t;
    diagonal[i + 1] = shifted + change;
    shifted = cosine * t - b;
  }
  diagonal[first] -= change;
  beside[first + 1] = shifted;
}

static bool symmetric_is_zero(const double *diagonal, const double *beside, uint64_t i) {
  double sum = fabs(diagonal[i - 1]) + fabs(diagonal[i]);
  return fabs(beside[i]) <= DBL_EPSILON * sum;
}

static bool symmetric_diagonalise(double *diagonal, double *beside, uint64_t n,
                                  const Asking *asking, Error *error) {
  for (uint64_t first = 0; first < n; first++) {
    for (unsigned turn = 0; turn < SYMMETRIC_MAX_TURNS; turn++) {
      uint64_t last = first;
      while (last + 1 < n && !symmetric_is_zero(diagonal, beside, last + 1)) last++;
      if (last == first) break;
      symmetric_step(diagonal, beside, first, last);
      if (!asking_go_on(asking, error)) return false;
    }
  }
  return true;
}

static int symmetric_compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? 1 : x > y ? -1 : 0;
}

bool symmetric_values(double *matrix, uint64_t n, uint64_t stride, double *values, double *spare,
                      const Asking *asking, Error *error) {
  double *beside = spare, *more = spare + n;
  if (!symmetric_reduce(matrix, n, stride, values, beside, more, asking, error) ||
      !symmetric_diagonalise(values, beside, n, asking, error))
    return false;
  return sort_rows(values, n, sizeof *values, symmetric_compare, NULL, NULL, error);
}
