#include "tensor/compare.h"

#include <math.h>
#include <string.h>

#include "tensor/decode.h"
#include "tensor/magnitude.h"

/* The number of elements that are taken at a time, on the fast path and on the careful one. The
** intermediate results fit in the first-level cache. */
enum { COMPARE_SPAN = 4096, COMPARE_CAREFUL = 1024 };

/* The exponent that compare_scale() divides by. */
enum { COMPARE_LARGE_EXPONENT = 600 };

/* A span of elements of one input. */
typedef struct CompareSide {
  Dtype dtype;
  const unsigned char *data;
  uint64_t first; /* the number of the first element */
} CompareSide;

/* Elements of both inputs as doubles: one double for each element, or two if either dtype is
** complex. */
typedef struct ComparePairs {
  uint64_t count;
  unsigned parts; /* doubles for each element: 1 or 2 */
  bool whole;     /* for 64-bit integers, whose differences are computed from the integers
                  ** themselves */
  double a[2 * COMPARE_CAREFUL], b[2 * COMPARE_CAREFUL];
  double differences[COMPARE_CAREFUL];
} ComparePairs;

/* The working memory of a thread. */
typedef struct CompareScratch {
  float a[COMPARE_SPAN], b[COMPARE_SPAN];
  ComparePairs pairs;
} CompareScratch;

/* ---- Pairs ---- */

static bool compare_is_whole(Dtype dtype) {
  ValueKind kind = decode_kind(dtype);
  return kind == VALUE_INTEGER || kind == VALUE_BOOLEAN;
}

static bool compare_is_long(Dtype dtype) {
  return dtype == DTYPE_I64 || dtype == DTYPE_U64;
}

static void compare_decode_side(const CompareSide *side, unsigned parts, uint64_t count,
                                double *out) {
  decode_doubles(side->dtype, side->data, side->first, count, 1, out);
  if (parts == 1 || side->dtype == DTYPE_C64) return;
  for (uint64_t i = count; i-- > 0;) {
    out[2 * i] = out[i];
    out[2 * i + 1] = 0;
  }
}

/* a - b| for integers as decode_integers() returns them, rounded once. */
static double compare_integer_difference(uint64_t a, bool a_signed, uint64_t b, bool b_signed) {
  bool a_negative = a_signed && a > INT64_MAX, b_negative = b_signed && b > INT64_MAX;
  if (a_negative == b_negative) return (double)(a > b ? a - b : b - a);
  uint64_t below = a_negative ? 0 - a : 0 - b, above = a_negative ? b : a, sum;
  if (!__builtin_add_overflow(below, above, &sum)) return (double)sum;
  return (double)below + (double)above;
}

static void compare_integer_differences(const CompareSide *a, const CompareSide *b,
                                        ComparePairs *pairs) {
  enum { COMPARE_BLOCK = 128 };
  uint64_t x[COMPARE_BLOCK], y[COMPARE_BLOCK];
  bool a_signed = a->dtype != DTYPE_U64, b_signed = b->dtype != DTYPE_U64;
  for (uint64_t at = 0; at < pairs->count; at += COMPARE_BLOCK) {
    uint64_t count = pairs->count - at < COMPARE_BLOCK ? pairs->count - at : COMPARE_BLOCK;
    decode_integers(a->dtype, a->data, a->first + at, count, 1, x);
    decode_integers(b->dtype, b->data, b->first + at, count, 1, y);
    for (uint64_t i = 0; i < count; i++) {
      pairs->differences[at + i] = compare_integer_difference(x[i], a_signed, y[i], b_signed);
    }
  }
}

static void compare_decode_pairs(const CompareSide *a, const CompareSide *b, uint64_t count,
                                 ComparePairs *pairs) {
  pairs->count = count;
  pairs->parts = a->dtype == DTYPE_C64 || b->dtype == DTYPE_C64 ? 2 : 1;
  pairs->whole = compare_is_whole(a->dtype) && compare_is_whole(b->dtype) &&
                 (compare_is_long(a->dtype) || compare_is_long(b->dtype));
  compare_decode_side(a, pairs->parts, count, pairs->a);
  compare_decode_side(b, pairs->parts, count, pairs->b);
  if (pairs->whole) compare_integer_differences(a, b, pairs);
}

