/*
** Conversion of stored elements to numbers. This is the only place that knows what the bits of a
** dtype mean; format/dtype.h gives the sources of the number formats.
**
** In all functions `data` is the first byte of a tensor, at any alignment, and elements are
** numbered from there, so that dtypes smaller than a byte are no special case.
*/
#ifndef SAFETENSORS_TENSOR_DECODE_H
#define SAFETENSORS_TENSOR_DECODE_H

#include "format/dtype.h"
#include "tensor/value.h"

/* The kind of the values of a dtype. Every Value has it, except for a large U64. */
ValueKind decode_kind(Dtype dtype);

/* Decodes element number `index`. */
void decode_value(Dtype dtype, const unsigned char *data, uint64_t index, Value *out);

/* Whether all values of the dtype, or their parts, are floats, which decode_floats() gives. */
bool decode_gives_floats(Dtype dtype);

/* As decode_doubles(), and always exact. */
void decode_floats(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                   uint64_t stride, float *out);

/* Decodes `count` elements, first, first + stride, ..., as doubles. This is exact, except for
** integers beyond 2^53, which are rounded to nearest, ties to even. For C64 `out` gets two doubles
** for each element, the real and the imaginary part. A NaN stays a NaN, but its payload is not
** specified. */
void decode_doubles(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                    uint64_t stride, double *out);

/* Decodes the same elements exactly, as 64-bit integers in two's complement (U64 unchanged). Only
** for dtypes of kind VALUE_INTEGER or VALUE_BOOLEAN. */
void decode_integers(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                     uint64_t stride, uint64_t *out);

/* Writes the codes of such elements, of 4 or 6 bits each, one to a byte. */
void decode_small_codes(unsigned bits, const unsigned char *data, uint64_t first, uint64_t count,
                        uint64_t stride, unsigned char *codes);

#endif
