#include "tensor/decode.h"

/* ---- One decoder for each kind of dtype: an expression over `code` ----
**
** DECODE_ONE_KIND does the same in integers alone. It is for a single element, for which it would
** cost too much to save the floating-point environment. In loops the floats of the machine are
** faster. */

static inline Value decode_integer(int64_t number) {
  return (Value){.kind = VALUE_INTEGER, .integer = number};
}

static inline Value decode_real(double number) {
  return (Value){.kind = VALUE_REAL, .real = number};
}

/* PyTorch and NumPy write 0 and 1. Any other byte counts as true. */
static inline Value decode_boolean(uint64_t code) {
  return (Value){.kind = VALUE_BOOLEAN, .integer = code != 0};
}

/* A U64 that does not fit in an int64_t becomes a double. */
static inline Value decode_integer_of(uint64_t extended, bool is_signed) {
  return is_signed || extended <= INT64_MAX ? decode_integer((int64_t)extended)
                                            : decode_real((double)extended);
}

static inline Value decode_one_integer_of(uint64_t extended, bool is_signed) {
  return is_signed || extended <= INT64_MAX ? decode_integer((int64_t)extended)
                                            : decode_real(double_of_large(extended));
}

/* OCP Microscaling Formats (MX) Specification 1.0, 5.4.1: only an exponent, which stands for
** 2^(code-127). 255 is NaN, and there is no 0. */
static inline Value decode_power_of_two(uint64_t code) {
  return decode_real(
      double_from_bits(code == 255 ? 0x7ff8000000000000 : (code + 1023 - 127) << 52));
}

/* Two F32, the real and the imaginary part, as in C's float _Complex and NumPy's complex64. */
static inline Value decode_complex_number(uint64_t code) {
  return (Value){.kind = VALUE_COMPLEX,
                 .real = float_from_bits((uint32_t)code),
                 .imaginary = float_from_bits((uint32_t)(code >> 32))};
}

static inline Value decode_one_complex_number(uint64_t code) {
  const FloatFormat format = FORMAT_SINGLE;
  return (Value){.kind = VALUE_COMPLEX,
                 .real = double_widen((uint32_t)code, format),
                 .imaginary = double_widen((uint32_t)(code >> 32), format)};
}

#define DECODE_BOOLEAN       decode_boolean(code)
#define DECODE_INTEGER(type) decode_integer_of((uint64_t)(type)code, (type)-1 < 1)
#define DECODE_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan)                           \
  decode_real(float_widen((uint32_t)code, (FloatFormat)FORMAT_FLOAT(exponent_bits, mantissa_bits, \
                                                                    bias, specials, nan)))
#define DECODE_BFLOAT   decode_real(float_from_bits((uint32_t)code << 16))
#define DECODE_SINGLE   decode_real(float_from_bits((uint32_t)code))
#define DECODE_DOUBLE   decode_real(double_from_bits(code))
#define DECODE_EXPONENT decode_power_of_two(code)
#define DECODE_COMPLEX  decode_complex_number(code)

#define DECODE_ONE_BOOLEAN       decode_boolean(code)
#define DECODE_ONE_INTEGER(type) decode_one_integer_of((uint64_t)(type)code, (type)-1 < 1)
#define DECODE_ONE_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan)                        \
  decode_real(double_widen((uint32_t)code, (FloatFormat)FORMAT_FLOAT(exponent_bits, mantissa_bits, \
                                                                     bias, specials, nan)))
#define DECODE_ONE_BFLOAT   decode_real(double_widen((uint32_t)code, (FloatFormat)FORMAT_BFLOAT))
#define DECODE_ONE_SINGLE   decode_real(double_widen((uint32_t)code, (FloatFormat)FORMAT_SINGLE))
#define DECODE_ONE_DOUBLE   decode_real(double_from_bits(code))
#define DECODE_ONE_EXPONENT decode_power_of_two(code)
#define DECODE_ONE_COMPLEX  decode_one_complex_number(code)

