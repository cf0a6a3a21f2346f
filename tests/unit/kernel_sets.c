/*
** Every function of every set of kernels that this machine can run, against the same function of the
** last set, which is plain C: every length up to four times the lanes, every misalignment, numbers of
** all kinds; nothing is written beyond what is asked for, and, as sanitizers see, nothing read.
**
**     kernel_sets [--time]    with the time that each takes: nanoseconds for an element, in the cache
*/
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel_subjects.h"
#include "kernels/kernels.h"
#include "tensor/codes.h"
#include "tensor/decode.h"
#include "tensor/encode.h"
#include "tensor/numbers.h"

static bool timed;
static const Kernels *plain;

/* Prints what the call takes, the shortest of several, for each of `count` elements. */
#define TIME(function, subject, count, call)                           \
  if (timed) {                                                         \
    double best = INFINITY;                                            \
    for (int round = 0; round < 50; round++) {                         \
      double start = nanoseconds();                                    \
      for (int i = 0; i < 20; i++) call;                               \
      best = fmin(best, nanoseconds() - start);                        \
    }                                                                  \
    printf("%-9s %-14s %-12s %8.3f\n", (subject)->set->name, function, \
           dtype_name((subject)->dtype), best / 20 / (double)(count)); \
  }

/* ---- Elements as floats ---- */

/* What the codes of a dtype of at most 8 bits stand for: found out once. */
static const ByteValues *values_of(Dtype dtype) {
  static Numbers all[DTYPE_COUNT];
  static bool opened[DTYPE_COUNT];
  if (!opened[dtype]) numbers_open(&all[dtype], dtype);
  opened[dtype] = true;
  return &all[dtype].table;
}

static bool convert_agrees(const Subject *subject, const unsigned char *data,
                           const unsigned char *same, const unsigned char *more, uint64_t count) {
  float got[MOST + GUARD], expected[MOST];
  (void)more;
  memset(got, 0x5a, sizeof got);
  subject->set->convert[subject->dtype](data, count, got);
  if (plain->convert[subject->dtype] != NULL) {
    plain->convert[subject->dtype](same, count, expected);
  } else {
    plain->lookup(same, count, values_of(subject->dtype), expected);
  }
  return same_floats(got, expected, count) && float_bits(got[count]) == 0x5a5a5a5a;
}

static void check_convert(const Subject *subject) {
  static float out[MOST];
  check_subject("convert", subject, convert_agrees);
  const unsigned char *data = sample(subject->dtype);
  TIME("convert", subject, MOST, subject->set->convert[subject->dtype](data, MOST, out))
}

static bool lookup_agrees(const Subject *subject, const unsigned char *data,
                          const unsigned char *same, const unsigned char *more, uint64_t count) {
  float got[MOST + GUARD], expected[MOST];
  const ByteValues *values = values_of(subject->dtype);
  (void)more;
  memset(got, 0x5a, sizeof got);
  subject->set->lookup(data, count, values, got);
  plain->lookup(same, count, values, expected);
  return same_floats(got, expected, count) && float_bits(got[count]) == 0x5a5a5a5a;
}

static void check_lookup(const Subject *subject) {
  static float out[MOST];
  Subject bytes = {subject->set, DTYPE_F8_E5M2FNUZ, 1, 8};
  check_subject("lookup", &bytes, lookup_agrees);
  const ByteValues *values = values_of(bytes.dtype);
  const unsigned char *data = sample(bytes.dtype);
  TIME("lookup", &bytes, MOST, subject->set->lookup(data, MOST, values, out))
}

static const float *values_of_nibbles(void) {
  static float values[16];
  for (int code = 0; code < 16; code++) values[code] = (float)(code - 7) * 0.3f;
  return values;
}

static bool lookup_nibbles_agrees(const Subject *subject, const unsigned char *data,
                                  const unsigned char *same, const unsigned char *more,
                                  uint64_t count) {
  float got[2 * MOST + GUARD], expected[2 * MOST];
  bool good = true;
  (void)more;
  for (uint64_t odd = 0; odd < 2 && 2 * count > odd; odd++) {
    uint64_t numbers = 2 * count - odd;
    memset(got, 0x5a, sizeof got);
    subject->set->lookup_nibbles(data, numbers, values_of_nibbles(), got);
    plain->lookup_nibbles(same, numbers, values_of_nibbles(), expected);
    good = good && same_floats(got, expected, numbers) && float_bits(got[numbers]) == 0x5a5a5a5a;
  }
  return good;
}

