/*
** Mean and spread of numbers that come in parts: count, sum, and sum of the squares of the
** distances from the mean, which can be put together in any grouping without losing digits to
** cancellation (T. F. Chan, G. H. Golub, R. J. LeVeque, Updating Formulae and a Pairwise Algorithm
** for Computing Sample Variances, 1979). Sums are of twice a double's precision.
*/
#ifndef SAFETENSORS_TENSOR_MOMENTS_H
#define SAFETENSORS_TENSOR_MOMENTS_H

#include <stdint.h>

#include "tensor/double_double.h"

/* Of no numbers: {0}. */
typedef struct Moments {
  uint64_t count;
  DoubleDouble sum;
  DoubleDouble squares; /* of the distances from the mean */
  int exponent;         /* the numbers, and their sum, are 2^exponent times what is said here: so
                        ** that squares of very large or very small doubles can be had */
} Moments;

/* Adds numbers to others. Not commutative to the last bit: the order matters. */
void moments_merge(Moments *moments, const Moments *more);

/* Of at least one number. The deviation is the population's (numpy.std, ddof=0). */
double moments_mean(const Moments *moments);
double moments_deviation(const Moments *moments);

/* The square root of the sum of the numbers' squares; 0 if there are none. */
double moments_norm(const Moments *moments);

#endif