#define DECODE_X(name, bits, kind)                          \
  static inline Value decode_value_##name(uint64_t code) {  \
    return DECODE_##kind;                                   \
  }                                                         \
  static inline Value decode_single_##name(uint64_t code) { \
    return DECODE_ONE_##kind;                               \
  }
DTYPES(DECODE_X)
#undef DECODE_X

/* ---- The functions that are built on the decoders ---- */

static inline void decode_put_doubles(Value value, uint64_t at, double *out) {
  if (value.kind == VALUE_COMPLEX) {
    out[2 * at] = value.real;
    out[2 * at + 1] = value.imaginary;
  } else {
    out[at] = value.kind == VALUE_REAL ? value.real : (double)value.integer;
  }
}

static inline uint64_t decode_as_integer(Value value, uint64_t code) {
  return value.kind == VALUE_REAL ? code /* a large U64 */ : (uint64_t)value.integer;
}

/* Contiguous elements are decoded in blocks of a fixed size, because gcc vectorises no other loops
** at -O2. */
enum { DECODE_BLOCK = 16 };

#define DECODE_X(name, bits, kind)                                                              \
  static void decode_one_##name(const unsigned char *data, uint64_t index, Value *out) {        \
    *out = decode_single_##name(element_load(data, bits, index));                               \
  }                                                                                             \
  static void decode_doubles_##name(const unsigned char *restrict data, uint64_t first,         \
                                    uint64_t count, uint64_t stride, double *restrict out) {    \
    uint64_t i = 0;                                                                             \
    for (; stride == 1 && count - i >= DECODE_BLOCK; i += DECODE_BLOCK) {                       \
      for (unsigned j = 0; j < DECODE_BLOCK; j++) {                                             \
        decode_put_doubles(decode_value_##name(element_load(data, bits, first + i + j)), i + j, \
                           out);                                                                \
      }                                                                                         \
    }                                                                                           \
    for (; i < count; i++) {                                                                    \
      decode_put_doubles(decode_value_##name(element_load(data, bits, first + i * stride)), i,  \
                         out);                                                                  \
    }                                                                                           \
  }                                                                                             \
  static void decode_integers_##name(const unsigned char *restrict data, uint64_t first,        \
                                     uint64_t count, uint64_t stride, uint64_t *restrict out) { \
    for (uint64_t i = 0; i < count; i++) {                                                      \
      uint64_t code = element_load(data, bits, first + i * stride);                             \
      out[i] = decode_as_integer(decode_value_##name(code), code);                              \
    }                                                                                           \
  }
DTYPES(DECODE_X)
#undef DECODE_X

static const struct {
  void (*one)(const unsigned char *data, uint64_t index, Value *out);
  void (*doubles)(const unsigned char *restrict data, uint64_t first, uint64_t count,
                  uint64_t stride, double *restrict out);
  void (*integers)(const unsigned char *restrict data, uint64_t first, uint64_t count,
                   uint64_t stride, uint64_t *restrict out);
} decode_decoders[DTYPE_COUNT] = {
#define DECODE_X(name, bits, kind) \
  {decode_one_##name, decode_doubles_##name, decode_integers_##name},
    DTYPES(DECODE_X)
#undef DECODE_X
};

ValueKind decode_kind(Dtype dtype) {
  Value zero;
  decode_value(dtype, (const unsigned char[8]){0}, 0, &zero);
  return zero.kind;
}

void decode_value(Dtype dtype, const unsigned char *data, uint64_t index, Value *out) {
  decode_decoders[dtype].one(data, index, out);
}

void decode_doubles(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                    uint64_t stride, double *out) {
  decode_decoders[dtype].doubles(data, first, count, stride, out);
}

void decode_integers(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                     uint64_t stride, uint64_t *out) {
  decode_decoders[dtype].integers(data, first, count, stride, out);
}
