#include "tensor/stats.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "tensor/codes.h"
#include "tensor/decode.h"
#include "tensor/found.h"
#include "tensor/kernels.h"
#include "tensor/numbers.h"

/* Elements are taken this many at a time: they stay in the first-level cache while decoded. Those that
** are scanned as they are stored are taken up to twice as many at a time. */
enum { GROUP = NUMBERS_GROUP, HALVES_GROUP = 2 * GROUP };

/* Sums of numbers and of their squares, about 0. */
typedef struct Sums {
  uint64_t count;
  DoubleDouble numbers, squares;
} Sums;

/* What a block brings. */
typedef struct BlockFound {
  Found found;
  Sums quick; /* of the groups that were taken quickly, until the end of the block */
} BlockFound;

typedef struct Task {
  Numbers numbers;
  const Kernels *kernels;
  bool by_code; /* with `codes` */
  Codes codes;
  Dtype dtype;
  StatsLevel level;
  Found found;
} Task;

/* ---- Putting together ---- */

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
FIRST(double, least_double, <)
FIRST(double, greatest_double, >)
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
  double high[8], low[8];
  for (unsigned j = 0; j < 8; j++) {
    DoubleDouble sum = double_two_sum(lanes[j], lanes[j + 8]);
    high[j] = sum.high;
    low[j] = sum.low;
  }
  for (unsigned half = 4; half > 0; half /= 2) {
    for (unsigned j = 0; j < half; j++) {
      DoubleDouble sum = double_two_sum(high[j], high[j + half]);
      high[j] = sum.high;
      low[j] += low[j + half] + sum.low;
    }
  }
  return double_fast_two_sum(high[0], low[0]);
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
  kernels->scans->doubles(numbers, whole, scan);
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
  kernels->scans->deviations(numbers, whole, mean, lanes);
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
  found_merge(all, &found);
}

/* ---- Floats ---- */

/* Where elements of one of the dtypes that there are scans for lie: those of F32, F16 and BF16
** themselves, of other dtypes F32 that were made of them. */
typedef struct Group {
  Dtype dtype;
  const unsigned char *data;
  uint64_t count;
} Group;

/* Those that are fewer than the kernels take. Returns where they begin. */
static uint64_t rest_of(const Kernels *kernels, const Group *group, float rest[SCAN_STEP]) {
  uint64_t whole = group->count - group->count % SCAN_STEP, count = group->count - whole;
  if (group->dtype == DTYPE_F32) {
    memcpy(rest, group->data + whole * sizeof(float), (size_t)count * sizeof(float));
  } else if (count > 0) {
    kernels->floats[group->dtype](group->data + 2 * whole, count, rest);
  }
  return whole;
}

static void scan_floats(const Kernels *kernels, const Group *group, FloatScan *scan) {
  float rest[SCAN_STEP];
  uint64_t whole = rest_of(kernels, group, rest);
  kernels->scans->scan[group->dtype](group->data, whole, scan);
  for (uint64_t i = whole; i < group->count; i++) {
    float number = rest[i - whole], magnitude = fabsf(number);
    double value = (double)number;
    unsigned lane = scan_lane(group->dtype, i);
    scan->zeros += number == 0;
    if (number != 0 && magnitude < scan->least) scan->least = magnitude;
    if (number < scan->min) scan->min = number;
    if (number > scan->max) scan->max = number;
    scan->sum[lane] += value;
    scan->squares[lane] += value * value;
  }
}

static void range_floats(const Kernels *kernels, const Group *group, FloatRange *range) {
  float rest[SCAN_STEP];
  uint64_t whole = rest_of(kernels, group, rest);
  kernels->scans->range[group->dtype](group->data, whole, range);
  for (uint64_t i = whole; i < group->count; i++) {
    float number = rest[i - whole];
    range->finite = range->finite && isfinite(number);
    range->zeros += number == 0;
    if (number < range->min) range->min = number;
    if (number > range->max) range->max = number;
  }
}

/* Whether the lanes' sums were exact: no number so small beside the largest that, in a lane's sum,
** its last digit was rounded off. Of F16, whose numbers have no more than 40 digits, they are. */
static bool is_exact(const Group *group, const FloatScan *scan) {
  if (group->dtype == DTYPE_F16 || isinf(scan->least)) return true;
  const int digits = group->dtype == DTYPE_BF16 ? 8 : 24, lane_bits = group->count > GROUP ? 9 : 8;
  int lowest = (int)(float_bits(scan->least) >> 23);
  int highest = (int)(float_bits(fmaxf(-scan->min, scan->max)) >> 23);
  if (lowest == 0) lowest = 1; /* subnormal floats have the steps of the smallest normal ones */
  return highest + 1 + lane_bits - (lowest - (digits - 1)) <= DBL_MANT_DIG;
}

/* The quick way: sums of the numbers and of their squares, in doubles. It serves where the former
** are exact, and little of the latter is cancelled by the mean's (then little is, too, in the sums of
** several such groups: Cauchy and Schwarz). If not, nothing is done. */
static bool take_floats_quickly(const Task *task, const Group *group, BlockFound *all) {
  FloatScan scan;
  scan_floats(task->kernels, group, &scan);
  double squares = rounded_sum(scan.squares);
  if (!isfinite(squares) || !is_exact(group, &scan)) return false;
  DoubleDouble sum = sum_lanes(scan.sum);
  if (sum.high * (sum.high / (double)group->count) > squares * (15.0 / 16)) return false;
  Found found = {.finite = group->count,
                 .zeros = scan.zeros,
                 .min = (double)scan.min,
                 .max = (double)scan.max};
  found_merge(&all->found, &found);
  all->quick.count += group->count;
  add(&all->quick.numbers, sum.high);
  all->quick.numbers.low += sum.low;
  add(&all->quick.squares, squares);
  return true;
}

