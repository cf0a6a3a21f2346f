#include "tensor/stats.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "tensor/codes.h"
#include "tensor/decode.h"
#include "tensor/exact_sum.h"
#include "tensor/found.h"
#include "tensor/lanes.h"
#include "tensor/numbers.h"
#include "tensor/shorts.h"

/* The number of elements that are taken at a time, so that they stay in the first-level cache while
** they are decoded. Twice as many are taken of elements that are scanned as stored. */
enum { STATS_GROUP = NUMBERS_GROUP, STATS_HALVES_GROUP = 2 * STATS_GROUP };

/* The sums of numbers and of their squares, not centred. */
typedef struct StatsSums {
  uint64_t count;
  DoubleDouble numbers, squares;
} StatsSums;

/* The working memory of a thread. */
typedef struct StatsScratch {
  _Alignas(64) double numbers[STATS_GROUP];
  _Alignas(64) float floats[STATS_GROUP];
  uint64_t codes[STATS_GROUP];
  double lows[STATS_GROUP]; /* the rounding errors of `numbers` */
} StatsScratch;

/* What is found in a block. */
typedef struct StatsBlockFound {
  Found found;
  StatsSums quick; /* of the groups on the fast path, until the end of the block */
} StatsBlockFound;

typedef struct StatsTask {
  Numbers numbers;
  const Kernels *kernels;
  bool by_code; /* with `codes` */
  Codes codes;
  Dtype dtype;
  StatsLevel level;
  const StatsOfTwo *two; /* or NULL */
  Found found;
  ExactSum sum;
} StatsTask;

/* ---- Doubles: the careful path, for any numbers ---- */

static void stats_scan_doubles(const Kernels *kernels, const double *numbers, uint64_t count,
                               DoubleScan *scan) {
  uint64_t whole = count - count % KERNEL_LANES;
  kernels->scan_doubles(numbers, whole, scan);
  for (uint64_t i = whole; i < count; i++) {
    unsigned j = (unsigned)(i - whole);
    double number = numbers[i];
    if (number < scan->min[j]) scan->min[j] = number;
    if (number > scan->max[j]) scan->max[j] = number;
    scan->zeros[j] += number == 0;
    DoubleDouble sum = double_two_sum(scan->sum_high[j], number);
    scan->sum_high[j] = sum.high;
    scan->sum_low[j] += sum.low;
  }
}

static DoubleDouble stats_total(const DoubleScan *scan) {
  DoubleDouble lost = lanes_sum(scan->sum_low);
  return double_double_add(lanes_sum(scan->sum_high), lost);
}

/* The sum of squared distances from the mean. What the rounding of the mean adds is subtracted. */
static double stats_spread(const Kernels *kernels, const double *numbers, uint64_t count,
                           DoubleDouble sum) {
  double lanes[KERNEL_LANES], mean = double_double_divide(sum, (double)count);
  uint64_t whole = count - count % KERNEL_LANES;
  kernels->deviations(numbers, whole, mean, lanes);
  for (uint64_t i = whole; i < count; i++) {
    double distance = numbers[i] - mean;
    lanes[i - whole] += distance * distance;
  }
  DoubleDouble off = double_double_subtract(sum, double_two_product(mean, (double)count));
  double squares = lanes_rounded_sum(lanes) - off.high * off.high / (double)count;
  return squares > 0 ? squares : 0;
}

/* Removes the numbers that are not finite and counts them. Returns how many are left. */
static uint64_t stats_keep_finite(double *numbers, uint64_t count, Found *found) {
  uint64_t kept = 0;
  for (uint64_t i = 0; i < count; i++) {
    double number = numbers[i];
    numbers[kept] = number;
    kept += isfinite(number) != 0;
    found->nans += isnan(number) != 0;
    found->infinities += isinf(number) != 0;
  }
  return kept;
}

