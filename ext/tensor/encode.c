#include "tensor/encode.h"

#include "tensor/decode.h"

/* ---- Rounding to a small float ---- */

static const uint64_t encode_infinity_bits = 0x7ff0000000000000;
static const uint64_t encode_sign_bit = 0x8000000000000000;

/* The code of the largest finite number. */
static inline uint64_t encode_largest_code(FloatFormat format) {
  uint64_t all_ones = (1u << (format.exponent_bits + format.mantissa_bits)) - 1;
  switch (format.specials) {
    case SPECIALS_IEEE: return all_ones - (1u << format.mantissa_bits);
    case SPECIALS_FN: return all_ones - 1;
    default: return all_ones;
  }
}

/* The code, without the sign, of infinity and of numbers above the largest. */
static inline uint64_t encode_overflow_code(FloatFormat format) {
  return encode_largest_code(format) + (format.specials == SPECIALS_NONE ? 0 : 1);
}

/* number / 2^drop, rounded to nearest, ties to even. Requires 1 <= drop <= 63 and number < 2^63. */
static inline uint64_t encode_shift_rounded(uint64_t number, unsigned drop) {
  uint64_t half = UINT64_C(1) << (drop - 1);
  return (number + half - 1 + (number >> drop & 1)) >> drop;
}

/* Rounds the bits of a finite number, without the sign, to the format, as if the exponent were
** unbounded. A carry out of the mantissa correctly increments the exponent. */
static inline uint64_t encode_round_to(FloatFormat format, uint64_t magnitude) {
  int exponent = (int)(magnitude >> 52) - 1023 + format.bias;
  uint64_t significand = (magnitude & 0xfffffffffffff) | UINT64_C(1) << 52;
  unsigned drop = 52 - format.mantissa_bits;
  /* A subnormal number loses more bits. If it loses 54 or more it becomes 0, as a subnormal double
  ** always does. */
  int more = exponent < 1 ? 1 - exponent : 0;
  int max = 63 - (int)drop;
  uint64_t rounded = encode_shift_rounded(significand, drop + (unsigned)(more < max ? more : max));
  return rounded + ((uint64_t)(exponent + more - 1) << format.mantissa_bits);
}

static inline uint64_t encode_narrow(double value, FloatFormat format) {
  uint64_t bits = double_bits(value);
  uint64_t magnitude = bits & ~encode_sign_bit;
  uint64_t sign = bits >> 63 << (format.exponent_bits + format.mantissa_bits);
  bool is_nan = magnitude > encode_infinity_bits;
  uint64_t code = is_nan ? format.nan : encode_round_to(format, magnitude);
  if (!is_nan && code > encode_largest_code(format)) code = encode_overflow_code(format);
  switch (format.specials) {
    case SPECIALS_FNUZ: return code == 0 || code == format.nan ? code : sign | code;
    case SPECIALS_NONE: return is_nan ? code : sign | code;
    default: return sign | code;
  }
}

/* ---- One encoder for each kind of dtype: an expression over `value` (two of them for COMPLEX)
** ---- */

static inline uint64_t encode_nearest_power_of_two(double value) {
  uint64_t magnitude = double_bits(value) & ~encode_sign_bit;
  uint64_t lowest = (uint64_t)(1023 - 127) << 52;
  if (magnitude <= lowest) return 0;
  if (magnitude < lowest + (UINT64_C(1) << 52)) return 1;
  /* The midpoint, 1.5, is rounded up to 2: the last place of the result is its exponent. */
  uint64_t code = (magnitude - lowest + (UINT64_C(1) << 51)) >> 52;
  return code > 255 ? 255 : code;
}

static inline uint64_t encode_truncate_32(double value) {
  bool fits = value > -2147483649.0 && value < 2147483648.0;
  return (uint64_t)(fits ? (int32_t)value : INT32_MIN);
}

static inline uint64_t encode_truncate_64(double value) {
  bool fits = value >= -9223372036854775808.0 && value < 9223372036854775808.0;
  return (uint64_t)(fits ? (int64_t)value : INT64_MIN);
}

