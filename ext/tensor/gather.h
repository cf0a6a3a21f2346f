/* Bringing the elements of a view together, as bytes, without looking at what they mean. */
#ifndef SAFETENSORS_TENSOR_GATHER_H
#define SAFETENSORS_TENSOR_GATHER_H

#include "tensor/view.h"

/* Whether each run of elements of the view that lie together starts and ends on a byte. Always true
** of dtypes of whole bytes. */
bool gather_is_whole_bytes(const View *view, unsigned bits);

/* The fewest elements that fill whole bytes: 2 for F4, 4 for F6, 1 otherwise. */
unsigned gather_byte_group(unsigned bits);

/* Copies the view's elements, in row-major order, to `out`, which has room for them. `source` is
** the whole tensor; gather_is_whole_bytes() is true. False when memory runs out. */
bool gather_bytes(const View *view, unsigned bits, const unsigned char *source, unsigned char *out);

#endif
