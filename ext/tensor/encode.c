#include "tensor/encode.h"

#include "tensor/decode.h"

/* ---- Rounding to a small float ---- */

static const uint64_t infinity_bits = 0x7ff0000000000000;
static const uint64_t sign_bit = 0x8000000000000000;

/* The code of the largest finite number. */
static inline uint64_t largest_code(FloatFormat format) {
  uint64_t all_ones = (1u << (format.exponent_bits + format.mantissa_bits)) - 1;
  switch (format.specials) {
    case SPECIALS_IEEE: return all_ones - (1u << format.mantissa_bits);
    case SPECIALS_FN: return all_ones - 1;
    default: return all_ones;
  }
}

/* What a number above the largest becomes, and infinity with it; without the sign. */
static inline uint64_t overflow_code(FloatFormat format) {
  return largest_code(format) + (format.specials == SPECIALS_NONE ? 0 : 1);
}

/* number / 2^drop, to nearest, ties to even; drop is 1 to 63, number below 2^63. */
static inline uint64_t shift_rounded(uint64_t number, unsigned drop) {
  uint64_t half = UINT64_C(1) << (drop - 1);
  return (number + half - 1 + (number >> drop & 1)) >> drop;
}

/* Of a finite number's bits, without the sign: its code in the format, as if all exponents that
** occur had room. A carry out of the mantissa goes up into the exponent, which is right. */
static inline uint64_t round_to(FloatFormat format, uint64_t magnitude) {
  int exponent = (int)(magnitude >> 52) - 1023 + format.bias;
  uint64_t significand = (magnitude & 0xfffffffffffff) | UINT64_C(1) << 52;
  unsigned drop = 52 - format.mantissa_bits;
  /* A subnormal loses more bits. If it loses 54 in all it is 0, as a subnormal double always is. */
  int more = exponent < 1 ? 1 - exponent : 0;
  int most = 63 - (int)drop;
  uint64_t rounded = shift_rounded(significand, drop + (unsigned)(more < most ? more : most));
  return rounded + ((uint64_t)(exponent + more - 1) << format.mantissa_bits);
}

static inline uint64_t narrow(double value, FloatFormat format) {
  uint64_t bits = double_bits(value);
  uint64_t magnitude = bits & ~sign_bit;
  uint64_t sign = bits >> 63 << (format.exponent_bits + format.mantissa_bits);
  bool is_nan = magnitude > infinity_bits;
  uint64_t code = is_nan ? format.nan : round_to(format, magnitude);
  if (!is_nan && code > largest_code(format)) code = overflow_code(format);
  switch (format.specials) {
    case SPECIALS_FNUZ: return code == 0 || code == format.nan ? code : sign | code;
    case SPECIALS_NONE: return is_nan ? code : sign | code;
    default: return sign | code;
  }
}

/* ---- One encoder for each dtype: code_NAME; C64 takes two values ---- */

#define SMALL_FLOAT(name)                                   \
  static inline uint64_t code_##name(const double *value) { \
    return narrow(*value, format_##name);                   \
  }
SMALL_FLOAT(F16)
SMALL_FLOAT(BF16)
SMALL_FLOAT(F8_E5M2)
SMALL_FLOAT(F8_E4M3)
SMALL_FLOAT(F8_E5M2FNUZ)
SMALL_FLOAT(F8_E4M3FNUZ)
SMALL_FLOAT(F6_E2M3)
SMALL_FLOAT(F6_E3M2)
SMALL_FLOAT(F4)
#undef SMALL_FLOAT

static inline uint64_t code_F8_E8M0(const double *value) {
  uint64_t magnitude = double_bits(*value) & ~sign_bit;
  uint64_t lowest = (uint64_t)(1023 - 127) << 52;
  if (magnitude <= lowest) return 0;
  if (magnitude < lowest + (UINT64_C(1) << 52)) return 1;
  /* 1.5, halfway, goes up: to 2, where the leading 1 is gone from the last place. */
  uint64_t code = (magnitude - lowest + (UINT64_C(1) << 51)) >> 52;
  return code > 255 ? 255 : code;
}

static inline uint64_t code_F32(const double *value) {
  return float_bits((float)*value);
}

static inline uint64_t code_F64(const double *value) {
  return double_bits(*value);
}

