/*
** Stored elements: their layout in memory, and the formats of the floats for which C has no type.
**
** A "code" is a stored element as an unsigned number: the bits of its little-endian bytes.
*/
#ifndef SAFETENSORS_FORMAT_ELEMENT_H
#define SAFETENSORS_FORMAT_ELEMENT_H

#include "base/arithmetic.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "format/dtype.h"

/* ---- Elements in memory ---- */

/* Converts between the machine's byte order and that of the format, in either direction. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define LITTLE_ENDIAN_BYTES(bits, number) __builtin_bswap##bits(number)
#else
#define LITTLE_ENDIAN_BYTES(bits, number) (number)
#endif

/* A load and a store for each width. They use memcpy(), because a tensor may begin at any
** address. */
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

/* Returns the code of element number `index`. Elements of 4 bits are stored two to a byte, the
** first in the low half, as in PyTorch's float4_e2m1fn_x2. Elements of 6 bits are packed without
** gaps: element i occupies bits 6i to 6i+5, counted from the lowest bit of the first byte. This is
** this project's choice, consistent with the order of 4-bit elements, because neither the format
** nor any known writer defines a packing. */
static inline uint64_t element_load(const unsigned char *data, unsigned bits, uint64_t index) {
  switch (bits) {
    case 4: return (unsigned)data[index / 2] >> index % 2 * 4 & 0xf;
    case 6: {
      const unsigned char *at = data + index * 6 / 8;
      unsigned shift = (unsigned)(index * 6 % 8);
      unsigned both = at[0];
      if (shift > 2)
        both |= (unsigned)at[1] << 8; /* the next byte is certain to exist only in this
                                                      case */
      return both >> shift & 0x3f;
    }
    case 8: return data[index];
    case 16: return element_load_16(data + 2 * index);
    case 32: return element_load_32(data + 4 * index);
    default: return element_load_64(data + 8 * index);
  }
}

/* Writes the low `bits` bits of the code. Elements of less than a byte are combined with bits that
** must be 0 before. */
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

/* Before a loop over a block of elements: it is vectorised as it stands. Clang would otherwise unroll it
** first, and then find fewer elements to take at a time. */
#if defined(__clang__)
#define ELEMENT_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define ELEMENT_ROLLED
#endif

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

/* The codes that are not finite numbers. */
typedef enum Specials {
  SPECIALS_IEEE, /* all exponent bits set: infinity if the mantissa is 0, else NaN */
  SPECIALS_FN,   /* all exponent and mantissa bits set: NaN; there are no infinities */
  SPECIALS_FNUZ, /* the code of -0: NaN; there are no infinities */
  SPECIALS_NONE
} Specials;

/* The fields from the highest bit down are sign, exponent, mantissa. Exponent 0 marks subnormal
** numbers. */
typedef struct FloatFormat {
  unsigned exponent_bits, mantissa_bits;
  int bias;
  Specials specials;
  uint32_t nan; /* the code for writing a NaN */
} FloatFormat;

#define FORMAT_BOOLEAN \
  { 0, 0, 0, SPECIALS_NONE, 0 }
#define FORMAT_INTEGER(type) FORMAT_BOOLEAN
#define FORMAT_EXPONENT      FORMAT_BOOLEAN
#define FORMAT_DOUBLE        FORMAT_BOOLEAN
#define FORMAT_COMPLEX       FORMAT_BOOLEAN
#define FORMAT_SINGLE \
  { 8, 23, 127, SPECIALS_IEEE, 0x7fc00000 }
#define FORMAT_BFLOAT \
  { 8, 7, 127, SPECIALS_IEEE, 0x7fc0 }