/* The exponent to scale numbers up to this magnitude by, so that neither their squares nor sums of
** squares leave the range of a double. */
static int stats_exponent_of(double magnitude) {
  if (magnitude == 0 || (magnitude > 0x1p-300 && magnitude < 0x1p300)) return 0;
  return magnitude > 1 ? 600 : -600;
}

/* May change `numbers`. */
static void stats_take_doubles(const StatsTask *task, double *numbers, uint64_t count, Found *all) {
  Found found = {0};
  DoubleScan scan;
  stats_scan_doubles(task->kernels, numbers, count, &scan);
  DoubleDouble sum = stats_total(&scan);
  if (!isfinite(sum.high)) {
    count = stats_keep_finite(numbers, count, &found);
    stats_scan_doubles(task->kernels, numbers, count, &scan);
    sum = stats_total(&scan);
  }
  found.finite = count;
  found.zeros = lanes_count(scan.zeros);
  found.min = lanes_min(scan.min);
  found.max = lanes_max(scan.max);
  if (count > 0 && task->level > STATS_RANGE) {
    found.moments.exponent = stats_exponent_of(fmax(fabs(found.min), fabs(found.max)));
    if (found.moments.exponent != 0) {
      double factor = ldexp(1, -found.moments.exponent);
      for (uint64_t i = 0; i < count; i++) numbers[i] *= factor;
      stats_scan_doubles(task->kernels, numbers, count, &scan);
      sum = stats_total(&scan);
    }
    found.moments.count = count;
    found.moments.sum = sum;
    if (task->level == STATS_SPREAD) {
      found.moments.squares.high = stats_spread(task->kernels, numbers, count, sum);
    }
  }
  found_merge(all, &found);
}

/* ---- Floats ---- */

/* A group of elements of a dtype that the kernels can scan: F32, F16 and BF16 as stored, and other
** dtypes converted to F32. */
typedef struct StatsGroup {
  Dtype dtype;
  const unsigned char *data;
  uint64_t count;
} StatsGroup;

/* Converts the elements at the end that do not fill a step of the kernels. Returns the number of
** the first. */
static uint64_t stats_rest_of(const Kernels *kernels, const StatsGroup *group,
                              float rest[SCAN_STEP]) {
  uint64_t whole = group->count - group->count % SCAN_STEP, count = group->count - whole;
  if (group->dtype == DTYPE_F32) {
    memcpy(rest, group->data + whole * sizeof(float), (size_t)count * sizeof(float));
  } else if (count > 0) {
    kernels->convert[group->dtype](group->data + 2 * whole, count, rest);
  }
  return whole;
}

/* Adds the elements after the first `whole`. */
static void stats_scan_rest(const StatsGroup *group, uint64_t whole, const float *rest,
                            FloatScan *scan) {
  for (uint64_t i = whole; i < group->count; i++) {
    float number = rest[i - whole], magnitude = fabsf(number);
    double value = (double)number;
    unsigned lane = scan_lane(group->dtype, i);
    scan->zeros += number == 0;
    if (number != 0 && magnitude < scan->min_magnitude) scan->min_magnitude = magnitude;
    if (number < scan->min) scan->min = number;
    if (number > scan->max) scan->max = number;
    scan->sum[lane] += value;
    scan->squares[lane] += value * value;
  }
}

static void stats_scan_floats(const Kernels *kernels, const StatsGroup *group, FloatScan *scan) {
  float rest[SCAN_STEP] = {0};
  uint64_t whole = stats_rest_of(kernels, group, rest);
  kernels->scan[group->dtype](group->data, whole, scan);
  stats_scan_rest(group, whole, rest, scan);
}

static void stats_range_floats(const Kernels *kernels, const StatsGroup *group, FloatRange *range) {
  float rest[SCAN_STEP] = {0};
  uint64_t whole = stats_rest_of(kernels, group, rest);
  kernels->range[group->dtype](group->data, whole, range);
  for (uint64_t i = whole; i < group->count; i++) {
    float number = rest[i - whole];
    range->finite = range->finite && isfinite(number);
    range->zeros += number == 0;
    if (number < range->min) range->min = number;
    if (number > range->max) range->max = number;
  }
}

