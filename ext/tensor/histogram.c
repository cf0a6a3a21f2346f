#include "tensor/histogram.h"

#include <float.h>
#include <math.h>

#include "tensor/codes.h"
#include "tensor/numbers.h"

/* If there are few bins, elements are counted in several copies of them in turn, so that an
** increment does not have to wait for the previous one of the same bin. */
enum { HISTOGRAM_TURNS = 8, HISTOGRAM_FEW_BINS = 512 };

typedef struct HistogramTask {
  Numbers numbers;
  const double *edges;
  uint32_t bins, turns;
  uint32_t slots; /* for each turn: the bins, and one for elements outside all bins; or the codes */
  Binning binning;
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
  uint64_t i = 0, slots = task->slots;
  histogram_find_bins(task, elements, first, count, scratch);
  for (; task->turns == HISTOGRAM_TURNS && count - i >= HISTOGRAM_TURNS; i += HISTOGRAM_TURNS) {
    KERNEL_UNROLL for (unsigned turn = 0; turn < HISTOGRAM_TURNS; turn++) {
      counts[turn * slots + (uint32_t)bins[i + turn]]++;
    }
  }
  for (; i < count; i++) counts[bins[i]]++;
}

static bool histogram_by_code(const HistogramTask *task) {
  return dtype_bits(task->numbers.dtype) <= 8;
}

static void histogram_take_block(const void *context, const PassElements *elements,
                                 uint64_t position, uint64_t count, void *scratch, void *state) {
  const HistogramTask *task = context;
  (void)position;
  if (histogram_by_code(task)) {
    unsigned bits = dtype_bits(task->numbers.dtype);
    codes_count(task->numbers.kernels, bits, elements->data, elements->first, count, state);
    return;
  }
  for (uint64_t done = 0; done < count; done += NUMBERS_GROUP) {
    uint64_t left = count - done, size = left < NUMBERS_GROUP ? left : NUMBERS_GROUP;
    histogram_count_bins(task, elements, done, size, scratch, state);
  }
}

static bool histogram_merge_counts(void *context, const void *state) {
  HistogramTask *task = context;
  const uint64_t *counts = state;
  for (uint32_t code = 0; histogram_by_code(task) && code < CODES; code++) {
    uint32_t bin = histogram_bin_of(task, (double)task->numbers.table.values[code]);
    if (bin < task->bins) task->counts[bin] += counts[code];
  }
  for (uint32_t turn = 0; !histogram_by_code(task) && turn < task->turns;
       turn++, counts += task->slots) {
    for (uint32_t bin = 0; bin < task->bins; bin++) task->counts[bin] += counts[bin];
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

bool histogram_run(const Source *source, const View *view, Dtype dtype, const double *edges,
                   uint32_t bins, const Host *host, uint64_t *counts, Error *error) {
  HistogramTask task = {.edges = edges, .bins = bins, .turns = 1, .slots = CODES, .counts = counts};
  numbers_open(&task.numbers, dtype);
  histogram_set_binning(&task);
  if (!histogram_by_code(&task)) {
    task.turns = bins <= HISTOGRAM_FEW_BINS ? HISTOGRAM_TURNS : 1;
    task.slots = bins + 1;
  }
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, dtype_bits(dtype)}},
               .task = &task,
               .state_size = (uint64_t)task.turns * task.slots * sizeof(uint64_t),
               .any_order = true,
               .scratch_size = sizeof(HistogramScratch),
               .block = histogram_take_block,
               .merge = histogram_merge_counts};
  return pass_run(&pass, host, error);
}