#define FORMAT_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan) \
  { exponent_bits, mantissa_bits, bias, SPECIALS_##specials, nan }

/* Returns the format of a dtype that is such a float, or zeros for any other dtype. */
static inline FloatFormat float_format(Dtype dtype) {
  static const FloatFormat formats[DTYPE_COUNT] = {
#define X(name, bits, kind) FORMAT_##kind,
      DTYPES(X)
#undef X
  };
  return formats[dtype];
}

/* Returns `yes` if the condition holds, else `no`. It does not branch, because a branch would
** prevent the vectorisation of a loop. */
static inline uint32_t choose(bool condition, uint32_t yes, uint32_t no) {
  uint32_t mask = 0 - (uint32_t)condition;
  return (yes & mask) | (no & ~mask);
}

/* Returns the number that a code of the format stands for, which a float holds exactly. Not for
** BF16, whose exponents leave no room for this method. */
static inline float float_widen(uint32_t code, FloatFormat format) {
  unsigned width = format.exponent_bits + format.mantissa_bits;
  uint32_t magnitude = code & ((1u << width) - 1);
  uint32_t exponent = magnitude >> format.mantissa_bits;
  uint32_t sign = code >> width << 31;
  uint32_t normal =
      (magnitude << (23 - format.mantissa_bits)) + ((uint32_t)(127 - format.bias) << 23);
  /* A subnormal number has no leading 1. With the next exponent it gets one, which is then
  ** subtracted. This is exact and uses only normal floats, so it also works where subnormal floats
  ** are slow or disabled. */
  float leading = float_from_bits((uint32_t)(128 - format.bias) << 23);
  uint32_t subnormal = float_bits(float_from_bits(normal + (1u << 23)) - leading);
  uint32_t bits = sign | choose(exponent == 0, subnormal, normal);
  switch (format.specials) {
    case SPECIALS_IEEE:
      bits |= choose(exponent == (1u << format.exponent_bits) - 1, 0x7f800000, 0);
      break;
    case SPECIALS_FN: bits |= choose(magnitude == (1u << width) - 1, 0x7fc00000, 0); break;
    case SPECIALS_FNUZ: bits ^= choose(code == 1u << width, 0x7fc00000 ^ 0x80000000, 0); break;
    case SPECIALS_NONE: break;
  }
  return float_from_bits(bits);
}

/* Does the same for a double, and for any format up to that of F32. It uses only integers, so the
** result does not depend on the floating-point environment, which need not be saved for a single
** number. */
static inline double double_widen(uint32_t code, FloatFormat format) {
  unsigned width = format.exponent_bits + format.mantissa_bits;
  uint32_t magnitude = code & (((uint32_t)1 << width) - 1);
  uint32_t exponent = magnitude >> format.mantissa_bits;
  uint64_t sign = (uint64_t)(code >> width) << 63, infinite = (uint64_t)0x7ff << 52;
  uint64_t mantissa = (uint64_t)magnitude << (52 - format.mantissa_bits); /* the exponent is added
                                                                             above it */
  uint64_t nan = infinite | (uint64_t)1 << 51;
  switch (format.specials) {
    case SPECIALS_IEEE:
      if (exponent != ((uint32_t)1 << format.exponent_bits) - 1) break;
      return double_from_bits(sign | infinite | mantissa << 12 >> 12);
    case SPECIALS_FN:
      if (magnitude == ((uint32_t)1 << width) - 1) return double_from_bits(sign | nan);
      break;
    case SPECIALS_FNUZ:
      if (code == (uint32_t)1 << width) return double_from_bits(nan);
      break;
    case SPECIALS_NONE: break;
  }
  if (magnitude == 0) return double_from_bits(sign);
  uint64_t rebias = (uint64_t)(1023 - format.bias);
  if (exponent == 0) { /* subnormal: move its highest bit to the place of the leading 1 */
    unsigned shift = (unsigned)__builtin_clzll(mantissa) - 11;
    mantissa <<= shift;
    rebias -= shift;
  }
  return double_from_bits(sign | (mantissa + (rebias << 52)));
}

/* Returns a number of at least 2^63 as a double, rounded to nearest, ties to even. Uses only
** integers as well. */
static inline double double_of_large(uint64_t number) {
  uint64_t kept = number >> 11, rest = number & 0x7ff;
  kept += rest > 0x400 || (rest == 0x400 && (kept & 1) != 0);
  return double_from_bits(((uint64_t)(1023 + 63 - 1) << 52) +
                          kept); /* a carry increments the exponent, as it should */
}

#endif
