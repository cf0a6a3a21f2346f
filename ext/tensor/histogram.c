#include "tensor/histogram.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/numbers.h"

/* If there are few bins, elements are counted in several copies of them in turn, so that an
** increment does not have to wait for the previous one of the same bin. */
enum { HISTOGRAM_TURNS = 8, HISTOGRAM_FEW_BINS = 512, HISTOGRAM_FEW_COUNTERS = 4096 };

/* So many elements are counted by slots before the counters, of 32 bits, are added up. */
enum { HISTOGRAM_SLOTS_ELEMENTS = 1 << 30 };

/* To clear and look at the counters of all codes of 16 bits takes as long as to count some 10^5 elements. */
enum { HISTOGRAM_MANY_ELEMENTS = 1 << 18 };

/* Places of numbers are computed in floats if no more are in doubt than two in so many. */
#define HISTOGRAM_MOST_DOUBT 0x1p-10

/* What there are counters of. */
typedef enum HistogramWay {
  HISTOGRAM_CODES, /* of the elements, if they have few bits */
  HISTOGRAM_SLOTS, /* or pairs of them: the fastest way, if floats are precise enough */
  HISTOGRAM_BINS   /* for each turn the bins, and what is outside all bins */
} HistogramWay;

typedef struct HistogramTask {
  Numbers numbers;
  HistogramWay way;
  const double *edges;
  uint32_t bins;
  uint32_t turns, counters; /* of each turn; or of slots or their pairs */
  Binning binning;
  Slots slots;
  float *floats; /* that are in `slots` */
  bool wide; /* bins are wide compared with the rounding of numbers, so only bins in doubt may be
             ** wrong */
  uint64_t *counts;
} HistogramTask;

void histogram_edges(double lo, double hi, uint32_t bins, double *edges) {
  if (lo == hi) {
    lo -= 0.5;
    hi += 0.5;
  }
  double unit = isfinite(hi - lo) ? 1 : 2, step = (hi / unit - lo / unit) / bins;
  for (uint32_t i = 0; i < bins; i++) {
    double distance =
        step != 0 ? i * step : (double)i / bins * (hi - lo); /* if no double is that small */
    edges[i] = (lo / unit + distance) * unit;
  }
  edges[bins] = hi;
}

/* ---- By bins ---- */

/* Finds the bin of a number that lies in one, by bisection. Needed if many edges may be equal. */
static uint32_t histogram_search_bin(const HistogramTask *task, double number) {
  uint32_t bin = 0, end = task->bins;
  while (end - bin > 1) {
    uint32_t middle = bin + (end - bin) / 2;
    *(number >= task->edges[middle] ? &bin : &end) = middle;
  }
  return bin;
}

/* Finds the bin of a number from the edges. Returns the number of bins if it lies in none. */
static uint32_t histogram_bin_of(const HistogramTask *task, double number) {
  const double *edges = task->edges;
  uint32_t last = task->bins - 1;
  if (!(number >= edges[0] && number <= edges[task->bins])) return task->bins;
  if (!task->wide) return histogram_search_bin(task, number);
  double place = (number * task->binning.unit - task->binning.lo) * task->binning.scale;
  uint32_t bin = place < last ? (uint32_t)place : last; /* or one of its neighbours */
  while (number < edges[bin]) bin--;
  while (bin < last && number >= edges[bin + 1]) bin++;
  return bin;
}

/* The working memory of a thread. */
typedef struct HistogramScratch {
  _Alignas(64) double numbers[NUMBERS_GROUP];
  float floats[NUMBERS_GROUP];
  int32_t bins[NUMBERS_GROUP];
} HistogramScratch;

