/*
** What decoding and encoding share: the value of an element, how elements lie in memory, and the
** formats of the floats that C has no type for.
**
** A "code" is an element as stored, as a number: the bits of its little-endian bytes.
*/
#ifndef SAFETENSORS_TENSOR_VALUE_H
#define SAFETENSORS_TENSOR_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef enum ValueKind {
  VALUE_INTEGER, /* in `integer` */
  VALUE_REAL,    /* in `real`; also a U64 above 2^63-1, rounded to the nearest double */
  VALUE_BOOLEAN, /* in `integer`, 0 or 1 */
  VALUE_COMPLEX  /* in `real` and `imaginary` */
} ValueKind;

typedef struct Value {
  ValueKind kind;
  int64_t integer;
  double real;
  double imaginary;
} Value;

/* The number as a double, of all but VALUE_COMPLEX. */
static inline double value_double(const Value *value) {
  return value->kind == VALUE_REAL ? value->real : (double)value->integer;
}

/* ---- Elements in memory ---- */

/* Between the machine's byte order and the format's, either way. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LITTLE_ENDIAN_BYTES(bits, number) __builtin_bswap##bits(number)
#else
#define LITTLE_ENDIAN_BYTES(bits, number) (number)
#endif

/* A load and a store of each width; memcpy, since a tensor may start at any address. */
#define LOAD_AND_STORE(bits)                                                        \
  static inline uint##bits##_t element_load_##bits(const unsigned char *at) {       \
    uint##bits##_t number;                                                          \
    memcpy(&number, at, sizeof number);                                             \
    return LITTLE_ENDIAN_BYTES(bits, number);                                       \
  }                                                                                 \
  static inline void element_store_##bits(unsigned char *at, uint##bits##_t code) { \
    uint##bits##_t number = LITTLE_ENDIAN_BYTES(bits, code);                        \
    memcpy(at, &number, sizeof number);                                             \
  }
LOAD_AND_STORE(16)
LOAD_AND_STORE(32)
LOAD_AND_STORE(64)
#undef LOAD_AND_STORE

/* The code of element number `index`. Elements of 4 bits lie two to a byte, the first in the low
** half, as in PyTorch's float4_e2m1fn_x2. Elements of 6 bits are packed without gaps: element i is
** bits 6i to 6i+5, counted from the lowest bit of the first byte. That is this project's choice, in
** line with the 4-bit order: neither the format nor any known writer says how they are packed. */
static inline uint64_t element_load(const unsigned char *data, unsigned bits, uint64_t index) {
  switch (bits) {
    case 4: return (unsigned)data[index / 2] >> index % 2 * 4 & 0xf;
    case 6: {
      const unsigned char *at = data + index * 6 / 8;
      unsigned shift = (unsigned)(index * 6 % 8);
      unsigned both = at[0];
      if (shift > 2) both |= (unsigned)at[1] << 8; /* only then is there sure to be a next byte */
      return both >> shift & 0x3f;
    }
    case 8: return data[index];
    case 16: return element_load_16(data + 2 * index);
    case 32: return element_load_32(data + 4 * index);
    default: return element_load_64(data + 8 * index);
  }
}

/* Writes the low `bits` bits of the code. Elements of less than a byte are added to bits that must
** be 0 before. */
static inline void element_store(unsigned char *data, unsigned bits, uint64_t index,
                                 uint64_t code) {
  switch (bits) {
    case 4: data[index / 2] |= (unsigned char)((code & 0xf) << index % 2 * 4); break;
    case 6: {
      unsigned char *at = data + index * 6 / 8;
      unsigned shift = (unsigned)(index * 6 % 8);
      at[0] |= (unsigned char)((code & 0x3f) << shift);
      if (shift > 2) at[1] |= (unsigned char)((code & 0x3f) >> (8 - shift));
      break;
    }
    case 8: data[index] = (unsigned char)code; break;
    case 16: element_store_16(data + 2 * index, (uint16_t)code); break;
    case 32: element_store_32(data + 4 * index, (uint32_t)code); break;
    default: element_store_64(data + 8 * index, code);
  }
}

/* ---- Floats ---- */

