#include "tensor/compare.h"

#include <math.h>
#include <string.h>

#include "tensor/decode.h"
#include "tensor/pair_kernels.h"

/* Elements taken at a time, and those of them that are taken with care: what is made of them stays in
** the nearest cache. */
enum { SPAN = 4096, CAREFUL = 1024 };

/* What scale() takes out. */
enum { LARGE_EXPONENT = 600 };

/* A span of one input. */
typedef struct Side {
  Dtype dtype;
  const unsigned char *data;
  uint64_t first; /* element */
} Side;

/* Some of both as doubles: one for each element, or two if they are complex. */
typedef struct Pairs {
  uint64_t count;
  unsigned parts; /* of an element: 1 or 2 */
  bool whole;     /* 64-bit integers: differences are computed from these */
  double a[2 * CAREFUL], b[2 * CAREFUL];
  double differences[CAREFUL];
} Pairs;

/* ---- Pairs ---- */

static bool is_whole(Dtype dtype) {
  ValueKind kind = decode_kind(dtype);
  return kind == VALUE_INTEGER || kind == VALUE_BOOLEAN;
}

static bool is_long(Dtype dtype) {
  return dtype == DTYPE_I64 || dtype == DTYPE_U64;
}

static void decode_side(const Side *side, unsigned parts, uint64_t count, double *out) {
  decode_doubles(side->dtype, side->data, side->first, count, 1, out);
  if (parts == 1 || side->dtype == DTYPE_C64) return;
  for (uint64_t i = count; i-- > 0;) {
    out[2 * i] = out[i];
    out[2 * i + 1] = 0;
  }
}

/* |a - b| of integers as decode_integers() gives them, rounded once. */
static double integer_difference(uint64_t a, bool a_signed, uint64_t b, bool b_signed) {
  bool a_negative = a_signed && a > INT64_MAX, b_negative = b_signed && b > INT64_MAX;
  if (a_negative == b_negative) return (double)(a > b ? a - b : b - a);
  uint64_t below = a_negative ? 0 - a : 0 - b, above = a_negative ? b : a, sum;
  if (!__builtin_add_overflow(below, above, &sum)) return (double)sum;
  return (double)below + (double)above;
}

static void integer_differences(const Side *a, const Side *b, Pairs *pairs) {
  enum { BLOCK = 128 };
  uint64_t x[BLOCK], y[BLOCK];
  bool a_signed = a->dtype != DTYPE_U64, b_signed = b->dtype != DTYPE_U64;
  for (uint64_t at = 0; at < pairs->count; at += BLOCK) {
    uint64_t count = pairs->count - at < BLOCK ? pairs->count - at : BLOCK;
    decode_integers(a->dtype, a->data, a->first + at, count, 1, x);
    decode_integers(b->dtype, b->data, b->first + at, count, 1, y);
    for (uint64_t i = 0; i < count; i++) {
      pairs->differences[at + i] = integer_difference(x[i], a_signed, y[i], b_signed);
    }
  }
}

static void decode_pairs(const Side *a, const Side *b, uint64_t count, Pairs *pairs) {
  pairs->count = count;
  pairs->parts = a->dtype == DTYPE_C64 || b->dtype == DTYPE_C64 ? 2 : 1;
  pairs->whole =
      is_whole(a->dtype) && is_whole(b->dtype) && (is_long(a->dtype) || is_long(b->dtype));
  decode_side(a, pairs->parts, count, pairs->a);
  decode_side(b, pairs->parts, count, pairs->b);
  if (pairs->whole) integer_differences(a, b, pairs);
}

/* Divided by the power of two whose inverse is `factor`. */
static void find_differences(Pairs *pairs, double factor) {
  if (pairs->whole) return;
  for (uint64_t i = 0; i < pairs->count; i++) {
    const double *a = pairs->a + i * pairs->parts, *b = pairs->b + i * pairs->parts;
    double difference = a[0] * factor - b[0] * factor;
    pairs->differences[i] =
        pairs->parts == 1 ? fabs(difference) : hypot(difference, a[1] * factor - b[1] * factor);
  }
}

static bool is_nan(const double *number, unsigned parts) {
  return isnan(number[0]) || (parts == 2 && isnan(number[1]));
}