/* Finds the bins of the elements with a kernel, and those that the kernel left in doubt by their
** edges. */
static void histogram_find_bins(const HistogramTask *task, const PassElements *elements,
                                uint64_t first, uint64_t count, HistogramScratch *scratch) {
  const Kernels *kernels = task->numbers.kernels;
  double *numbers = scratch->numbers;
  int32_t *bins = scratch->bins;
  const void *as_floats = numbers_floats(&task->numbers, elements->data, elements->first + first,
                                         count, scratch->floats);
  if (as_floats == NULL) {
    numbers_doubles(&task->numbers, elements->data, elements->first + first, count, numbers);
  }
  bool sure =
      task->wide &&
      !(as_floats != NULL ? kernels->find_bins[DTYPE_F32](as_floats, count, &task->binning, bins)
                          : kernels->find_bins[DTYPE_F64](numbers, count, &task->binning, bins));
  for (uint64_t i = 0; !sure && i < count; i++) {
    if (task->wide && bins[i] >= 0) continue;
    double number = as_floats != NULL ? (double)float_at(as_floats, i) : numbers[i];
    bins[i] = (int32_t)histogram_bin_of(task, number);
  }
}

static void histogram_count_bins(const HistogramTask *task, const PassElements *elements,
                                 uint64_t first, uint64_t count, HistogramScratch *scratch,
                                 uint64_t *counts) {
  const int32_t *bins = scratch->bins;
  uint64_t i = 0, slots = task->counters;
  histogram_find_bins(task, elements, first, count, scratch);
  for (; task->turns == HISTOGRAM_TURNS && count - i >= HISTOGRAM_TURNS; i += HISTOGRAM_TURNS) {
    KERNEL_UNROLL for (unsigned turn = 0; turn < HISTOGRAM_TURNS; turn++) {
      counts[turn * slots + (uint32_t)bins[i + turn]]++;
    }
  }
  for (; i < count; i++) counts[bins[i]]++;
}

static void histogram_add_turns(const HistogramTask *task, const uint64_t *counts) {
  for (uint32_t turn = 0; turn < task->turns; turn++, counts += task->counters) {
    for (uint32_t bin = 0; bin < task->bins; bin++) task->counts[bin] += counts[bin];
  }
}

/* ---- By slots ---- */

/* What a thread has counted: in each bin, without what is in the counters, which follow. */
typedef struct HistogramSlots {
  uint64_t elements; /* in the counters */
  uint64_t counts[];
} HistogramSlots;

/* Adds up the counters of each bin, for one turn. */
static void histogram_add_turn(const HistogramTask *task, const uint32_t *counters,
                               uint64_t *counts) {
  const uint32_t bins = task->bins, size = bins + 2;
  if (!task->slots.paired) {
    for (uint32_t bin = 0; bin < bins; bin++) counts[bin] += counters[bin + 1];
    return;
  }
  for (uint32_t first = 0; first < size; first++, counters += size) {
    uint64_t sum = (uint64_t)counters[0] + counters[bins + 1];
    for (uint32_t bin = 0; bin < bins; bin++) {
      counts[bin] += counters[bin + 1];
      sum += counters[bin + 1];
    }
    if (first > 0 && first <= bins) counts[first - 1] += sum;
  }
}

static void histogram_add_counters(const HistogramTask *task, const uint32_t *counters,
                                   uint64_t *counts) {
  for (uint32_t turn = 0; turn < task->turns; turn++) {
    histogram_add_turn(task, counters + turn * task->counters, counts);
  }
}

static void histogram_count_slots(const HistogramTask *task, const PassElements *elements,
                                  uint64_t count, HistogramScratch *scratch,
                                  HistogramSlots *slots) {
  const Numbers *numbers = &task->numbers;
  KernelCountSlots *const *kernels = numbers->kernels->count_slots;
  uint32_t *counters = (uint32_t *)(slots->counts + task->bins);
  if (slots->elements + count > HISTOGRAM_SLOTS_ELEMENTS) {
    histogram_add_counters(task, counters, slots->counts);
    memset(counters, 0, (size_t)task->turns * task->counters * sizeof *counters);
    slots->elements = 0;
  }
  slots->elements += count;
  bool native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || dtype_bits(numbers->dtype) == 16;
  if (native && kernels[numbers->dtype] != NULL) {
    unsigned size = dtype_bits(numbers->dtype) / 8;
    kernels[numbers->dtype](elements->data + elements->first * size, count, &task->slots, counters);
    return;
  }
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < NUMBERS_GROUP ? count - done : NUMBERS_GROUP;
    const void *floats =
        numbers_floats(numbers, elements->data, elements->first + done, size, scratch->floats);
    if (floats != NULL) {
      kernels[DTYPE_F32](floats, size, &task->slots, counters);
    } else {
      numbers_doubles(numbers, elements->data, elements->first + done, size, scratch->numbers);
      kernels[DTYPE_F64]((const unsigned char *)scratch->numbers, size, &task->slots, counters);
    }
  }
}