static bool take_floats_range(const Task *task, const Group *group, Found *all) {
  FloatRange range;
  range_floats(task->kernels, group, &range);
  if (!range.finite) return false;
  Found found = {.finite = group->count,
                 .zeros = range.zeros,
                 .min = (double)range.min,
                 .max = (double)range.max};
  found_merge(all, &found);
  return true;
}

static bool take_floats(const Task *task, const Group *group, BlockFound *all) {
  return task->level == STATS_RANGE ? take_floats_range(task, group, &all->found)
                                    : take_floats_quickly(task, group, all);
}

/* ---- By dtype ---- */

/* The sum of 64-bit integers, exactly: of their halves apart. At most 2^20 of them. */
static DoubleDouble sum_integers(const uint64_t *codes, uint64_t count, bool is_signed) {
  uint64_t high = 0, low = 0, negative = 0;
  for (uint64_t i = 0; i < count; i++) {
    high += codes[i] >> 32;
    low += codes[i] & UINT32_MAX;
    negative += codes[i] >> 63;
  }
  int64_t halves = (int64_t)high - (is_signed ? (int64_t)(negative << 32) : 0);
  return double_two_sum((double)halves * 0x1p32, (double)low);
}

/* 64-bit integers: the sum is exact; the spread is of distances from a base where all are near one
** another, else of integers rounded to doubles. */
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
    uint64_t base = near ? found.least ^ sign : 0;
    _Alignas(64) double numbers[GROUP];
    for (uint64_t i = 0; i < count; i++) {
      uint64_t distance = codes[i] - base;
      numbers[i] = near || sign != 0 ? (double)(int64_t)distance : (double)distance;
    }
    Found from_base = {0};
    take_doubles(task, numbers, count, &from_base);
    found.moments = from_base.moments;
    found.moments.sum = sum_integers(codes, count, sign != 0);
  }
  found_merge(all, &found);
}

/* Whether there is a scan of the dtype's elements as they are stored: of F32, on a little-endian
** machine, that is done by numbers_floats(). */
static bool is_scanned_as_stored(const Task *task) {
  return task->kernels->scans->scan[task->dtype] != NULL && task->dtype != DTYPE_F32;
}

static bool take_as_stored(const Task *task, const unsigned char *data, uint64_t first,
                           uint64_t count, BlockFound *all) {
  data += first * dtype_bits(task->dtype) / 8;
  return is_scanned_as_stored(task) &&
         take_floats(task, &(Group){.dtype = task->dtype, .data = data, .count = count}, all);
}

static bool take_as_floats(const Task *task, const unsigned char *data, uint64_t first,
                           uint64_t count, BlockFound *all) {
  _Alignas(64) float floats[GROUP];
  const void *numbers = numbers_floats(&task->numbers, data, first, count, floats);
  return numbers != NULL &&
         take_floats(task, &(Group){.dtype = DTYPE_F32, .data = numbers, .count = count}, all);
}

/* At most GROUP elements. */
static void take_group(const Task *task, const unsigned char *data, uint64_t first, uint64_t count,
                       BlockFound *all) {
  if (task->dtype == DTYPE_I64 || task->dtype == DTYPE_U64) {
    take_long_integers(task, data, first, count, &all->found);
  } else if (is_scanned_as_stored(task) || !take_as_floats(task, data, first, count, all)) {
    _Alignas(64) double numbers[GROUP];
    numbers_doubles(&task->numbers, data, first, count, numbers);
    take_doubles(task, numbers, count, &all->found);
  }
}

/* ---- The pass ---- */

/* Makes moments of the sums. */
static void settle_quick(BlockFound *all) {
  const Sums *quick = &all->quick;
  if (quick->count == 0) return;
  DoubleDouble sum = double_fast_two_sum(quick->numbers.high, quick->numbers.low);
  DoubleDouble of_mean =
      double_double_multiply(sum, double_double_divide(sum, (double)quick->count));
  Moments moments = {.count = quick->count, .sum = sum};
  moments.squares = double_double_subtract(quick->squares, of_mean);
  moments_merge(&all->found.moments, &moments);
}

static void take_block(const void *context, const PassElements *elements, uint64_t position,
                       uint64_t count, void *state) {
  const Task *task = context;
  BlockFound *all = state;
  (void)position;
  if (task->by_code) {
    bool with_moments = task->level > STATS_RANGE;
    codes_take(&task->codes, elements->data, elements->first, count, with_moments, &all->found);
    return;
  }
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t left = count - done, first = elements->first + done;
    size = left < HALVES_GROUP ? left : HALVES_GROUP;
    if (take_as_stored(task, elements->data, first, size, all)) continue;
    size = left < GROUP ? left : GROUP;
    take_group(task, elements->data, first, size, all);
  }
  settle_quick(all);
}

static bool merge_block(void *context, const void *state) {
  Task *task = context;
  const BlockFound *block = state;
  found_merge(&task->found, &block->found);
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
  task.by_code = codes_open(&task.codes, task.kernels, dtype, &task.numbers.table);
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, dtype_bits(dtype)}},
               .task = &task,
               .state_size = sizeof(BlockFound),
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
