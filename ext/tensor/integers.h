/*
** Conversion of integers, and of BOOL, to integers and to BOOL: integers keep their low bits, and
** BOOL is 1 for everything but 0.
*/
#ifndef SAFETENSORS_TENSOR_INTEGERS_H
#define SAFETENSORS_TENSOR_INTEGERS_H

#include <stdbool.h>
#include <stdint.h>

#include "format/dtype.h"

/* Whether a dtype is BOOL or one of integers. */
bool integers_are(Dtype dtype);

/* Converts `count` contiguous elements, which must not overlap `out`, from one such dtype to
** another. */
void integers_convert(Dtype from, Dtype to, const unsigned char *in, uint64_t count,
                      unsigned char *out);

#endif