static inline float float_from_bits(uint32_t bits) {
  float number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

static inline uint32_t float_bits(float number) {
  uint32_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

static inline double double_from_bits(uint64_t bits) {
  double number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

static inline uint64_t double_bits(double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}

/* Which codes are not finite numbers. */
typedef enum Specials {
  SPECIALS_IEEE, /* exponent all ones: infinity if the mantissa is 0, else NaN */
  SPECIALS_FN,   /* exponent and mantissa all ones: NaN; no infinities */
  SPECIALS_FNUZ, /* what would be -0: NaN; no infinities */
  SPECIALS_NONE
} Specials;

/* From the highest bit down: sign, exponent, mantissa. Exponent 0 marks the subnormals. */
typedef struct FloatFormat {
  unsigned exponent_bits, mantissa_bits;
  int bias;
  Specials specials;
  uint32_t nan; /* the code that a NaN is written as */
} FloatFormat;

/* IEEE 754-2008, 3.6: binary16. */
static const FloatFormat format_F16 = {5, 10, 15, SPECIALS_IEEE, 0x7e00};

/* The upper half of IEEE 754-2008 binary32. */
static const FloatFormat format_BF16 = {8, 7, 127, SPECIALS_IEEE, 0x7fc0};

/* OCP 8-bit Floating Point Specification (OFP8) 1.0; Micikevicius et al., arXiv:2209.05433. E4M3 is
** what PyTorch calls float8_e4m3fn. */
static const FloatFormat format_F8_E5M2 = {5, 2, 15, SPECIALS_IEEE, 0x7f};
static const FloatFormat format_F8_E4M3 = {4, 3, 7, SPECIALS_FN, 0x7f};

/* Noune et al., arXiv:2206.02915. */
static const FloatFormat format_F8_E5M2FNUZ = {5, 2, 16, SPECIALS_FNUZ, 0x80};
static const FloatFormat format_F8_E4M3FNUZ = {4, 3, 8, SPECIALS_FNUZ, 0x80};

/* OCP Microscaling Formats (MX) Specification 1.0, 5.3. */
static const FloatFormat format_F6_E2M3 = {2, 3, 1, SPECIALS_NONE, 0x1f};
static const FloatFormat format_F6_E3M2 = {3, 2, 3, SPECIALS_NONE, 0x1f};
static const FloatFormat format_F4 = {2, 1, 1, SPECIALS_NONE, 0x7};

/* `yes` where the condition holds, else `no`, without a branch, which would keep a loop from being
** vectorised. */
static inline uint32_t choose(bool condition, uint32_t yes, uint32_t no) {
  uint32_t mask = 0 - (uint32_t)condition;
  return (yes & mask) | (no & ~mask);
}

/* The number that a code of the format stands for; a float holds all of them exactly. Not for BF16,
** whose exponents leave no room for the steps taken here. */
static inline float float_widen(uint32_t code, FloatFormat format) {
  unsigned width = format.exponent_bits + format.mantissa_bits;
  uint32_t magnitude = code & ((1u << width) - 1);
  uint32_t exponent = magnitude >> format.mantissa_bits;
  uint32_t sign = code >> width << 31;
  uint32_t normal =
      (magnitude << (23 - format.mantissa_bits)) + ((uint32_t)(127 - format.bias) << 23);
  /* A subnormal has no leading 1. With the next exponent it gets one, which is then subtracted:
  ** exactly, and in steps that are all normal floats, so that it works where subnormal floats are
  ** slow or switched off. */
  float leading = float_from_bits((uint32_t)(128 - format.bias) << 23);
  uint32_t subnormal = float_bits(float_from_bits(normal + (1u << 23)) - leading);
  uint32_t bits = sign | choose(exponent == 0, subnormal, normal);
  switch (format.specials) {
    case SPECIALS_IEEE:
      bits |= choose(exponent == (1u << format.exponent_bits) - 1, 0x7f800000, 0);
      break;
    case SPECIALS_FN: bits |= choose(magnitude == (1u << width) - 1, 0x7fc00000, 0); break;
    case SPECIALS_FNUZ: bits = choose(code == 1u << width, 0x7fc00000, bits); break;
    case SPECIALS_NONE: break;
  }
  return float_from_bits(bits);
}

#endif