static bool is_finite(const double *number, unsigned parts) {
  return isfinite(number[0]) && (parts == 1 || isfinite(number[1]));
}

static bool is_equal(const double *a, const double *b, unsigned parts) {
  return a[0] == b[0] && (parts == 1 || a[1] == b[1]);
}

/* Counts the pairs that are not of two finite numbers, and puts two zeros in their place. */
static void take_out_specials(Pairs *pairs, Comparison *to) {
  unsigned parts = pairs->parts;
  for (uint64_t i = 0; i < pairs->count; i++) {
    double *a = pairs->a + i * parts, *b = pairs->b + i * parts;
    if (is_finite(a, parts) && is_finite(b, parts)) continue;
    bool a_nan = is_nan(a, parts), b_nan = is_nan(b, parts);
    if (a_nan && b_nan) {
      to->n_nan++;
    } else if (a_nan || b_nan) {
      to->n_nan_one++;
      to->n_diff++;
    } else if (!is_equal(a, b, parts)) {
      to->n_infinite++;
      to->n_diff++;
    }
    memset(a, 0, parts * sizeof *a);
    memset(b, 0, parts * sizeof *b);
  }
}

/* ---- Sums ---- */

static void raise_exponent(ScaledSum *sum, int exponent) {
  sum->sum.high = ldexp(sum->sum.high, sum->exponent - exponent);
  sum->sum.low = ldexp(sum->sum.low, sum->exponent - exponent);
  sum->exponent = exponent;
}

static void add_scaled(ScaledSum *to, ScaledSum more) {
  if (more.sum.high == 0) return;
  if (to->sum.high == 0) to->exponent = more.exponent;
  if (to->exponent < more.exponent) raise_exponent(to, more.exponent);
  if (more.exponent < to->exponent) raise_exponent(&more, to->exponent);
  to->sum = double_double_add(to->sum, more.sum);
}

static void add(ScaledSum *to, double more, int exponent) {
  add_scaled(to, (ScaledSum){{more, 0}, exponent});
}

/* By which powers of two numbers were divided before they were summed. */
typedef struct Exponents {
  int a, b, difference;
} Exponents;

static void add_products(const PairSums *sums, Exponents exponents, Comparison *to) {
  add(&to->products, sums->products, exponents.a + exponents.b);
  add(&to->a_squares, sums->a_squares, 2 * exponents.a);
  add(&to->b_squares, sums->b_squares, 2 * exponents.b);
}

static void add_differences(const PairSums *sums, Exponents exponents, Comparison *to) {
  to->n_diff += sums->unequal;
  to->largest = fmax(to->largest, ldexp(sums->largest, exponents.difference));
  add(&to->differences, sums->differences, exponents.difference);
  add(&to->squared_differences, sums->squared_differences, 2 * exponents.difference);
}

static double largest_of(const double *numbers, uint64_t count) {
  double largest = 0;
  for (uint64_t i = 0; i < count; i++) largest = fmax(largest, fabs(numbers[i]));
  return largest;
}

/* Divides numbers by a power of two, so that neither their squares nor sums of these leave the
** range of a double. Returns its exponent. */
static int scale(double *numbers, uint64_t count) {
  double largest = largest_of(numbers, count);
  if (largest == 0 || (largest > 0x1p-300 && largest < 0x1p300)) return 0;
  int exponent = largest > 1 ? LARGE_EXPONENT : -LARGE_EXPONENT;
  for (uint64_t i = 0; i < count; i++) numbers[i] = ldexp(numbers[i], -exponent);
  return exponent;
}

static Exponents scale_pairs(Pairs *pairs) {
  uint64_t count = pairs->count * pairs->parts;
  Exponents exponents = {.difference = LARGE_EXPONENT};
  if (isfinite(largest_of(pairs->differences, pairs->count))) {
    exponents.difference = scale(pairs->differences, pairs->count);
  } else {
    find_differences(pairs, ldexp(1, -LARGE_EXPONENT));
  }
  exponents.a = scale(pairs->a, count);
  exponents.b = scale(pairs->b, count);
  return exponents;
}

static uint64_t count_unequal(const Pairs *pairs) {
  uint64_t unequal = 0;
  for (uint64_t i = 0; i < pairs->count; i++) unequal += pairs->differences[i] != 0;
  return unequal;
}