/* The differences, divided by the power of two whose inverse is `factor`. */
static void compare_find_differences(ComparePairs *pairs, double factor) {
  if (pairs->whole) return;
  for (uint64_t i = 0; i < pairs->count; i++) {
    const double *a = pairs->a + i * pairs->parts, *b = pairs->b + i * pairs->parts;
    double difference = a[0] * factor - b[0] * factor;
    pairs->differences[i] = pairs->parts == 1
                                ? fabs(difference)
                                : magnitude_rounded(difference, a[1] * factor - b[1] * factor);
  }
}

static bool compare_is_nan(const double *number, unsigned parts) {
  return isnan(number[0]) || (parts == 2 && isnan(number[1]));
}

static bool compare_is_finite(const double *number, unsigned parts) {
  return isfinite(number[0]) && (parts == 1 || isfinite(number[1]));
}

static bool compare_is_equal(const double *a, const double *b, unsigned parts) {
  return a[0] == b[0] && (parts == 1 || a[1] == b[1]);
}

/* Counts the pairs in which a number is not finite, and replaces them by pairs of zeros. */
static void compare_take_out_specials(ComparePairs *pairs, Comparison *to) {
  unsigned parts = pairs->parts;
  for (uint64_t i = 0; i < pairs->count; i++) {
    double *a = pairs->a + i * parts, *b = pairs->b + i * parts;
    if (compare_is_finite(a, parts) && compare_is_finite(b, parts)) continue;
    bool a_nan = compare_is_nan(a, parts), b_nan = compare_is_nan(b, parts);
    if (a_nan && b_nan) {
      to->n_nan++;
    } else if (a_nan || b_nan) {
      to->n_nan_one++;
      to->n_diff++;
    } else if (!compare_is_equal(a, b, parts)) {
      to->n_infinite++;
      to->n_diff++;
    }
    memset(a, 0, parts * sizeof *a);
    memset(b, 0, parts * sizeof *b);
  }
}

/* ---- Sums ---- */

static void compare_raise_exponent(ScaledSum *sum, int exponent) {
  sum->sum.high = ldexp(sum->sum.high, sum->exponent - exponent);
  sum->sum.low = ldexp(sum->sum.low, sum->exponent - exponent);
  sum->exponent = exponent;
}

static void compare_add_scaled(ScaledSum *to, ScaledSum more) {
  if (more.sum.high == 0) return;
  if (to->sum.high == 0) to->exponent = more.exponent;
  if (to->exponent < more.exponent) compare_raise_exponent(to, more.exponent);
  if (more.exponent < to->exponent) compare_raise_exponent(&more, to->exponent);
  to->sum = double_double_add(to->sum, more.sum);
}

static void compare_add(ScaledSum *to, double more, int exponent) {
  compare_add_scaled(to, (ScaledSum){{more, 0}, exponent});
}

/* The powers of two by which the numbers were divided before they were summed. */
typedef struct CompareExponents {
  int a, b, difference;
} CompareExponents;

static void compare_add_products(const PairSums *sums, CompareExponents exponents, Comparison *to) {
  compare_add(&to->products, sums->products, exponents.a + exponents.b);
  compare_add(&to->a_squares, sums->a_squares, 2 * exponents.a);
  compare_add(&to->b_squares, sums->b_squares, 2 * exponents.b);
}

static void compare_add_differences(const PairSums *sums, CompareExponents exponents,
                                    Comparison *to) {
  to->n_diff += sums->unequal;
  to->largest = fmax(to->largest, ldexp(sums->largest, exponents.difference));
  compare_add(&to->differences, sums->differences, exponents.difference);
  compare_add(&to->squared_differences, sums->squared_differences, 2 * exponents.difference);
}

static double compare_largest_of(const double *numbers, uint64_t count) {
  double largest = 0;
  for (uint64_t i = 0; i < count; i++) largest = fmax(largest, fabs(numbers[i]));
  return largest;
}

/* Divides the numbers by a power of two, so that neither their squares nor sums of squares leave
** the range of a double. Returns its exponent. */
static int compare_scale(double *numbers, uint64_t count) {
  double largest = compare_largest_of(numbers, count);
  if (largest == 0 || (largest > 0x1p-300 && largest < 0x1p300)) return 0;
  int exponent = largest > 1 ? COMPARE_LARGE_EXPONENT : -COMPARE_LARGE_EXPONENT;
  for (uint64_t i = 0; i < count; i++) numbers[i] = ldexp(numbers[i], -exponent);
  return exponent;
}

