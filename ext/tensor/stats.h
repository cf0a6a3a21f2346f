/*
** Statistics of the elements of a tensor, in one or two passes.
**
** NaN and infinities are counted; all other results are over the finite elements. C64 counts as its
** magnitude (infinite if a part is, otherwise NaN if a part is), and BOOL as 0 and 1. The results
** are accurate for any numbers, with a large offset, with cancellation, and with squares outside
** the range of a double. The relative error of the mean is at most 2^-51 (if nearly everything
** cancels, thanks to a second pass), that of the norm 1e-14, and that of the deviation 1e-13 (since
** a lane sums at most 512 squares, each of whose additions may be rounded in the same direction).
** The sums of integers of 8 and 16 bits, and of
** floats of at most 8, are exact. The results depend neither on the number of threads nor on the kernels.
*/
#ifndef SAFETENSORS_TENSOR_STATS_H
#define SAFETENSORS_TENSOR_STATS_H

#include "format/dtype.h"
#include "kernels/kernels.h"
#include "tensor/pass.h"
#include "tensor/value.h"

/* How much is computed. Each level includes the ones before it. */
typedef enum StatsLevel {
  STATS_RANGE, /* the counts, min, max and abs_max */
  STATS_MEAN,
  STATS_SPREAD /* std and l2 */
} StatsLevel;

typedef struct Stats {
  uint64_t nans, infinities, zeros;
  uint64_t finite; /* finite elements; if there are none, min, max, abs_max, mean and std are not
                   ** set, and l2 is 0 */
  Value min, max, abs_max; /* of the same kind as the values of the dtype, but REAL for C64 */
  double mean;
  double std; /* of the population: divided by the count, as in numpy.std() */
  double l2;  /* the square root of the sum of squares; infinite only if it is too large for a
              ** double */
} Stats;

/* Computes the statistics of the elements of a view on the tensor in `source`. `host` may be NULL:
** then no other threads are used, and the work cannot be cancelled. Returns false on an error. */
bool stats_run(const Source *source, const View *view, Dtype dtype, StatsLevel level,
               const Host *host, Stats *out, Error *error);

/* A tensor of F32 that is computed, element by element, from two contiguous ones of one dtype, as they are
** stored: by a kernel for that dtype, of the chosen set. */
typedef struct StatsOfTwo {
  const Source *sources[2];
  const View *views[2];
  Dtype dtype;
  KernelFloats *compute;
} StatsOfTwo;

/* The same statistics as of that tensor. */
bool stats_run_of_two(const StatsOfTwo *two, StatsLevel level, const Host *host, Stats *out,
                      Error *error);

#endif
