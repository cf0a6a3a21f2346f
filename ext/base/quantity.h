/*
** Numbers as people write them: three digits, a prefix of the SI, a unit: 13.0 M, 26.1 GB.
*/
#ifndef SAFETENSORS_BASE_QUANTITY_H
#define SAFETENSORS_BASE_QUANTITY_H

#include <stddef.h>

enum { QUANTITY_SIZE = 32, QUANTITY_MAX_UNIT = 8 };

/* Writes `value` and `unit` ("B", or "" for a plain count; at most QUANTITY_MAX_UNIT bytes),
** NUL-terminated, into QUANTITY_SIZE bytes. Below 1000 without a prefix, and whole numbers as they
** are. */
void quantity_format(char *out, double value, const char *unit);

#endif