static void histogram_add_slots(const HistogramTask *task, const HistogramSlots *slots) {
  for (uint32_t bin = 0; bin < task->bins; bin++) task->counts[bin] += slots->counts[bin];
  histogram_add_counters(task, (const uint32_t *)(slots->counts + task->bins), task->counts);
}

/* ---- The pass ---- */

static void histogram_take_block(const void *context, const PassElements *elements,
                                 uint64_t position, uint64_t count, void *scratch, void *state) {
  const HistogramTask *task = context;
  (void)position;
  if (task->way == HISTOGRAM_SLOTS) {
    histogram_count_slots(task, elements, count, scratch, state);
    return;
  }
  for (uint64_t done = 0; done < count; done += NUMBERS_GROUP) {
    uint64_t left = count - done, size = left < NUMBERS_GROUP ? left : NUMBERS_GROUP;
    histogram_count_bins(task, elements, done, size, scratch, state);
  }
}

static bool histogram_merge(void *context, const void *state) {
  const HistogramTask *task = context;
  if (task->way == HISTOGRAM_SLOTS) {
    histogram_add_slots(task, state);
  } else {
    histogram_add_turns(task, state);
  }
  return true;
}

static void histogram_set_binning(HistogramTask *task) {
  double lo = task->edges[0], hi = task->edges[task->bins], width = hi - lo;
  /* Chosen so that differences of numbers neither overflow nor underflow. */
  double unit = !isfinite(width) ? 0.5 : width < 0x1p-900 ? 0x1p600 : 1;
  width = hi * unit - lo * unit;
  task->binning = (Binning){unit, lo * unit, task->bins / width, task->bins};
  double largest =
      fmax(fmax(fabs(lo), fabs(hi)), DBL_MIN); /* below DBL_MIN doubles do not get any denser */
  task->wide = width / task->bins > 0x1p-30 * largest * unit;
}

/* Returns whether the bins can be counted by slots. */
static bool histogram_set_slots(HistogramTask *task) {
  const Binning *binning = &task->binning;
  const double scale = binning->scale, offset = 1 - binning->lo * scale;
  const bool floats = numbers_are_floats(&task->numbers);
  double doubt = (floats ? fabs(offset) : 0) + task->bins + 2;
  bool fits = !floats || (scale > (double)FLT_MIN && scale < (double)FLT_MAX);
  task->slots = (Slots){.scale = scale,
                        .offset = offset,
                        .doubt = 0x1p-22 * doubt + 0x1p-20,
                        .edges = task->edges,
                        .bins = task->bins,
                        .paired = task->bins + 2 <= SLOTS_PAIRED};
  return task->wide && binning->unit == 1 && fits && task->slots.doubt <= HISTOGRAM_MOST_DOUBT;
}

/* Finds the smallest float of each slot. Returns false if memory runs out. */
static bool histogram_find_floats(HistogramTask *task) {
  if (task->way != HISTOGRAM_SLOTS || !numbers_are_floats(&task->numbers)) return true;
  float *floats = memory_zeroed(task->bins + 2, sizeof *floats);
  for (uint32_t bin = 0; floats != NULL && bin <= task->bins; bin++) {
    double edge = task->edges[bin];
    float smallest = (float)edge;
    bool is_below = bin < task->bins ? (double)smallest < edge : (double)smallest <= edge;
    floats[bin + 1] = is_below ? nextafterf(smallest, INFINITY) : smallest;
  }
  task->floats = floats;
  task->slots.floats = floats;
  return floats != NULL;
}

