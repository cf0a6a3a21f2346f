#include "tensor/codes.h"

#include <math.h>
#include <string.h>

#include "tensor/value.h"

/* ---- Counting ---- */

/* Several counters for each code, in turn: the same one twice in a row would have to wait. */
enum { TURNS = 8 };

static void count_bytes(const unsigned char *data, uint64_t count, uint64_t counts[CODES]) {
  uint32_t turns[TURNS][CODES] = {{0}};
  uint64_t i = 0;
  for (; count - i >= TURNS; i += TURNS) {
    uint64_t eight;
    memcpy(&eight, data + i, sizeof eight);
    KERNEL_UNROLL for (unsigned turn = 0; turn < TURNS; turn++) {
      turns[turn][eight >> 8 * turn & 0xff]++;
    }
  }
  for (; i < count; i++) turns[0][data[i]]++;
  for (unsigned turn = 0; turn < TURNS; turn++) {
    for (unsigned code = 0; code < CODES; code++) counts[code] += turns[turn][code];
  }
}

/* Bytes of two elements each. */
static void count_nibbles(const unsigned char *data, uint64_t nbytes, uint64_t counts[CODES]) {
  uint64_t bytes[CODES] = {0};
  count_bytes(data, nbytes, bytes);
  for (unsigned byte = 0; byte < CODES; byte++) {
    counts[byte & 0xf] += bytes[byte];
    counts[byte >> 4] += bytes[byte];
  }
}

/* Three bytes of four elements each. */
static void count_sixes(const unsigned char *data, uint64_t threes, uint64_t counts[CODES]) {
  enum { FOUR = 4, SIXES = 64 };
  uint32_t turns[FOUR][SIXES] = {{0}};
  for (uint64_t i = 0; i < threes; i++, data += 3) {
    uint32_t four = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16;
    KERNEL_UNROLL for (unsigned turn = 0; turn < FOUR; turn++)
        turns[turn][four >> 6 * turn & 0x3f]++;
  }
  for (unsigned turn = 0; turn < FOUR; turn++) {
    for (unsigned code = 0; code < SIXES; code++) counts[code] += turns[turn][code];
  }
}

void codes_count(unsigned bits, const unsigned char *data, uint64_t first, uint64_t count,
                 uint64_t counts[CODES]) {
  const uint64_t together = bits == 8 ? 1 : bits == 6 ? 4 : 2; /* elements that fill whole bytes */
  uint64_t end = first + count;
  for (; first % together != 0 && first < end; first++) counts[element_load(data, bits, first)]++;
  uint64_t groups = (end - first) / together;
  const unsigned char *whole = data + first * bits / 8;
  if (bits == 8) count_bytes(whole, groups, counts);
  if (bits == 6) count_sixes(whole, groups, counts);
  if (bits == 4) count_nibbles(whole, groups, counts);
  first += groups * together;
  for (; first < end; first++) counts[element_load(data, bits, first)]++;
}

/* ---- Digits ---- */

/* The most bits that the significand of a number has. */
static int significant_bits(const Codes *codes) {
  int most = 0;
  for (unsigned code = 1; code <= codes->last_finite; code++) {
    int exponent, bits = 0;
    float fraction = frexpf(codes->values[code], &exponent);
    for (; fraction != 0; bits++) {
      fraction *= 2;
      fraction -= truncf(fraction);
    }
    if (bits > most) most = bits;
  }
  return most;
}

/* The number is `units` times the unit: where its digit is, and which. False if it has none. */
static bool set_digit(Codes *codes, unsigned code, double units, int significant) {
  int shift = ilogb(units) - (significant - 1);
  unsigned place = shift > 0 ? (unsigned)shift / codes->digits.place_bits : 0;
  double digit = ldexp(units, -(int)(place * codes->digits.place_bits));
  if (place >= DIGIT_PLACES || digit > 127 || digit != floor(digit)) return false;
  codes->digits.digit[place][code] = (unsigned char)digit;
  if (place >= codes->digits.places) codes->digits.places = place + 1;
  return true;
}

static unsigned sign_of(const Codes *codes) {
  return 1u << (codes->bits - 1);
}

/* Whether the codes with a sign are the others' numbers with the other sign, and the numbers come
** first and in order. */
static bool is_regular(const Codes *codes) {
  const float *values = codes->values;
  unsigned sign = sign_of(codes);
  for (unsigned code = 0; code < sign; code++) {
    bool finite = code <= codes->last_finite;
    if (isfinite(values[code]) != finite) return false;
    if (code > 0 && finite &&
        (values[code] <= values[code - 1] || values[code | sign] != -values[code])) {
      return false;
    }
  }
  return values[0] == 0 && (values[sign] == 0 || isnan(values[sign]));
}

