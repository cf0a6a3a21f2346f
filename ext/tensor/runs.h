/*
** Iterates over a view in row-major order, in runs of elements at equal distances that are as long
** as possible. A contiguous view is one run.
*/
#ifndef SAFETENSORS_TENSOR_RUNS_H
#define SAFETENSORS_TENSOR_RUNS_H

#include "tensor/view.h"

typedef struct Run {
  uint64_t first;  /* the first element, numbered in the whole tensor */
  uint64_t count;  /* at least 1 */
  uint64_t stride; /* the distance between elements; 1 if they are contiguous */
} Run;

/* A dimension that is iterated over, and the current index in it. */
typedef struct RunsDimension {
  uint64_t size, stride, index;
} RunsDimension;

typedef struct Runs {
  const View *view;
  RunsDimension *walked;  /* those larger than 1; the dimensions behind them make up a run */
  uint32_t walked_count;  /* a shape may have 100,000 dimensions, but only a few of them can be
                          ** larger than 1 */
  uint64_t count, stride; /* of each run */
  uint64_t at;            /* the first element of the next run */
  uint64_t left;          /* the number of runs to come */
} Runs;

/* Starts at the first run. `view` must outlive `runs`, which runs_close() releases. Returns false
** if memory runs out. */
bool runs_open(Runs *runs, const View *view);

/* Moves to the run that contains element number `position` of the view, which must exist, so that
** runs_next() returns this run. Returns the number of the element within it. */
uint64_t runs_seek(Runs *runs, uint64_t position);

/* Returns the next run, or false at the end. */
bool runs_next(Runs *runs, Run *run);

/* Releases the memory of the iteration. May be called on {0}. */
void runs_close(Runs *runs);

#endif
