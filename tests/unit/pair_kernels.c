/*
** The kernels over pairs and over rows, every set that this machine can run, against plain loops, to the last bit:
** all counts, all alignments; random numbers, equal ones, zeros; and that what is not finite is reported.
*/
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tensor/encode.h"

enum { MOST = 1032, SHIFTS = 8 };

static int passed, failed;

static void check(bool good, const char *what, const char *kernels) {
  passed += good;
  failed += !good;
  if (!good) printf("FAIL %s: %s\n", kernels, what);
}

static uint64_t random_bits(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1du;
}

/* A number of either sign, with exponents far enough apart that the order of additions shows. */
static double random_number(void) {
  double number = ldexp((double)(random_bits() >> 12), (int)(random_bits() % 40) - 60);
  return random_bits() % 2 == 0 ? number : -number;
}

/* ---- Plain loops ---- */

static double add_up(const double lanes[PAIR_LANES]) {
  double sum = 0;
  for (unsigned j = 0; j < PAIR_LANES; j++) sum += lanes[j];
  return sum;
}

static PairSums expected(const double *a, const double *b, uint64_t count) {
  double lanes[5][PAIR_LANES] = {{0}};
  PairSums sums = {0};
  for (uint64_t i = 0; i < count; i++) {
    unsigned j = i % PAIR_LANES;
    volatile double difference = fabs(a[i] - b[i]); /* volatile: rounded before it goes on */
    volatile double terms[] = {difference, difference * difference, a[i] * b[i], a[i] * a[i],
                               b[i] * b[i]};
    for (int t = 0; t < 5; t++) lanes[t][j] += terms[t];
    sums.unequal += a[i] != b[i];
    if (difference > sums.largest) sums.largest = difference;
  }
  sums.differences = add_up(lanes[0]);
  sums.squared_differences = add_up(lanes[1]);
  sums.products = add_up(lanes[2]);
  sums.a_squares = add_up(lanes[3]);
  sums.b_squares = add_up(lanes[4]);
  return sums;
}

static bool equal(const PairSums *x, const PairSums *y) {
  return x->unequal == y->unequal && x->largest == y->largest && x->differences == y->differences &&
         x->squared_differences == y->squared_differences && x->products == y->products &&
         x->a_squares == y->a_squares && x->b_squares == y->b_squares;
}

/* ---- Numbers, as floats and as doubles, at any address ---- */

typedef struct Numbers64 {
  double values[MOST];
  float floats[MOST];
  unsigned char at[SHIFTS + MOST * sizeof(double)], floats_at[SHIFTS + MOST * sizeof(float)];
} Numbers64;

static void place(Numbers64 *numbers, unsigned shift) {
  memcpy(numbers->at + shift, numbers->values, sizeof numbers->values);
  memcpy(numbers->floats_at + shift, numbers->floats, sizeof numbers->floats);
}

/* Numbers that floats hold, so that both kernels can be given the same ones. */
static void fill(Numbers64 *a, Numbers64 *b) {
  for (unsigned i = 0; i < MOST; i++) {
    a->floats[i] = random_bits() % 16 == 0 ? 0 : (float)random_number();
    b->floats[i] = random_bits() % 4 == 0 ? a->floats[i] : (float)random_number();
    a->values[i] = a->floats[i];
    b->values[i] = b->floats[i];
  }
}

static void test_sums(const Kernels *kernels, const char *name) {
  static Numbers64 a, b;
  fill(&a, &b);
  for (uint64_t count = 0; count <= MOST; count += count < 80 ? PAIR_LANES : 136) {
    PairSums wanted = expected(a.values, b.values, count), sums;
    unsigned shift = (unsigned)(random_bits() % SHIFTS), other = (unsigned)(random_bits() % SHIFTS);
    place(&a, shift);
    place(&b, other);
    kernels->pairs[DTYPE_F32](a.floats_at + shift, b.floats_at + other, count, &sums);
    check(equal(&sums, &wanted), "sums of floats", name);
    kernels->pairs[DTYPE_F64](a.at + shift, b.at + other, count, &sums);
    check(equal(&sums, &wanted), "sums of doubles that floats hold", name);
    check(kernels->squares[DTYPE_F32](a.floats_at + shift, count) == wanted.a_squares &&
              kernels->squares[DTYPE_F64](b.at + other, count) == wanted.b_squares,
          "sums of squares", name);
  }
}

