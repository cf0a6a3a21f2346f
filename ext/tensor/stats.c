#include "tensor/stats.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "tensor/decode.h"
#include "tensor/kernels.h"
#include "tensor/moments.h"
#include "tensor/numbers.h"

/* Elements are taken this many at a time: they stay in the first-level cache while decoded, and
** each lane has at most 2^LANE_BITS of them. */
enum { GROUP = NUMBERS_GROUP, LANE_BITS = 8 };

/* Sums of numbers and of their squares, about 0. */
typedef struct Sums {
  uint64_t count;
  DoubleDouble numbers, squares;
} Sums;

/* What a pass finds; of no elements: all zero. */
typedef struct Found {
  uint64_t nans, infinities, zeros, finite;
  double min, max;      /* if finite > 0; not of 64-bit integers: */
  uint64_t least, most; /* those, with the sign bit of I64 flipped, so that they compare unsigned */
  Moments moments;      /* as far as asked for, */
  Sums quick;           /* and until the end of a block, of the groups that were taken quickly */
} Found;

typedef struct Task {
  Numbers numbers;
  const Kernels *kernels;
  Dtype dtype;
  StatsLevel level;
  Found found;
} Task;

/* ---- Putting together ---- */

static void merge_found(Found *all, const Found *more) {
  all->nans += more->nans;
  all->infinities += more->infinities;
  all->zeros += more->zeros;
  if (more->finite == 0) return;
  bool first = all->finite == 0;
  if (first || more->min < all->min) all->min = more->min;
  if (first || more->max > all->max) all->max = more->max;
  if (first || more->least < all->least) all->least = more->least;
  if (first || more->most > all->most) all->most = more->most;
  all->finite += more->finite;
  moments_merge(&all->moments, &more->moments);
}

/* The first of all lanes in an order, pair by pair: without branches, which would be guessed wrong. */
#define FIRST(type, name, before)                                        \
  static type name(type lanes[KERNEL_LANES]) {                           \
    for (unsigned j = 0; j < 8; j++) {                                   \
      lanes[j] = lanes[j + 8] before lanes[j] ? lanes[j + 8] : lanes[j]; \
    }                                                                    \
    for (unsigned j = 0; j < 4; j++) {                                   \
      lanes[j] = lanes[j + 4] before lanes[j] ? lanes[j + 4] : lanes[j]; \
    }                                                                    \
    type even = lanes[2] before lanes[0] ? lanes[2] : lanes[0];          \
    type odd = lanes[3] before lanes[1] ? lanes[3] : lanes[1];           \
    return odd before even ? odd : even;                                 \
  }
FIRST(float, least_float, <)
FIRST(float, greatest_float, >)
FIRST(double, least_double, <)
FIRST(double, greatest_double, >)
FIRST(uint32_t, least_bits, <)
FIRST(uint32_t, greatest_bits, >)
#undef FIRST

static uint64_t count_lanes(const uint32_t *lanes) {
  uint64_t count = 0;
  for (unsigned j = 0; j < KERNEL_LANES; j++) count += lanes[j];
  return count;
}

static void add(DoubleDouble *sum, double more) {
  DoubleDouble added = double_two_sum(sum->high, more);
  *sum = (DoubleDouble){added.high, sum->low + added.low};
}

static DoubleDouble sum_lanes(const double *lanes) {
  DoubleDouble sum = {0, 0};
  for (unsigned j = 0; j < KERNEL_LANES; j++) add(&sum, lanes[j]);
  return double_fast_two_sum(sum.high, sum.low);
}

