/*
** Statistics of a tensor's elements, in one pass.
**
** NaN and infinities are counted, all else is over the finite elements. C64 is taken by its
** magnitude (which is infinite if a part is, else NaN if a part is), BOOL as 0 and 1. Whatever the
** numbers, neither an offset, nor cancellation, nor squares beyond the range of a double spoil the
** results: the mean is right to about 1e-16, the norm to 1e-14, the deviation to 1e-13 (of sums of at
** most 512 squares in a lane, each addition may be rounded the same way). Nothing depends on the number
** of threads or on the kernels.
*/
#ifndef SAFETENSORS_TENSOR_STATS_H
#define SAFETENSORS_TENSOR_STATS_H

#include "format/dtype.h"
#include "tensor/pass.h"
#include "tensor/value.h"

/* How much is computed; each brings what is before it. */
typedef enum StatsLevel {
  STATS_RANGE, /* the counts, min, max and abs_max */
  STATS_MEAN,
  STATS_SPREAD /* std and l2 */
} StatsLevel;

typedef struct Stats {
  uint64_t nans, infinities, zeros;
  uint64_t finite; /* elements; if 0, there is no min, max, abs_max, mean and std, and l2 is 0 */
  Value min, max, abs_max; /* of the kind of the dtype's values; C64's are REAL */
  double mean;
  double std; /* of the population: divided by the count, as numpy.std() */
  double l2;  /* the square root of the sum of squares; infinite only if no double is as large */
} Stats;

/* Takes the elements of a view. False on error. */
bool stats_run(const Source *source, const View *view, Dtype dtype, StatsLevel level,
               const PassHost *host, Stats *out, Error *error);

#endif
