/*
** From stored elements to numbers: the one place that knows what the bits of a dtype mean.
**
** Everywhere, `data` is the first byte of a tensor, at any address, and elements are counted from
** there, so that dtypes of less than a byte need no rule of their own.
*/
#ifndef SAFETENSORS_TENSOR_DECODE_H
#define SAFETENSORS_TENSOR_DECODE_H

#include "format/dtype.h"
#include "tensor/value.h"

/* What the dtype's values are; the kind of each Value but that of a large U64. */
ValueKind decode_kind(Dtype dtype);

/* Element number `index`. */
void decode_value(Dtype dtype, const unsigned char *data, uint64_t index, Value *out);

/* The elements first, first + step, ..., `count` of them, as doubles: exact, but for integers
** beyond 2^53, which are rounded to nearest, ties to even. Of C64 two doubles for each element,
** real and imaginary part. A NaN becomes a NaN; its payload means nothing. */
void decode_doubles(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                    uint64_t step, double *out);

/* The same elements, exactly, as 64-bit integers in two's complement (U64: as they are). Only for
** dtypes of kind VALUE_INTEGER and VALUE_BOOLEAN. */
void decode_integers(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                     uint64_t step, uint64_t *out);

#endif