static inline uint64_t code_C64(const double *value) {
  return (uint64_t)code_F32(value + 1) << 32 | code_F32(value);
}

static inline uint64_t code_BOOL(const double *value) {
  return *value != 0;
}

static inline uint64_t truncate_32(double value) {
  bool fits = value > -2147483649.0 && value < 2147483648.0;
  return (uint64_t)(fits ? (int32_t)value : INT32_MIN);
}

static inline uint64_t truncate_64(double value) {
  bool fits = value >= -9223372036854775808.0 && value < 9223372036854775808.0;
  return (uint64_t)(fits ? (int64_t)value : INT64_MIN);
}

#define INTEGER(name, truncate)                             \
  static inline uint64_t code_##name(const double *value) { \
    return truncate(*value);                                \
  }
INTEGER(I8, truncate_32)
INTEGER(I16, truncate_32)
INTEGER(I32, truncate_32)
INTEGER(I64, truncate_64)
INTEGER(U8, truncate_64)
INTEGER(U16, truncate_64)
INTEGER(U32, truncate_64)
#undef INTEGER

static inline uint64_t code_U64(const double *value) {
  return *value >= 0x1p63 && *value < 0x1p64 ? (uint64_t)*value : truncate_64(*value);
}

/* ---- The table ---- */

#define X(name, bits)                                                                       \
  static void doubles_##name(const double *restrict values, uint64_t first, uint64_t count, \
                             unsigned char *restrict out) {                                 \
    unsigned width = DTYPE_##name == DTYPE_C64 ? 2 : 1;                                     \
    for (uint64_t i = 0; i < count; i++) {                                                  \
      element_store(out, bits, first + i, code_##name(values + i * width));                 \
    }                                                                                       \
  }
DTYPES(X)
#undef X

static void (*const encoders[DTYPE_COUNT])(const double *restrict values, uint64_t first,
                                           uint64_t count, unsigned char *restrict out) = {
#define X(name, bits) doubles_##name,
    DTYPES(X)
#undef X
};

void encode_doubles(Dtype dtype, const double *values, uint64_t first, uint64_t count,
                    unsigned char *out) {
  encoders[dtype](values, first, count, out);
}

/* ---- Integers ---- */

/* The nearest double, or for a number of more than 53 bits one that lies on the same side of every
** number of 42 bits or less and of every point halfway between two of them ("rounding to odd"): so
** that rounding it again, to a float that is smaller, gives what rounding once would have. */
static double double_to_round(uint64_t value, bool is_signed) {
  bool negative = is_signed && (int64_t)value < 0;
  uint64_t magnitude = negative ? 0 - value : value;
  if (magnitude >> 53 != 0) {
    bool inexact = (magnitude & 0x7ff) != 0;
    magnitude = (magnitude & ~UINT64_C(0x7ff)) | (uint64_t)inexact << 11;
  }
  return negative ? -(double)magnitude : (double)magnitude;
}

static double double_nearest(uint64_t value, bool is_signed) {
  return is_signed ? (double)(int64_t)value : (double)value;
}

static void encode_as_doubles(Dtype dtype, const uint64_t *values, bool is_signed, uint64_t first,
                              uint64_t count, unsigned char *out) {
  double block[2 * 64] = {0};
  unsigned width = dtype == DTYPE_C64 ? 2 : 1;
  while (count > 0) {
    uint64_t size = count < 64 ? count : 64;
    for (uint64_t i = 0; i < size; i++) {
      block[i * width] = dtype == DTYPE_F64 ? double_nearest(values[i], is_signed)
                                            : double_to_round(values[i], is_signed);
    }
    encode_doubles(dtype, block, first, size, out);
    values += size;
    first += size;
    count -= size;
  }
}

void encode_integers(Dtype dtype, const uint64_t *values, bool is_signed, uint64_t first,
                     uint64_t count, unsigned char *out) {
  switch (decode_kind(dtype)) {
    case VALUE_BOOLEAN:
      for (uint64_t i = 0; i < count; i++) out[first + i] = values[i] != 0;
      break;
    case VALUE_INTEGER: {
      unsigned bits = dtype_bits(dtype);
      for (uint64_t i = 0; i < count; i++) element_store(out, bits, first + i, values[i]);
      break;
    }
    default: encode_as_doubles(dtype, values, is_signed, first, count, out);
  }
}
