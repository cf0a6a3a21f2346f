/*
** F16 and BF16 by their codes: what the kernels that find the minimum and maximum in 16 bits share.
*/
#ifndef SAFETENSORS_KERNELS_HALVES_H
#define SAFETENSORS_KERNELS_HALVES_H

#include <math.h>

#include "format/element.h"
#include "kernels/kernels.h"

/* The value of a code. */
static inline float half_number(Dtype dtype, unsigned code) {
  return dtype == DTYPE_BF16 ? float_from_bits((uint32_t)code << 16)
                             : float_widen(code, float_format(DTYPE_F16));
}

/* The code for `key`, the number of a code in the order of their values: those with a sign are in
** reverse order. */
static inline unsigned half_code(int key) {
  return (unsigned)(key < 0 ? key ^ 0x7fff : key) & 0xffff;
}

/* The range of `count` elements, given the codes of the smallest and the largest. */
static inline FloatRange half_range(Dtype dtype, uint64_t count, unsigned min_code,
                                    unsigned max_code, uint32_t zeros) {
  if (count == 0) return (FloatRange){.min = INFINITY, .max = -INFINITY, .finite = true};
  float min = half_number(dtype, min_code), max = half_number(dtype, max_code);
  return (FloatRange){
      .min = min, .max = max, .finite = isfinite(min) && isfinite(max), .zeros = zeros};
}

/* Sets the fields that a scan shares with a range, and the smallest magnitude other than 0 from its
** code, which is 0 or 0x7fff if there is none. */
static inline void half_scan(Dtype dtype, const FloatRange *range, unsigned min_code,
                             FloatScan *out) {
  out->min = range->min;
  out->max = range->max;
  out->zeros = range->zeros;
  out->min_magnitude =
      min_code == 0 || min_code == 0x7fff ? INFINITY : half_number(dtype, min_code);
}

#endif
