/*
** How many elements lie in each of a number of bins of equal width. numbers.h says which number an
** element counts as. NaN, infinities and numbers outside the bins are not counted.
**
** Bin i contains the numbers x with edges[i] <= x < edges[i + 1]. The last bin also contains its
** upper edge. The edges are those of numpy.histogram() in float64.
*/
#ifndef SAFETENSORS_TENSOR_HISTOGRAM_H
#define SAFETENSORS_TENSOR_HISTOGRAM_H

#include "format/dtype.h"
#include "tensor/code_counts.h"
#include "tensor/pass.h"

enum { HISTOGRAM_MAX_BINS = 1000000 };

/* Writes the bins + 1 edges from `lo` to `hi`, which are finite, with lo <= hi. If they are equal,
** the edges go from 0.5 below to 0.5 above. */
void histogram_edges(double lo, double hi, uint32_t bins, double *edges);

/* Adds the number of elements of the view in each bin to `counts`, which has to be initialised to
** 0. 1 <= bins <= HISTOGRAM_MAX_BINS. `host` may be NULL. Returns false on an error. */
bool histogram_run(const Source *source, const View *view, Dtype dtype, const double *edges,
                   uint32_t bins, const Host *host, uint64_t *counts, Error *error);

/* Whether it is best to count the codes of a tensor first (code_counts.h), before even its range is known. */
bool histogram_counts_codes(Dtype dtype, uint64_t numel);

/* As histogram_run(), of elements whose codes have been counted. */
void histogram_of_codes(Dtype dtype, const uint64_t *codes, const double *edges, uint32_t bins,
                        uint64_t *counts);

#endif
