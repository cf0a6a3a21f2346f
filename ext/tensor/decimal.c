/*
** The method. A double is m * 2^e; what reads back as it are the numbers between the points halfway
** to its neighbours (and these points too if m is even, for a tie is read as the even one).
** Multiply the three, the number and the two points, by the power of ten that gives the number 18
** or 19 digits before the point, and keep the integer parts: at this scale the points are more than
** 10 apart. Then take off last digits for as long as some integer remains between the points: what
** remains is as short as can be. The product is computed exactly, in as many words as it takes; for
** a number around 1 that is a handful, so that neither tables of powers nor proofs about rounded
** ones are needed.
**
** Shortest of all and then closest, with a tie to the even digit, is what Python asks of David
** Gay's dtoa (mode 0), which finds the digits in another way.
*/
#include "tensor/decimal.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tensor/value.h"

/* ---- Exact products ---- */

/* The low word first; no zero words at the end. The largest number here is below 2^56 * 5^341,
** which is 27 words. */
typedef struct Number {
  uint32_t words[32];
  int length;
} Number;

/* 5^13 is the largest power of 5 in a word. */
static const uint32_t powers_of_5[] = {1,       5,        25,        125,       625,
                                       3125,    15625,    78125,     390625,    1953125,
                                       9765625, 48828125, 244140625, 1220703125};

static void number_set(Number *number, uint64_t value) {
  number->words[0] = (uint32_t)value;
  number->words[1] = (uint32_t)(value >> 32);
  number->length = value >> 32 != 0 ? 2 : 1;
}

