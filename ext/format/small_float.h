/*
** Rounding floats to smaller ones, to nearest, ties to even, for loops that compilers vectorise: without branches.
** tensor/encode.h says what becomes of NaN, infinity and large numbers.
**
** The bits of a float without its sign are in the order of the numbers, with NaN at the end.
*/
#ifndef SAFETENSORS_FORMAT_SMALL_FLOAT_H
#define SAFETENSORS_FORMAT_SMALL_FLOAT_H

#include "format/element.h"

enum { SMALL_FLOAT_MAGNITUDE = 0x7fffffff, SMALL_FLOAT_INFINITY = 0x7f800000 };

/* For numbers below 2^31: all ones if a > b, else 0; the smaller and the larger one. */
static inline uint32_t small_float_mask_above(uint32_t a, uint32_t b) {
  return 0 - ((b - a) >> 31);
}

static inline uint32_t small_float_smaller(uint32_t a, uint32_t b) {
  return b + ((a - b) & small_float_mask_above(b, a));
}

static inline uint32_t small_float_larger(uint32_t a, uint32_t b) {
  return b + ((a - b) & small_float_mask_above(a, b));
}

/* The code, without the sign, of infinity and of numbers above the largest. */
static inline uint32_t small_float_overflow_code(FloatFormat format) {
  uint32_t all_ones = (1u << (format.exponent_bits + format.mantissa_bits)) - 1;
  switch (format.specials) {
    case SPECIALS_IEEE: return all_ones - (1u << format.mantissa_bits) + 1;
    case SPECIALS_FNUZ: return all_ones + 1;
    default: return all_ones;
  }
}

/* The bits of the float for a code, which is taken for that of a normal number. */
static inline uint32_t small_float_bits_of(FloatFormat format, uint32_t code) {
  uint32_t rebias = (uint32_t)(127 - format.bias) << format.mantissa_bits;
  return (code + rebias) << (23 - format.mantissa_bits);
}

/* The code of a number without a sign, rounded to nearest, ties to even. Numbers above the largest
** of the format, and NaN, get the code for overflow. */
static inline uint32_t small_float_round_to(FloatFormat format, uint32_t magnitude) {
  const uint32_t lowest = (uint32_t)(128 - format.bias) << 23; /* the smallest normal number */
  const unsigned drop = 23 - format.mantissa_bits;
  uint32_t limited = small_float_smaller(
      magnitude, small_float_bits_of(format, small_float_overflow_code(format)));
  uint32_t power = small_float_larger(limited & SMALL_FLOAT_INFINITY, lowest);
  /* The sum with this power of two has no room for more digits than the format has, and keeps them
  ** in its last places. For subnormal numbers, which have fewer, it is always the same. */
  uint32_t room = power + ((uint32_t)drop << 23);
  uint32_t digits = float_bits(float_from_bits(limited) + float_from_bits(room)) - room;
  return digits + ((power - lowest) >> drop); /* a leading 1 increments the exponent */
}

/* The code of a float in a format with fewer digits, but not BF16. */
static inline uint32_t small_float_narrow(float value, FloatFormat format) {
  uint32_t bits = float_bits(value), magnitude = bits & SMALL_FLOAT_MAGNITUDE;
  uint32_t code = small_float_round_to(format, magnitude);
  uint32_t sign = bits >> 31 << (format.exponent_bits + format.mantissa_bits);
  uint32_t nan = small_float_mask_above(magnitude, SMALL_FLOAT_INFINITY);
  switch (format.specials) {
    case SPECIALS_IEEE: return sign | code | (nan & format.nan);
    case SPECIALS_FN: return sign | code;
    case SPECIALS_FNUZ: return (sign & small_float_mask_above(code, 0)) | code;
    default: return (sign & ~nan) | code;
  }
}

#endif