static inline uint64_t encode_truncate_unsigned_64(double value) {
  return value >= 0x1p63 && value < 0x1p64 ? (uint64_t)value : encode_truncate_64(value);
}

static inline uint64_t encode_truncate_to(double value, bool is_signed, unsigned bits) {
  if (is_signed && bits <= 32) return encode_truncate_32(value);
  return is_signed || bits < 64 ? encode_truncate_64(value) : encode_truncate_unsigned_64(value);
}

#define ENCODE_BOOLEAN       (uint64_t)(*value != 0)
#define ENCODE_INTEGER(type) encode_truncate_to(*value, (type)-1 < 1, 8 * sizeof(type))
#define ENCODE_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan) \
  encode_narrow(*value,                                                 \
                (FloatFormat)FORMAT_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan))
#define ENCODE_BFLOAT   encode_narrow(*value, (FloatFormat)FORMAT_BFLOAT)
#define ENCODE_SINGLE   float_bits((float)*value)
#define ENCODE_DOUBLE   double_bits(*value)
#define ENCODE_EXPONENT encode_nearest_power_of_two(*value)
#define ENCODE_COMPLEX  (uint64_t) float_bits((float)value[1]) << 32 | float_bits((float)value[0])

#define ENCODE_X(name, bits, kind)                                 \
  static inline uint64_t encode_code_##name(const double *value) { \
    return ENCODE_##kind;                                          \
  }
DTYPES(ENCODE_X)
#undef ENCODE_X

/* ---- The table ---- */

#define ENCODE_X(name, bits, kind)                                                                 \
  static void encode_doubles_##name(const double *restrict values, uint64_t first, uint64_t count, \
                                    unsigned char *restrict out) {                                 \
    unsigned width = DTYPE_##name == DTYPE_C64 ? 2 : 1;                                            \
    for (uint64_t i = 0; i < count; i++) {                                                         \
      element_store(out, bits, first + i, encode_code_##name(values + i * width));                 \
    }                                                                                              \
  }
DTYPES(ENCODE_X)
#undef ENCODE_X

static void (*const encode_encoders[DTYPE_COUNT])(const double *restrict values, uint64_t first,
                                                  uint64_t count, unsigned char *restrict out) = {
#define ENCODE_X(name, bits, kind) encode_doubles_##name,
    DTYPES(ENCODE_X)
#undef ENCODE_X
};

void encode_doubles(Dtype dtype, const double *values, uint64_t first, uint64_t count,
                    unsigned char *out) {
  encode_encoders[dtype](values, first, count, out);
}

/* ---- Integers ---- */

/* The nearest double, but for numbers of more than 53 bits a double that lies on the same side of
** every number of 42 bits or fewer, and of every midpoint between two of those ("rounding to odd").
** Rounding it again to a smaller float therefore gives the same result as rounding once. */
static double encode_double_to_round(uint64_t value, bool is_signed) {
  bool negative = is_signed && (int64_t)value < 0;
  uint64_t magnitude = negative ? 0 - value : value;
  if (magnitude >> 53 != 0) {
    bool inexact = (magnitude & 0x7ff) != 0;
    magnitude = (magnitude & ~UINT64_C(0x7ff)) | (uint64_t)inexact << 11;
  }
  return negative ? -(double)magnitude : (double)magnitude;
}

static double encode_double_nearest(uint64_t value, bool is_signed) {
  return is_signed ? (double)(int64_t)value : (double)value;
}

static void encode_as_doubles(Dtype dtype, const uint64_t *values, bool is_signed, uint64_t first,
                              uint64_t count, unsigned char *out) {
  double block[2 * 64] = {0};
  unsigned width = dtype == DTYPE_C64 ? 2 : 1;
  while (count > 0) {
    uint64_t size = count < 64 ? count : 64;
    for (uint64_t i = 0; i < size; i++) {
      block[i * width] = dtype == DTYPE_F64 ? encode_double_nearest(values[i], is_signed)
                                            : encode_double_to_round(values[i], is_signed);
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
