/*
** How many elements lie in each of a number of bins of equal width. What an element counts as is
** told in numbers.h; NaN, infinities and what is outside the bins is in none of them.
**
** Bin i has the numbers from edges[i] on that are below edges[i + 1]; the last one has its end too.
** The edges are those of numpy.histogram() in float64.
*/
#ifndef SAFETENSORS_TENSOR_HISTOGRAM_H
#define SAFETENSORS_TENSOR_HISTOGRAM_H

#include "format/dtype.h"
#include "tensor/pass.h"

enum { HISTOGRAM_MAX_BINS = 1000000 };

/* Writes the bins + 1 edges from `lo` to `hi`, both finite, lo <= hi; where they are equal, from
** 0.5 below to 0.5 above. */
void histogram_edges(double lo, double hi, uint32_t bins, double *edges);

/* Adds the counts of the view's elements to those of the bins, which begin at 0. False on error. */
bool histogram_run(const Source *source, const View *view, Dtype dtype, const double *edges,
                   uint32_t bins, const PassHost *host, uint64_t *counts, Error *error);

#endif
