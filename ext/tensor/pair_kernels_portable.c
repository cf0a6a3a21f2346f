/* The kernels over pairs in plain C: what the others have to agree with. Loops over the lanes have a
** constant length, so that compilers vectorise them. */
#include <math.h>

#include "tensor/kernels.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

typedef double Number(const void *data, uint64_t index);

static ALWAYS_INLINE double float_number(const void *data, uint64_t index) {
  return float_at(data, index);
}

static ALWAYS_INLINE double double_number(const void *data, uint64_t index) {
  return double_at(data, index);
}

static double add_up(const double lanes[PAIR_LANES]) {
  double sum = 0;
  for (unsigned j = 0; j < PAIR_LANES; j++) sum += lanes[j];
  return sum;
}

static ALWAYS_INLINE void scan(Number *number, const void *a, const void *b, uint64_t count,
                               PairSums *out) {
  double differences[PAIR_LANES] = {0}, squared_differences[PAIR_LANES] = {0};
  double largest[PAIR_LANES] = {0}, products[PAIR_LANES] = {0};
  double a_squares[PAIR_LANES] = {0}, b_squares[PAIR_LANES] = {0};
  uint64_t unequal[PAIR_LANES] = {0};
  for (uint64_t i = 0; i < count; i += PAIR_LANES) {
    for (unsigned j = 0; j < PAIR_LANES; j++) {
      double x = number(a, i + j), y = number(b, i + j), difference = fabs(x - y);
      unequal[j] += x != y;
      largest[j] = difference > largest[j] ? difference : largest[j];
      differences[j] += difference;
      squared_differences[j] += difference * difference;
      products[j] += x * y;
      a_squares[j] += x * x;
      b_squares[j] += y * y;
    }
  }
  *out = (PairSums){.differences = add_up(differences),
                    .squared_differences = add_up(squared_differences),
                    .products = add_up(products),
                    .a_squares = add_up(a_squares),
                    .b_squares = add_up(b_squares)};
  for (unsigned j = 0; j < PAIR_LANES; j++) {
    out->unequal += unequal[j];
    if (largest[j] > out->largest) out->largest = largest[j];
  }
}

static ALWAYS_INLINE double squares(Number *number, const void *data, uint64_t count) {
  double sums[PAIR_LANES] = {0};
  for (uint64_t i = 0; i < count; i += PAIR_LANES) {
    for (unsigned j = 0; j < PAIR_LANES; j++) {
      double x = number(data, i + j);
      sums[j] += x * x;
    }
  }
  return add_up(sums);
}

static void floats(const void *a, const void *b, uint64_t count, PairSums *out) {
  scan(float_number, a, b, count, out);
}

static void doubles(const void *a, const void *b, uint64_t count, PairSums *out) {
  scan(double_number, a, b, count, out);
}

static double float_squares(const void *data, uint64_t count) {
  return squares(float_number, data, count);
}

static double double_squares(const void *data, uint64_t count) {
  return squares(double_number, data, count);
}

const PairKernels pair_kernels_portable = {.floats = floats,
                                           .doubles = doubles,
                                           .float_squares = float_squares,
                                           .double_squares = double_squares};