static uint64_t whole_lanes(uint64_t count) {
  return (count + PAIR_LANES - 1) / PAIR_LANES * PAIR_LANES;
}

/* The arrays have room for whole_lanes(count). */
static void sum_doubles(const PairKernels *kernels, double *a, double *b, uint64_t count,
                        PairSums *sums) {
  for (uint64_t i = count; i < whole_lanes(count); i++) a[i] = b[i] = 0;
  kernels->doubles(a, b, whole_lanes(count), sums);
}

static bool squares_are_finite(const PairSums *sums) {
  return isfinite(sums->a_squares) && isfinite(sums->b_squares);
}

/* Whether so much is left of the squares that what vanished is not missed. */
static bool squares_hold(const PairSums *sums) {
  const double least = 0x1p-900;
  return squares_are_finite(sums) && sums->a_squares > least && sums->b_squares > least &&
         (sums->unequal == 0 || sums->squared_differences > least);
}

static void add_pairs(const CompareTask *task, Pairs *pairs, Comparison *to) {
  const PairKernels *kernels = task->a_numbers.kernels->pairs;
  uint64_t count = pairs->count * pairs->parts;
  Exponents exponents = {0};
  PairSums sums;
  sum_doubles(kernels, pairs->a, pairs->b, count, &sums);
  if (!squares_are_finite(&sums)) {
    take_out_specials(pairs, to);
    sum_doubles(kernels, pairs->a, pairs->b, count, &sums);
  }
  bool of_doubles = task->a == DTYPE_F64 || task->b == DTYPE_F64;
  if (pairs->parts == 2 || pairs->whole || (of_doubles && !squares_hold(&sums))) {
    PairSums differences;
    find_differences(pairs, 1);
    uint64_t unequal =
        count_unequal(pairs); /* scaled, small differences vanish beside large ones */
    if (of_doubles) {
      exponents = scale_pairs(pairs);
      sum_doubles(kernels, pairs->a, pairs->b, count, &sums);
    }
    memset(pairs->b, 0, sizeof pairs->b);
    sum_doubles(kernels, pairs->differences, pairs->b, pairs->count, &differences);
    differences.unequal = unequal;
    add_differences(&differences, exponents, to);
  } else {
    add_differences(&sums, exponents, to);
  }
  add_products(&sums, exponents, to);
}

/* ---- Spans ---- */

/* A side as floats, with zeros behind them up to whole_lanes(count). NULL if they do not hold it. */
static const void *floats_of(const Numbers *numbers, const Side *side, uint64_t count,
                             float out[SPAN]) {
  const void *floats = numbers_floats(numbers, side->data, side->first, count, out);
  if (floats == NULL || count % PAIR_LANES == 0) return floats;
  if (floats != out) memcpy(out, floats, (size_t)count * sizeof *out);
  for (uint64_t i = count; i < whole_lanes(count); i++) out[i] = 0;
  return out;
}

/* Whether the kernels have loops for a side's elements as they are stored, and take as many. */
static bool is_taken_as_stored(const CompareTask *task, const Side *side, uint64_t count) {
  return task->a_numbers.kernels->pairs->stored[side->dtype] != NULL && count % PAIR_LANES == 0;
}

static const unsigned char *stored_at(const Side *side) {
  return side->data + side->first * dtype_bits(side->dtype) / 8;
}

/* The short way, for two sides that floats hold, all finite. False, and nothing done, for others. */
static bool sum_as_floats(const CompareTask *task, const Side *a, const Side *b, uint64_t count,
                          PairSums *sums) {
  float a_floats[SPAN], b_floats[SPAN];
  const PairKernels *kernels = task->a_numbers.kernels->pairs;
  if (a->dtype == b->dtype && is_taken_as_stored(task, a, count)) {
    kernels->stored[a->dtype](stored_at(a), stored_at(b), count, sums);
    return squares_are_finite(sums);
  }
  const void *x = floats_of(&task->a_numbers, a, count, a_floats);
  const void *y = x != NULL ? floats_of(&task->b_numbers, b, count, b_floats) : NULL;
  if (y == NULL) return false;
  kernels->floats(x, y, whole_lanes(count), sums);
  return squares_are_finite(sums);
}

static Side behind(const Side *side, uint64_t count) {
  return (Side){side->dtype, side->data, side->first + count};
}