static CompareExponents compare_scale_pairs(ComparePairs *pairs) {
  uint64_t count = pairs->count * pairs->parts;
  CompareExponents exponents = {.difference = COMPARE_LARGE_EXPONENT};
  if (isfinite(compare_largest_of(pairs->differences, pairs->count))) {
    exponents.difference = compare_scale(pairs->differences, pairs->count);
  } else {
    compare_find_differences(pairs, ldexp(1, -COMPARE_LARGE_EXPONENT));
  }
  exponents.a = compare_scale(pairs->a, count);
  exponents.b = compare_scale(pairs->b, count);
  return exponents;
}

static uint64_t compare_count_unequal(const ComparePairs *pairs) {
  uint64_t unequal = 0;
  for (uint64_t i = 0; i < pairs->count; i++) unequal += pairs->differences[i] != 0;
  return unequal;
}

static uint64_t compare_whole_lanes(uint64_t count) {
  return (count + PAIR_LANES - 1) / PAIR_LANES * PAIR_LANES;
}

/* The arrays have room for compare_whole_lanes(count) numbers. */
static void compare_sum_doubles(const Kernels *kernels, double *a, double *b, uint64_t count,
                                PairSums *sums) {
  for (uint64_t i = count; i < compare_whole_lanes(count); i++) a[i] = b[i] = 0;
  kernels->pairs[DTYPE_F64](a, b, compare_whole_lanes(count), sums);
}

static bool compare_squares_are_finite(const PairSums *sums) {
  return isfinite(sums->a_squares) && isfinite(sums->b_squares);
}

/* Whether the sums of squares are so large that squares lost to underflow do not matter. */
static bool compare_squares_hold(const PairSums *sums) {
  const double min = 0x1p-900;
  return compare_squares_are_finite(sums) && sums->a_squares > min && sums->b_squares > min &&
         (sums->unequal == 0 || sums->squared_differences > min);
}

static void compare_add_pairs(const CompareTask *task, ComparePairs *pairs, Comparison *to) {
  const Kernels *kernels = task->a_numbers.kernels;
  uint64_t count = pairs->count * pairs->parts;
  CompareExponents exponents = {0};
  PairSums sums;
  compare_sum_doubles(kernels, pairs->a, pairs->b, count, &sums);
  if (!compare_squares_are_finite(&sums)) {
    compare_take_out_specials(pairs, to);
    compare_sum_doubles(kernels, pairs->a, pairs->b, count, &sums);
  }
  bool of_doubles = task->a == DTYPE_F64 || task->b == DTYPE_F64;
  if (pairs->parts == 2 || pairs->whole || (of_doubles && !compare_squares_hold(&sums))) {
    PairSums differences;
    compare_find_differences(pairs, 1);
    uint64_t unequal =
        compare_count_unequal(pairs); /* counted before scaling, because small differences vanish
                                      ** beside large ones */
    if (of_doubles) {
      exponents = compare_scale_pairs(pairs);
      compare_sum_doubles(kernels, pairs->a, pairs->b, count, &sums);
    }
    memset(pairs->b, 0, sizeof pairs->b);
    compare_sum_doubles(kernels, pairs->differences, pairs->b, pairs->count, &differences);
    differences.unequal = unequal;
    compare_add_differences(&differences, exponents, to);
  } else {
    compare_add_differences(&sums, exponents, to);
  }
  compare_add_products(&sums, exponents, to);
}

/* ---- Spans ---- */

/* One side as floats, followed by zeros up to compare_whole_lanes(count). Returns NULL if floats
** cannot represent the dtype. */
static const void *compare_floats_of(const Numbers *numbers, const CompareSide *side,
                                     uint64_t count, float out[COMPARE_SPAN]) {
  const void *floats = numbers_floats(numbers, side->data, side->first, count, out);
  if (floats == NULL || count % PAIR_LANES == 0) return floats;
  if (floats != out) memcpy(out, floats, (size_t)count * sizeof *out);
  for (uint64_t i = count; i < compare_whole_lanes(count); i++) out[i] = 0;
  return out;
}