static void check_lookup_nibbles(const Subject *subject) {
  static float out[2 * MOST];
  Subject bytes = {subject->set, DTYPE_U8, 1, 8};
  check_subject("lookup_nibbles", &bytes, lookup_nibbles_agrees);
  const unsigned char *data = sample(bytes.dtype);
  TIME("lookup_nibbles", &bytes, MOST,
       subject->set->lookup_nibbles(data, 2 * MOST, values_of_nibbles(), out))
}

static bool scale_groups_agrees(const Subject *subject, const unsigned char *data,
                                const unsigned char *same, const unsigned char *more,
                                uint64_t count) {
  float got[MOST + GUARD], expected[MOST], factors[MOST / KERNEL_LANES];
  (void)more;
  for (uint64_t size = KERNEL_LANES; size <= 3 * KERNEL_LANES; size += KERNEL_LANES) {
    uint64_t groups = count / size;
    memset(got, 0x5a, sizeof got);
    for (uint64_t g = 0; g < groups; g++) factors[g] = 0.3f + (float)g;
    memcpy(got, data, (size_t)(groups * size) * sizeof *got);
    memcpy(expected, same, (size_t)(groups * size) * sizeof *expected);
    subject->set->scale_groups(got, factors, groups, size);
    plain->scale_groups(expected, factors, groups, size);
    if (!same_floats(got, expected, groups * size) || float_bits(got[groups * size]) != 0x5a5a5a5a)
      return false;
  }
  return true;
}

static void check_scale_groups(const Subject *subject) {
  static float out[MOST];
  static const float factor = 1;
  Subject floats = {subject->set, DTYPE_F32, 1, 32};
  check_subject("scale_groups", &floats, scale_groups_agrees);
  TIME("scale_groups", &floats, MOST,
       subject->set->scale_groups(out, &factor, 1, MOST - MOST % KERNEL_LANES))
}

/* ---- Bins ---- */

#include "kernel_bins.inc"

/* ---- Hashing ---- */

static void fill_secret(unsigned char secret[192]) {
  for (int i = 0; i < 192; i++) secret[i] = (unsigned char)(i * 73 + 11);
}

static bool hash_blocks_agrees(const Subject *subject, const unsigned char *data,
                               const unsigned char *same, const unsigned char *more,
                               uint64_t count) {
  unsigned char secret[192];
  uint64_t got[MOST / KERNEL_HASH_BLOCK * KERNEL_HASH_LANES + 1],
      expected[MOST / KERNEL_HASH_BLOCK * KERNEL_HASH_LANES];
  uint64_t blocks = count / KERNEL_HASH_BLOCK;
  (void)more;
  fill_secret(secret);
  memset(got, 0x5a, sizeof got);
  subject->set->hash_blocks(data, blocks, secret, got);
  plain->hash_blocks(same, blocks, secret, expected);
  return memcmp(got, expected, blocks * KERNEL_HASH_LANES * sizeof *got) == 0 &&
         got[blocks * KERNEL_HASH_LANES] == 0x5a5a5a5a5a5a5a5a;
}

static void check_hash_blocks(const Subject *subject) {
  static unsigned char secret[192];
  static uint64_t out[MOST / KERNEL_HASH_BLOCK * KERNEL_HASH_LANES];
  Subject blocks = {subject->set, DTYPE_U8, KERNEL_HASH_BLOCK, 8};
  check_subject("hash_blocks", &blocks, hash_blocks_agrees);
  const unsigned char *data = sample(DTYPE_U8);
  TIME("hash_blocks", &blocks, MOST,
       subject->set->hash_blocks(data, MOST / KERNEL_HASH_BLOCK, secret, out))
}

/* The sums lie together, as numbers do. */
static bool hash_merge_agrees(const Subject *subject, const unsigned char *data,
                              const unsigned char *same, const unsigned char *more,
                              uint64_t count) {
  unsigned char secret[192];
  uint64_t got[KERNEL_HASH_LANES], expected[KERNEL_HASH_LANES],
      sums[4 * KERNEL_HASH_LANES * KERNEL_LANES];
  (void)data, (void)more;
  fill_secret(secret);
  for (int i = 0; i < KERNEL_HASH_LANES; i++) got[i] = expected[i] = subject_bits();
  memcpy(sums, same, count * KERNEL_HASH_LANES * sizeof *sums);
  subject->set->hash_merge(sums, count, secret, got);
  plain->hash_merge(sums, count, secret, expected);
  return memcmp(got, expected, sizeof got) == 0;
}

