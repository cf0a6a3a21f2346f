/* Rotations: by the Cayley transform of skew-symmetric matrices, and by pairs of rows. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "expression/whole.h"

/* ---- Linear equations ---- */

static void rotation_exchange(double *a, double *b, uint64_t size) {
  for (uint64_t i = 0; i < size; i++) {
    double held = a[i];
    a[i] = b[i];
    b[i] = held;
  }
}

/* Subtracts `factor` times a row from another. */
static void rotation_subtract(double factor, const double *from, double *row, uint64_t size) {
  for (uint64_t i = 0; i < size; i++) row[i] -= factor * from[i];
}

/* Solves a x = b, of size n x n, by elimination with the greatest element of each column; b becomes x. */
static bool rotation_solve(const WholeCall *call, double *a, double *b, uint64_t n, Error *error) {
  for (uint64_t k = 0; k < n; k++) {
    uint64_t pivot = k;
    for (uint64_t r = k + 1; r < n; r++) {
      if (fabs(a[r * n + k]) > fabs(a[pivot * n + k])) pivot = r;
    }
    if (pivot != k) {
      rotation_exchange(a + k * n, a + pivot * n, n);
      rotation_exchange(b + k * n, b + pivot * n, n);
    }
    for (uint64_t r = k + 1; r < n; r++) {
      double factor = a[r * n + k] / a[k * n + k];
      if (factor == 0) continue;
      rotation_subtract(factor, a + k * n + k, a + r * n + k, n - k);
      rotation_subtract(factor, b + k * n, b + r * n, n);
    }
    if (!whole_go_on(call, error)) return false;
  }
  for (uint64_t k = n; k-- > 0;) {
    for (uint64_t r = k + 1; r < n; r++) rotation_subtract(a[k * n + r], b + r * n, b + k * n, n);
    for (uint64_t i = 0; i < n; i++) b[k * n + i] /= a[k * n + k];
    if (!whole_go_on(call, error)) return false;
  }
  return true;
}

/* The transpose of (I - Q) (I + Q)^-1, which is (I - Q)^-1 (I + Q) as Q is skew-symmetric. `room` has space
** for n x n numbers. */
static bool rotation_cayley(const WholeCall *call, const double *q, uint64_t n, double *room,
                            double *out, Error *error) {
  for (uint64_t i = 0; i < n * n; i++) {
    room[i] = -q[i];
    out[i] = q[i];
  }
  for (uint64_t i = 0; i < n; i++) {
    room[i * n + i] += 1;
    out[i * n + i] += 1;
  }
  return rotation_solve(call, room, out, n, error);
}

/* ---- OFT ---- */

/* The skew-symmetric matrix of an upper triangle, no further from 0 than `bound`, if that is not 0. */
static void rotation_skew(const double *upper, uint64_t n, double bound, double *q) {
  double squares = 0;
  memset(q, 0, (size_t)(n * n) * sizeof *q);
  for (uint64_t i = 0; i < n; i++) {
    for (uint64_t j = i + 1; j < n; j++, upper++) {
      q[i * n + j] = *upper;
      q[j * n + i] = -*upper;
      squares += 2 * *upper * *upper;
    }
  }
  if (bound == 0 || sqrt(squares) <= bound) return;
  for (uint64_t i = 0; i < n * n; i++) q[i] *= bound / sqrt(squares);
}

/* out = a b */
static bool rotation_multiply(const WholeCall *call, const double *a, const double *b, uint64_t n,
                              double *out, Error *error) {
  memset(out, 0, (size_t)(n * n) * sizeof *out);
  for (uint64_t i = 0; i < n; i++) {
    for (uint64_t k = 0; k < n; k++) rotation_subtract(-a[i * n + k], b + k * n, out + i * n, n);
    if (!whole_go_on(call, error)) return false;
  }
  return true;
}

static void rotation_add(double factor, const double *power, uint64_t n, double *out) {
  for (uint64_t i = 0; i < n; i++) /* the transpose of the power */
    for (uint64_t j = 0; j < n; j++) out[j * n + i] += factor * power[i * n + j];
}

/* The transpose of 2 Q + 2 Q^2 + ... + Q^last, as PEFT adds them up: with three terms, up to Q^3. `room` is of
** two matrices, of which the first is Q. */
static bool rotation_neumann(const WholeCall *call, const double *q, uint64_t n, uint64_t terms,
                             double *room, double *out, Error *error) {
  double *power = room, *next = room + n * n;
  if (terms < 2) return true;
  memcpy(power, q, (size_t)(n * n) * sizeof *power);
  rotation_add(2, power, n, out);
  uint64_t last = terms > 3 ? terms - 1 : 3;
  for (uint64_t i = 2; terms > 2 && i <= last; i++) {
    if (!rotation_multiply(call, power, q, n, next, error)) return false;
    double *held = power;
    power = next;
    next = held;
    rotation_add(i < last ? 2 : 1, power, n, out);
  }
  return true;
}

bool whole_oft(const WholeCall *call, Error *error) {
  uint64_t blocks = call->shapes[0]->shape[0], size = call->shapes[0]->shape[1];
  uint64_t n = (uint64_t)call->parameters[0], terms = (uint64_t)call->parameters[1];
  double *q = memory_zeroed(3, n * n * sizeof *q);
  bool good = q != NULL || error_memory(error);
  for (uint64_t b = 0; good && b < blocks; b++) {
    double *out = call->out + b * n * n;
    rotation_skew(call->args[0] + b * size, n, call->parameters[2], q);
    good = terms > 0 ? rotation_neumann(call, q, n, terms, q + n * n, out, error)
                     : rotation_cayley(call, q, n, q + n * n, out, error);
    for (uint64_t i = 0; terms == 0 && i < n; i++) out[i * n + i] -= 1;
    good = good && whole_go_on(call, error);
  }
  memory_free(q);
  return good;
}

/* ---- BOFT ---- */

bool whole_boft(const WholeCall *call, Error *error) {
  uint64_t n = call->shapes[0]->shape[2], count = call->shapes[0]->shape[0];
  double *k = memory_zeroed(2, n * n * sizeof *k);
  bool good = k != NULL || error_memory(error);
  for (uint64_t b = 0; good && b < count; b++) {
    const double *r = call->args[0] + b * n * n;
    for (uint64_t i = 0; i < n; i++)
      for (uint64_t j = 0; j < n; j++) k[i * n + j] = 0.5 * (r[i * n + j] - r[j * n + i]);
    good = rotation_cayley(call, k, n, k + n * n, call->out + b * n * n, error) &&
           whole_go_on(call, error);
  }
  memory_free(k);
  return good;
}

/* ---- RoAd ---- */

bool whole_road(const WholeCall *call, Error *error) {
  uint64_t out = call->numel / 2, group = (uint64_t)call->parameters[1], half = group / 2;
  int variant = (int)call->parameters[0];
  for (uint64_t i = 0; i < out; i++) {
    uint64_t cosine = i, sine = i;
    if (variant == 1) cosine = sine = i / group * half + i % half;
    if (variant == 4) {
      cosine = i / group * 2 * group + i % group;
      sine = cosine + group;
    }
    double s = call->args[1][sine] * sin(call->args[0][sine]);
    call->out[i] = call->args[1][cosine] * cos(call->args[0][cosine]) - 1;
    call->out[out + i] = i % group < half ? -s : s;
    if (i % 4096 == 0 && !whole_go_on(call, error)) return false;
  }
  return true;
}
