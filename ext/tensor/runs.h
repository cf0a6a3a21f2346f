/*
** A walk over a view in row-major order, in runs: elements at equal distances, as many at a time as
** can be had. A contiguous view is one run.
*/
#ifndef SAFETENSORS_TENSOR_RUNS_H
#define SAFETENSORS_TENSOR_RUNS_H

#include "tensor/view.h"

typedef struct Run {
  uint64_t first; /* element, counted in the whole tensor */
  uint64_t count; /* at least 1 */
  uint64_t step;  /* from one element to the next; 1 when they lie together */
} Run;

/* A dimension that is walked, and where in it the walk is. */
typedef struct RunsDimension {
  uint64_t size, stride, index;
} RunsDimension;

typedef struct Runs {
  const View *view;
  RunsDimension *walked; /* those larger than 1; the ones behind them make up a run */
  uint32_t walked_count; /* a shape may have 100,000 dimensions, but not many of them are larger */
  uint64_t count, step;  /* of each run */
  uint64_t at;           /* first element of the next run */
  uint64_t left;         /* runs to come */
} Runs;

/* `view` must outlive the walk, which runs_close() ends. False when memory runs out. */
bool runs_open(Runs *runs, const View *view);

/* Goes to the run that has the view's element number `position`, which is there: runs_next() gives
** that one next. Returns the element's number within it. */
uint64_t runs_seek(Runs *runs, uint64_t position);

/* The next run; false at the end. */
bool runs_next(Runs *runs, Run *run);

void runs_close(Runs *runs);

#endif
