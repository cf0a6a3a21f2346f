/*
** The method. A double is m * 2^e. The numbers that read back as this double lie between the
** midpoints to its two neighbours; the midpoints belong to them if m is even, since a tie is read
** as the even neighbour. Multiply the number and the two midpoints by the power of ten that gives
** the number 18 or 19 digits before the decimal point, and keep the integer parts. At this scale
** the midpoints are more than 10 apart. Then drop last digits for as long as an integer remains
** between the midpoints; the result is as short as possible. The products are computed exactly, in
** as many words as needed. For numbers around 1 that is a handful, so neither tables of powers nor
** proofs about rounded powers are needed.
**
** The shortest decimal, and among those the closest one, with ties to the even digit: this is what
** Python asks of David Gay's dtoa (mode 0), which finds the digits in another way.
*/
#include "tensor/decimal.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tensor/value.h"

/* ---- Exact products ---- */

/* Little-endian words, without zero words at the top. The largest number is below 2^56 * 5^341,
** which has 27 words. */
typedef struct DecimalNumber {
  uint32_t words[32];
  int length;
} DecimalNumber;

/* 5^13 is the largest power of 5 that fits in a word. */
static const uint32_t decimal_powers_of_5[] = {1,       5,        25,        125,       625,
                                               3125,    15625,    78125,     390625,    1953125,
                                               9765625, 48828125, 244140625, 1220703125};

static void decimal_number_set(DecimalNumber *number, uint64_t value) {
  number->words[0] = (uint32_t)value;
  number->words[1] = (uint32_t)(value >> 32);
  number->length = value >> 32 != 0 ? 2 : 1;
}