/* Whether the kernels can process this side's 16-bit elements as stored, without a remainder. */
static bool compare_is_taken_as_stored(const CompareTask *task, const CompareSide *side,
                                       uint64_t count) {
  return dtype_bits(side->dtype) == 16 && task->a_numbers.kernels->pairs[side->dtype] != NULL &&
         count % PAIR_LANES == 0;
}

static const unsigned char *compare_stored_at(const CompareSide *side) {
  return side->data + side->first * dtype_bits(side->dtype) / 8;
}

/* The fast path, for two sides that floats can represent and that are finite. For others it returns
** false and does nothing. */
static bool compare_sum_as_floats(const CompareTask *task, const CompareSide *a,
                                  const CompareSide *b, uint64_t count, CompareScratch *scratch,
                                  PairSums *sums) {
  const Kernels *kernels = task->a_numbers.kernels;
  if (a->dtype == b->dtype && compare_is_taken_as_stored(task, a, count)) {
    kernels->pairs[a->dtype](compare_stored_at(a), compare_stored_at(b), count, sums);
    return compare_squares_are_finite(sums);
  }
  const void *x = compare_floats_of(&task->a_numbers, a, count, scratch->a);
  const void *y = x != NULL ? compare_floats_of(&task->b_numbers, b, count, scratch->b) : NULL;
  if (y == NULL) return false;
  kernels->pairs[DTYPE_F32](x, y, compare_whole_lanes(count), sums);
  return compare_squares_are_finite(sums);
}

static CompareSide compare_behind(const CompareSide *side, uint64_t count) {
  return (CompareSide){side->dtype, side->data, side->first + count};
}

static void compare_add_span(const CompareTask *task, const CompareSide *a, const CompareSide *b,
                             uint64_t count, CompareScratch *scratch, Comparison *to) {
  PairSums sums;
  if (compare_sum_as_floats(task, a, b, count, scratch, &sums)) {
    compare_add_differences(&sums, (CompareExponents){0}, to);
    compare_add_products(&sums, (CompareExponents){0}, to);
    return;
  }
  for (uint64_t done = 0; done < count; done += COMPARE_CAREFUL) {
    CompareSide x = compare_behind(a, done), y = compare_behind(b, done);
    ComparePairs *pairs = &scratch->pairs;
    compare_decode_pairs(&x, &y, count - done < COMPARE_CAREFUL ? count - done : COMPARE_CAREFUL,
                         pairs);
    compare_add_pairs(task, pairs, to);
  }
}

static bool compare_is_close(const CompareTask *task, const ComparePairs *pairs, uint64_t at) {
  unsigned parts = pairs->parts;
  const double *a = pairs->a + at * parts, *b = pairs->b + at * parts;
  if (!compare_is_finite(a, parts) || !compare_is_finite(b, parts))
    return compare_is_equal(a, b, parts);
  double size = parts == 1 ? fabs(b[0]) : magnitude_rounded(b[0], b[1]);
  return pairs->differences[at] <= task->atol + task->rtol * size;
}

static bool compare_span_is_close(const CompareTask *task, const CompareSide *a,
                                  const CompareSide *b, uint64_t count, CompareScratch *scratch) {
  PairSums sums;
  if (compare_sum_as_floats(task, a, b, count, scratch, &sums) && sums.largest <= task->atol)
    return true;
  for (uint64_t done = 0; done < count; done += COMPARE_CAREFUL) {
    CompareSide x = compare_behind(a, done), y = compare_behind(b, done);
    ComparePairs *pairs = &scratch->pairs;
    compare_decode_pairs(&x, &y, count - done < COMPARE_CAREFUL ? count - done : COMPARE_CAREFUL,
                         pairs);
    compare_find_differences(pairs, 1);
    for (uint64_t i = 0; i < pairs->count; i++) {
      if (!compare_is_close(task, pairs, i)) return false;
    }
  }
  return true;
}

/* ---- Blocks ---- */

