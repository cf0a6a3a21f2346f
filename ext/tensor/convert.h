/*
** Conversion from one dtype to another: decode.h and encode.h combined, with faster loops for some
** pairs of dtypes. encode.h says what a value becomes.
*/
#ifndef SAFETENSORS_TENSOR_CONVERT_H
#define SAFETENSORS_TENSOR_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/host.h"
#include "format/dtype.h"
#include "tensor/walk.h"

/* Converts `count` elements, first, first + stride, ..., of the tensor at `data`, and writes them
** as the elements out_first, out_first + 1, ... of the tensor at `out`, which must not overlap the
** other. If elements of `to` are smaller than a byte, `out` must be zero beforehand. If `from` and
** `to` are the same dtype the elements are copied. */
void convert_elements(Dtype from, Dtype to, const unsigned char *data, uint64_t first,
                      uint64_t count, uint64_t stride, unsigned char *out, uint64_t out_first);

/* Converts `count` contiguous elements, beginning with the first of `in` and of `out`, with a loop
** that is made for the two dtypes. Returns false, and writes nothing, if there is no such loop. */
bool convert_fast(Dtype from, Dtype to, const unsigned char *in, uint64_t count,
                  unsigned char *out);

/* Converts all elements of a view in row-major order, as convert_elements() does, to `out` from
** element 0 on. `host` may be NULL; its progress handler is called, but its threads are not used.
** Returns false on an error. */
bool convert_view(const View *view, Dtype from, Dtype to, Reader *reader, unsigned char *out,
                  const Host *host, Error *error);

#endif
