/*
** Numbers as people write them: three digits, an SI prefix and a unit, like 13.0 M and 26.1 GB.
*/
#ifndef SAFETENSORS_BASE_QUANTITY_H
#define SAFETENSORS_BASE_QUANTITY_H

#include "base/arithmetic.h"

#include <stddef.h>

enum { QUANTITY_SIZE = 32, QUANTITY_MAX_UNIT = 8 };

/* Writes `value` and `unit` ("B", or "" for a plain count; at most QUANTITY_MAX_UNIT bytes),
** NUL-terminated, into QUANTITY_SIZE bytes. A value below 1000 gets no prefix, and a whole
** number below it is written exactly. */
void quantity_format(char *out, double value, const char *unit);

#endif
