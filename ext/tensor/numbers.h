/*
** Elements as the numbers of the statistics: for C64 the magnitude (infinite if a part is,
** otherwise NaN if a part is), for BOOL 0 and 1, and for all other dtypes the value.
*/
#ifndef SAFETENSORS_TENSOR_NUMBERS_H
#define SAFETENSORS_TENSOR_NUMBERS_H

#include "kernels/kernels.h"

/* The maximum number of elements at a time. Their numbers fit in the first-level cache. */
enum { NUMBERS_GROUP = 4096 };

typedef struct Numbers {
  const Kernels *kernels; /* the chosen kernels */
  Dtype dtype;
  ByteValues table; /* for a dtype of at most 8 bits: the values of its codes */
} Numbers;

/* Prepares the conversion of a dtype. Threads may share the result, and nothing has to be
** released. */
void numbers_open(Numbers *numbers, Dtype dtype);

/* The elements as floats, at any alignment: in place if they are floats, otherwise in `out`.
** Returns NULL if the dtype has values that floats cannot represent. */
const void *numbers_floats(const Numbers *numbers, const unsigned char *data, uint64_t first,
                           uint64_t count, float *out);

/* Whether floats can represent all values of the dtype. */
bool numbers_are_floats(const Numbers *numbers);

/* Writes the elements as doubles, for all dtypes. Magnitudes, and integers beyond 2^53, are
** rounded. */
void numbers_doubles(const Numbers *numbers, const unsigned char *data, uint64_t first,
                     uint64_t count, double *out);

/* Writes the magnitudes of C64 elements and, unless `low` is NULL, their rounding errors. */
void numbers_magnitudes(const unsigned char *data, uint64_t first, uint64_t count, double *high,
                        double *low);

#endif