static void check_hash_merge(const Subject *subject) {
  static unsigned char secret[192];
  static uint64_t sums[MOST], accumulators[KERNEL_HASH_LANES];
  Subject blocks = {subject->set, DTYPE_U64, 1, 64 * KERNEL_HASH_LANES};
  check_subject("hash_merge", &blocks, hash_merge_agrees);
  TIME("hash_merge", &blocks, MOST / KERNEL_HASH_LANES,
       subject->set->hash_merge(sums, MOST / KERNEL_HASH_LANES, secret, accumulators))
}

/* ---- Statistics ---- */

static bool same_scans(const FloatScan *got, const FloatScan *expected) {
  bool finite = are_finite(expected->squares, KERNEL_LANES);
  if (!finite) return !are_finite(got->squares, KERNEL_LANES);
  return same_doubles(got->sum, expected->sum, KERNEL_LANES) &&
         same_doubles(got->squares, expected->squares, KERNEL_LANES) && got->min == expected->min &&
         got->max == expected->max && got->min_magnitude == expected->min_magnitude &&
         got->zeros == expected->zeros;
}

static bool scan_agrees(const Subject *subject, const unsigned char *data,
                        const unsigned char *same, const unsigned char *more, uint64_t count) {
  FloatScan got, expected;
  (void)more;
  subject->set->scan[subject->dtype](data, count, &got);
  plain->scan[subject->dtype](same, count, &expected);
  return same_scans(&got, &expected);
}

static void check_scan(const Subject *subject) {
  static FloatScan out;
  Subject steps = {subject->set, subject->dtype, SCAN_STEP, bits_of(subject->dtype)};
  check_subject("scan", &steps, scan_agrees);
  const unsigned char *data = sample(subject->dtype);
  TIME("scan", &steps, MOST, subject->set->scan[subject->dtype](data, MOST, &out))
}

/* Of longer arrays than the others, as they are computed piece by piece: the same elements again and again. */
static bool scan_computed_agrees(const Subject *subject, const unsigned char *data,
                                 const unsigned char *same, const unsigned char *more,
                                 uint64_t count) {
  enum { COPIES = 5 };
  static float floats[4 * SCAN_STEP * COPIES];
  FloatScan got, expected;
  uint64_t size = subject->bits / 8, length = count * size, misalignment = (uintptr_t)data % 2;
  unsigned char *block = malloc((size_t)(2 * length * COPIES + 2));
  if (block == NULL) abort();
  unsigned char *a = block + misalignment, *b = a + length * COPIES + 1 - misalignment;
  for (unsigned copy = 0; copy < COPIES; copy++) {
    memcpy(a + copy * length, same, (size_t)length);
    memcpy(b + copy * length, more, (size_t)length);
  }
  subject->set->scan_computed(subject->set->sum[subject->dtype], a, b, size, COPIES * count, &got);
  plain->sum[subject->dtype](a, b, COPIES * count, floats);
  plain->scan[DTYPE_F32]((unsigned char *)floats, COPIES * count, &expected);
  free(block);
  return same_scans(&got, &expected);
}

static void check_scan_computed(const Subject *subject) {
  static FloatScan out;
  const Dtype dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
  for (unsigned d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) {
    Subject steps = {subject->set, dtypes[d], SCAN_STEP, bits_of(dtypes[d])};
    check_subject("scan_computed", &steps, scan_computed_agrees);
    const unsigned char *a = sample(dtypes[d]), *b = sample(dtypes[d]);
    TIME(
        "scan_computed", &steps, MOST,
        subject->set->scan_computed(subject->set->sum[dtypes[d]], a, b, steps.bits / 8, MOST, &out))
  }
}

static bool range_agrees(const Subject *subject, const unsigned char *data,
                         const unsigned char *same, const unsigned char *more, uint64_t count) {
  FloatRange got, expected;
  (void)more;
  subject->set->range[subject->dtype](data, count, &got);
  plain->range[subject->dtype](same, count, &expected);
  if (!expected.finite) return !got.finite;
  return got.finite && got.min == expected.min && got.max == expected.max &&
         got.zeros == expected.zeros;
}

static void check_range(const Subject *subject) {
  static FloatRange out;
  Subject steps = {subject->set, subject->dtype, SCAN_STEP, bits_of(subject->dtype)};
  check_subject("range", &steps, range_agrees);
  const unsigned char *data = sample(subject->dtype);
  TIME("range", &steps, MOST, subject->set->range[subject->dtype](data, MOST, &out))
}

