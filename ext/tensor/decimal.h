/*
** Numbers as text: the shortest decimal that reads back as the same double and, among those, the
** one closest to it, in the notation of Python's repr(). The result depends neither on the locale
** nor on the rounding mode.
*/
#ifndef SAFETENSORS_TENSOR_DECIMAL_H
#define SAFETENSORS_TENSOR_DECIMAL_H

#include "base/arithmetic.h"

enum { DECIMAL_SIZE = 32 };

/* Writes a finite number and a terminating NUL: 0.1, -0.0, 100.0, 1e+16, 1e-07,
** 1.7976931348623157e+308. Returns the length without the NUL, at most 24. */
int decimal_format(double value, char out[DECIMAL_SIZE]);

#endif
