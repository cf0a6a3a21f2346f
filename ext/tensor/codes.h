/*
** Elements of at most 8 bits by their codes: how often each code occurs, and statistics of floats
** of 4, 6 and 8 bits. Such floats are multiples of their smallest number, so the statistics are
** computed in integers, without any rounding.
*/
#ifndef SAFETENSORS_TENSOR_CODES_H
#define SAFETENSORS_TENSOR_CODES_H

#include "kernels/kernels.h"
#include "tensor/found.h"

/* Adds the number of occurrences of each code to `counts`. The elements have 4, 6 or 8 bits; there
** are `count` of them, fewer than 2^32, beginning with element `first`. */
void codes_count(const Kernels *kernels, unsigned bits, const unsigned char *data, uint64_t first,
                 uint64_t count, uint64_t counts[CODES]);

/* The properties of a dtype. */
typedef struct Codes {
  const Kernels *kernels;
  const float *values; /* the value of each code; belongs to the ByteValues that codes_open() was
                       ** given */
  unsigned bits;       /* of an element; the top bit is the sign */
  ByteDigits digits;
  int unit;             /* digits count multiples of 2^unit */
  unsigned last_finite; /* the largest code of a finite number, without the sign */
  bool minus_zero_is_nan;
} Codes;

/* Returns false for any dtype that is not a sign and at most 7 bits whose numbers can be composed
** of digits. Threads may share the result. `table` must outlive it. Nothing has to be released. */
bool codes_open(Codes *codes, const Kernels *kernels, Dtype dtype, const ByteValues *table);

/* Adds the statistics of `count` elements, at most 2^16, beginning with element `first`, to `all`.
** The moments are only computed if `with_moments` is set. */
void codes_take(const Codes *codes, const unsigned char *data, uint64_t first, uint64_t count,
                bool with_moments, Found *all);

#endif
