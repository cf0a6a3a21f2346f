/* Copies the elements of a view together as bytes, whatever they mean. */
#ifndef SAFETENSORS_TENSOR_GATHER_H
#define SAFETENSORS_TENSOR_GATHER_H

#include "tensor/walk.h"

/* Whether each contiguous run of elements of the view starts and ends on a byte boundary. Always
** true if elements are whole bytes. */
bool gather_is_whole_bytes(const View *view, unsigned bits);

/* Copies the elements of a chunk to the elements out_first, out_first + 1, ... of `out`. Elements
** smaller than a byte are ORed into `out`, so their bits must be 0 beforehand. */
void gather_chunk(const Chunk *chunk, unsigned bits, unsigned char *out, uint64_t out_first);

#endif
