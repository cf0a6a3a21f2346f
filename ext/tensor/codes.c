#include "tensor/codes.h"

#include <math.h>
#include <string.h>

#include "tensor/value.h"

/* So many elements of fewer than 8 bits are spread at a time. */
enum { SPREAD_ELEMENTS = 4096 };

/* ---- Counting ---- */

void codes_count(const Kernels *kernels, unsigned bits, const unsigned char *data, uint64_t first,
                 uint64_t count, uint64_t counts[CODES]) {
  const uint64_t together = bits == 8 ? 1 : bits == 6 ? 4 : 2; /* elements that fill whole bytes */
  uint64_t end = first + count;
  for (; first % together != 0 && first < end; first++) counts[element_load(data, bits, first)]++;
  uint64_t groups = (end - first) / together;
  const unsigned char *whole = data + first * bits / 8;
  if (bits == 8) kernels->count_bytes(whole, groups, counts);
  if (bits == 6) kernels->count_sixes(whole, groups, counts);
  if (bits == 4) kernels->count_nibbles(whole, groups, counts);
  first += groups * together;
  for (; first < end; first++) counts[element_load(data, bits, first)]++;
}

/* ---- Digits ---- */

/* The largest number of significant bits of any finite value. */
static int codes_significant_bits(const Codes *codes) {
  int max = 0;
  for (unsigned code = 1; code <= codes->last_finite; code++) {
    int exponent, bits = 0;
    float fraction = frexpf(codes->values[code], &exponent);
    for (; fraction != 0; bits++) {
      fraction *= 2;
      fraction -= truncf(fraction);
    }
    if (bits > max) max = bits;
  }
  return max;
}

/* Begins a place whose digits count multiples of 2^shift of the unit, for a code and those after it. Returns false
** if there are too many. */
static bool codes_begin_place(ByteDigits *digits, unsigned code, unsigned shift) {
  if (digits->places == DIGIT_PLACES) return false;
  digits->shift[digits->places++] = (unsigned char)shift;
  if (code < KERNEL_LOW_CODES) digits->low_places = digits->places;
  return true;
}

/* Sets the digit of a number that is `units` times the unit, in the place of the number before it if it fits there.
** Returns false if no digit can represent it. */
static bool codes_set_digit(ByteDigits *digits, unsigned code, double units, int significant) {
  int last = ilogb(units) - (significant - 1); /* of its binary digits */
  unsigned shift = last > 0 ? (unsigned)last : 0;
  bool fits = digits->places > 0 && code != KERNEL_LOW_CODES &&
              shift + (unsigned)significant <= digits->shift[digits->places - 1] + 7u;
  if (!fits && !codes_begin_place(digits, code, shift)) return false;
  unsigned place = digits->places - 1;
  double digit = ldexp(units, -(int)digits->shift[place]);
  if (digit > 127 || digit != floor(digit)) return false;
  digits->digit[place][code] = (unsigned char)digit;
  return true;
}

static unsigned codes_sign_of(const Codes *codes) {
  return 1u << (codes->bits - 1);
}

/* Whether the codes with the sign bit stand for the negatives of the codes without it, and the
** finite numbers come first, in ascending order. */
static bool codes_is_regular(const Codes *codes) {
  const float *values = codes->values;
  unsigned sign = codes_sign_of(codes);
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
  unsigned sign = codes_sign_of(codes);
  codes->last_finite = sign - 1;
  while (codes->last_finite > 1 && !isfinite(codes->values[codes->last_finite]))
    codes->last_finite--;
  if (!codes_is_regular(codes)) return false;
  int significant = codes_significant_bits(codes);
  if (significant > 7) return false;
  codes->minus_zero_is_nan = isnan(codes->values[sign]) != 0;
  codes->unit = ilogbf(codes->values[1]);
  for (unsigned code = 1; code <= codes->last_finite; code++) {
    double units = ldexp((double)codes->values[code], -codes->unit);
    if (!codes_set_digit(&codes->digits, code, units, significant)) return false;
  }
  return true;
}

/* ---- Statistics ---- */

/* All sums are exact. There are at most 2^16 elements, each below 2^35 units, so the sum has at
** most 51 bits, the sum of squares at most 86, and its product with the count at most 102. */
static Moments codes_make_moments(const Codes *codes, const ByteScan *scan, uint64_t count) {
  const ByteDigits *digits = &codes->digits;
  DoubleDouble squares = {0, 0};
  double sum = 0;
  for (unsigned p = digits->places; p-- > 0;) {
    int shift = digits->shift[p];
    sum += ldexp((double)scan->sums[p], shift);
    DoubleDouble part = {ldexp((double)scan->squares[p], 2 * shift), 0};
    squares = double_double_add(squares, part);
  }
  Moments moments = moments_of_sums(count, sum, squares);
  moments.sum.high = ldexp(moments.sum.high, codes->unit);
  moments.squares.high = ldexp(moments.squares.high, 2 * codes->unit);
  return moments;
}