enum { STATS_LANE_BITS = 4 }; /* of KERNEL_LANES */

/* How many more digits a double has than the sums of the lanes need, if no number's last digit is to be rounded
** off: negative if they may not be exact. Sums of F16 always are, and so is the sum of all lanes, since its numbers
** span no more than 40 binary digits. */
static int stats_spare_digits(const StatsGroup *group, const FloatScan *scan) {
  if (group->dtype == DTYPE_F16 || isinf(scan->min_magnitude)) return STATS_LANE_BITS;
  const int digits = group->dtype == DTYPE_BF16 ? 8 : 24,
            lane_bits = group->count > STATS_GROUP ? 9 : 8;
  int lowest = (int)(float_bits(scan->min_magnitude) >> 23);
  int highest = (int)(float_bits(fmaxf(-scan->min, scan->max)) >> 23);
  if (lowest == 0) lowest = 1; /* subnormal floats are spaced like the smallest normal ones */
  return DBL_MANT_DIG - (highest + 1 + lane_bits - (lowest - (digits - 1)));
}

/* The sum of the lanes; of exact ones whose sum is exact, too, simply that. */
static DoubleDouble stats_sum_of_lanes(const FloatScan *scan, int spare_digits) {
  if (spare_digits < STATS_LANE_BITS) return lanes_sum(scan->sum);
  return (DoubleDouble){lanes_rounded_sum(scan->sum), 0};
}

static void stats_add(DoubleDouble *sum, double more) {
  DoubleDouble added = double_two_sum(sum->high, more);
  *sum = (DoubleDouble){added.high, sum->low + added.low};
}

/* The fast path: the sums of the numbers and of their squares, in doubles. It is used if the first
** sum is exact, and if subtracting the square of the mean from the second cancels little. (By the
** Cauchy-Schwarz inequality, little then cancels in the sums of several such groups as well.)
** Otherwise returns false and does nothing. */
static bool stats_add_scan(const StatsGroup *group, const FloatScan *scan, StatsBlockFound *all) {
  double squares = lanes_rounded_sum(scan->squares);
  int spare_digits = stats_spare_digits(group, scan);
  if (!isfinite(squares) || spare_digits < 0) return false;
  DoubleDouble sum = stats_sum_of_lanes(scan, spare_digits);
  if (sum.high * (sum.high / (double)group->count) > squares * (15.0 / 16)) return false;
  Found found = {.finite = group->count,
                 .zeros = scan->zeros,
                 .min = (double)scan->min,
                 .max = (double)scan->max};
  found_merge(&all->found, &found);
  all->quick.count += group->count;
  stats_add(&all->quick.numbers, sum.high);
  all->quick.numbers.low += sum.low;
  stats_add(&all->quick.squares, squares);
  return true;
}

static bool stats_take_floats_quickly(const StatsTask *task, const StatsGroup *group,
                                      StatsBlockFound *all) {
  FloatScan scan;
  stats_scan_floats(task->kernels, group, &scan);
  return stats_add_scan(group, &scan, all);
}

static bool stats_take_floats_range(const StatsTask *task, const StatsGroup *group, Found *all) {
  FloatRange range;
  stats_range_floats(task->kernels, group, &range);
  if (!range.finite) return false;
  Found found = {.finite = group->count,
                 .zeros = range.zeros,
                 .min = (double)range.min,
                 .max = (double)range.max};
  found_merge(all, &found);
  return true;
}

static bool stats_take_floats(const StatsTask *task, const StatsGroup *group,
                              StatsBlockFound *all) {
  return task->level == STATS_RANGE ? stats_take_floats_range(task, group, &all->found)
                                    : stats_take_floats_quickly(task, group, all);
}

/* ---- By dtype ---- */

