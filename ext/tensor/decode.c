#include "tensor/decode.h"

#include <string.h>

#include "tensor/gather.h"

/* ---- A single element ----
**
** A decoder for each kind of dtype: an expression over `code`, in integers alone, because for a
** single element it would cost too much to save the floating-point environment. */

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
  const FloatFormat format = FORMAT_SINGLE;
  return (Value){.kind = VALUE_COMPLEX,
                 .real = double_widen((uint32_t)code, format),
                 .imaginary = double_widen((uint32_t)(code >> 32), format)};
}

#define DECODE_ONE_BOOLEAN       decode_boolean(code)
#define DECODE_ONE_INTEGER(type) decode_integer_of((uint64_t)(type)code, (type)-1 < 1)
#define DECODE_ONE_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan)                        \
  decode_real(double_widen((uint32_t)code, (FloatFormat)FORMAT_FLOAT(exponent_bits, mantissa_bits, \
                                                                     bias, specials, nan)))
#define DECODE_ONE_BFLOAT   decode_real(double_widen((uint32_t)code, (FloatFormat)FORMAT_BFLOAT))
#define DECODE_ONE_SINGLE   decode_real(double_widen((uint32_t)code, (FloatFormat)FORMAT_SINGLE))
#define DECODE_ONE_DOUBLE   decode_real(double_from_bits(code))
#define DECODE_ONE_EXPONENT decode_power_of_two(code)
#define DECODE_ONE_COMPLEX  decode_complex_number(code)

#define DECODE_X(name, bits, kind)                                                       \
  static void decode_one_##name(const unsigned char *data, uint64_t index, Value *out) { \
    uint64_t code = element_load(data, bits, index);                                     \
    *out = DECODE_ONE_##kind;                                                            \
  }
DTYPES(DECODE_X)
#undef DECODE_X

/* ---- Loops ----
**
** They take blocks of a fixed size, because compilers vectorise no others, of codes of whole bytes
** one after the other. A decoder is an expression over `code` of any type that has all values. */

enum { DECODE_BLOCK = 16, DECODE_BUFFER = 16 * DECODE_BLOCK };

/* As decode_power_of_two(). The mantissa is not 0 in a NaN and in 2^-127, which is subnormal. */
static inline float decode_float_power_of_two(uint32_t code) {
  bool is_first_or_last = ((code + 1) & 0xfe) == 0;
  return float_from_bits(code << 23 | choose(is_first_or_last, 1u << 22, 0));
}

#define DECODE_BOOLEAN       (code != 0)
#define DECODE_INTEGER(type) (type) code
#define DECODE_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan) \
  float_widen((uint32_t)code,                                           \
              (FloatFormat)FORMAT_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan))
#define DECODE_BFLOAT   float_from_bits((uint32_t)code << 16)
#define DECODE_SINGLE   float_from_bits((uint32_t)code)
#define DECODE_DOUBLE   double_from_bits(code)
#define DECODE_EXPONENT decode_float_power_of_two((uint32_t)code)
#define DECODE_COMPLEX  DECODE_SINGLE /* of each part */

/* Whether there is a loop that makes floats, because these have all values, and one that makes
** 64-bit integers. */
#define DECODE_IS_FLOAT_BOOLEAN                                                  1
#define DECODE_IS_FLOAT_INTEGER(type)                                            (sizeof(type) <= 2)
#define DECODE_IS_FLOAT_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan) 1
#define DECODE_IS_FLOAT_BFLOAT                                                   1
#define DECODE_IS_FLOAT_SINGLE                                                   1
#define DECODE_IS_FLOAT_DOUBLE                                                   0
#define DECODE_IS_FLOAT_EXPONENT                                                 1
#define DECODE_IS_FLOAT_COMPLEX                                                  1

#define DECODE_IS_INTEGER_BOOLEAN                                                  1
#define DECODE_IS_INTEGER_INTEGER(type)                                            1
#define DECODE_IS_INTEGER_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan) 0
#define DECODE_IS_INTEGER_BFLOAT                                                   0
#define DECODE_IS_INTEGER_SINGLE                                                   0
#define DECODE_IS_INTEGER_DOUBLE                                                   0
#define DECODE_IS_INTEGER_EXPONENT                                                 0
#define DECODE_IS_INTEGER_COMPLEX                                                  0