static void decimal_number_multiply(DecimalNumber *number, uint32_t factor) {
  uint64_t carry = 0;
  for (int i = 0; i < number->length; i++) {
    carry += (uint64_t)number->words[i] * factor;
    number->words[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry != 0) number->words[number->length++] = (uint32_t)carry;
}

/* Rounds down. Returns whether there is a remainder. */
static bool decimal_number_divide(DecimalNumber *number, uint32_t divisor) {
  uint64_t rest = 0;
  for (int i = number->length; i-- > 0;) {
    rest = rest << 32 | number->words[i];
    number->words[i] = (uint32_t)(rest / divisor);
    rest %= divisor;
  }
  if (number->length > 1 && number->words[number->length - 1] == 0) number->length--;
  return rest != 0;
}

/* Multiplies by 2^count. */
static void decimal_number_shift_up(DecimalNumber *number, int count) {
  int whole = count / 32;
  memmove(number->words + whole, number->words, (size_t)number->length * sizeof(uint32_t));
  memset(number->words, 0, (size_t)whole * sizeof(uint32_t));
  number->length += whole;
  decimal_number_multiply(number, 1u << count % 32);
}

static uint32_t decimal_number_word(const DecimalNumber *number, int at) {
  return at < number->length ? number->words[at] : 0;
}

/* The integer part of number / 2^count, which must fit. Sets *rest if there is a remainder. */
static uint64_t decimal_number_shift_down(const DecimalNumber *number, int count, bool *rest) {
  int whole = count / 32, bits = count % 32;
  for (int i = 0; i < whole && i < number->length; i++) {
    if (number->words[i] != 0) *rest = true;
  }
  uint64_t low = decimal_number_word(number, whole),
           middle = decimal_number_word(number, whole + 1);
  uint64_t high = decimal_number_word(number, whole + 2);
  if ((low & ((UINT64_C(1) << bits) - 1)) != 0) *rest = true;
  uint64_t result = (middle << 32 | low) >> bits;
  return bits == 0 ? result : result | high << (64 - bits);
}

typedef struct DecimalScaled {
  uint64_t integer;
  bool rest; /* the fraction is not 0 */
} DecimalScaled;

/* The value of significand * 2^exponent * 10^power. */
static DecimalScaled decimal_scale(uint64_t significand, int exponent, int power) {
  DecimalScaled scaled = {0, false};
  DecimalNumber number;
  decimal_number_set(&number, significand);
  int fives = power < 0 ? -power : power;
  int twos = exponent + power;
  if (twos > 0) decimal_number_shift_up(&number, twos);
  for (int step; fives > 0; fives -= step) {
    step = fives < 13 ? fives : 13;
    if (power > 0) {
      decimal_number_multiply(&number, decimal_powers_of_5[step]);
    } else if (decimal_number_divide(&number, decimal_powers_of_5[step])) {
      scaled.rest = true;
    }
  }
  scaled.integer = decimal_number_shift_down(&number, twos < 0 ? -twos : 0, &scaled.rest);
  return scaled;
}

/* ---- The digits ---- */

/* The number digits * 10^exponent, where the last digit is not 0. */
typedef struct Decimal {
  uint64_t digits;
  int exponent;
} Decimal;

/* floor(log10(2^exponent)), correct for all exponents of doubles. */
static int decimal_power_of_10_below(int exponent) {
  int64_t product = (int64_t)exponent * 315653; /* 2^20 * log10(2) */
  return (int)(product >= 0 ? product >> 20 : -((-product + 0xfffff) >> 20));
}

/* Drops last digits for as long as an integer between `low` and `high` remains, and returns the
** integer that is closest to `middle`. */
static Decimal decimal_shorten(uint64_t low, DecimalScaled middle, uint64_t high, int exponent) {
  uint64_t digits = middle.integer;
  unsigned removed = 0;     /* the last digit that was dropped */
  bool below = middle.rest; /* the digits behind it are not all 0 */
  while ((low + 9) / 10 <= high / 10) {
    below = below || removed != 0;
    removed = (unsigned)(digits % 10);
    digits /= 10;
    low = (low + 9) / 10;
    high /= 10;
    exponent++;
  }
  if (removed > 5 || (removed == 5 && (below || digits % 2 != 0))) digits++;
  /* Below a power of two the neighbour is closer, so the nearest integer may lie beyond the
  ** midpoint. */
  if (digits < low) digits = low;
  if (digits > high) digits = high;
  return (Decimal){digits, exponent};
}

/* For a positive number that is not an integer below 2^53. */
static Decimal decimal_shortest(uint64_t bits) {
  uint64_t significand = bits & 0xfffffffffffff;
  int biased = (int)(bits >> 52);
  bool lower_is_closer = significand == 0 && biased > 1;
  if (biased > 0) significand |= UINT64_C(1) << 52;
  int exponent = (biased > 0 ? biased : 1) - 1075;
  bool even = significand % 2 == 0;
  /* In quarters of a unit in the last place, so that both midpoints are integers. */
  significand *= 4;
  exponent -= 2;
  int power = 17 - decimal_power_of_10_below(exponent + 63 - __builtin_clzll(significand));
  DecimalScaled low = decimal_scale(significand - (lower_is_closer ? 1 : 2), exponent, power);
  DecimalScaled middle = decimal_scale(significand, exponent, power);
  DecimalScaled high = decimal_scale(significand + 2, exponent, power);
  /* The smallest and the largest integer that read back as the number. */
  if (low.rest || !even) low.integer++;
  if (!high.rest && !even) high.integer--;
  return decimal_shorten(low.integer, middle, high.integer, -power);
}

/* For an integer below 2^53. Its neighbours are at most 1 away, so no decimal is shorter. */
static Decimal decimal_of_integer(uint64_t value) {
  Decimal decimal = {value, 0};
  while (decimal.digits % 10 == 0) {
    decimal.digits /= 10;
    decimal.exponent++;
  }
  return decimal;
}

/* For the bits of a positive double. */
static Decimal decimal_of(uint64_t bits) {
  const uint64_t one = (uint64_t)1 << 52;
  unsigned exponent = (unsigned)(bits >> 52);
  if (exponent >= 1023 && exponent <= 1023 + 52) { /* computed in integers, like everything here;
                                                   ** text.h says why */
    unsigned fraction = 1023 + 52 - exponent;
    uint64_t mantissa = (bits & (one - 1)) | one;
    if ((mantissa & (((uint64_t)1 << fraction) - 1)) == 0)
      return decimal_of_integer(mantissa >> fraction);
  }
  return decimal_shortest(bits);
}

/* ---- The layout ---- */

/* Writes the digits, ending just before `end`. Returns where they start. */
static char *decimal_write_digits(uint64_t digits, char *end) {
  do {
    *--end = (char)('0' + digits % 10);
    digits /= 10;
  } while (digits != 0);
  return end;
}

static char *decimal_append(char *out, const char *text, int length) {
  memcpy(out, text, (size_t)length);
  return out + length;
}

static char *decimal_append_zeros(char *out, int count) {
  memset(out, '0', (size_t)count);
  return out + count;
}

/* Writes at least two digits of exponent: 5e-324, 1.5e+16. */
static char *decimal_append_scientific(char *out, const char *digits, int count, int exponent) {
  *out++ = digits[0];
  if (count > 1) *out++ = '.';
  out = decimal_append(out, digits + 1, count - 1);
  *out++ = 'e';
  *out++ = exponent < 0 ? '-' : '+';
  unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
  if (size >= 100) *out++ = (char)('0' + size / 100);
  *out++ = (char)('0' + size / 10 % 10);
  *out++ = (char)('0' + size % 10);
  return out;
}

/* Writes `point` digits before the decimal point. */
static char *decimal_append_plain(char *out, const char *digits, int count, int point) {
  if (point <= 0) {
    out = decimal_append(out, "0.", 2);
    out = decimal_append_zeros(out, -point);
    return decimal_append(out, digits, count);
  }
  if (point >= count) {
    out = decimal_append(out, digits, count);
    out = decimal_append_zeros(out, point - count);
    return decimal_append(out, ".0", 2);
  }
  out = decimal_append(out, digits, point);
  *out++ = '.';
  return decimal_append(out, digits + point, count - point);
}

int decimal_format(double value, char out[DECIMAL_SIZE]) {
  char *end = out;
  uint64_t bits = double_bits(value);
  if (bits >> 63 != 0) *end++ = '-';
  bits = bits << 1 >> 1;
  if (bits == 0) {
    end = decimal_append(end, "0.0", 3);
  } else {
    Decimal decimal = decimal_of(bits);
    char buffer[20];
    char *digits = decimal_write_digits(decimal.digits, buffer + sizeof buffer);
    int count = (int)(buffer + sizeof buffer - digits);
    int point = count + decimal.exponent;
    /* Python's choice (float_repr_style 'short'): positional notation from 1e-4 to below 1e16. */
    bool plain = point > -4 && point <= 16;
    end = plain ? decimal_append_plain(end, digits, count, point)
                : decimal_append_scientific(end, digits, count, point - 1);
  }
  *end = '\0';
  return (int)(end - out);
}
