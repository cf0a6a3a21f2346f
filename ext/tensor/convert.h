/*
** Elements of one dtype made into elements of another: decode.h and encode.h in one step, and past
** them where there is a shorter way. What a value becomes is told in encode.h.
*/
#ifndef SAFETENSORS_TENSOR_CONVERT_H
#define SAFETENSORS_TENSOR_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "format/dtype.h"
#include "tensor/ask.h"
#include "tensor/walk.h"

/* Converts the elements first, first + step, ... of the tensor at `data`, `count` of them, to the
** elements out_first, out_first + 1, ... of the tensor at `out`, which does not overlap it. Where
** elements of `to` are less than a byte, `out` must be zero before they are written. With `from` and
** `to` the same it copies. */
void convert_elements(Dtype from, Dtype to, const unsigned char *data, uint64_t first,
                      uint64_t count, uint64_t step, unsigned char *out, uint64_t out_first);

/* The same for `count` elements that lie together, from the first of `in` to the first of `out`, by
** a loop made for the two dtypes. False, and nothing done, where there is none. */
bool convert_fast(Dtype from, Dtype to, const unsigned char *in, uint64_t count,
                  unsigned char *out);

/* convert_elements() for all elements of a view, in row-major order, to `out` from element 0. `host`,
** or NULL, is asked on the way; its threads are not used. False on error. */
bool convert_view(const View *view, Dtype from, Dtype to, Reader *reader, unsigned char *out,
                  const PassHost *host, Error *error);

#endif
