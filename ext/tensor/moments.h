/*
** The mean and spread of numbers that come in parts: their count, their sum, and the sum of the
** squared distances from the mean. Such parts can be merged in any grouping without loss of digits
** to cancellation (T. F. Chan, G. H. Golub, R. J. LeVeque, Updating Formulae and a Pairwise
** Algorithm for Computing Sample Variances, 1979). Sums have twice the precision of a double.
*/
#ifndef SAFETENSORS_TENSOR_MOMENTS_H
#define SAFETENSORS_TENSOR_MOMENTS_H

#include <stdint.h>

#include "tensor/double_double.h"

/* Starts as {0}, for no numbers. */
typedef struct Moments {
  uint64_t count;
  DoubleDouble sum;
  DoubleDouble squares; /* of the distances from the mean */
  int exponent;         /* the true numbers, and their sum, are 2^exponent times as large, so that
                        ** the squares of very large or very small doubles can be represented */
} Moments;

/* The moments of `count` numbers, at least one, of whose sum and sum of squares every digit is known: of multiples of a
** unit, in units. The product of the squares with the count has at most 106 bits. */
Moments moments_of_sums(uint64_t count, double sum, DoubleDouble squares);

/* Adds the moments of some numbers to those of others. The order affects the last bits. */
void moments_merge(Moments *moments, const Moments *more);

/* The mean and the standard deviation of at least one number. The deviation is that of the
** population (numpy.std, ddof=0). */
double moments_mean(const Moments *moments);
double moments_deviation(const Moments *moments);

/* The square root of the sum of squares, or 0 for no numbers. */
double moments_norm(const Moments *moments);

#endif