/* Chooses the way. Returns the size of what it counts in. */
static uint64_t histogram_plan(HistogramTask *task, uint64_t numel) {
  bool slots_fit = histogram_set_slots(task);
  if (dtype_bits(task->numbers.dtype) <= 8 ||
      (!task->slots.paired && histogram_counts_codes(task->numbers.dtype, numel))) {
    task->way = HISTOGRAM_CODES;
    return 0;
  }
  if (slots_fit) {
    uint32_t slots = task->bins + 2;
    task->way = HISTOGRAM_SLOTS;
    task->counters = task->slots.paired ? slots * slots : slots;
    task->turns = task->counters <= HISTOGRAM_FEW_COUNTERS ? SLOTS_TURNS : 1;
    if (task->turns > 1) task->slots.apart = task->counters;
    uint64_t all =
        ((uint64_t)task->turns * task->counters + 1) / 2 * 2; /* states lie side by side */
    return sizeof(HistogramSlots) + task->bins * sizeof(uint64_t) + all * sizeof(uint32_t);
  }
  task->way = HISTOGRAM_BINS;
  task->turns = task->bins <= HISTOGRAM_FEW_BINS ? HISTOGRAM_TURNS : 1;
  task->counters = task->bins + 1;
  return (uint64_t)task->turns * task->counters * sizeof(uint64_t);
}

/* ---- By codes ---- */

bool histogram_counts_codes(Dtype dtype, uint64_t numel) {
  unsigned bits = dtype_bits(dtype);
  return bits <= 8 || (bits <= CODE_COUNTS_BITS && numel >= HISTOGRAM_MANY_ELEMENTS);
}

static void histogram_add_codes(const HistogramTask *task, const uint64_t *codes) {
  CodeNumbers some;
  for (unsigned first = 0; code_counts_next(&task->numbers, codes, &first, &some);) {
    for (unsigned i = 0; i < some.count; i++) {
      if (some.counts[i] == 0) continue;
      uint32_t bin = histogram_bin_of(task, some.numbers[i]);
      if (bin < task->bins) task->counts[bin] += some.counts[i];
    }
  }
}

void histogram_of_codes(Dtype dtype, const uint64_t *codes, const double *edges, uint32_t bins,
                        uint64_t *counts) {
  HistogramTask task = {.edges = edges, .bins = bins, .counts = counts};
  numbers_open(&task.numbers, dtype);
  histogram_set_binning(&task);
  histogram_add_codes(&task, codes);
}

static bool histogram_run_codes(const HistogramTask *task, const PassInput *input, const Host *host,
                                Error *error) {
  uint64_t *codes = memory_alloc(((uint64_t)1 << input->bits) * sizeof *codes);
  if (codes == NULL) return error_memory(error);
  bool good = code_counts_run(input, host, codes, error);
  if (good) histogram_add_codes(task, codes);
  memory_free(codes);
  return good;
}

bool histogram_run(const Source *source, const View *view, Dtype dtype, const double *edges,
                   uint32_t bins, const Host *host, uint64_t *counts, Error *error) {
  const PassInput input = {source, view, dtype_bits(dtype)};
  HistogramTask task = {.edges = edges, .bins = bins, .counts = counts};
  numbers_open(&task.numbers, dtype);
  histogram_set_binning(&task);
  Pass pass = {.input_count = 1,
               .inputs = {input},
               .task = &task,
               .state_size = histogram_plan(&task, view->numel),
               .any_order = true,
               .maps_windows = true,
               .scratch_size = sizeof(HistogramScratch),
               .block = histogram_take_block,
               .merge = histogram_merge};
  if (task.way == HISTOGRAM_CODES) return histogram_run_codes(&task, &input, host, error);
  bool good = histogram_find_floats(&task) ? pass_run(&pass, host, error) : error_memory(error);
  memory_free(task.floats);
  return good;
}