/* Adds an element that occurs `times` times. */
static void codes_take_code(const Codes *codes, unsigned code, uint64_t times, Found *found,
                            ByteScan *scan) {
  const ByteDigits *digits = &codes->digits;
  unsigned sign = codes_sign_of(codes), magnitude = code & (sign - 1);
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

static void codes_take_counted(const Codes *codes, const unsigned char *data, uint64_t first,
                               uint64_t count, Found *found, ByteScan *scan) {
  uint64_t counts[CODES] = {0};
  codes_count(codes->kernels, codes->bits, data, first, count, counts);
  for (unsigned code = 0; code < CODES; code++) {
    if (counts[code] > 0) codes_take_code(codes, code, counts[code], found, scan);
  }
}

/* The code of a byte that has the sign in its top bit, as KernelSpread writes it. */
static unsigned codes_of_byte(const Codes *codes, unsigned char byte) {
  return (byte & 0x7fu) | (byte & 0x80u) >> (8 - codes->bits);
}

static void codes_merge_scan(const ByteScan *part, ByteScan *scan) {
  for (unsigned p = 0; p < DIGIT_PLACES; p++) {
    scan->sums[p] += part->sums[p];
    scan->squares[p] += part->squares[p];
  }
  scan->zeros += part->zeros;
  scan->minus_zero = scan->minus_zero || part->minus_zero;
  if (byte_key(part->min) < byte_key(scan->min)) scan->min = part->min;
  if (byte_key(part->max) > byte_key(scan->max)) scan->max = part->max;
}

/* Scans elements of 4 or 6 bits, which begin with a byte and are spread to bytes before. */
static void codes_scan_spread(const Codes *codes, KernelSpread *spread, const unsigned char *data,
                              uint64_t count, const ByteDigits *digits, ByteScan *scan) {
  unsigned char bytes[SPREAD_ELEMENTS];
  *scan = (ByteScan){.min = 0x7f, .max = 0xff};
  for (uint64_t done = 0, size; done < count; done += size) {
    ByteScan part = {0};
    size = count - done < SPREAD_ELEMENTS ? count - done : SPREAD_ELEMENTS;
    spread(data + done * codes->bits / 8, size, bytes);
    codes->kernels->scan_bytes(bytes, size, digits, &part);
    codes_merge_scan(&part, scan);
  }
}

static KernelSpread *codes_spread(const Codes *codes) {
  return codes->bits == 4 ? codes->kernels->spread_nibbles : codes->kernels->spread_sixes;
}

/* Uses the kernels. Returns false if there are none, or if an element is not finite. */
static bool codes_take_quickly(const Codes *codes, const unsigned char *data, uint64_t first,
                               uint64_t count, bool with_moments, Found *found, ByteScan *scan) {
  uint64_t whole = count - count % BYTES_STEP;
  const ByteDigits *digits = with_moments ? &codes->digits : NULL;
  if (codes->kernels->scan_bytes == NULL || whole == 0 || first * codes->bits % 8 != 0)
    return false;
  const unsigned char *from = data + first * codes->bits / 8;
  if (codes->bits == 8) {
    codes->kernels->scan_bytes(from, whole, digits, scan);
  } else {
    codes_scan_spread(codes, codes_spread(codes), from, whole, digits, scan);
  }
  if ((scan->min & 0x7f) > codes->last_finite || (scan->max & 0x7f) > codes->last_finite ||
      (scan->minus_zero && codes->minus_zero_is_nan)) {
    return false;
  }
  *found = (Found){.finite = whole,
                   .zeros = scan->zeros,
                   .min = (double)codes->values[codes_of_byte(codes, scan->min)],
                   .max = (double)codes->values[codes_of_byte(codes, scan->max)]};
  for (uint64_t i = first + whole; i < first + count; i++)
    codes_take_code(codes, (unsigned)element_load(data, codes->bits, i), 1, found, scan);
  return true;
}

void codes_take(const Codes *codes, const unsigned char *data, uint64_t first, uint64_t count,
                bool with_moments, Found *all) {
  Found found = {0};
  ByteScan scan;
  if (!codes_take_quickly(codes, data, first, count, with_moments, &found, &scan)) {
    scan = (ByteScan){0};
    codes_take_counted(codes, data, first, count, &found, &scan);
  }
  if (with_moments && found.finite > 0)
    found.moments = codes_make_moments(codes, &scan, found.finite);
  found_merge(all, &found);
}
