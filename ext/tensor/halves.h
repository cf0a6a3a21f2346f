/*
** F16 and BF16 as 16-bit numbers that are in the order of the values ("keys"): what the kernels that
** find minimum and maximum in 16 bits have in common.
*/
#ifndef SAFETENSORS_TENSOR_HALVES_H
#define SAFETENSORS_TENSOR_HALVES_H

#include <math.h>

#include "tensor/scan_kernels.h"
#include "tensor/value.h"

/* What a key stands for. */
static inline float half_number(Dtype dtype, int16_t key) {
  uint32_t code = (uint16_t)(key < 0 ? key ^ 0x7fff : key);
  return dtype == DTYPE_BF16 ? float_from_bits(code << 16) : float_widen(code, format_F16);
}

/* The range of `count` elements, from the least and the greatest key. */
static inline FloatRange half_range(Dtype dtype, uint64_t count, int16_t least, int16_t greatest,
                                    uint32_t zeros) {
  if (count == 0) return (FloatRange){.min = INFINITY, .max = -INFINITY, .finite = true};
  float min = half_number(dtype, least), max = half_number(dtype, greatest);
  return (FloatRange){
      .min = min, .max = max, .finite = isfinite(min) && isfinite(max), .zeros = zeros};
}

/* Sets what a scan shares with a range, and the least magnitude but 0, from that, less 1. */
static inline void half_scan(Dtype dtype, const FloatRange *range, uint16_t below, FloatScan *out) {
  out->min = range->min;
  out->max = range->max;
  out->zeros = range->zeros;
  out->least = below == UINT16_MAX ? INFINITY : half_number(dtype, (int16_t)(below + 1));
}

#endif
