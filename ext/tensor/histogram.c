#include "tensor/histogram.h"

#include <float.h>
#include <math.h>

#include "tensor/codes.h"
#include "tensor/numbers.h"

/* Few bins are counted several times over, in turns, so that a count does not have to wait for the
** one just before it in the same bin. */
enum { TURNS = 8, FEW_BINS = 512 };

typedef struct Task {
  Numbers numbers;
  const double *edges;
  uint32_t bins, turns;
  uint32_t slots; /* for each turn: the bins, and one for what is in none; or the codes */
  Binning binning;
  bool wide; /* bins are, beside the rounding of numbers: only what is in doubt may be misplaced */
  uint64_t *counts;
} Task;

void histogram_edges(double lo, double hi, uint32_t bins, double *edges) {
  if (lo == hi) {
    lo -= 0.5;
    hi += 0.5;
  }
  double unit = isfinite(hi - lo) ? 1 : 2, step = (hi / unit - lo / unit) / bins;
  for (uint32_t i = 0; i < bins; i++) {
    double distance =
        step != 0 ? i * step : (double)i / bins * (hi - lo); /* no double is as small */
    edges[i] = (lo / unit + distance) * unit;
  }
  edges[bins] = hi;
}

/* The bin that has a number which is in one, by halves: where many edges may be the same. */
static uint32_t search_bin(const Task *task, double number) {
  uint32_t bin = 0, end = task->bins;
  while (end - bin > 1) {
    uint32_t middle = bin + (end - bin) / 2;
    *(number >= task->edges[middle] ? &bin : &end) = middle;
  }
  return bin;
}

/* The bin that has a number, by the edges. The number of bins if it is in none. */
static uint32_t bin_of(const Task *task, double number) {
  const double *edges = task->edges;
  uint32_t last = task->bins - 1;
  if (!(number >= edges[0] && number <= edges[task->bins])) return task->bins;
  if (!task->wide) return search_bin(task, number);
  double place = (number * task->binning.unit - task->binning.lo) * task->binning.scale;
  uint32_t bin = place < last ? (uint32_t)place : last; /* or the next to it */
  while (number < edges[bin]) bin--;
  while (bin < last && number >= edges[bin + 1]) bin++;
  return bin;
}

/* The bins of the elements: by a kernel, but for those in doubt. */
static void find_bins(const Task *task, const PassElements *elements, uint64_t first,
                      uint64_t count, int32_t *bins) {
  const Kernels *kernels = task->numbers.kernels;
  float floats[NUMBERS_GROUP];
  double numbers[NUMBERS_GROUP];
  const void *as_floats =
      numbers_floats(&task->numbers, elements->data, elements->first + first, count, floats);
  if (as_floats == NULL) {
    numbers_doubles(&task->numbers, elements->data, elements->first + first, count, numbers);
  }
  bool sure = task->wide &&
              !(as_floats != NULL ? kernels->find_float_bins(as_floats, count, &task->binning, bins)
                                  : kernels->find_bins(numbers, count, &task->binning, bins));
  for (uint64_t i = 0; !sure && i < count; i++) {
    if (task->wide && bins[i] >= 0) continue;
    double number = as_floats != NULL ? (double)float_at(as_floats, i) : numbers[i];
    bins[i] = (int32_t)bin_of(task, number);
  }
}

static void count_bins(const Task *task, const PassElements *elements, uint64_t first,
                       uint64_t count, uint64_t *counts) {
  int32_t bins[NUMBERS_GROUP];
  uint64_t i = 0, slots = task->slots;
  find_bins(task, elements, first, count, bins);
  for (; task->turns == TURNS && count - i >= TURNS; i += TURNS) {
    KERNEL_UNROLL for (unsigned turn = 0; turn < TURNS; turn++) {
      counts[turn * slots + (uint32_t)bins[i + turn]]++;
    }
  }
  for (; i < count; i++) counts[bins[i]]++;
}

static bool by_code(const Task *task) {
  return dtype_bits(task->numbers.dtype) <= 8;
}

static void take_block(const void *context, const PassElements *elements, uint64_t position,
                       uint64_t count, void *state) {
  const Task *task = context;
  (void)position;
  if (by_code(task)) {
    unsigned bits = dtype_bits(task->numbers.dtype);
    codes_count(bits, elements->data, elements->first, count, state);
    return;
  }
  for (uint64_t done = 0; done < count; done += NUMBERS_GROUP) {
    uint64_t left = count - done, size = left < NUMBERS_GROUP ? left : NUMBERS_GROUP;
    count_bins(task, elements, done, size, state);
  }
}

static bool merge_counts(void *context, const void *state) {
  Task *task = context;
  const uint64_t *counts = state;
  for (uint32_t code = 0; by_code(task) && code < CODES; code++) {
    uint32_t bin = bin_of(task, (double)task->numbers.table.values[code]);
    if (bin < task->bins) task->counts[bin] += counts[code];
  }
  for (uint32_t turn = 0; !by_code(task) && turn < task->turns; turn++, counts += task->slots) {
    for (uint32_t bin = 0; bin < task->bins; bin++) task->counts[bin] += counts[bin];
  }
  return true;
}

static void set_binning(Task *task) {
  double lo = task->edges[0], hi = task->edges[task->bins], width = hi - lo;
  /* So that the differences of numbers neither overflow nor vanish. */
  double unit = !isfinite(width) ? 0.5 : width < 0x1p-900 ? 0x1p600 : 1;
  width = hi * unit - lo * unit;
  task->binning = (Binning){unit, lo * unit, task->bins / width, task->bins};
  double largest =
      fmax(fmax(fabs(lo), fabs(hi)), DBL_MIN); /* below this one doubles get no denser */
  task->wide = width / task->bins > 0x1p-30 * largest * unit;
}

bool histogram_run(const Source *source, const View *view, Dtype dtype, const double *edges,
                   uint32_t bins, const PassHost *host, uint64_t *counts, Error *error) {
  Task task = {.edges = edges, .bins = bins, .turns = 1, .slots = CODES, .counts = counts};
  numbers_open(&task.numbers, dtype);
  set_binning(&task);
  if (!by_code(&task)) {
    task.turns = bins <= FEW_BINS ? TURNS : 1;
    task.slots = bins + 1;
  }
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, dtype_bits(dtype)}},
               .task = &task,
               .state_size = (uint64_t)task.turns * task.slots * sizeof(uint64_t),
               .any_order = true,
               .block = take_block,
               .merge = merge_counts};
  return pass_run(&pass, host, error);
}
