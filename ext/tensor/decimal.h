/*
** Numbers as text: the shortest decimal that reads back as the same double and, of those, the one
** closest to it, laid out as Python's repr() does. No locale and no rounding mode changes it.
*/
#ifndef SAFETENSORS_TENSOR_DECIMAL_H
#define SAFETENSORS_TENSOR_DECIMAL_H

enum { DECIMAL_SIZE = 32 };

/* Writes a finite number, and a NUL: 0.1, -0.0, 100.0, 1e+16, 1e-07, 1.7976931348623157e+308.
** Returns the length, at most 24. */
int decimal_format(double value, char out[DECIMAL_SIZE]);

#endif