#include "kernel_integers.inc"

static uint64_t zeros_of(const DoubleScan *scan) {
  uint64_t zeros = 0;
  for (unsigned j = 0; j < KERNEL_LANES; j++) zeros += scan->zeros[j];
  return zeros;
}

static double first_of(const double *lanes, double sign) {
  double first = INFINITY;
  for (unsigned j = 0; j < KERNEL_LANES; j++) first = fmin(first, lanes[j] * sign);
  return first;
}

static bool scan_doubles_agrees(const Subject *subject, const unsigned char *data,
                                const unsigned char *same, const unsigned char *more,
                                uint64_t count) {
  DoubleScan got, expected;
  (void)more;
  subject->set->scan_doubles(data, count, &got);
  plain->scan_doubles(same, count, &expected);
  return same_doubles(got.sum_high, expected.sum_high, KERNEL_LANES) &&
         same_doubles(got.sum_low, expected.sum_low, KERNEL_LANES) &&
         first_of(got.min, 1) == first_of(expected.min, 1) &&
         first_of(got.max, -1) == first_of(expected.max, -1) &&
         zeros_of(&got) == zeros_of(&expected);
}

static void check_scan_doubles(const Subject *subject) {
  static DoubleScan out;
  Subject doubles = {subject->set, DTYPE_F64, KERNEL_LANES, 64};
  check_subject("scan_doubles", &doubles, scan_doubles_agrees);
  const unsigned char *data = sample(DTYPE_F64);
  TIME("scan_doubles", &doubles, MOST, subject->set->scan_doubles(data, MOST, &out))
}

static bool deviations_agrees(const Subject *subject, const unsigned char *data,
                              const unsigned char *same, const unsigned char *more,
                              uint64_t count) {
  double got[KERNEL_LANES], expected[KERNEL_LANES];
  (void)more;
  subject->set->deviations(data, count, 0.1, got);
  plain->deviations(same, count, 0.1, expected);
  return same_doubles(got, expected, KERNEL_LANES);
}

static void check_deviations(const Subject *subject) {
  static double out[KERNEL_LANES];
  Subject doubles = {subject->set, DTYPE_F64, KERNEL_LANES, 64};
  check_subject("deviations", &doubles, deviations_agrees);
  const unsigned char *data = sample(DTYPE_F64);
  TIME("deviations", &doubles, MOST, subject->set->deviations(data, MOST, 0.1, out))
}

/* ---- Codes ---- */

#include "kernel_codes.inc"

/* ---- Pairs ---- */

static bool pairs_agrees(const Subject *subject, const unsigned char *data,
                         const unsigned char *same, const unsigned char *more, uint64_t count) {
  PairSums got, expected;
  subject->set->pairs[subject->dtype](data, more, count, &got);
  plain->pairs[subject->dtype](same, more, count, &expected);
  if (!isfinite(expected.a_squares) || !isfinite(expected.b_squares)) {
    return isfinite(got.a_squares) == isfinite(expected.a_squares) &&
           isfinite(got.b_squares) == isfinite(expected.b_squares);
  }
  const double a[] = {got.differences, got.squared_differences, got.products, got.a_squares,
                      got.b_squares};
  const double b[] = {expected.differences, expected.squared_differences, expected.products,
                      expected.a_squares, expected.b_squares};
  return got.unequal == expected.unequal && got.largest == expected.largest &&
         same_doubles(a, b, 5);
}

static void check_pairs(const Subject *subject) {
  static PairSums out;
  Subject pairs = {subject->set, subject->dtype, PAIR_LANES, bits_of(subject->dtype)};
  check_subject("pairs", &pairs, pairs_agrees);
  const unsigned char *a = sample(subject->dtype), *b = sample(subject->dtype);
  TIME("pairs", &pairs, MOST, subject->set->pairs[subject->dtype](a, b, MOST, &out))
}

static bool squares_agrees(const Subject *subject, const unsigned char *data,
                           const unsigned char *same, const unsigned char *more, uint64_t count) {
  (void)more;
  double got = subject->set->squares[subject->dtype](data, count);
  double expected = plain->squares[subject->dtype](same, count);
  return isfinite(expected) ? same_doubles(&got, &expected, 1) : !isfinite(got);
}

static volatile double squares_out; /* so that the compiler does not leave the call out */

