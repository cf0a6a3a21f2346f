/*
** What a pass of statistics finds in a part of the elements, and how the parts are merged.
*/
#ifndef SAFETENSORS_TENSOR_FOUND_H
#define SAFETENSORS_TENSOR_FOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/moments.h"

/* All zero for no elements. */
typedef struct Found {
  uint64_t nans, infinities, zeros, finite;
  double min, max; /* if finite > 0; 64-bit integers have the keys instead */
  uint64_t min_key,
      max_key;     /* the range of 64-bit integers, with the sign bit of I64 flipped, so that they
                   ** compare as unsigned */
  Moments moments; /* as far as the level asks for them */
} Found;

/* Adds the findings for some elements to those for others. The order affects the last bits of the
** moments. */
void found_merge(Found *all, const Found *more);

#endif
