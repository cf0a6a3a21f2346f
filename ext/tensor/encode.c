#include "tensor/encode.h"

#include <math.h>

#include "format/small_float.h"
#include "kernels/kernels.h"
#include "tensor/decode.h"

/* The loops take blocks of a fixed size, and choose with masks in place of branches, because
** compilers vectorise such loops, and no others, for every machine. */
enum { ENCODE_BLOCK = 16, ENCODE_BUFFER = 16 * ENCODE_BLOCK };

/* ---- Rounding to other small floats ---- */

/* A carry out of the mantissa correctly increments the exponent, at the upper end to infinity. */
static inline uint32_t encode_upper_half(float value) {
  uint32_t bits = float_bits(value), rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const uint32_t nan = float_format(DTYPE_BF16).nan;
  return choose((bits & SMALL_FLOAT_MAGNITUDE) > SMALL_FLOAT_INFINITY, (bits >> 16 & 0x8000) | nan,
                rounded);
}

static inline uint32_t encode_nearest_power_of_two(float value) {
  const uint32_t lowest = 1u << 22, next = 1u << 23; /* 2^-127, which is subnormal, and 2^-126 */
  uint32_t limited =
      small_float_smaller(float_bits(value) & SMALL_FLOAT_MAGNITUDE, SMALL_FLOAT_INFINITY);
  /* Numbers between these two become the upper one. The midpoint of others, 1.5, is rounded up to
  ** 2: the last place of the result is its exponent. */
  uint32_t code = (small_float_larger(limited, next) + (1u << 22)) >> 23;
  return code & small_float_mask_above(limited, lowest);
}

/* ---- Truncation to an integer ---- */

/* 1 if a number is not 0, which is so for NaN. */
static inline uint64_t encode_truth(double value) {
  uint64_t magnitude = double_bits(value) << 1;
  return (magnitude | (0 - magnitude)) >> 63;
}

static inline uint64_t encode_truncate_32(double value) {
  bool fits = value > -2147483649.0 && value < 2147483648.0;
  return (uint64_t)(int32_t)(fits ? value : -2147483648.0);
}

static inline uint64_t encode_truncate_64(double value) {
  return (uint64_t)(int64_t)(fabs(value) < 0x1p63 ? value : -0x1p63);
}

static inline uint64_t encode_truncate_unsigned_64(double value) {
  return value >= 0x1p63 && value < 0x1p64 ? (uint64_t)value : encode_truncate_64(value);
}

static inline uint64_t encode_truncate_to(double value, bool is_signed, unsigned bits) {
  if (is_signed && bits <= 32) return encode_truncate_32(value);
  return is_signed || bits < 64 ? encode_truncate_64(value) : encode_truncate_unsigned_64(value);
}

/* Whether a block of numbers is so close to 0 that every one can be truncated to 32 bits, as
** processors do several at a time. */
static inline bool encode_is_near(const double *values) {
  const uint64_t most = double_bits(0x1.fffffffffffffp30);
  uint64_t above = 0;
  ELEMENT_ROLLED for (unsigned i = 0; i < ENCODE_BLOCK; i++) {
    above |= most - (double_bits(values[i]) & INT64_MAX);
  }
  return above >> 63 == 0;
}

/* ---- One encoder for each kind of dtype: an expression over `value` ----
**
** It is a float for small floats, otherwise a double. */

#define ENCODE_BOOLEAN       encode_truth(value)
#define ENCODE_INTEGER(type) encode_truncate_to(value, (type)-1 < 1, 8 * sizeof(type))
#define ENCODE_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan) \
  small_float_narrow((float)value,                                      \
                     (FloatFormat)FORMAT_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan))
#define ENCODE_BFLOAT   encode_upper_half((float)value)
#define ENCODE_SINGLE   float_bits((float)value)
#define ENCODE_DOUBLE   double_bits(value)
#define ENCODE_EXPONENT encode_nearest_power_of_two((float)value)
#define ENCODE_COMPLEX  ENCODE_SINGLE /* of each part */

/* ---- The loops, which take whole blocks ---- */

/* Whether they take floats, to which doubles are rounded to odd first. */
#define ENCODE_IS_SMALL_BOOLEAN                                                  0
#define ENCODE_IS_SMALL_INTEGER(type)                                            0
#define ENCODE_IS_SMALL_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan) 1
#define ENCODE_IS_SMALL_BFLOAT                                                   1
#define ENCODE_IS_SMALL_SINGLE                                                   0
#define ENCODE_IS_SMALL_DOUBLE                                                   0
#define ENCODE_IS_SMALL_EXPONENT                                                 1
#define ENCODE_IS_SMALL_COMPLEX                                                  0