static void check_squares(const Subject *subject) {
  Subject squares = {subject->set, subject->dtype, PAIR_LANES, bits_of(subject->dtype)};
  check_subject("squares", &squares, squares_agrees);
  const unsigned char *data = sample(subject->dtype);
  TIME("squares", &squares, MOST, squares_out = subject->set->squares[subject->dtype](data, MOST))
}

/* ---- Rows ---- */

enum { MANY_ROWS = 7 }; /* at most: more than any set takes side by side, and not a multiple */

/* Up to MANY_ROWS rows of the elements there are, and a vector of the others. */
static bool rows_agree(KernelRows *sum, KernelRows *plain_sum, const Subject *subject,
                       const unsigned char *data, const unsigned char *same,
                       const unsigned char *more, uint64_t count) {
  double vector[MOST + PAIR_LANES] = {0};
  RowSums got[MANY_ROWS], expected[MANY_ROWS];
  uint64_t rows = count % MANY_ROWS + 1, columns = count / rows,
           stride = columns * subject->bits / 8;
  for (uint64_t i = 0; i < columns; i++) {
    decode_doubles(subject->dtype, more, i, 1, 1, &vector[i]);
    if (!isfinite(vector[i])) vector[i] = 1;
  }
  sum(data, stride, rows, vector, columns, got);
  plain_sum(same, stride, rows, vector, columns, expected);
  bool good = true;
  for (uint64_t r = 0; r < rows; r++) {
    double a[] = {got[r].sum, got[r].squares}, b[] = {expected[r].sum, expected[r].squares};
    good = good && (are_finite(b, 2) ? same_doubles(a, b, 2) : !are_finite(a, 2));
  }
  return good;
}

static bool row_products_agree(const Subject *subject, const unsigned char *data,
                               const unsigned char *same, const unsigned char *more,
                               uint64_t count) {
  return rows_agree(subject->set->row_products[subject->dtype], plain->row_products[subject->dtype],
                    subject, data, same, more, count);
}

static bool row_distances_agree(const Subject *subject, const unsigned char *data,
                                const unsigned char *same, const unsigned char *more,
                                uint64_t count) {
  return rows_agree(subject->set->row_distances[subject->dtype],
                    plain->row_distances[subject->dtype], subject, data, same, more, count);
}

static void check_row_products(const Subject *subject) {
  static double vector[MOST];
  static RowSums out[MANY_ROWS];
  check_subject("row_products", subject, row_products_agree);
  const unsigned char *data = sample(subject->dtype);
  TIME("row_products", subject, MOST,
       subject->set->row_products[subject->dtype](data, MOST / 4 * subject->bits / 8, 4, vector,
                                                  MOST / 4, out))
}

static void check_row_distances(const Subject *subject) {
  static double vector[MOST];
  static RowSums out[MANY_ROWS];
  check_subject("row_distances", subject, row_distances_agree);
  const unsigned char *data = sample(subject->dtype);
  TIME("row_distances", subject, MOST,
       subject->set->row_distances[subject->dtype](data, MOST / 4 * subject->bits / 8, 4, vector,
                                                   MOST / 4, out))
}

/* ---- Arithmetic ---- */

#include "kernel_arithmetic.inc"

/* A function without a check does not compile. */
static void check_set(const Kernels *set) {
#define CHECK_BY_DTYPE(type, function)                        \
  for (int d = 0; d < DTYPE_COUNT; d++) {                     \
    Subject subject = {set, (Dtype)d, 1, bits_of((Dtype)d)};  \
    if (set->function[d] != NULL) check_##function(&subject); \
  }
#define CHECK_ALONE(type, function) \
  if (set->function != NULL) check_##function(&(Subject){set, DTYPE_U8, 1, 8});
  KERNEL_FUNCTIONS(CHECK_BY_DTYPE, CHECK_ALONE)
}

int main(int argc, char **argv) {
  timed = argc > 1 && strcmp(argv[1], "--time") == 0;
  unsigned sets = 0;
  while (kernels_name(sets) != NULL) sets++;
  plain = kernels_find(kernels_name(sets - 1));
  for (unsigned n = 0; n < sets; n++) {
    const Kernels *set = kernels_find(kernels_name(n));
    if (set != NULL) {
      check_set(set);
    } else {
      printf("skipped: kernels %s, which this machine cannot run\n", kernels_name(n));
    }
  }
  printf("%d passed, %d failed\n", subjects_passed, subjects_failed);
  return subjects_failed > 0;
}