static void add_span(const CompareTask *task, const Side *a, const Side *b, uint64_t count,
                     Comparison *to) {
  PairSums sums;
  if (sum_as_floats(task, a, b, count, &sums)) {
    add_differences(&sums, (Exponents){0}, to);
    add_products(&sums, (Exponents){0}, to);
    return;
  }
  for (uint64_t done = 0; done < count; done += CAREFUL) {
    Side x = behind(a, done), y = behind(b, done);
    Pairs pairs;
    decode_pairs(&x, &y, count - done < CAREFUL ? count - done : CAREFUL, &pairs);
    add_pairs(task, &pairs, to);
  }
}

static bool is_close(const CompareTask *task, const Pairs *pairs, uint64_t at) {
  unsigned parts = pairs->parts;
  const double *a = pairs->a + at * parts, *b = pairs->b + at * parts;
  if (!is_finite(a, parts) || !is_finite(b, parts)) return is_equal(a, b, parts);
  double size = parts == 1 ? fabs(b[0]) : hypot(b[0], b[1]);
  return pairs->differences[at] <= task->atol + task->rtol * size;
}

static bool span_is_close(const CompareTask *task, const Side *a, const Side *b, uint64_t count) {
  PairSums sums;
  if (sum_as_floats(task, a, b, count, &sums) && sums.largest <= task->atol) return true;
  for (uint64_t done = 0; done < count; done += CAREFUL) {
    Side x = behind(a, done), y = behind(b, done);
    Pairs pairs;
    decode_pairs(&x, &y, count - done < CAREFUL ? count - done : CAREFUL, &pairs);
    find_differences(&pairs, 1);
    for (uint64_t i = 0; i < pairs.count; i++) {
      if (!is_close(task, &pairs, i)) return false;
    }
  }
  return true;
}

/* ---- Blocks ---- */

/* Whether both are the same, by their bytes. Elements that do not fill whole bytes may be and yet
** not be found to be. */
static bool same_bytes(const Side *a, const Side *b, uint64_t count) {
  unsigned bits = dtype_bits(a->dtype);
  if (a->dtype != b->dtype || (a->first | b->first | count) * bits % 8 != 0) return false;
  return memcmp(a->data + a->first * bits / 8, b->data + b->first * bits / 8,
                (size_t)(count * bits / 8)) == 0;
}

/* The sum of the squares of a side's elements. */
static double sum_squares(const CompareTask *task, const Side *a, uint64_t count) {
  const PairKernels *kernels = task->a_numbers.kernels->pairs;
  if (is_taken_as_stored(task, a, count)) {
    return kernels->stored_squares[a->dtype](stored_at(a), count);
  }
  float floats[SPAN];
  const void *as_floats = floats_of(&task->a_numbers, a, count, floats);
  if (as_floats != NULL) {
    return kernels->float_squares(as_floats, whole_lanes(count));
  }
  unsigned parts = a->dtype == DTYPE_C64 ? 2 : 1;
  double squares = 0;
  for (uint64_t done = 0, size; done < count; done += size) {
    Side part = behind(a, done);
    double numbers[2 * CAREFUL] = {0};
    size = count - done < CAREFUL ? count - done : CAREFUL;
    decode_side(&part, parts, size, numbers);
    squares += kernels->double_squares(numbers, whole_lanes(size * parts));
  }
  return squares;
}

/* A span of which both sides are the same. */
static void add_same(const CompareTask *task, const Side *a, uint64_t count, Comparison *to) {
  double squares = sum_squares(task, a, count);
  PairSums sums = {.products = squares, .a_squares = squares, .b_squares = squares};
  if (a->dtype == DTYPE_F64 ? squares_hold(&sums) : squares_are_finite(&sums)) {
    add_products(&sums, (Exponents){0}, to);
  } else {
    add_span(task, a, a, count, to);
  }
}

/* Whether what was found answers the question, whatever is to come. */
static bool has_answer(const CompareTask *task, const Comparison *found) {
  switch (task->goal) {
    case COMPARE_BYTES: return found->bytes_differ;
    case COMPARE_EQUAL: return found->n_diff > 0;
    case COMPARE_CLOSE: return found->far;
    case COMPARE_NUMBERS: break;
  }
  return false;
}

