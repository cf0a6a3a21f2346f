/*
** The sum of doubles as a fixed-point number with a place for every bit of every double. It is
** exact, however much cancels, but slow compared with the sums of the statistics, so it only serves
** when those have lost too much precision.
*/
#ifndef SAFETENSORS_TENSOR_EXACT_SUM_H
#define SAFETENSORS_TENSOR_EXACT_SUM_H

#include <stdint.h>

#include "tensor/double_double.h"

enum { EXACT_SUM_LIMBS = 69 };

/* The number that is the sum of limbs[i] * 2^(32 i - 1074). Starts as {0}. */
typedef struct ExactSum {
  int64_t limbs[EXACT_SUM_LIMBS]; /* 0 to 2^32 - 1; only the last one may be negative */
} ExactSum;

/* Adds numbers, at most 2^28 of them. Skips those that are not finite. */
void exact_sum_add(ExactSum *sum, const double *numbers, uint64_t count);

/* Adds another sum, exactly. */
void exact_sum_merge(ExactSum *sum, const ExactSum *more);

/* The sum divided by `count`, rounded to a double. The error is at most one unit in the last
** place. */
double exact_sum_mean(const ExactSum *sum, uint64_t count);

#endif