/* Whether both sides have the same bytes. May be false for equal elements that do not fill whole
** bytes. */
static bool compare_same_bytes(const CompareSide *a, const CompareSide *b, uint64_t count) {
  unsigned bits = dtype_bits(a->dtype);
  if (a->dtype != b->dtype || (a->first | b->first | count) * bits % 8 != 0) return false;
  return memcmp(a->data + a->first * bits / 8, b->data + b->first * bits / 8,
                (size_t)(count * bits / 8)) == 0;
}

/* The sum of the squares of the elements of one side. */
static double compare_sum_squares(const CompareTask *task, const CompareSide *a, uint64_t count,
                                  CompareScratch *scratch) {
  const Kernels *kernels = task->a_numbers.kernels;
  if (compare_is_taken_as_stored(task, a, count)) {
    return kernels->squares[a->dtype](compare_stored_at(a), count);
  }
  const void *as_floats = compare_floats_of(&task->a_numbers, a, count, scratch->a);
  if (as_floats != NULL) {
    return kernels->squares[DTYPE_F32](as_floats, compare_whole_lanes(count));
  }
  unsigned parts = a->dtype == DTYPE_C64 ? 2 : 1;
  double squares = 0;
  for (uint64_t done = 0, size; done < count; done += size) {
    CompareSide part = compare_behind(a, done);
    double *numbers = scratch->pairs.a;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the pass has made the scratch */
    memset(numbers, 0, sizeof scratch->pairs.a);
    size = count - done < COMPARE_CAREFUL ? count - done : COMPARE_CAREFUL;
    compare_decode_side(&part, parts, size, numbers);
    squares += kernels->squares[DTYPE_F64](numbers, compare_whole_lanes(size * parts));
  }
  return squares;
}

/* A span in which both sides have the same bytes. */
static void compare_add_same(const CompareTask *task, const CompareSide *a, uint64_t count,
                             CompareScratch *scratch, Comparison *to) {
  double squares = compare_sum_squares(task, a, count, scratch);
  PairSums sums = {.products = squares, .a_squares = squares, .b_squares = squares};
  if (a->dtype == DTYPE_F64 ? compare_squares_hold(&sums) : compare_squares_are_finite(&sums)) {
    compare_add_products(&sums, (CompareExponents){0}, to);
  } else {
    compare_add_span(task, a, a, count, scratch, to);
  }
}

/* Whether what was found answers the question, whatever the remaining elements are. */
static bool compare_has_answer(const CompareTask *task, const Comparison *found) {
  switch (task->goal) {
    case COMPARE_BYTES: return found->bytes_differ;
    case COMPARE_EQUAL: return found->n_diff > 0;
    case COMPARE_CLOSE: return found->far;
    case COMPARE_NUMBERS: break;
  }
  return false;
}

/* Returns whether to continue. */
static bool compare_span(const CompareTask *task, const CompareSide *a, const CompareSide *b,
                         uint64_t count, CompareScratch *scratch, Comparison *to) {
  if (task->goal == COMPARE_CLOSE) {
    to->far = !compare_span_is_close(task, a, b, count, scratch);
  } else if (task->goal == COMPARE_NUMBERS && compare_same_bytes(a, b, count)) {
    compare_add_same(task, a, count, scratch, to);
  } else {
    to->bytes_differ = true;
    compare_add_span(task, a, b, count, scratch, to);
  }
  return !compare_has_answer(task, to);
}

void compare_elements(const CompareTask *task, const PassElements elements[2], uint64_t count,
                      void *scratch, Comparison *to) {
  CompareSide a = {task->a, elements[0].data, elements[0].first};
  CompareSide b = {task->b, elements[1].data, elements[1].first};
  to->count = count;
  if (task->goal == COMPARE_BYTES || task->goal == COMPARE_EQUAL) {
    to->bytes_differ = !compare_same_bytes(&a, &b, count);
    if (task->goal == COMPARE_BYTES || !to->bytes_differ) return;
  }
  for (uint64_t size; count > 0; count -= size) {
    size = count < COMPARE_SPAN ? count : COMPARE_SPAN;
    if (!compare_span(task, &a, &b, size, scratch, to)) return;
    a.first += size;
    b.first += size;
  }
}

static void compare_block(const void *context, const PassElements *elements, uint64_t position,
                          uint64_t count, void *scratch, void *state) {
  (void)position;
  compare_elements(context, elements, count, scratch, state);
}

