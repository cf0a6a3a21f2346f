#include "spectral/jacobi.h"

#include <float.h>
#include <math.h>

enum { JACOBI_MAX_SWEEPS = 40, JACOBI_LANES = 8, JACOBI_ASK = 64 };

static double jacobi_product(const double *a, const double *b, uint64_t length) {
  double sums[JACOBI_LANES] = {0};
  uint64_t i = 0;
  for (; i + JACOBI_LANES <= length; i += JACOBI_LANES) {
    for (unsigned lane = 0; lane < JACOBI_LANES; lane++) sums[lane] += a[i + lane] * b[i + lane];
  }
  double sum = 0;
  for (; i < length; i++) sum += a[i] * b[i];
  for (unsigned lane = 0; lane < JACOBI_LANES; lane++) sum += sums[lane];
  return sum;
}

static void jacobi_turn(double *a, double *b, uint64_t length, double cosine, double sine) {
  for (uint64_t i = 0; i < length; i++) {
    double x = a[i], y = b[i];
    a[i] = cosine * x - sine * y;
    b[i] = sine * x + cosine * y;
  }
}

static void jacobi_exchange(double *a, double *b, uint64_t length) {
  for (uint64_t i = 0; i < length; i++) {
    double x = a[i];
    a[i] = b[i];
    b[i] = x;
  }
}

/* Makes two rows orthogonal. squares are those of all rows. Returns whether they were not yet. */
static bool jacobi_pair(double *a, double *b, uint64_t length, double *a_square, double *b_square) {
  double product = jacobi_product(a, b, length);
  if (fabs(product) <= (double)length / 8 * DBL_EPSILON * sqrt(*a_square) * sqrt(*b_square))
    return false;
  double zeta = (*b_square - *a_square) / (2 * product);
  double tangent = (zeta >= 0 ? 1 : -1) / (fabs(zeta) + sqrt(1 + zeta * zeta));
  double cosine = 1 / sqrt(1 + tangent * tangent);
  jacobi_turn(a, b, length, cosine, cosine * tangent);
  *a_square -= tangent * product;
  *b_square += tangent * product;
  return true;
}

/* Puts the greatest of the rows from `first` on there. */
static void jacobi_bring(double *rows, uint64_t n, uint64_t length, uint64_t stride,
                         double *squares, uint64_t first) {
  uint64_t best = first;
  for (uint64_t i = first + 1; i < n; i++) {
    if (squares[i] > squares[best]) best = i;
  }
  if (best == first) return;
  jacobi_exchange(rows + first * stride, rows + best * stride, length);
  double square = squares[first];
  squares[first] = squares[best];
  squares[best] = square;
}

/* One turn over all pairs. Sets *turned to whether any was not orthogonal. */
static bool jacobi_sweep(double *rows, uint64_t n, uint64_t length, uint64_t stride,
                         double *squares, bool *turned, const Asking *asking, Error *error) {
  *turned = false;
  for (uint64_t i = 0; i < n; i++) { /* sums of squares lose digits with each turn */
    squares[i] = jacobi_product(rows + i * stride, rows + i * stride, length);
  }
  for (uint64_t i = 0; i < n; i++) {
    jacobi_bring(rows, n, length, stride, squares, i);
    for (uint64_t j = i + 1; j < n; j++) {
      bool found =
          jacobi_pair(rows + i * stride, rows + j * stride, length, &squares[i], &squares[j]);
      *turned = *turned || found;
      if (j % JACOBI_ASK == 0 && !asking_go_on(asking, error)) return false;
    }
  }
  return true;
}

bool jacobi_rotate(double *rows, uint64_t n, uint64_t length, uint64_t stride, double *values,
                   const Asking *asking, Error *error) {
  bool turned = true;
  for (unsigned sweep = 0; turned && sweep < JACOBI_MAX_SWEEPS; sweep++) {
    if (!jacobi_sweep(rows, n, length, stride, values, &turned, asking, error)) return false;
  }
  for (uint64_t i = 0; i < n; i++) {
    values[i] = jacobi_product(rows + i * stride, rows + i * stride, length);
  }
  for (uint64_t i = 0; i < n; i++) {
    jacobi_bring(rows, n, length, stride, values, i);
    values[i] = sqrt(values[i]);
  }
  return true;
}