/* Returns whether to go on. */
static bool compare_span(const CompareTask *task, const Side *a, const Side *b, uint64_t count,
                         Comparison *to) {
  if (task->goal == COMPARE_CLOSE) {
    to->far = !span_is_close(task, a, b, count);
  } else if (task->goal == COMPARE_NUMBERS && same_bytes(a, b, count)) {
    add_same(task, a, count, to);
  } else {
    to->bytes_differ = true;
    add_span(task, a, b, count, to);
  }
  return !has_answer(task, to);
}

static void compare_block(const void *context, const PassElements *elements, uint64_t position,
                          uint64_t count, void *state) {
  const CompareTask *task = context;
  Comparison *to = state;
  Side a = {task->a, elements[0].data, elements[0].first};
  Side b = {task->b, elements[1].data, elements[1].first};
  (void)position;
  to->count = count;
  if (task->goal == COMPARE_BYTES || task->goal == COMPARE_EQUAL) {
    to->bytes_differ = !same_bytes(&a, &b, count);
    if (task->goal == COMPARE_BYTES || !to->bytes_differ) return;
  }
  for (uint64_t size; count > 0; count -= size) {
    size = count < SPAN ? count : SPAN;
    if (!compare_span(task, &a, &b, size, to)) return;
    a.first += size;
    b.first += size;
  }
}

static bool merge_block(void *context, const void *state) {
  CompareTask *task = context;
  const Comparison *more = state;
  Comparison *found = &task->found;
  found->bytes_differ = found->bytes_differ || more->bytes_differ;
  found->far = found->far || more->far;
  found->count += more->count;
  found->n_diff += more->n_diff;
  found->n_nan += more->n_nan;
  found->n_nan_one += more->n_nan_one;
  found->n_infinite += more->n_infinite;
  found->largest = fmax(found->largest, more->largest);
  add_scaled(&found->differences, more->differences);
  add_scaled(&found->squared_differences, more->squared_differences);
  add_scaled(&found->products, more->products);
  add_scaled(&found->a_squares, more->a_squares);
  add_scaled(&found->b_squares, more->b_squares);
  return !has_answer(task, found);
}

bool compare_run(CompareTask *task, const Source *a, const View *a_view, const Source *b,
                 const View *b_view, const PassHost *host, Error *error) {
  Pass pass = {.input_count = 2,
               .inputs = {{a, a_view, dtype_bits(task->a)}, {b, b_view, dtype_bits(task->b)}},
               .task = task,
               .state_size = sizeof(Comparison),
               .block = compare_block,
               .merge = merge_block};
  numbers_open(&task->a_numbers, task->a);
  numbers_open(&task->b_numbers, task->b);
  return pass_run(&pass, host, error);
}

/* ---- Numbers ---- */

/* How many pairs the numbers are over. */
static double numbers_count(const Comparison *found) {
  return (double)(found->count - found->n_nan - found->n_nan_one);
}

/* What a number over the differences is if it is not computed from them, else 0. */
static double without_differences(const Comparison *found) {
  if (numbers_count(found) == 0) return NAN;
  return found->n_infinite > 0 ? INFINITY : 0;
}

/* The square root of sum / divisor. */
static double root(const ScaledSum *sum, double divisor) {
  return ldexp(sqrt(sum->sum.high / divisor), sum->exponent / 2);
}

double compare_max_abs_diff(const Comparison *found) {
  return found->n_infinite > 0 ? INFINITY : without_differences(found) + found->largest;
}

double compare_mean_abs_diff(const Comparison *found) {
  double mean = found->differences.sum.high / numbers_count(found);
  return without_differences(found) + ldexp(mean, found->differences.exponent);
}

double compare_rmse(const Comparison *found) {
  return without_differences(found) + root(&found->squared_differences, numbers_count(found));
}

double compare_l2_diff(const Comparison *found) {
  return without_differences(found) + root(&found->squared_differences, 1);
}

double compare_l2_a(const Comparison *found) {
  return numbers_count(found) == 0 ? NAN : root(&found->a_squares, 1);
}

double compare_l2_b(const Comparison *found) {
  return numbers_count(found) == 0 ? NAN : root(&found->b_squares, 1);
}

double compare_rel_l2(const Comparison *found) {
  const ScaledSum *above = &found->squared_differences, *below = &found->a_squares;
  double special = without_differences(found);
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
