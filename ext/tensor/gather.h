/* Bringing the elements of a view together, as bytes, without looking at what they mean. */
#ifndef SAFETENSORS_TENSOR_GATHER_H
#define SAFETENSORS_TENSOR_GATHER_H

#include "tensor/walk.h"

/* Whether each run of elements of the view that lie together starts and ends on a byte. Always true
** of dtypes of whole bytes. */
bool gather_is_whole_bytes(const View *view, unsigned bits);

/* The fewest elements that fill whole bytes: 2 for F4, 4 for F6, 1 otherwise. */
unsigned gather_byte_group(unsigned bits);

/* Copies a chunk's elements to the elements out_first, out_first + 1, ... of `out`, where those of
** less than a byte are added to bits that must be 0 before. */
void gather_chunk(const Chunk *chunk, unsigned bits, unsigned char *out, uint64_t out_first);

#endif