/* The exact sum of 64-bit integers, at most 2^20 of them, computed from their halves. */
static DoubleDouble stats_sum_integers(const uint64_t *codes, uint64_t count, bool is_signed) {
  uint64_t high = 0, low = 0, negative = 0;
  for (uint64_t i = 0; i < count; i++) {
    high += codes[i] >> 32;
    low += codes[i] & UINT32_MAX;
    negative += codes[i] >> 63;
  }
  int64_t halves = (int64_t)high - (is_signed ? (int64_t)(negative << 32) : 0);
  return double_two_sum((double)halves * 0x1p32, (double)low);
}

/* 64-bit integers. The sum is exact. The spread is computed from distances to a base if the
** integers are close together, and otherwise from the integers rounded to doubles. */
static void stats_take_long_integers(const StatsTask *task, const unsigned char *data,
                                     uint64_t first, uint64_t count, StatsScratch *scratch,
                                     Found *all) {
  const uint64_t sign = task->dtype == DTYPE_I64 ? (uint64_t)1 << 63 : 0;
  Found found = {.finite = count, .min_key = UINT64_MAX};
  uint64_t *codes = scratch->codes;
  decode_integers(task->dtype, data, first, count, 1, codes);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t key = codes[i] ^ sign;
    if (key < found.min_key) found.min_key = key;
    if (key > found.max_key) found.max_key = key;
    found.zeros += codes[i] == 0;
  }
  if (task->level > STATS_RANGE) {
    bool near = found.max_key - found.min_key < (uint64_t)1 << 53;
    uint64_t base = near ? found.min_key ^ sign : 0;
    double *numbers = scratch->numbers;
    for (uint64_t i = 0; i < count; i++) {
      uint64_t distance = codes[i] - base;
      numbers[i] = near || sign != 0 ? (double)(int64_t)distance : (double)distance;
    }
    Found from_base = {0};
    stats_take_doubles(task, numbers, count, &from_base);
    found.moments = from_base.moments;
    found.moments.sum = stats_sum_integers(codes, count, sign != 0);
  }
  found_merge(all, &found);
}

/* Removes and counts the magnitudes that are not finite, and finds the range of the rest. */
static uint64_t stats_find_complex_range(double *numbers, double *lows, uint64_t count,
                                         Found *found) {
  double min = INFINITY, max = 0;
  uint64_t kept = 0;
  for (uint64_t i = 0; i < count; i++) {
    double number = numbers[i];
    if (!isfinite(number)) {
      *(isnan(number) ? &found->nans : &found->infinities) += 1;
      continue;
    }
    numbers[kept] = number;
    lows[kept++] = lows[i];
    found->zeros += number == 0;
    if (number < min) min = number;
    if (number > max) max = number;
  }
  found->finite = kept;
  found->min = min;
  found->max = max;
  return kept;
}

/* Magnitudes may differ by less than the resolution of a double. So their distances from the first
** one are used, each rounded once, including the rounding errors of the magnitudes. */
static void stats_take_complex(const StatsTask *task, const unsigned char *data, uint64_t first,
                               uint64_t count, StatsScratch *scratch, Found *all) {
  Found found = {0}, from_base = {0};
  double *numbers = scratch->numbers, *lows = scratch->lows;
  numbers_magnitudes(data, first, count, numbers, lows);
  count = stats_find_complex_range(numbers, lows, count, &found);
  if (count > 0 && task->level > STATS_RANGE) {
    double base = numbers[0];
    for (uint64_t i = 0; i < count; i++) {
      DoubleDouble distance = double_two_sum(numbers[i], -base);
      numbers[i] = distance.high + (distance.low + lows[i]);
    }
    stats_take_doubles(task, numbers, count, &from_base);
    Moments *moments = &from_base.moments;
    double scaled = ldexp(base, -moments->exponent);
    moments->sum = double_double_add(double_two_product(scaled, (double)count), moments->sum);
    found.moments = *moments;
  }
  found_merge(all, &found);
}

/* Whether the elements of the dtype are scanned as stored. For F32, on a little-endian machine,
** numbers_floats() already achieves that. */
static bool stats_is_scanned_as_stored(const StatsTask *task) {
  return task->kernels->scan[task->dtype] != NULL && task->dtype != DTYPE_F32;
}

