/*
** The magnitude of complex numbers. sqrt(re * re + im * im) would be rounded three times, and
** hypot() gives different results on different machines.
*/
#ifndef SAFETENSORS_TENSOR_MAGNITUDE_H
#define SAFETENSORS_TENSOR_MAGNITUDE_H

#include "tensor/double_double.h"

/* The magnitude of a number whose parts are floats: `high` is the correctly rounded magnitude, and
** `low` the rounding error, to 50 bits. If the parts are doubles, each 0 or between 2^-400 and
** 2^400, `high` is almost always correctly rounded. */
DoubleDouble magnitude_of(double real, double imaginary);

/* The magnitudes of MAGNITUDES numbers at a time, whose parts are any floats. A NaN gives a NaN,
** and an infinity an infinity. */
enum { MAGNITUDES = 16 };
void magnitudes_of(const double real[MAGNITUDES], const double imaginary[MAGNITUDES],
                   double high[MAGNITUDES], double low[MAGNITUDES]);

/* The rounded magnitude for any finite doubles; infinity if it is too large for a double. */
double magnitude_rounded(double real, double imaginary);

#endif
