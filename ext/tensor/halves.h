/*
** F16 and BF16 by their codes: what the kernels that find minimum and maximum in 16 bits have in
** common.
*/
#ifndef SAFETENSORS_TENSOR_HALVES_H
#define SAFETENSORS_TENSOR_HALVES_H

#include <math.h>

#include "tensor/scan_kernels.h"
#include "tensor/value.h"

/* What a code stands for. */
static inline float half_number(Dtype dtype, unsigned code) {
  return dtype == DTYPE_BF16 ? float_from_bits((uint32_t)code << 16)
                             : float_widen(code, format_F16);
}

/* The range of `count` elements, from the codes of the least and the greatest. */
static inline FloatRange half_range(Dtype dtype, uint64_t count, unsigned least, unsigned greatest,
                                    uint32_t zeros) {
  if (count == 0) return (FloatRange){.min = INFINITY, .max = -INFINITY, .finite = true};
  float min = half_number(dtype, least), max = half_number(dtype, greatest);
  return (FloatRange){
      .min = min, .max = max, .finite = isfinite(min) && isfinite(max), .zeros = zeros};
}

/* Sets what a scan shares with a range, and the least magnitude but 0 from its code, which is 0 or
** 0x7fff if there is none. */
static inline void half_scan(Dtype dtype, const FloatRange *range, unsigned least, FloatScan *out) {
  out->min = range->min;
  out->max = range->max;
  out->zeros = range->zeros;
  out->least = least == 0 || least == 0x7fff ? INFINITY : half_number(dtype, least);
}

#endif