static bool stats_take_as_stored(const StatsTask *task, const unsigned char *data, uint64_t first,
                                 uint64_t count, StatsBlockFound *all) {
  data += first * dtype_bits(task->dtype) / 8;
  return stats_is_scanned_as_stored(task) &&
         stats_take_floats(task, &(StatsGroup){.dtype = task->dtype, .data = data, .count = count},
                           all);
}

static bool stats_take_as_floats(const StatsTask *task, const unsigned char *data, uint64_t first,
                                 uint64_t count, StatsScratch *scratch, StatsBlockFound *all) {
  const void *numbers = numbers_floats(&task->numbers, data, first, count, scratch->floats);
  return numbers != NULL &&
         stats_take_floats(task, &(StatsGroup){.dtype = DTYPE_F32, .data = numbers, .count = count},
                           all);
}

/* Takes at most STATS_GROUP elements. */
static void stats_take_group(const StatsTask *task, const unsigned char *data, uint64_t first,
                             uint64_t count, StatsScratch *scratch, StatsBlockFound *all) {
  if (task->dtype == DTYPE_I64 || task->dtype == DTYPE_U64) {
    stats_take_long_integers(task, data, first, count, scratch, &all->found);
  } else if (task->dtype == DTYPE_C64) {
    stats_take_complex(task, data, first, count, scratch, &all->found);
  } else if (stats_is_scanned_as_stored(task) ||
             !stats_take_as_floats(task, data, first, count, scratch, all)) {
    numbers_doubles(&task->numbers, data, first, count, scratch->numbers);
    stats_take_doubles(task, scratch->numbers, count, &all->found);
  }
}

/* Converts the sums of the fast path to moments. */
static void stats_settle_quick(StatsBlockFound *all) {
  const StatsSums *quick = &all->quick;
  if (quick->count == 0) return;
  DoubleDouble sum = double_fast_two_sum(quick->numbers.high, quick->numbers.low);
  DoubleDouble of_mean =
      double_double_multiply(sum, double_double_divide(sum, (double)quick->count));
  Moments moments = {.count = quick->count, .sum = sum};
  moments.squares = double_double_subtract(quick->squares, of_mean);
  moments_merge(&all->found.moments, &moments);
}

/* ---- What is computed of two tensors ---- */

static uint64_t stats_size_of_two(const StatsTask *task) {
  return dtype_bits(task->two->dtype) / 8;
}

/* Floats that are scanned while they are computed, and never stored all. */
static bool stats_take_two_quickly(const StatsTask *task, const unsigned char *a,
                                   const unsigned char *b, uint64_t count, StatsBlockFound *all) {
  float rest[SCAN_STEP] = {0};
  FloatScan scan;
  const StatsGroup group = {.dtype = DTYPE_F32, .count = count};
  uint64_t size = stats_size_of_two(task), whole = count - count % SCAN_STEP;
  task->kernels->scan_computed(task->two->compute, a, b, size, whole, &scan);
  task->two->compute(a + whole * size, b + whole * size, count - whole, rest);
  stats_scan_rest(&group, whole, rest, &scan);
  return stats_add_scan(&group, &scan, all);
}

static void stats_take_block_of_two(const void *context, const PassElements *elements,
                                    uint64_t position, uint64_t count, void *scratch, void *state) {
  const StatsTask *task = context;
  const unsigned char *a = elements[0].data, *b = elements[1].data;
  const unsigned char *floats = (unsigned char *)((StatsScratch *)scratch)->floats;
  uint64_t step = stats_size_of_two(task) * STATS_GROUP;
  (void)position;
  for (uint64_t size; count > 0; count -= size, a += step, b += step) {
    size = count < STATS_GROUP ? count : STATS_GROUP;
    if (task->level > STATS_RANGE && stats_take_two_quickly(task, a, b, size, state)) continue;
    task->two->compute(a, b, size, ((StatsScratch *)scratch)->floats);
    stats_take_group(task, floats, 0, size, scratch, state);
  }
  stats_settle_quick(state);
}