/* The same where the lanes are not exact either. */
static double rounded_sum(const double *lanes) {
  double eight[8], four[4];
  for (unsigned j = 0; j < 8; j++) eight[j] = lanes[j] + lanes[j + 8];
  for (unsigned j = 0; j < 4; j++) four[j] = eight[j] + eight[j + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

/* ---- Doubles: any of them, taken with care ---- */

static void scan_doubles(const Kernels *kernels, const double *numbers, uint64_t count,
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

static DoubleDouble total(const DoubleScan *scan) {
  DoubleDouble lost = sum_lanes(scan->sum_low);
  return double_double_add(sum_lanes(scan->sum_high), lost);
}

/* The squares of the distances from the mean, which is rounded: what that makes, is taken off. */
static double spread(const Kernels *kernels, const double *numbers, uint64_t count,
                     DoubleDouble sum) {
  double lanes[KERNEL_LANES], mean = double_double_divide(sum, (double)count);
  uint64_t whole = count - count % KERNEL_LANES;
  kernels->deviations(numbers, whole, mean, lanes);
  for (uint64_t i = whole; i < count; i++) {
    double distance = numbers[i] - mean;
    lanes[i - whole] += distance * distance;
  }
  DoubleDouble off = double_double_subtract(sum, double_two_product(mean, (double)count));
  double squares = rounded_sum(lanes) - off.high * off.high / (double)count;
  return squares > 0 ? squares : 0;
}

/* Takes the numbers that are not finite out, and counts them. Returns how many are left. */
static uint64_t keep_finite(double *numbers, uint64_t count, Found *found) {
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

/* The exponent to take out of numbers up to this magnitude, so that neither their squares nor sums
** of these leave the range of a double. */
static int exponent_of(double magnitude) {
  if (magnitude == 0 || (magnitude > 0x1p-300 && magnitude < 0x1p300)) return 0;
  return magnitude > 1 ? 600 : -600;
}

/* `numbers` may be changed. */
static void take_doubles(const Task *task, double *numbers, uint64_t count, Found *all) {
  Found found = {0};
  DoubleScan scan;
  scan_doubles(task->kernels, numbers, count, &scan);
  DoubleDouble sum = total(&scan);
  if (!isfinite(sum.high)) {
    count = keep_finite(numbers, count, &found);
    scan_doubles(task->kernels, numbers, count, &scan);
    sum = total(&scan);
  }
  found.finite = count;
  found.zeros = count_lanes(scan.zeros);
  found.min = least_double(scan.min);
  found.max = greatest_double(scan.max);
  if (count > 0 && task->level > STATS_RANGE) {
    found.moments.exponent = exponent_of(fmax(fabs(found.min), fabs(found.max)));
    if (found.moments.exponent != 0) {
      double factor = ldexp(1, -found.moments.exponent);
      for (uint64_t i = 0; i < count; i++) numbers[i] *= factor;
      scan_doubles(task->kernels, numbers, count, &scan);
      sum = total(&scan);
    }
    found.moments.count = count;
    found.moments.sum = sum;
    if (task->level == STATS_SPREAD) {
      found.moments.squares.high = spread(task->kernels, numbers, count, sum);
    }
  }
  merge_found(all, &found);
}

/* ---- Floats ---- */

static void scan_floats(const Kernels *kernels, const void *floats, uint64_t count, Ahead ahead,
                        FloatScan *scan) {
  uint64_t whole = count - count % KERNEL_LANES;
  kernels->scan_floats(floats, whole, ahead, scan);
  for (uint64_t i = whole; i < count; i++) {
    unsigned j = (unsigned)(i - whole);
    float number = float_at(floats, i);
    uint32_t below = (float_bits(number) & 0x7fffffff) - 1;
    scan->zeros[j] += below == UINT32_MAX;
    if (below < scan->least[j]) scan->least[j] = below;
    if (number < scan->min[j]) scan->min[j] = number;
    if (number > scan->max[j]) scan->max[j] = number;
    double value = number;
    scan->sum[j] += value;
    scan->squares[j] += value * value;
  }
}

static void range_floats(const Kernels *kernels, const void *floats, uint64_t count,
                         FloatRange *range) {
  uint64_t whole = count - count % KERNEL_LANES;
  kernels->range_floats(floats, whole, range);
  for (uint64_t i = whole; i < count; i++) {
    unsigned j = (unsigned)(i - whole);
    float number = float_at(floats, i);
    uint32_t magnitude = float_bits(number) & 0x7fffffff;
    range->zeros[j] += magnitude == 0;
    if (magnitude > range->largest[j]) range->largest[j] = magnitude;
    if (number < range->min[j]) range->min[j] = number;
    if (number > range->max[j]) range->max[j] = number;
  }
}

/* Whether the lanes' sums were exact: no number so small beside the largest that, in a lane's sum,
** its last digit was rounded off. */
static bool is_exact(FloatScan *scan, float min, float max, unsigned digits) {
  uint32_t least = least_bits(scan->least);
  if (least == UINT32_MAX) return true; /* zeros */
  int lowest = (int)((least + 1) >> 23), highest = (int)(float_bits(fmaxf(-min, max)) >> 23);
  if (lowest == 0) lowest = 1; /* subnormal floats have the steps of the smallest normal ones */
  return highest + 1 + LANE_BITS - (lowest - (int)digits + 1) <= DBL_MANT_DIG;
}

/* The quick way: sums of the numbers and of their squares, in doubles. It serves where the former
** are exact, and little of the latter is cancelled by the mean's (then little is, too, in the sums of
** several such groups: Cauchy and Schwarz). If not, nothing is done. */
static bool take_floats_quickly(const Task *task, const void *floats, uint64_t count, Ahead ahead,
                                Found *all) {
  FloatScan scan;
  scan_floats(task->kernels, floats, count, ahead, &scan);
  double squares = rounded_sum(scan.squares);
  if (!isfinite(squares)) return false;
  float min = least_float(scan.min), max = greatest_float(scan.max);
  if (!is_exact(&scan, min, max, task->dtype == DTYPE_F32 ? 24 : 16)) return false;
  DoubleDouble sum = sum_lanes(scan.sum);
  if (sum.high * (sum.high / (double)count) > squares * (15.0 / 16)) return false;
  Found found = {.finite = count, .zeros = count_lanes(scan.zeros), .min = min, .max = max};
  merge_found(all, &found);
  all->quick.count += count;
  add(&all->quick.numbers, sum.high);
  all->quick.numbers.low += sum.low;
  add(&all->quick.squares, squares);
  return true;
}

static bool take_floats_range(const Task *task, const void *floats, uint64_t count, Found *all) {
  FloatRange range;
  range_floats(task->kernels, floats, count, &range);
  if (greatest_bits(range.largest) > 0x7f7fffff) return false; /* not all are finite */
  Found found = {.finite = count,
                 .zeros = count_lanes(range.zeros),
                 .min = least_float(range.min),
                 .max = greatest_float(range.max)};
  merge_found(all, &found);
  return true;
}

static void take_floats(const Task *task, const void *floats, uint64_t count, Ahead ahead,
                        Found *all) {
  _Alignas(64) double numbers[GROUP];
  bool done = task->level == STATS_RANGE ? take_floats_range(task, floats, count, all)
                                         : take_floats_quickly(task, floats, count, ahead, all);
  if (done) return;
  for (uint64_t i = 0; i < count; i++) numbers[i] = float_at(floats, i);
  take_doubles(task, numbers, count, all);
}

/* ---- By dtype ---- */

/* 64-bit integers: exactly, as distances from a base where all are near one another; else rounded
** to doubles. */
static void take_long_integers(const Task *task, const unsigned char *data, uint64_t first,
                               uint64_t count, Found *all) {
  const uint64_t sign = task->dtype == DTYPE_I64 ? (uint64_t)1 << 63 : 0;
  Found found = {.finite = count, .least = UINT64_MAX};
  uint64_t codes[GROUP];
  decode_integers(task->dtype, data, first, count, 1, codes);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t key = codes[i] ^ sign;
    if (key < found.least) found.least = key;
    if (key > found.most) found.most = key;
    found.zeros += codes[i] == 0;
  }
  if (task->level > STATS_RANGE) {
    bool near = found.most - found.least < (uint64_t)1 << 53;
    uint64_t base = near ? (found.least ^ sign) & ~(uint64_t)0x7ff : 0; /* a double holds it */
    double base_value = sign != 0 ? (double)(int64_t)base : (double)base;
    _Alignas(64) double numbers[GROUP];
    for (uint64_t i = 0; i < count; i++) {
      uint64_t distance = codes[i] - base;
      numbers[i] = near || sign != 0 ? (double)(int64_t)distance : (double)distance;
    }
    Found near_base = {0};
    take_doubles(task, numbers, count, &near_base);
    found.moments = near_base.moments;
    found.moments.sum =
        double_double_add(found.moments.sum, double_two_product(base_value, (double)count));
  }
  merge_found(all, &found);
}

static void take_group(const Task *task, const unsigned char *data, uint64_t first, uint64_t count,
                       Found *all) {
  _Alignas(64) float floats[GROUP];
  const unsigned bits = dtype_bits(task->dtype);
  const Ahead ahead = {data + (first + count) * bits / 8, KERNEL_LANES * bits / 8};
  const void *as_floats = numbers_floats(&task->numbers, data, first, count, floats);
  if (as_floats != NULL) {
    take_floats(task, as_floats, count, ahead, all);
  } else if (task->dtype == DTYPE_I64 || task->dtype == DTYPE_U64) {
    take_long_integers(task, data, first, count, all);
  } else {
    _Alignas(64) double numbers[GROUP];
    numbers_doubles(&task->numbers, data, first, count, numbers);
    take_doubles(task, numbers, count, all);
  }
}

/* ---- The pass ---- */

/* Makes moments of the sums. */
static void settle_quick(Found *found) {
  const Sums *quick = &found->quick;
  if (quick->count == 0) return;
  DoubleDouble sum = double_fast_two_sum(quick->numbers.high, quick->numbers.low);
  DoubleDouble of_mean =
      double_double_multiply(sum, double_double_divide(sum, (double)quick->count));
  Moments moments = {.count = quick->count, .sum = sum};
  moments.squares = double_double_subtract(quick->squares, of_mean);
  moments_merge(&found->moments, &moments);
}

static void take_block(const void *context, const PassElements *elements, uint64_t position,
                       uint64_t count, void *state) {
  const Task *task = context;
  (void)position;
  for (uint64_t done = 0; done < count; done += GROUP) {
    uint64_t left = count - done;
    take_group(task, elements->data, elements->first + done, left < GROUP ? left : GROUP, state);
  }
  settle_quick(state);
}

static bool merge_block(void *context, const void *state) {
  Task *task = context;
  merge_found(&task->found, state);
  return true;
}

/* ---- Results ---- */

static Value integer_value(bool negative, uint64_t magnitude) {
  if (negative) return (Value){.kind = VALUE_INTEGER, .integer = (int64_t)(0 - magnitude)};
  if (magnitude <= INT64_MAX) return (Value){.kind = VALUE_INTEGER, .integer = (int64_t)magnitude};
  return (Value){.kind = VALUE_REAL, .real = (double)magnitude};
}

static Value number_value(Dtype dtype, double number) {
  ValueKind kind = decode_kind(dtype);
  if (kind == VALUE_INTEGER || kind == VALUE_BOOLEAN) {
    return integer_value(number < 0, (uint64_t)fabs(number));
  }
  return (Value){.kind = VALUE_REAL, .real = number + 0.0}; /* -0, which equals 0, becomes it */
}

static void set_range(const Task *task, Stats *out) {
  const Found *found = &task->found;
  if (task->dtype != DTYPE_I64 && task->dtype != DTYPE_U64) {
    out->min = number_value(task->dtype, found->min);
    out->max = number_value(task->dtype, found->max);
    out->abs_max = number_value(task->dtype, fmax(fabs(found->min), fabs(found->max)));
    return;
  }
  const uint64_t zero = task->dtype == DTYPE_I64 ? (uint64_t)1 << 63 : 0;
  uint64_t below = found->least < zero ? zero - found->least : 0;
  uint64_t above = found->most > zero ? found->most - zero : 0;
  out->min = below > 0 ? integer_value(true, below) : integer_value(false, found->least - zero);
  out->max = found->most < zero ? integer_value(true, zero - found->most)
                                : integer_value(false, found->most - zero);
  out->abs_max = integer_value(false, below > above ? below : above);
}

bool stats_run(const Source *source, const View *view, Dtype dtype, StatsLevel level,
               const PassHost *host, Stats *out, Error *error) {
  Task task = {.dtype = dtype, .level = level};
  numbers_open(&task.numbers, dtype);
  task.kernels = task.numbers.kernels;
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, dtype_bits(dtype)}},
               .task = &task,
               .state_size = sizeof(Found),
               .block = take_block,
               .merge = merge_block};
  if (!pass_run(&pass, host, error)) return false;
  const Found *found = &task.found;
  *out = (Stats){.nans = found->nans,
                 .infinities = found->infinities,
                 .zeros = found->zeros,
                 .finite = found->finite};
  if (found->finite > 0) set_range(&task, out);
  if (found->moments.count > 0) {
    out->mean = moments_mean(&found->moments);
    out->std = moments_deviation(&found->moments);
    out->l2 = moments_norm(&found->moments);
  }
  return true;
}
