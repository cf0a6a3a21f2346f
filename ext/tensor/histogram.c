#include "tensor/histogram.h"

#include <math.h>

#include "tensor/numbers.h"

/* Few bins are counted several times over, in turns, so that a count does not have to wait for the
** one just before it in the same bin. */
enum { TURNS = 4, FEW_BINS = 1024, CODES = 256 };

typedef struct Task {
  Numbers numbers;
  const double *edges;
  uint32_t bins, turns;
  uint32_t slots; /* for each turn: the bins, and one for what is in none; or the codes */
  double unit;  /* what numbers are multiplied with first, so that their differences are in range */
  double scale; /* bins for a distance of 1 from the first edge, in this unit */
  bool fine;    /* bins are so wide beside the rounding of numbers that a guess is off by one */
  uint64_t *counts;
} Task;

void histogram_edges(double lo, double hi, uint32_t bins, double *edges) {
  if (lo == hi) {
    lo -= 0.5;
    hi += 0.5;
  }
  double step = isfinite(hi - lo) ? (hi - lo) / bins : hi / bins - lo / bins;
  for (uint32_t i = 0; i < bins; i++) edges[i] = lo + i * step;
  edges[bins] = hi;
}

/* Where a number is by the widths of the bins. Rounding may have put it beside its bin. */
static inline uint32_t guess(const Task *task, double number) {
  double place = (number * task->unit - task->edges[0] * task->unit) * task->scale;
  double last = task->bins - 1;
  return (uint32_t)(int32_t)(place < last ? place : last); /* NaN, if all edges are one: the last */
}

/* By the edges. */
static uint32_t bin_of(const Task *task, double number) {
  uint32_t bin = guess(task, number), last = task->bins - 1;
  while (number < task->edges[bin]) bin--;
  while (bin < last && number >= task->edges[bin + 1]) bin++;
  return bin;
}

/* The same for many, without branches, where the guess is off by one at most. What is in no bin goes
** into the slot behind them. */
static void find_bins(const Task *task, const double *numbers, uint64_t count, uint32_t *out) {
  const double *edges = task->edges, lo = edges[0], hi = edges[task->bins];
  uint32_t last = task->bins - 1;
  for (uint64_t i = 0; i < count; i++) {
    bool within = numbers[i] >= lo && numbers[i] <= hi;
    double number = within ? numbers[i] : lo;
    uint32_t bin = guess(task, number);
    bin -= number < edges[bin];
    bin += (number >= edges[bin + 1]) & (bin < last);
    out[i] = within ? bin : task->bins;
  }
}

static void find_bins_carefully(const Task *task, const double *numbers, uint64_t count,
                                uint32_t *out) {
  for (uint64_t i = 0; i < count; i++) {
    bool within = numbers[i] >= task->edges[0] && numbers[i] <= task->edges[task->bins];
    out[i] = within ? bin_of(task, numbers[i]) : task->bins;
  }
}

static void count_bins(const Task *task, const PassElements *elements, uint64_t first,
                       uint64_t count, uint64_t *counts) {
  double numbers[NUMBERS_GROUP];
  uint32_t bins[NUMBERS_GROUP];
  numbers_doubles(&task->numbers, elements->data, elements->first + first, count, numbers);
  if (task->fine) {
    find_bins(task, numbers, count, bins);
  } else {
    find_bins_carefully(task, numbers, count, bins);
  }
  for (uint64_t i = 0; i < count; i++) counts[i % task->turns * task->slots + bins[i]]++;
}

static void count_codes(const Task *task, const PassElements *elements, uint64_t first,
                        uint64_t count, uint64_t *counts) {
  unsigned char block[NUMBERS_GROUP];
  const unsigned char *codes =
      numbers_codes(&task->numbers, elements->data, elements->first + first, count, block);
  for (uint64_t i = 0; i < count; i++) counts[i % TURNS * CODES + codes[i]]++;
}

static bool by_code(const Task *task) {
  return dtype_bits(task->numbers.dtype) <= 8;
}

static void take_block(const void *context, const PassElements *elements, uint64_t position,
                       uint64_t count, void *state) {
  const Task *task = context;
  (void)position;
  for (uint64_t done = 0; done < count; done += NUMBERS_GROUP) {
    uint64_t left = count - done, size = left < NUMBERS_GROUP ? left : NUMBERS_GROUP;
    if (by_code(task)) {
      count_codes(task, elements, done, size, state);
    } else {
      count_bins(task, elements, done, size, state);
    }
  }
}

static bool merge_counts(void *context, const void *state) {
  Task *task = context;
  const uint64_t *counts = state;
  for (uint32_t turn = 0; turn < task->turns; turn++, counts += task->slots) {
    for (uint32_t bin = 0; !by_code(task) && bin < task->bins; bin++) {
      task->counts[bin] += counts[bin];
    }
    for (uint32_t code = 0; by_code(task) && code < CODES; code++) {
      double number = (double)task->numbers.table.values[code];
      bool within = number >= task->edges[0] && number <= task->edges[task->bins];
      if (within) task->counts[bin_of(task, number)] += counts[code];
    }
  }
  return true;
}

static void set_scale(Task *task) {
  double lo = task->edges[0], hi = task->edges[task->bins], width = hi - lo;
  task->unit = !isfinite(width) ? 0.5 : width < 0x1p-900 ? 0x1p600 : 1;
  width = hi * task->unit - lo * task->unit;
  task->scale = task->bins / width; /* infinite where all edges are the same */
  task->fine = width / task->bins > 0x1p-48 * fmax(fabs(lo), fabs(hi)) * task->unit;
}

bool histogram_run(const Source *source, const View *view, Dtype dtype, const double *edges,
                   uint32_t bins, const PassHost *host, uint64_t *counts, Error *error) {
  Task task = {.edges = edges, .bins = bins, .turns = TURNS, .slots = CODES, .counts = counts};
  numbers_open(&task.numbers, dtype);
  set_scale(&task);
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