static void number_multiply(Number *number, uint32_t factor) {
  uint64_t carry = 0;
  for (int i = 0; i < number->length; i++) {
    carry += (uint64_t)number->words[i] * factor;
    number->words[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry != 0) number->words[number->length++] = (uint32_t)carry;
}

/* Rounds down; returns whether something was left. */
static bool number_divide(Number *number, uint32_t divisor) {
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
static void number_shift_up(Number *number, int count) {
  int whole = count / 32;
  memmove(number->words + whole, number->words, (size_t)number->length * sizeof(uint32_t));
  memset(number->words, 0, (size_t)whole * sizeof(uint32_t));
  number->length += whole;
  number_multiply(number, 1u << count % 32);
}

static uint32_t number_word(const Number *number, int at) {
  return at < number->length ? number->words[at] : 0;
}

/* The integer part of number / 2^count, which fits; *rest is set if something is left. */
static uint64_t number_shift_down(const Number *number, int count, bool *rest) {
  int whole = count / 32, bits = count % 32;
  for (int i = 0; i < whole && i < number->length; i++) {
    if (number->words[i] != 0) *rest = true;
  }
  uint64_t low = number_word(number, whole), middle = number_word(number, whole + 1);
  uint64_t high = number_word(number, whole + 2);
  if ((low & ((UINT64_C(1) << bits) - 1)) != 0) *rest = true;
  uint64_t result = (middle << 32 | low) >> bits;
  return bits == 0 ? result : result | high << (64 - bits);
}

typedef struct Scaled {
  uint64_t integer;
  bool rest; /* there is something after the point */
} Scaled;

/* significand * 2^exponent * 10^power. */
static Scaled scale(uint64_t significand, int exponent, int power) {
  Scaled scaled = {0, false};
  Number number;
  number_set(&number, significand);
  int fives = power < 0 ? -power : power;
  int twos = exponent + power;
  if (twos > 0) number_shift_up(&number, twos);
  for (int step; fives > 0; fives -= step) {
    step = fives < 13 ? fives : 13;
    if (power > 0) {
      number_multiply(&number, powers_of_5[step]);
    } else if (number_divide(&number, powers_of_5[step])) {
      scaled.rest = true;
    }
  }
  scaled.integer = number_shift_down(&number, twos < 0 ? -twos : 0, &scaled.rest);
  return scaled;
}

/* ---- The digits ---- */

/* digits * 10^exponent; no zeros at the end. */
typedef struct Decimal {
  uint64_t digits;
  int exponent;
} Decimal;

/* floor(log10(2^exponent)); right for all exponents that doubles have. */
static int power_of_10_below(int exponent) {
  int64_t product = (int64_t)exponent * 315653; /* 2^20 * log10(2) */
  return (int)(product >= 0 ? product >> 20 : -((-product + 0xfffff) >> 20));
}

/* Takes off last digits for as long as an integer between `low` and `high` remains; then the one
** closest to `middle`. */
static Decimal shorten(uint64_t low, Scaled middle, uint64_t high, int exponent) {
  uint64_t digits = middle.integer;
  unsigned removed = 0;     /* the last digit taken off */
  bool below = middle.rest; /* something but zeros is behind it */
  while ((low + 9) / 10 <= high / 10) {
    below = below || removed != 0;
    removed = (unsigned)(digits % 10);
    digits /= 10;
    low = (low + 9) / 10;
    high /= 10;
    exponent++;
  }
  if (removed > 5 || (removed == 5 && (below || digits % 2 != 0))) digits++;
  /* Under a power of two the neighbour is closer, and the nearest integer may be beyond the point
  ** halfway to it. */
  if (digits < low) digits = low;
  if (digits > high) digits = high;
  return (Decimal){digits, exponent};
}

/* Of a positive number that is not an integer below 2^53. */
static Decimal shortest(uint64_t bits) {
  uint64_t significand = bits & 0xfffffffffffff;
  int biased = (int)(bits >> 52);
  bool lower_is_closer = significand == 0 && biased > 1;
  if (biased > 0) significand |= UINT64_C(1) << 52;
  int exponent = (biased > 0 ? biased : 1) - 1075;
  bool even = significand % 2 == 0;
  /* In quarters of the last place, so that both points halfway are integers. */
  significand *= 4;
  exponent -= 2;
  int power = 17 - power_of_10_below(exponent + 63 - __builtin_clzll(significand));
  Scaled low = scale(significand - (lower_is_closer ? 1 : 2), exponent, power);
  Scaled middle = scale(significand, exponent, power);
  Scaled high = scale(significand + 2, exponent, power);
  /* The least and the largest integer that read back. */
  if (low.rest || !even) low.integer++;
  if (!high.rest && !even) high.integer--;
  return shorten(low.integer, middle, high.integer, -power);
}

/* An integer below 2^53: between its neighbours, at most 1 away, there is no shorter one. */
static Decimal of_integer(uint64_t value) {
  Decimal decimal = {value, 0};
  while (decimal.digits % 10 == 0) {
    decimal.digits /= 10;
    decimal.exponent++;
  }
  return decimal;
}

static Decimal decimal_of(double value) {
  if (value < 0x1p53 && value == (double)(int64_t)value) return of_integer((uint64_t)value);
  return shortest(double_bits(value));
}

/* ---- The layout ---- */

/* Writes the digits, ending before `end`; returns where they start. */
static char *write_digits(uint64_t digits, char *end) {
  do {
    *--end = (char)('0' + digits % 10);
    digits /= 10;
  } while (digits != 0);
  return end;
}

static char *append(char *out, const char *text, int length) {
  memcpy(out, text, (size_t)length);
  return out + length;
}

static char *append_zeros(char *out, int count) {
  memset(out, '0', (size_t)count);
  return out + count;
}

/* With an exponent of at least two digits: 5e-324, 1.5e+16. */
static char *append_scientific(char *out, const char *digits, int count, int exponent) {
  *out++ = digits[0];
  if (count > 1) *out++ = '.';
  out = append(out, digits + 1, count - 1);
  *out++ = 'e';
  *out++ = exponent < 0 ? '-' : '+';
  unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
  if (size >= 100) *out++ = (char)('0' + size / 100);
  *out++ = (char)('0' + size / 10 % 10);
  *out++ = (char)('0' + size % 10);
  return out;
}

/* `point` digits are before the point. */
static char *append_plain(char *out, const char *digits, int count, int point) {
  if (point <= 0) {
    out = append(out, "0.", 2);
    out = append_zeros(out, -point);
    return append(out, digits, count);
  }
  if (point >= count) {
    out = append(out, digits, count);
    out = append_zeros(out, point - count);
    return append(out, ".0", 2);
  }
  out = append(out, digits, point);
  *out++ = '.';
  return append(out, digits + point, count - point);
}

int decimal_format(double value, char out[DECIMAL_SIZE]) {
  char *end = out;
  uint64_t bits = double_bits(value);
  if (bits >> 63 != 0) {
    *end++ = '-';
    value = -value;
  }
  if (value == 0) {
    end = append(end, "0.0", 3);
  } else {
    Decimal decimal = decimal_of(value);
    char buffer[20];
    char *digits = write_digits(decimal.digits, buffer + sizeof buffer);
    int count = (int)(buffer + sizeof buffer - digits);
    int point = count + decimal.exponent;
    /* Python's choice, float_repr_style 'short': as a plain number from 1e-4 to below 1e16. */
    bool plain = point > -4 && point <= 16;
    end = plain ? append_plain(end, digits, count, point)
                : append_scientific(end, digits, count, point - 1);
  }
  *end = '\0';
  return (int)(end - out);
}
