/*
** Elements of at most a byte by their codes: how often each comes; and statistics of floats of 4, 6 and
** 8 bits, which are multiples of their smallest number, by integer arithmetic, without any rounding.
*/
#ifndef SAFETENSORS_TENSOR_CODES_H
#define SAFETENSORS_TENSOR_CODES_H

#include "tensor/found.h"
#include "tensor/kernels.h"

enum { CODES = 256 };

/* Adds how often each code comes to `counts`: of elements of 4, 6 or 8 bits, from `first` on, fewer than
** 2^32. */
void codes_count(unsigned bits, const unsigned char *data, uint64_t first, uint64_t count,
                 uint64_t counts[CODES]);

/* What is known of a dtype. */
typedef struct Codes {
  const Kernels *kernels;
  const float *values; /* of each code: of the ByteValues it was opened with */
  unsigned bits;       /* of an element; the uppermost is the sign */
  ByteDigits digits;
  int unit;             /* digits are of multiples of 2^unit */
  unsigned last_finite; /* the largest code of a number, without its sign */
  bool minus_zero_is_nan;
} Codes;

/* False if the dtype is none of these: a sign, and at most 7 bits whose numbers can be made of digits. To
** be shared by threads; `table` has to stay. */
bool codes_open(Codes *codes, const Kernels *kernels, Dtype dtype, const ByteValues *table);

/* Elements from `first` on, at most 2^16; with their moments or without. Adds them to `all`. */
void codes_take(const Codes *codes, const unsigned char *data, uint64_t first, uint64_t count,
                bool with_moments, Found *all);

#endif