bool codes_open(Codes *codes, const Kernels *kernels, Dtype dtype, const ByteValues *table) {
  *codes = (Codes){.kernels = kernels, .values = table->values, .bits = dtype_bits(dtype)};
  if (codes->bits > 8) return false;
  unsigned sign = sign_of(codes);
  codes->last_finite = sign - 1;
  while (codes->last_finite > 1 && !isfinite(codes->values[codes->last_finite]))
    codes->last_finite--;
  if (!is_regular(codes)) return false;
  int significant = significant_bits(codes);
  if (significant > 7) return false;
  codes->minus_zero_is_nan = isnan(codes->values[sign]) != 0;
  codes->unit = ilogbf(codes->values[1]);
  codes->digits.place_bits = 8 - (unsigned)significant;
  for (unsigned code = 1; code <= codes->last_finite; code++) {
    double units = ldexp((double)codes->values[code], -codes->unit);
    if (!set_digit(codes, code, units, significant)) return false;
  }
  return true;
}

/* ---- Statistics ---- */

/* All sums are exact: of at most 2^16 elements, each below 2^35 units, the sum has at most 51 bits,
** that of the squares at most 86, and their product with the count at most 102. */
static Moments make_moments(const Codes *codes, const ByteScan *scan, uint64_t count) {
  const ByteDigits *digits = &codes->digits;
  DoubleDouble squares = {0, 0};
  double sum = 0;
  for (unsigned p = digits->places; p-- > 0;) {
    int shift = (int)(digits->place_bits * p);
    sum += ldexp((double)scan->sums[p], shift);
    DoubleDouble part = {ldexp((double)scan->squares[p], 2 * shift), 0};
    squares = double_double_add(squares, part);
  }
  DoubleDouble apart = double_double_subtract(double_double_multiply(squares, (double)count),
                                              double_two_product(sum, sum));
  return (Moments){
      .count = count,
      .sum = {ldexp(sum, codes->unit), 0},
      .squares = {ldexp(double_double_divide(apart, (double)count), 2 * codes->unit), 0},
  };
}

/* The code comes `times`. */
static void take_code(const Codes *codes, unsigned code, uint64_t times, Found *found,
                      ByteScan *scan) {
  const ByteDigits *digits = &codes->digits;
  unsigned sign = sign_of(codes), magnitude = code & (sign - 1);
  double number = (double)codes->values[code];
  if (!isfinite(number)) {
    *(isinf(number) ? &found->infinities : &found->nans) += times;
    return;
  }
  for (unsigned p = 0; p < digits->places; p++) {
    uint64_t digit = digits->digit[p][magnitude];
    int64_t sum = (int64_t)(digit * times);
    scan->sums[p] += code & sign ? -sum : sum;
    scan->squares[p] += digit * digit * times;
  }
  if (found->finite == 0 || number < found->min) found->min = number;
  if (found->finite == 0 || number > found->max) found->max = number;
  found->finite += times;
  if (magnitude == 0) found->zeros += times;
}

static void take_counted(const Codes *codes, const unsigned char *data, uint64_t first,
                         uint64_t count, Found *found, ByteScan *scan) {
  uint64_t counts[CODES] = {0};
  codes_count(codes->bits, data, first, count, counts);
  for (unsigned code = 0; code < CODES; code++) {
    if (counts[code] > 0) take_code(codes, code, counts[code], found, scan);
  }
}

/* By the kernel. False if there is none, or not all elements are finite. */
static bool take_quickly(const Codes *codes, const unsigned char *data, uint64_t first,
                         uint64_t count, bool with_moments, Found *found, ByteScan *scan) {
  uint64_t whole = count - count % BYTES_STEP;
  if (codes->bits != 8 || codes->kernels->scans->bytes == NULL || whole == 0) return false;
  data += first;
  codes->kernels->scans->bytes(data, whole, with_moments ? &codes->digits : NULL, scan);
  if ((scan->min & 0x7f) > codes->last_finite || (scan->max & 0x7f) > codes->last_finite ||
      (scan->minus_zero && codes->minus_zero_is_nan)) {
    return false;
  }
  *found = (Found){.finite = whole,
                   .zeros = scan->zeros,
                   .min = (double)codes->values[scan->min],
                   .max = (double)codes->values[scan->max]};
  for (uint64_t i = whole; i < count; i++) take_code(codes, data[i], 1, found, scan);
  return true;
}

void codes_take(const Codes *codes, const unsigned char *data, uint64_t first, uint64_t count,
                bool with_moments, Found *all) {
  Found found = {0};
  ByteScan scan;
  if (!take_quickly(codes, data, first, count, with_moments, &found, &scan)) {
    scan = (ByteScan){0};
    take_counted(codes, data, first, count, &found, &scan);
  }
  if (with_moments && found.finite > 0) found.moments = make_moments(codes, &scan, found.finite);
  found_merge(all, &found);
}