/* ---- The pass ---- */

static void stats_take_block(const void *context, const PassElements *elements, uint64_t position,
                             uint64_t count, void *scratch, void *state) {
  const StatsTask *task = context;
  StatsBlockFound *all = state;
  (void)position;
  const bool with_moments = task->level > STATS_RANGE;
  if (shorts_are(task->dtype)) {
    shorts_take(task->kernels, task->dtype, elements->data, elements->first, count, with_moments,
                &all->found);
    return;
  }
  if (task->by_code) {
    codes_take(&task->codes, elements->data, elements->first, count, with_moments, &all->found);
    return;
  }
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t left = count - done, first = elements->first + done;
    size = left < STATS_HALVES_GROUP ? left : STATS_HALVES_GROUP;
    if (stats_take_as_stored(task, elements->data, first, size, all)) continue;
    size = left < STATS_GROUP ? left : STATS_GROUP;
    stats_take_group(task, elements->data, first, size, scratch, all);
  }
  stats_settle_quick(all);
}

static bool stats_merge_block(void *context, const void *state) {
  StatsTask *task = context;
  const StatsBlockFound *block = state;
  found_merge(&task->found, &block->found);
  return true;
}

/* ---- The mean after cancellation ---- */

/* The error of the sums of a pass is at most 2^-80 of the sum of all magnitudes, and slightly more
** for more than 2^36 numbers. If so much cancels that this could affect the mean, a second pass
** adds all numbers exactly. */
static const double stats_cancelled = 0x1p-28;

/* Integers cannot lose precision, and neither can floats so narrow that their sums have all
** digits. */
static bool stats_may_cancel(Dtype dtype) {
  return dtype == DTYPE_F64 || dtype == DTYPE_F32 || dtype == DTYPE_BF16;
}

static bool stats_has_cancelled(const StatsTask *task) {
  const Found *found = &task->found;
  const Moments *moments = &found->moments;
  double largest = fmax(fabs(found->min), fabs(found->max));
  if (!stats_may_cancel(task->dtype) || moments->count == 0 || largest == 0) return false;
  return fabs(moments->sum.high) / (double)moments->count <
         stats_cancelled * ldexp(largest, -moments->exponent);
}

static void stats_add_exactly(const void *context, const PassElements *elements, uint64_t position,
                              uint64_t count, void *scratch, void *state) {
  const StatsTask *task = context;
  double *numbers = ((StatsScratch *)scratch)->numbers;
  float *floats = ((StatsScratch *)scratch)->floats;
  (void)position;
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < STATS_GROUP ? count - done : STATS_GROUP;
    const unsigned char *data = elements[0].data;
    uint64_t first = elements[0].first + done;
    if (task->two != NULL) {
      uint64_t at = done * stats_size_of_two(task);
      data = (unsigned char *)floats;
      first = 0;
      task->two->compute(elements[0].data + at, elements[1].data + at, size, floats);
    }
    numbers_doubles(&task->numbers, data, first, size, numbers);
    exact_sum_add(state, numbers, size);
  }
}

static bool stats_merge_exactly(void *context, const void *state) {
  StatsTask *task = context;
  exact_sum_merge(&task->sum, state);
  return true;
}

/* `first` is the pass that was made. */
static bool stats_find_mean(StatsTask *task, const Pass *first, const Host *host, double *mean,
                            Error *error) {
  *mean = moments_mean(&task->found.moments);
  if (!stats_has_cancelled(task)) return true;
  Pass pass = *first;
  pass.any_order = true;
  pass.state_size = sizeof(ExactSum);
  pass.block = stats_add_exactly;
  pass.merge = stats_merge_exactly;
  if (!pass_run(&pass, host, error)) return false;
  *mean = exact_sum_mean(&task->sum, task->found.moments.count);
  return true;
}