/* Whether encode_truncate_to() truncates to 64 bits. */
#define ENCODE_IS_LONG_BOOLEAN                                                  0
#define ENCODE_IS_LONG_INTEGER(type)                                            ((type)-1 > 0 || sizeof(type) == 8)
#define ENCODE_IS_LONG_FLOAT(exponent_bits, mantissa_bits, bias, specials, nan) 0
#define ENCODE_IS_LONG_BFLOAT                                                   0
#define ENCODE_IS_LONG_SINGLE                                                   0
#define ENCODE_IS_LONG_DOUBLE                                                   0
#define ENCODE_IS_LONG_EXPONENT                                                 0
#define ENCODE_IS_LONG_COMPLEX                                                  0

/* The bits in which the code of an element of so many bits is encoded. */
#define ENCODE_WIDTH(bits) ((bits) < 8 ? 8 : (bits))

#define ENCODE_IS_NEAR_float(is_long)  false
#define ENCODE_IS_NEAR_double(is_long) ((is_long) && encode_is_near(values))

#define ENCODE_LOOP(number, name, bits, kind)                                          \
  static void encode_##number##s_##name(const number *restrict values, uint64_t count, \
                                        unsigned char *restrict out) {                 \
    enum { ENCODE_CODE_BITS = DTYPE_##name == DTYPE_C64 ? 32 : ENCODE_WIDTH(bits) };   \
    ELEMENT_ROLLED for (; count > 0; count -= ENCODE_BLOCK, values += ENCODE_BLOCK) {  \
      if (ENCODE_IS_NEAR_##number(ENCODE_IS_LONG_##kind)) {                            \
        ELEMENT_ROLLED for (unsigned i = 0; i < ENCODE_BLOCK; i++) {                   \
          element_store(out, ENCODE_CODE_BITS, i, (uint64_t)(int32_t)values[i]);       \
        }                                                                              \
      } else {                                                                         \
        ELEMENT_ROLLED for (unsigned i = 0; i < ENCODE_BLOCK; i++) {                   \
          number value = values[i];                                                    \
          element_store(out, ENCODE_CODE_BITS, i, ENCODE_##kind);                      \
        }                                                                              \
      }                                                                                \
      out += ENCODE_BLOCK * ENCODE_CODE_BITS / 8;                                      \
    }                                                                                  \
  }
#define ENCODE_X(name, bits, kind) \
  ENCODE_LOOP(float, name, bits, kind) ENCODE_LOOP(double, name, bits, kind)
DTYPES(ENCODE_X)
#undef ENCODE_X
#undef ENCODE_LOOP
#undef ENCODE_IS_NEAR_float
#undef ENCODE_IS_NEAR_double

typedef void EncodeFloats(const float *restrict values, uint64_t count,
                          unsigned char *restrict out);
typedef void EncodeDoubles(const double *restrict values, uint64_t count,
                           unsigned char *restrict out);

static const struct {
  EncodeFloats *floats;   /* for small floats, and F32 */
  EncodeDoubles *doubles; /* for all others than small floats */
} encode_loops[DTYPE_COUNT] = {
#define ENCODE_X(name, bits, kind)                                                    \
  {ENCODE_IS_SMALL_##kind || DTYPE_##name == DTYPE_F32 ? encode_floats_##name : NULL, \
   ENCODE_IS_SMALL_##kind ? NULL : encode_doubles_##name},
    DTYPES(ENCODE_X)
#undef ENCODE_X
};

/* ---- The functions that are built on the loops ---- */

/* Whole blocks, from a byte boundary on. */
static void encode_pack_4(const unsigned char *restrict codes, uint64_t count,
                          unsigned char *restrict out) {
  for (; count > 0; count -= ENCODE_BLOCK, codes += ENCODE_BLOCK, out += ENCODE_BLOCK / 2) {
    ELEMENT_ROLLED for (unsigned i = 0; i < ENCODE_BLOCK / 2; i++) {
      out[i] = (unsigned char)(codes[2 * i] | codes[2 * i + 1] << 4);
    }
  }
}

static void encode_pack_6(const unsigned char *restrict codes, uint64_t count,
                          unsigned char *restrict out) {
  for (; count > 0; count -= 4, codes += 4, out += 3) {
    out[0] = (unsigned char)(codes[0] | codes[1] << 6);
    out[1] = (unsigned char)(codes[1] >> 2 | codes[2] << 4);
    out[2] = (unsigned char)(codes[2] >> 4 | codes[3] << 2);
  }
}

/* Writes codes of fewer than 8 bits, which are one to a byte. */
static void encode_pack(unsigned bits, const unsigned char *codes, uint64_t first, uint64_t count,
                        unsigned char *out) {
  uint64_t whole = first * bits % 8 == 0 ? count - count % ENCODE_BLOCK : 0;
  if (bits == 4) {
    encode_pack_4(codes, whole, out + first * bits / 8);
  } else {
    encode_pack_6(codes, whole, out + first * bits / 8);
  }
  for (uint64_t i = whole; i < count; i++) element_store(out, bits, first + i, codes[i]);
}

bool encode_takes_floats(Dtype dtype) {
  return encode_loops[dtype].floats != NULL;
}

/* Floats of fewer than 8 bits. */
static void encode_packed(Dtype dtype, const float *values, uint64_t first, uint64_t count,
                          unsigned char *out) {
  EncodeFloats *loop = encode_loops[dtype].floats;
  unsigned char codes[ENCODE_BUFFER];
  while (count > 0) {
    float last[ENCODE_BLOCK] = {0};
    uint64_t whole = count - count % ENCODE_BLOCK, size = whole > 0 ? whole : count;
    if (size > ENCODE_BUFFER) size = ENCODE_BUFFER;
    if (whole > 0) {
      loop(values, size, codes);
    } else {
      memcpy(last, values, (size_t)size * sizeof *last);
      loop(last, ENCODE_BLOCK, codes);
    }
    encode_pack(dtype_bits(dtype), codes, first, size, out);
    values += size;
    first += size;
    count -= size;
  }
}

void encode_floats(Dtype dtype, const float *values, uint64_t first, uint64_t count,
                   unsigned char *out) {
  EncodeFloats *loop = encode_loops[dtype].floats;
  unsigned bytes = dtype_bits(dtype) / 8;
  unsigned char codes[ENCODE_BLOCK * sizeof(uint32_t)];
  if (bytes == 0) {
    encode_packed(dtype, values, first, count, out);
    return;
  }
  uint64_t rest = count % ENCODE_BLOCK, whole = count - rest;
  loop(values, whole, out + first * bytes);
  if (rest == 0) return;
  float last[ENCODE_BLOCK] = {0};
  memcpy(last, values + whole, (size_t)rest * sizeof *last);
  loop(last, ENCODE_BLOCK, codes);
  memcpy(out + (first + whole) * bytes, codes, (size_t)rest * bytes);
}

/* Rounds to a float "to odd": of the two floats between which the number lies, to the one whose last
** bit is 1. It lies on the same side of every number of 22 bits or fewer, and of every midpoint
** between two of those, as the double. Rounding it again to a smaller float therefore gives the same
** result as rounding once. */
static inline float encode_round_to_odd(double value) {
  float nearest = (float)value;
  uint64_t difference =
      double_bits(value) - double_bits((double)nearest); /* the sign is the same */
  uint32_t away = (uint32_t)(difference >> 63);
  uint32_t inexact = (uint32_t)((difference | (0 - difference)) >> 63);
  return float_from_bits((float_bits(nearest) - away) | inexact);
}

static void encode_to_odd(const double *restrict values, uint64_t count, float *restrict out) {
  uint64_t i = 0;
  for (; count - i >= ENCODE_BLOCK; i += ENCODE_BLOCK) {
    ELEMENT_ROLLED for (unsigned j = 0; j < ENCODE_BLOCK; j++) {
      out[i + j] = encode_round_to_odd(values[i + j]);
    }
  }
  for (; i < count; i++) out[i] = encode_round_to_odd(values[i]);
}

static void encode_small(Dtype dtype, const double *values, uint64_t first, uint64_t count,
                         unsigned char *out) {
  float floats[ENCODE_BUFFER];
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < ENCODE_BUFFER ? count - done : ENCODE_BUFFER;
    encode_to_odd(values + done, size, floats);
    encode_floats(dtype, floats, first + done, size, out);
  }
}

/* Fewer numbers than a block are not worth a kernel. */
void encode_doubles(Dtype dtype, const double *values, uint64_t first, uint64_t count,
                    unsigned char *out) {
  KernelNarrow *narrow = count < ENCODE_BLOCK ? NULL : kernels_chosen()->narrow[dtype];
  if (narrow != NULL) {
    narrow(values, count, out + first * (dtype_bits(dtype) / 8));
    return;
  }
  if (encode_loops[dtype].doubles == NULL) {
    encode_small(dtype, values, first, count, out);
    return;
  }
  EncodeDoubles *loop = encode_loops[dtype].doubles;
  unsigned parts = dtype == DTYPE_C64 ? 2 : 1, bytes = dtype_bits(dtype) / 8 / parts;
  unsigned char codes[ENCODE_BLOCK * sizeof(uint64_t)];
  count *= parts;
  out += first * parts * bytes;
  uint64_t rest = count % ENCODE_BLOCK, whole = count - rest;
  loop(values, whole, out);
  if (rest == 0) return;
  double last[ENCODE_BLOCK] = {0};
  memcpy(last, values + whole, (size_t)rest * sizeof *last);
  loop(last, ENCODE_BLOCK, codes);
  memcpy(out + whole * bytes, codes, (size_t)rest * bytes);
}

/* ---- Integers ---- */

/* The nearest double for an integer below 2^64, from its halves: 2^52 + low, and 2^84 + 2^32 high.
** Only the last sum is rounded. */
static inline double encode_double_of(uint64_t number) {
  double low = double_from_bits((number & UINT32_MAX) | UINT64_C(0x4330000000000000));
  double high = double_from_bits(number >> 32 | UINT64_C(0x4530000000000000));
  return (high - (0x1p84 + 0x1p52)) + low;
}

/* The double for an integer below 2^64 and its sign. `lost` masks what may be lost: of a number of
** more than 53 bits the last 11, if it is rounded "to odd". Then it lies on the same side of every
** number of 42 bits or fewer, and of every midpoint between two of those, so that rounding it again
** to a smaller float gives the same result as rounding once. */
static inline double encode_double_of_integer(uint64_t value, uint64_t sign, uint64_t lost) {
  uint64_t minus = 0 - ((value & sign) >> 63), magnitude = (value ^ minus) - minus;
  lost &= 0 - ((0 - (magnitude >> 53)) >> 63);
  uint64_t inexact = ((magnitude & lost) + 0x7ff) & 0x800;
  double number = encode_double_of((magnitude & ~lost) | inexact);
  return double_from_bits(double_bits(number) | (minus & sign));
}

/* Whether all of a block are from -2^51 to 2^51 - 1, as most are. Then they are the last digits of doubles from 2^52
** to 2^53. */
static inline bool encode_near_integers(const uint64_t *values) {
  uint64_t above = 0;
  ELEMENT_ROLLED for (unsigned i = 0; i < ENCODE_BLOCK; i++) {
    above |= values[i] + (UINT64_C(1) << 51);
  }
  return above >> 52 == 0;
}

static inline double encode_double_of_near(uint64_t value) {
  return double_from_bits(double_bits(0x1.8p52) + value) - 0x1.8p52;
}

static void encode_to_doubles(const uint64_t *restrict values, bool is_signed, bool round_again,
                              uint64_t count, double *restrict out) {
  const uint64_t sign = is_signed ? UINT64_C(1) << 63 : 0, lost = round_again ? 0x7ff : 0;
  uint64_t i = 0;
  for (; count - i >= ENCODE_BLOCK; i += ENCODE_BLOCK) {
    if (is_signed && encode_near_integers(values + i)) {
      ELEMENT_ROLLED for (unsigned j = 0; j < ENCODE_BLOCK; j++) {
        out[i + j] = encode_double_of_near(values[i + j]);
      }
      continue;
    }
    ELEMENT_ROLLED for (unsigned j = 0; j < ENCODE_BLOCK; j++) {
      out[i + j] = encode_double_of_integer(values[i + j], sign, lost);
    }
  }
  for (; i < count; i++) out[i] = encode_double_of_integer(values[i], sign, lost);
}

static void encode_as_doubles(Dtype dtype, const uint64_t *values, bool is_signed, uint64_t first,
                              uint64_t count, unsigned char *out) {
  double block[2 * ENCODE_BUFFER];
  while (count > 0) {
    uint64_t size = count < ENCODE_BUFFER ? count : ENCODE_BUFFER;
    encode_to_doubles(values, is_signed, dtype != DTYPE_F64, size, block);
    for (uint64_t i = size; dtype == DTYPE_C64 && i-- > 0;) {
      block[2 * i] = block[i];
      block[2 * i + 1] = 0;
    }
    encode_doubles(dtype, block, first, size, out);
    values += size;
    first += size;
    count -= size;
  }
}

void encode_integers(Dtype dtype, const uint64_t *values, bool is_signed, uint64_t first,
                     uint64_t count, unsigned char *out) {
  ValueKind kind = decode_kind(dtype);
  if (kind != VALUE_INTEGER && kind != VALUE_BOOLEAN) {
    encode_as_doubles(dtype, values, is_signed, first, count, out);
    return;
  }
  for (uint64_t i = 0; i < count; i++) {
    uint64_t value = kind == VALUE_BOOLEAN ? values[i] != 0 : values[i];
    element_store(out, dtype_bits(dtype), first + i, value);
  }
}
