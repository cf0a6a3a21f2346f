#include "tensor/codes.h"

#include <math.h>
#include <string.h>

/* ---- Counting ---- */

/* Several counters for each code, in turn: the same one twice in a row would have to wait. */
enum { TURNS = 8 };

void codes_count(const unsigned char *data, uint64_t count, uint64_t counts[CODES]) {
  uint32_t turns[TURNS][CODES] = {{0}};
  uint64_t i = 0;
  for (; count - i >= TURNS; i += TURNS) {
    uint64_t eight;
    memcpy(&eight, data + i, sizeof eight);
    SCAN_UNROLL for (unsigned turn = 0; turn < TURNS; turn++)
        turns[turn][eight >> 8 * turn & 0xff]++;
  }
  for (; i < count; i++) turns[0][data[i]]++;
  for (unsigned turn = 0; turn < TURNS; turn++) {
    for (unsigned code = 0; code < CODES; code++) counts[code] += turns[turn][code];
  }
}

/* ---- Digits ---- */

/* The most bits that the significand of a number has. */
static int significant_bits(const float *values) {
  int most = 0;
  for (unsigned code = 0; code < MAGNITUDE_CODES; code++) {
    int exponent, bits = 0;
    if (!isfinite(values[code]) || values[code] == 0) continue;
    float fraction = frexpf(values[code], &exponent);
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

/* Whether the upper 128 codes are the lower ones' numbers with the other sign, and the numbers come
** first and in order. */
static bool is_regular(const float *values, unsigned last_finite) {
  for (unsigned code = 0; code < MAGNITUDE_CODES; code++) {
    if (isfinite(values[code]) != (code <= last_finite)) return false;
    if (code > 0 && code <= last_finite &&
        (values[code] <= values[code - 1] || values[code | 0x80] != -values[code])) {
      return false;
    }
  }
  return values[0] == 0 && (values[0x80] == 0 || isnan(values[0x80]));
}

bool codes_open(Codes *codes, const Kernels *kernels, Dtype dtype, const ByteValues *table) {
  const float *values = table->values;
  if (dtype_bits(dtype) != 8) return false;
  *codes = (Codes){.kernels = kernels,
                   .values = values,
                   .last_finite = MAGNITUDE_CODES - 1,
                   .minus_zero_is_nan = isnan(values[0x80]) != 0};
  while (codes->last_finite > 1 && !isfinite(values[codes->last_finite])) codes->last_finite--;
  if (!is_regular(values, codes->last_finite)) return false;
  int significant = significant_bits(values);
  if (significant > 7) return false;
  codes->unit = ilogbf(values[1]);
  codes->digits.place_bits = 8 - (unsigned)significant;
  for (unsigned code = 1; code <= codes->last_finite; code++) {
    double units = ldexp((double)values[code], -codes->unit);
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

static void take_scan(const Codes *codes, const ByteScan *scan, uint64_t count, bool with_moments,
                      Found *found) {
  found->finite += count;
  found->zeros += scan->zeros;
  found->min = (double)codes->values[scan->min];
  found->max = (double)codes->values[scan->max];
  if (with_moments && count > 0) found->moments = make_moments(codes, scan, count);
}

/* The code comes `times`. */
static void take_code(const Codes *codes, unsigned code, uint64_t times, Found *found,
                      ByteScan *scan) {
  const ByteDigits *digits = &codes->digits;
  unsigned magnitude = code & 0x7f;
  if (magnitude > codes->last_finite || (code == 0x80 && codes->minus_zero_is_nan)) {
    *(isinf(codes->values[code]) ? &found->infinities : &found->nans) += times;
    return;
  }
  if (magnitude == 0) scan->zeros += times;
  for (unsigned p = 0; p < digits->places; p++) {
    uint64_t digit = digits->digit[p][magnitude];
    int64_t sum = (int64_t)(digit * times);
    scan->sums[p] += code & 0x80 ? -sum : sum;
    scan->squares[p] += digit * digit * times;
  }
  if (byte_key((unsigned char)code) < byte_key(scan->min)) scan->min = (unsigned char)code;
  if (byte_key((unsigned char)code) > byte_key(scan->max)) scan->max = (unsigned char)code;
}

static void take_counted(const Codes *codes, const unsigned char *data, uint64_t count,
                         bool with_moments, Found *found) {
  uint64_t counts[CODES] = {0}, finite = 0;
  ByteScan scan = {.min = 0x7f, .max = 0xff};
  codes_count(data, count, counts);
  for (unsigned code = 0; code < CODES; code++) {
    if (counts[code] > 0) take_code(codes, code, counts[code], found, &scan);
  }
  finite = count - found->nans - found->infinities;
  take_scan(codes, &scan, finite, with_moments, found);
}

/* By the kernel. False, and nothing done, if there is none, or not all elements are finite. */
static bool take_quickly(const Codes *codes, const unsigned char *data, uint64_t count,
                         bool with_moments, Found *found) {
  uint64_t whole = count - count % BYTES_STEP;
  if (codes->kernels->scans->bytes == NULL || whole == 0) return false;
  ByteScan scan;
  codes->kernels->scans->bytes(data, whole, with_moments ? &codes->digits : NULL, &scan);
  if ((scan.min & 0x7f) > codes->last_finite || (scan.max & 0x7f) > codes->last_finite ||
      (scan.minus_zero && codes->minus_zero_is_nan)) {
    return false;
  }
  Found rest = {0};
  for (uint64_t i = whole; i < count; i++) take_code(codes, data[i], 1, &rest, &scan);
  found->nans = rest.nans;
  found->infinities = rest.infinities;
  take_scan(codes, &scan, count - rest.nans - rest.infinities, with_moments, found);
  return true;
}

void codes_take(const Codes *codes, const unsigned char *data, uint64_t count, bool with_moments,
                Found *all) {
  Found found = {0};
  if (!take_quickly(codes, data, count, with_moments, &found)) {
    take_counted(codes, data, count, with_moments, &found);
  }
  found_merge(all, &found);
}