void compare_add_found(Comparison *found, const Comparison *more) {
  found->bytes_differ = found->bytes_differ || more->bytes_differ;
  found->far = found->far || more->far;
  found->count += more->count;
  found->n_diff += more->n_diff;
  found->n_nan += more->n_nan;
  found->n_nan_one += more->n_nan_one;
  found->n_infinite += more->n_infinite;
  found->largest = fmax(found->largest, more->largest);
  compare_add_scaled(&found->differences, more->differences);
  compare_add_scaled(&found->squared_differences, more->squared_differences);
  compare_add_scaled(&found->products, more->products);
  compare_add_scaled(&found->a_squares, more->a_squares);
  compare_add_scaled(&found->b_squares, more->b_squares);
}

static bool compare_merge_block(void *context, const void *state) {
  CompareTask *task = context;
  compare_add_found(&task->found, state);
  return !compare_has_answer(task, &task->found);
}

void compare_open(CompareTask *task) {
  numbers_open(&task->a_numbers, task->a);
  numbers_open(&task->b_numbers, task->b);
}

uint64_t compare_scratch_size(void) {
  return sizeof(CompareScratch);
}

bool compare_run(CompareTask *task, const Source *a, const View *a_view, const Source *b,
                 const View *b_view, const Host *host, Error *error) {
  Pass pass = {.input_count = 2,
               .inputs = {{a, a_view, dtype_bits(task->a)}, {b, b_view, dtype_bits(task->b)}},
               .task = task,
               .maps_windows = true,
               .state_size = sizeof(Comparison),
               .scratch_size = sizeof(CompareScratch),
               .block = compare_block,
               .merge = compare_merge_block};
  compare_open(task);
  return pass_run(&pass, host, error);
}

/* ---- Numbers ---- */

/* The number of pairs that the numbers cover. */
static double compare_numbers_count(const Comparison *found) {
  return (double)(found->count - found->n_nan - found->n_nan_one);
}

/* The value of a number over the differences if it does not have to be computed from them, else
** 0. */
static double compare_without_differences(const Comparison *found) {
  if (compare_numbers_count(found) == 0) return NAN;
  return found->n_infinite > 0 ? INFINITY : 0;
}

/* The square root of sum / divisor. */
static double compare_root(const ScaledSum *sum, double divisor) {
  return ldexp(sqrt(sum->sum.high / divisor), sum->exponent / 2);
}

double compare_max_abs_diff(const Comparison *found) {
  return found->n_infinite > 0 ? INFINITY : compare_without_differences(found) + found->largest;
}

double compare_mean_abs_diff(const Comparison *found) {
  double mean = found->differences.sum.high / compare_numbers_count(found);
  return compare_without_differences(found) + ldexp(mean, found->differences.exponent);
}

double compare_rmse(const Comparison *found) {
  return compare_without_differences(found) +
         compare_root(&found->squared_differences, compare_numbers_count(found));
}

double compare_l2_diff(const Comparison *found) {
  return compare_without_differences(found) + compare_root(&found->squared_differences, 1);
}

double compare_l2_a(const Comparison *found) {
  return compare_numbers_count(found) == 0 ? NAN : compare_root(&found->a_squares, 1);
}

double compare_l2_b(const Comparison *found) {
  return compare_numbers_count(found) == 0 ? NAN : compare_root(&found->b_squares, 1);
}

double compare_rel_l2(const Comparison *found) {
  const ScaledSum *above = &found->squared_differences, *below = &found->a_squares;
  double special = compare_without_differences(found);
  if (special != 0 || above->sum.high == 0) return special;
  if (below->sum.high == 0) return INFINITY;
  return ldexp(sqrt(above->sum.high) / sqrt(below->sum.high),
               (above->exponent - below->exponent) / 2);
}

double compare_cosine(const Comparison *found) {
  double a = found->a_squares.sum.high, b = found->b_squares.sum.high;
  if (found->n_infinite > 0 || a == 0 || b == 0) return NAN;
  if (found->squared_differences.sum.high == 0) return 1;
  int exponent =
      found->products.exponent - (found->a_squares.exponent + found->b_squares.exponent) / 2;
  double cosine = ldexp(found->products.sum.high / sqrt(a) / sqrt(b), exponent);
  return fmin(fmax(cosine, -1), 1);
}