/* ---- Results ---- */

static Value stats_integer_value(bool negative, uint64_t magnitude) {
  if (negative) return (Value){.kind = VALUE_INTEGER, .integer = (int64_t)(0 - magnitude)};
  if (magnitude <= INT64_MAX) return (Value){.kind = VALUE_INTEGER, .integer = (int64_t)magnitude};
  return (Value){.kind = VALUE_REAL, .real = (double)magnitude};
}

static Value stats_number_value(Dtype dtype, double number) {
  ValueKind kind = decode_kind(dtype);
  if (kind == VALUE_INTEGER || kind == VALUE_BOOLEAN) {
    return stats_integer_value(number < 0, (uint64_t)fabs(number));
  }
  return (Value){.kind = VALUE_REAL, .real = number + 0.0}; /* turns -0 into 0, to which it is
                                                            ** equal */
}

static void stats_set_range(const StatsTask *task, Stats *out) {
  const Found *found = &task->found;
  if (task->dtype != DTYPE_I64 && task->dtype != DTYPE_U64) {
    out->min = stats_number_value(task->dtype, found->min);
    out->max = stats_number_value(task->dtype, found->max);
    out->abs_max = stats_number_value(task->dtype, fmax(fabs(found->min), fabs(found->max)));
    return;
  }
  const uint64_t zero = task->dtype == DTYPE_I64 ? (uint64_t)1 << 63 : 0;
  uint64_t below = found->min_key < zero ? zero - found->min_key : 0;
  uint64_t above = found->max_key > zero ? found->max_key - zero : 0;
  out->min = below > 0 ? stats_integer_value(true, below)
                       : stats_integer_value(false, found->min_key - zero);
  out->max = found->max_key < zero ? stats_integer_value(true, zero - found->max_key)
                                   : stats_integer_value(false, found->max_key - zero);
  out->abs_max = stats_integer_value(false, below > above ? below : above);
}

/* Makes the pass, whose inputs are set. */
static bool stats_run_pass(StatsTask *task, Pass *pass, const Host *host, Stats *out,
                           Error *error) {
  numbers_open(&task->numbers, task->dtype);
  task->kernels = task->numbers.kernels;
  task->by_code = codes_open(&task->codes, task->kernels, task->dtype, &task->numbers.table);
  pass->task = task;
  pass->maps_windows = true;
  pass->state_size = sizeof(StatsBlockFound);
  pass->scratch_size = sizeof(StatsScratch);
  pass->merge = stats_merge_block;
  if (!pass_run(pass, host, error)) return false;
  const Found *found = &task->found;
  *out = (Stats){.nans = found->nans,
                 .infinities = found->infinities,
                 .zeros = found->zeros,
                 .finite = found->finite};
  if (found->finite > 0) stats_set_range(task, out);
  if (found->moments.count > 0) {
    if (!stats_find_mean(task, pass, host, &out->mean, error)) return false;
    out->std = moments_deviation(&found->moments);
    out->l2 = moments_norm(&found->moments);
  }
  return true;
}

bool stats_run(const Source *source, const View *view, Dtype dtype, StatsLevel level,
               const Host *host, Stats *out, Error *error) {
  StatsTask task = {.dtype = dtype, .level = level};
  Pass pass = {
      .input_count = 1, .inputs = {{source, view, dtype_bits(dtype)}}, .block = stats_take_block};
  return stats_run_pass(&task, &pass, host, out, error);
}

bool stats_run_of_two(const StatsOfTwo *two, StatsLevel level, const Host *host, Stats *out,
                      Error *error) {
  StatsTask task = {.dtype = DTYPE_F32, .level = level, .two = two};
  unsigned bits = dtype_bits(two->dtype);
  Pass pass = {
      .input_count = 2,
      .inputs = {{two->sources[0], two->views[0], bits}, {two->sources[1], two->views[1], bits}},
      .block = stats_take_block_of_two};
  return stats_run_pass(&task, &pass, host, out, error);
}
