/*
** Statistics of integers of 8 and 16 bits, computed in integers, without any rounding.
*/
#ifndef SAFETENSORS_TENSOR_SHORTS_H
#define SAFETENSORS_TENSOR_SHORTS_H

#include "kernels/kernels.h"
#include "tensor/found.h"

/* Whether the dtype is one of them: I8, U8, I16 or U16. */
bool shorts_are(Dtype dtype);

/* Adds the statistics of `count` elements, at most 2^16, beginning with element `first`, to `all`. The moments are
** only set if `with_moments` is. */
void shorts_take(const Kernels *kernels, Dtype dtype, const unsigned char *data, uint64_t first,
                 uint64_t count, bool with_moments, Found *all);

#endif
