#include "tensor/decode.h"

/* ---- One decoder for each dtype: value_NAME, from the code to the value ---- */

static inline Value integer(int64_t number) {
  return (Value){.kind = VALUE_INTEGER, .integer = number};
}

static inline Value real(double number) {
  return (Value){.kind = VALUE_REAL, .real = number};
}

#define INTEGER(name, type)                         \
  static inline Value value_##name(uint64_t code) { \
    return integer((type)code);                     \
  }
INTEGER(U8, uint8_t)
INTEGER(I8, int8_t)
INTEGER(U16, uint16_t)
INTEGER(I16, int16_t)
INTEGER(U32, uint32_t)
INTEGER(I32, int32_t)
INTEGER(I64, int64_t)
#undef INTEGER

static inline Value value_U64(uint64_t code) {
  return code > INT64_MAX ? real((double)code) : integer((int64_t)code);
}

/* PyTorch and NumPy write 0 and 1; any other byte that is found there counts as true. */
static inline Value value_BOOL(uint64_t code) {
  return (Value){.kind = VALUE_BOOLEAN, .integer = code != 0};
}

/* value.h has the formats, and where they are specified. */
#define SMALL_FLOAT(name)                                    \
  static inline Value value_##name(uint64_t code) {          \
    return real(float_widen((uint32_t)code, format_##name)); \
  }
SMALL_FLOAT(F16)
SMALL_FLOAT(F8_E5M2)
SMALL_FLOAT(F8_E4M3)
SMALL_FLOAT(F8_E5M2FNUZ)
SMALL_FLOAT(F8_E4M3FNUZ)
SMALL_FLOAT(F6_E2M3)
SMALL_FLOAT(F6_E3M2)
SMALL_FLOAT(F4)
#undef SMALL_FLOAT

static inline Value value_BF16(uint64_t code) {
  return real(float_from_bits((uint32_t)code << 16));
}

/* IEEE 754-2008 binary32 and binary64, which are C's own. */
static inline Value value_F32(uint64_t code) {
  return real(float_from_bits((uint32_t)code));
}

static inline Value value_F64(uint64_t code) {
  return real(double_from_bits(code));
}

/* OCP Microscaling Formats (MX) Specification 1.0, 5.4.1: an exponent and nothing else, which
** stands for 2^(code-127); 255 is NaN, and there is no 0. */
static inline Value value_F8_E8M0(uint64_t code) {
  return real(double_from_bits(code == 255 ? 0x7ff8000000000000 : (code + 1023 - 127) << 52));
}

/* Two F32, real and imaginary part, as in C's float _Complex and NumPy's complex64. */
static inline Value value_C64(uint64_t code) {
  return (Value){.kind = VALUE_COMPLEX,
                 .real = float_from_bits((uint32_t)code),
                 .imaginary = float_from_bits((uint32_t)(code >> 32))};
}

/* ---- What is built on them ---- */

static inline void put_doubles(Value value, uint64_t at, double *out) {
  if (value.kind == VALUE_COMPLEX) {
    out[2 * at] = value.real;
    out[2 * at + 1] = value.imaginary;
  } else {
    out[at] = value.kind == VALUE_REAL ? value.real : (double)value.integer;
  }
}

static inline uint64_t as_integer(Value value, uint64_t code) {
  return value.kind == VALUE_REAL ? code /* a large U64 */ : (uint64_t)value.integer;
}

/* Elements that lie together are taken in blocks of a fixed size: gcc vectorises no other loops at
** -O2. */
enum { BLOCK = 16 };

#define X(name, bits)                                                                             \
  static void one_##name(const unsigned char *data, uint64_t index, Value *out) {                 \
    *out = value_##name(element_load(data, bits, index));                                         \
  }                                                                                               \
  static void doubles_##name(const unsigned char *restrict data, uint64_t first, uint64_t count,  \
                             uint64_t step, double *restrict out) {                               \
    uint64_t i = 0;                                                                               \
    for (; step == 1 && count - i >= BLOCK; i += BLOCK) {                                         \
      for (unsigned j = 0; j < BLOCK; j++) {                                                      \
        put_doubles(value_##name(element_load(data, bits, first + i + j)), i + j, out);           \
      }                                                                                           \
    }                                                                                             \
    for (; i < count; i++) {                                                                      \
      put_doubles(value_##name(element_load(data, bits, first + i * step)), i, out);              \
    }                                                                                             \
  }                                                                                               \
  static void integers_##name(const unsigned char *restrict data, uint64_t first, uint64_t count, \
                              uint64_t step, uint64_t *restrict out) {                            \
    for (uint64_t i = 0; i < count; i++) {                                                        \
      uint64_t code = element_load(data, bits, first + i * step);                                 \
      out[i] = as_integer(value_##name(code), code);                                              \
    }                                                                                             \
  }
DTYPES(X)
#undef X

static const struct {
  void (*one)(const unsigned char *data, uint64_t index, Value *out);
  void (*doubles)(const unsigned char *restrict data, uint64_t first, uint64_t count, uint64_t step,
                  double *restrict out);
  void (*integers)(const unsigned char *restrict data, uint64_t first, uint64_t count,
                   uint64_t step, uint64_t *restrict out);
} decoders[DTYPE_COUNT] = {
#define X(name, bits) {one_##name, doubles_##name, integers_##name},
    DTYPES(X)
#undef X
};

ValueKind decode_kind(Dtype dtype) {
  Value zero;
  decode_value(dtype, (const unsigned char[8]){0}, 0, &zero);
  return zero.kind;
}

void decode_value(Dtype dtype, const unsigned char *data, uint64_t index, Value *out) {
  decoders[dtype].one(data, index, out);
}

void decode_doubles(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                    uint64_t step, double *out) {
  decoders[dtype].doubles(data, first, count, step, out);
}

void decode_integers(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                     uint64_t step, uint64_t *out) {
  decoders[dtype].integers(data, first, count, step, out);
}