/* How far a small signed integer is moved up to the sign of an int32_t, whose float is scaled down:
** clang's code for extending signs waits for the last iteration. */
#define DECODE_SHIFT_BOOLEAN                                                  0
#define DECODE_SHIFT_INTEGER(type)                                            ((type)-1 < 1 && sizeof(type) <= 2 ? 32 - 8 * sizeof(type) : 0)
#define DECODE_SHIFT_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan) 0
#define DECODE_SHIFT_BFLOAT                                                   0
#define DECODE_SHIFT_SINGLE                                                   0
#define DECODE_SHIFT_DOUBLE                                                   0
#define DECODE_SHIFT_EXPONENT                                                 0
#define DECODE_SHIFT_COMPLEX                                                  0

#define DECODE_WIDTH(bits) ((bits) < 8 ? 8 : (bits))

#define DECODE_LOOP(loop, number, name, bits, kind)                                          \
  static void decode_##loop##_of_##name(const unsigned char *restrict codes, uint64_t count, \
                                        void *restrict numbers) {                            \
    enum {                                                                                   \
      DECODE_CODE_BITS = DTYPE_##name == DTYPE_C64 ? 32 : DECODE_WIDTH(bits),                \
      DECODE_SHIFT = DECODE_SHIFT_##kind,                                                    \
    };                                                                                       \
    const bool is_real = (number)0.5 != 0;                                                   \
    ELEMENT_ROLLED for (number *restrict out = numbers; count > 0; count -= DECODE_BLOCK) {  \
      ELEMENT_ROLLED for (unsigned i = 0; i < DECODE_BLOCK; i++) {                           \
        uint64_t code = element_load(codes, DECODE_CODE_BITS, i);                            \
        out[i] = is_real && DECODE_SHIFT != 0                                                \
                     ? (number)(int32_t)((uint32_t)code << DECODE_SHIFT) *                   \
                           (number)(1.0 / (1u << DECODE_SHIFT))                              \
                     : (number)(DECODE_##kind);                                              \
      }                                                                                      \
      codes += DECODE_BLOCK * DECODE_CODE_BITS / 8;                                          \
      out += DECODE_BLOCK;                                                                   \
    }                                                                                        \
  }
#define DECODE_X(name, bits, kind)               \
  DECODE_LOOP(floats, float, name, bits, kind)   \
  DECODE_LOOP(doubles, double, name, bits, kind) \
  DECODE_LOOP(integers, uint64_t, name, bits, kind)
DTYPES(DECODE_X)
#undef DECODE_X
#undef DECODE_LOOP

typedef void DecodeLoop(const unsigned char *restrict codes, uint64_t count,
                        void *restrict numbers);

static const struct {
  void (*one)(const unsigned char *data, uint64_t index, Value *out);
  DecodeLoop *floats, *doubles, *integers;
} decode_decoders[DTYPE_COUNT] = {
#define DECODE_X(name, bits, kind)                                             \
  {decode_one_##name, DECODE_IS_FLOAT_##kind ? decode_floats_of_##name : NULL, \
   decode_doubles_of_##name, DECODE_IS_INTEGER_##kind ? decode_integers_of_##name : NULL},
    DTYPES(DECODE_X)
#undef DECODE_X
};

/* ---- Codes of whole bytes ---- */

/* Whole blocks, from a byte boundary on. */
static void decode_unpack_4(const unsigned char *restrict data, uint64_t count,
                            unsigned char *restrict codes) {
  for (; count > 0; count -= DECODE_BLOCK, codes += DECODE_BLOCK, data += DECODE_BLOCK / 2) {
    ELEMENT_ROLLED for (unsigned i = 0; i < DECODE_BLOCK / 2; i++) {
      codes[2 * i] = data[i] & 0xf;
      codes[2 * i + 1] = data[i] >> 4;
    }
  }
}

static void decode_unpack_6(const unsigned char *restrict data, uint64_t count,
                            unsigned char *restrict codes) {
  for (; count > 0; count -= 4, codes += 4, data += 3) {
    codes[0] = data[0] & 0x3f;
    codes[1] = (unsigned char)(data[0] >> 6 | (data[1] & 0xf) << 2);
    codes[2] = (unsigned char)(data[1] >> 4 | (data[2] & 0x3) << 4);
    codes[3] = data[2] >> 2;
  }
}

void decode_small_codes(unsigned bits, const unsigned char *data, uint64_t first, uint64_t count,
                        uint64_t stride, unsigned char *codes) {
  uint64_t i = 0;
  if (stride == 1) {
    for (; i < count && (first + i) * bits % 8 != 0; i++) {
      codes[i] = (unsigned char)element_load(data, bits, first + i);
    }
    uint64_t whole = (count - i) - (count - i) % DECODE_BLOCK;
    const unsigned char *from = data + (first + i) * bits / 8;
    if (bits == 4) {
      decode_unpack_4(from, whole, codes + i);
    } else {
      decode_unpack_6(from, whole, codes + i);
    }
    i += whole;
  }
  for (; i < count; i++) codes[i] = (unsigned char)element_load(data, bits, first + i * stride);
}

/* The codes of at most DECODE_BUFFER elements, filled up with zeros to whole blocks. */
static void decode_collect(unsigned bits, const Chunk *chunk, unsigned char *codes) {
  unsigned bytes = DECODE_WIDTH(bits) / 8;
  uint64_t filled = chunk->count % DECODE_BLOCK;
  if (bits >= 8) {
    gather_chunk(chunk, bits, codes, 0);
  } else {
    decode_small_codes(bits, chunk->data, chunk->first, chunk->count, chunk->stride, codes);
  }
  if (filled > 0) memset(codes + chunk->count * bytes, 0, (DECODE_BLOCK - filled) * bytes);
}

/* ---- The functions that are built on the loops ---- */

/* Makes `count` numbers of `size` bytes each from codes in whole blocks. */
static void decode_numbers(DecodeLoop *loop, size_t size, const unsigned char *codes,
                           unsigned bytes, uint64_t count, unsigned char *out) {
  union {
    float floats[DECODE_BLOCK];
    double doubles[DECODE_BLOCK];
    uint64_t integers[DECODE_BLOCK];
  } last;
  uint64_t rest = count % DECODE_BLOCK, whole = count - rest;
  loop(codes, whole, out);
  if (rest == 0) return;
  loop(codes + whole * bytes, DECODE_BLOCK, &last);
  memcpy(out + whole * size, &last, (size_t)rest * size);
}

/* Makes all numbers with a loop. */
static void decode_with(DecodeLoop *loop, size_t size, Dtype dtype, Chunk chunk,
                        unsigned char *out) {
  unsigned char codes[DECODE_BUFFER * sizeof(uint64_t)];
  unsigned bits = dtype_bits(dtype), parts = dtype == DTYPE_C64 ? 2 : 1;
  unsigned bytes = DECODE_WIDTH(bits) / 8 / parts;
  uint64_t left = chunk.count;
  if (bits >= 8 && chunk.stride == 1) { /* in place */
    uint64_t whole = left - left % DECODE_BLOCK;
    loop(chunk.data + chunk.first * bits / 8, whole * parts, out);
    chunk.first += whole;
    out += whole * parts * size;
    left -= whole;
  }
  for (; left > 0; left -= chunk.count) {
    chunk.count = left < DECODE_BUFFER ? left : DECODE_BUFFER;
    decode_collect(bits, &chunk, codes);
    decode_numbers(loop, size, codes, bytes, chunk.count * parts, out);
    chunk.first += chunk.count * chunk.stride;
    out += chunk.count * parts * size;
  }
}

ValueKind decode_kind(Dtype dtype) {
  Value zero;
  decode_value(dtype, (const unsigned char[8]){0}, 0, &zero);
  return zero.kind;
}

void decode_value(Dtype dtype, const unsigned char *data, uint64_t index, Value *out) {
  decode_decoders[dtype].one(data, index, out);
}

bool decode_gives_floats(Dtype dtype) {
  return decode_decoders[dtype].floats != NULL;
}

void decode_floats(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                   uint64_t stride, float *out) {
  decode_with(decode_decoders[dtype].floats, sizeof *out, dtype,
              (Chunk){data, first, count, stride}, (unsigned char *)out);
}

void decode_doubles(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                    uint64_t stride, double *out) {
  decode_with(decode_decoders[dtype].doubles, sizeof *out, dtype,
              (Chunk){data, first, count, stride}, (unsigned char *)out);
}

void decode_integers(Dtype dtype, const unsigned char *data, uint64_t first, uint64_t count,
                     uint64_t stride, uint64_t *out) {
  decode_with(decode_decoders[dtype].integers, sizeof *out, dtype,
              (Chunk){data, first, count, stride}, (unsigned char *)out);
}
