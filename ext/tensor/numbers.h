/*
** Elements as the numbers that statistics are about: of C64 the magnitude (infinite if a part is,
** else NaN if a part is), of BOOL 0 and 1, of all else the value.
*/
#ifndef SAFETENSORS_TENSOR_NUMBERS_H
#define SAFETENSORS_TENSOR_NUMBERS_H

#include "tensor/kernels.h"

/* The most elements at a time: they stay in the first-level cache. */
enum { NUMBERS_GROUP = 4096 };

typedef struct Numbers {
  const Kernels *kernels; /* the chosen ones */
  Dtype dtype;
  ByteValues table; /* of a dtype of at most 8 bits: what the codes stand for */
} Numbers;

/* Nothing to release. To be shared by threads. */
void numbers_open(Numbers *numbers, Dtype dtype);

/* The elements as floats: where they lie, if they are that, at any address, or in `out`. NULL for a
** dtype that has values which no float has. */
const void *numbers_floats(const Numbers *numbers, const unsigned char *data, uint64_t first,
                           uint64_t count, float *out);

/* The same as doubles, for all dtypes. Integers beyond 2^53 are rounded. */
void numbers_doubles(const Numbers *numbers, const unsigned char *data, uint64_t first,
                     uint64_t count, double *out);

#endif
