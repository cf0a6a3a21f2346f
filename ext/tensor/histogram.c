#include "tensor/histogram.h"

#include <math.h>

#include "tensor/numbers.h"

/* Few bins are counted several times over, so that a count does not have to wait for the one just
** before it in the same bin. */
enum { TURNS = 4, FEW_BINS = 1024 };

typedef struct Task {
  Numbers numbers;
  const double *edges;
  uint32_t bins, turns;
  double unit;  /* what numbers are multiplied with first, so that their differences are in range */
  double scale; /* bins for a distance of 1 from the first edge, in this unit */
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

/* A guess, put right by the edges: between neighbours, rounding may have gone either way. */
static uint32_t bin_of(const Task *task, double number) {
  const double *edges = task->edges;
  uint32_t last = task->bins - 1;
  double place = (number * task->unit - edges[0] * task->unit) * task->scale;
  uint32_t bin = place < last ? (uint32_t)place : last;
  while (number < edges[bin]) bin--;
  while (bin < last && number >= edges[bin + 1]) bin++;
  return bin;
}

static void take_block(const void *context, const PassElements *elements, uint64_t position,
                       uint64_t count, void *state) {
  const Task *task = context;
  uint64_t *counts = state;
  double lo = task->edges[0], hi = task->edges[task->bins], numbers[NUMBERS_GROUP];
  (void)position;
  for (uint64_t done = 0; done < count; done += NUMBERS_GROUP) {
    uint64_t left = count - done, size = left < NUMBERS_GROUP ? left : NUMBERS_GROUP;
    numbers_doubles(&task->numbers, elements->data, elements->first + done, size, numbers);
    for (uint64_t i = 0; i < size; i++) {
      if (!(numbers[i] >= lo && numbers[i] <= hi)) continue;
      counts[i % task->turns * task->bins + bin_of(task, numbers[i])]++;
    }
  }
}

static bool merge_counts(void *context, const void *state) {
  Task *task = context;
  const uint64_t *counts = state;
  for (uint64_t i = 0; i < (uint64_t)task->turns * task->bins; i++) {
    task->counts[i % task->bins] += counts[i];
  }
  return true;
}

bool histogram_run(const Source *source, const View *view, Dtype dtype, const double *edges,
                   uint32_t bins, const PassHost *host, uint64_t *counts, Error *error) {
  Task task = {.edges = edges,
               .bins = bins,
               .turns = bins <= FEW_BINS ? TURNS : 1,
               .unit = 1,
               .counts = counts};
  double width = edges[bins] - edges[0];
  if (!isfinite(width)) task.unit = 0.5;
  if (width < 0x1p-900) task.unit = 0x1p600;
  width = edges[bins] * task.unit - edges[0] * task.unit;
  task.scale =
      bins / width; /* infinite where all edges are the same: then all is in the last bin */
  numbers_open(&task.numbers, dtype);
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, dtype_bits(dtype)}},
               .task = &task,
               .state_size = (uint64_t)task.turns * bins * sizeof(uint64_t),
               .any_order = true,
               .block = take_block,
               .merge = merge_counts};
  return pass_run(&pass, host, error);
}
