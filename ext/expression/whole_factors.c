/* Factors by Householder reflections: products of them, and QR decompositions. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "expression/whole.h"

/* Column j of a matrix with `count` columns. */
static double factors_dot(const double *a, uint64_t i, uint64_t j, uint64_t from, uint64_t rows,
                          uint64_t columns) {
  double sum = 0;
  for (uint64_t r = from; r < rows; r++) sum += a[r * columns + i] * a[r * columns + j];
  return sum;
}

static void factors_scale(double *a, uint64_t j, double factor, uint64_t from, uint64_t rows,
                          uint64_t columns) {
  for (uint64_t r = from; r < rows; r++) a[r * columns + j] *= factor;
}

/* Adds `factor` times column i to column j. */
static void factors_add(double *a, uint64_t i, uint64_t j, double factor, uint64_t from,
                        uint64_t rows, uint64_t columns) {
  for (uint64_t r = from; r < rows; r++) a[r * columns + j] += factor * a[r * columns + i];
}

/* ---- HRA ---- */

/* Makes the columns orthogonal and of length 1, or only the latter. */
static bool factors_normalise(const WholeCall *call, double *u, uint64_t rows, uint64_t columns,
                              bool orthogonal, Error *error) {
  for (uint64_t j = 0; j < columns; j++) {
    for (uint64_t i = 0; orthogonal && i < j; i++) {
      factors_add(u, i, j, -factors_dot(u, i, j, 0, rows, columns), 0, rows, columns);
      if (!whole_go_on(call, error)) return false;
    }
    factors_scale(u, j, 1 / sqrt(factors_dot(u, j, j, 0, rows, columns)), 0, rows, columns);
    if (!whole_go_on(call, error)) return false;
  }
  return true;
}

/* T with H = I - U T U^T, upper triangular, for the product of I - 2 u u^T in the order of the columns. */
static bool factors_compact(const WholeCall *call, const double *u, uint64_t rows, uint64_t columns,
                            double *t, Error *error) {
  for (uint64_t i = 0; i < columns; i++) {
    t[i * columns + i] = 2;
    for (uint64_t j = 0; j < i; j++) {
      double dot = factors_dot(u, j, i, 0, rows, columns);
      for (uint64_t k = 0; k <= j; k++) t[k * columns + i] -= 2 * t[k * columns + j] * dot;
      if (!whole_go_on(call, error)) return false;
    }
  }
  return true;
}

bool whole_hra(const WholeCall *call, Error *error) {
  uint64_t rows = call->shapes[0]->shape[0], columns = call->shapes[0]->shape[1];
  bool orthogonal = call->parameters[0] != 0;
  double *u = memory_zeroed(rows + columns, columns * sizeof *u), *t;
  if (u == NULL) return error_memory(error);
  t = u + rows * columns;
  memcpy(u, call->args[0], (size_t)(rows * columns) * sizeof *u);
  bool good = factors_normalise(call, u, rows, columns, orthogonal, error);
  for (uint64_t i = 0; i < columns; i++) t[i * columns + i] = 2;
  good = good && (orthogonal || factors_compact(call, u, rows, columns, t, error));
  for (uint64_t r = 0; good && r < rows; r++) {
    for (uint64_t j = 0; j < columns; j++) {
      double sum = 0;
      for (uint64_t k = 0; k <= j; k++) sum += u[r * columns + k] * t[k * columns + j];
      call->out[r * columns + j] = sum;
      call->out[rows * columns + j * rows + r] = u[r * columns + j];
    }
    good = whole_go_on(call, error);
  }
  memory_free(u);
  return good;
}

/* ---- QR ---- */

/* The reflection that makes column j zero below row j, which is I - tau v v^T with v[j] = 1; what lies below the
** diagonal becomes v. Source: LAPACK's dlarfg. */
static double factors_reflect(double *a, uint64_t j, uint64_t rows, uint64_t columns) {
  double alpha = a[j * columns + j], below = sqrt(factors_dot(a, j, j, j + 1, rows, columns));
  if (below == 0) return 0;
  double beta = -copysign(sqrt(alpha * alpha + below * below), alpha);
  factors_scale(a, j, 1 / (alpha - beta), j + 1, rows, columns);
  a[j * columns + j] = beta;
  return (beta - alpha) / beta;
}

/* Applies the reflection of column j to column c, from row j on. */
static void factors_apply(double *a, uint64_t j, double tau, uint64_t c, uint64_t rows,
                          uint64_t columns) {
  double sum = a[j * columns + c] + factors_dot(a, j, c, j + 1, rows, columns);
  a[j * columns + c] -= tau * sum;
  factors_add(a, j, c, -tau * sum, j + 1, rows, columns);
}

bool whole_qr(const WholeCall *call, Error *error) {
  uint64_t rows = call->shapes[0]->shape[0], columns = call->shapes[0]->shape[1];
  double *a = call->out, *tau = memory_zeroed(columns, sizeof *tau);
  if (tau == NULL) return error_memory(error);
  bool good = true;
  memcpy(a, call->args[0], (size_t)call->numel * sizeof *a);
  for (uint64_t j = 0; good && j < columns; j++) {
    tau[j] = factors_reflect(a, j, rows, columns);
    for (uint64_t c = j + 1; good && c < columns; c++) {
      factors_apply(a, j, tau[j], c, rows, columns);
      good = whole_go_on(call, error);
    }
  }
  for (uint64_t j = columns; good && j-- > 0;) { /* dorg2r: the columns of Q, from the last on */
    for (uint64_t c = j + 1; good && c < columns; c++) {
      a[j * columns + c] = 0;
      factors_apply(a, j, tau[j], c, rows, columns);
      good = whole_go_on(call, error);
    }
    factors_scale(a, j, -tau[j], j + 1, rows, columns);
    a[j * columns + j] = 1 - tau[j];
    for (uint64_t r = 0; r < j; r++) a[r * columns + j] = 0;
    good = good && whole_go_on(call, error);
  }
  memory_free(tau);
  return good;
}