/* Elements as they are stored: the same as of floats made of them. */
static void test_stored(const Kernels *kernels, Dtype dtype) {
  enum { SIZE = 2 * MOST };
  unsigned char a[SHIFTS + SIZE], b[SHIFTS + SIZE];
  float a_floats[MOST], b_floats[MOST];
  if (kernels->pairs[dtype] == NULL) return;
  for (uint64_t count = 0; count <= MOST; count += count < 80 ? PAIR_LANES : 136) {
    unsigned char *x = a + random_bits() % SHIFTS, *y = b + random_bits() % SHIFTS;
    for (uint64_t i = 0; i < count; i++) {
      double numbers[] = {ldexp(random_number(), -20), ldexp(random_number(), -20)};
      encode_doubles(dtype, &numbers[0], i, 1, x);
      encode_doubles(dtype, &numbers[random_bits() % 4 > 0], i, 1, y);
    }
    kernels->convert[dtype](x, count, a_floats);
    kernels->convert[dtype](y, count, b_floats);
    PairSums wanted, sums;
    kernels->pairs[DTYPE_F32](a_floats, b_floats, count, &wanted);
    kernels->pairs[dtype](x, y, count, &sums);
    check(equal(&sums, &wanted) && kernels->squares[dtype](x, count) == wanted.a_squares,
          dtype_name(dtype), kernels->name);
  }
}

static void test_doubles(const Kernels *kernels, const char *name) {
  static Numbers64 a, b;
  for (unsigned i = 0; i < MOST; i++) {
    a.values[i] = random_number() / 3;
    b.values[i] = random_bits() % 4 == 0 ? a.values[i] : random_number() / 7;
  }
  PairSums wanted = expected(a.values, b.values, MOST), sums;
  kernels->pairs[DTYPE_F64](a.values, b.values, MOST, &sums);
  check(equal(&sums, &wanted), "sums of doubles, rounded after each step", name);
  check(kernels->squares[DTYPE_F64](a.values, MOST) == wanted.a_squares, "squares of doubles",
        name);
}

/* Rows that lie apart, of any length, against the sums over pairs of a row and the vector. */
static void test_rows(const Kernels *kernels, const char *name) {
  enum { ROWS = 6, APART = 3 * sizeof(float) };
  static Numbers64 rows[ROWS], vector;
  static unsigned char data[ROWS * (MOST * sizeof(float) + APART) + SHIFTS];
  for (unsigned r = 0; r < ROWS; r++) fill(&rows[r], &vector);
  for (uint64_t count = 0; count <= 83; count++) {
    uint64_t stride = count * sizeof(float) + APART, row_count = count % ROWS + 1;
    unsigned char *at = data + random_bits() % SHIFTS;
    double padded[88 + PAIR_LANES] = {0};
    RowSums products[ROWS], distances[ROWS];
    memcpy(padded, vector.values, (size_t)count * sizeof(double));
    for (unsigned r = 0; r < row_count; r++)
      memcpy(at + r * stride, rows[r].floats, (size_t)count * sizeof(float));
    kernels->row_products[DTYPE_F32](at, stride, row_count, padded, count, products);
    kernels->row_distances[DTYPE_F32](at, stride, row_count, padded, count, distances);
    for (unsigned r = 0; r < row_count; r++) {
      PairSums wanted = expected(rows[r].values, vector.values, count);
      check(products[r].sum == wanted.products && products[r].squares == wanted.a_squares,
            "products of rows", name);
      check(distances[r].sum == wanted.squared_differences && distances[r].squares == 0,
            "distances of rows", name);
    }
  }
}

static void test_not_finite(const Kernels *kernels, const char *name) {
  const float special[] = {NAN, INFINITY, -INFINITY};
  static Numbers64 a, b;
  for (unsigned i = 0; i < 3 * PAIR_LANES; i++) {
    fill(&a, &b);
    Numbers64 *side = i % 2 == 0 ? &a : &b;
    side->floats[i] = special[i % 3];
    side->values[i] = special[i % 3];
    PairSums floats, doubles;
    kernels->pairs[DTYPE_F32](a.floats, b.floats, MOST, &floats);
    kernels->pairs[DTYPE_F64](a.values, b.values, MOST, &doubles);
    bool a_tells = !isfinite(floats.a_squares) && !isfinite(doubles.a_squares);
    bool b_tells = !isfinite(floats.b_squares) && !isfinite(doubles.b_squares);
    check(i % 2 == 0 ? a_tells : b_tells, "what is not finite is reported", name);
    check(!isfinite(kernels->squares[DTYPE_F32](side->floats, MOST)) &&
              !isfinite(kernels->squares[DTYPE_F64](side->values, MOST)),
          "what is not finite is reported by squares", name);
  }
}

int main(void) {
  for (unsigned n = 0; kernels_name(n) != NULL; n++) {
    const char *name = kernels_name(n);
    const Kernels *kernels = kernels_find(name);
    if (kernels == NULL) {
      printf("skipped: kernels %s, which this machine cannot run\n", name);
      continue;
    }
    test_sums(kernels, name);
    test_stored(kernels, DTYPE_F16);
    test_stored(kernels, DTYPE_BF16);
    test_doubles(kernels, name);
    test_not_finite(kernels, name);
    test_rows(kernels, name);
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
