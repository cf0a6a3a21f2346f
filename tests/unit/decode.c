/*
** Decoding, encoding and converting elements, against the formats' definitions.
**
**     decode                  run the tests
**     decode --cast FROM TO   convert the elements on standard input to standard output
**
** The expectations are written from the specifications, field by field, with ldexp() and with the
** special codes listed: in another way than the extension computes them. Formats of up to 16 bits
** are gone through whole: each code, and each point where rounding changes its mind.
*/
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/convert.h"
#include "tensor/decode.h"
#include "tensor/encode.h"

/* ---- Counting ---- */

enum { SHOWN_DIFFERENCES = 5 };

static int passed, failed, differences;

static void expect(bool good, const char *format, ...) {
  if (good || ++differences > SHOWN_DIFFERENCES) return;
  va_list arguments;
  va_start(arguments, format);
  printf("    ");
  vprintf(format, arguments);
  printf("\n");
  va_end(arguments);
}

/* Counts the expectations since the last call as one test. */
static void test_done(const char *title, const char *subject) {
  if (differences == 0) {
    passed++;
  } else {
    failed++;
    printf("FAIL %s: %s: %d differences\n", title, subject, differences);
  }
  differences = 0;
}

/* ---- The formats, from their specifications ---- */

typedef struct Format {
  Dtype dtype;
  int exponent_bits, mantissa_bits, bias;
  int infinity;            /* code of +infinity, or 0 */
  int first_nan, last_nan; /* codes of NaN, positive unless `one_nan` */
  bool one_nan;            /* the NaN has no other sign, and there is no -0 */
  double largest;
  int overflow;    /* code that 1e300 becomes; -1e300 has the sign, unless it is the one NaN */
  int encoded_nan; /* code that a positive NaN becomes */
} Format;

static const Format formats[] = {
    {DTYPE_F16, 5, 10, 15, 0x7c00, 0x7c01, 0x7fff, false, 65504, 0x7c00, 0x7e00},
    {DTYPE_BF16, 8, 7, 127, 0x7f80, 0x7f81, 0x7fff, false, 0x1.fep127, 0x7f80, 0x7fc0},
    {DTYPE_F8_E5M2, 5, 2, 15, 0x7c, 0x7d, 0x7f, false, 57344, 0x7c, 0x7f},
    {DTYPE_F8_E4M3, 4, 3, 7, 0, 0x7f, 0x7f, false, 448, 0x7f, 0x7f},
    {DTYPE_F8_E5M2FNUZ, 5, 2, 16, 0, 0x80, 0x80, true, 57344, 0x80, 0x80},
    {DTYPE_F8_E4M3FNUZ, 4, 3, 8, 0, 0x80, 0x80, true, 240, 0x80, 0x80},
    {DTYPE_F6_E2M3, 2, 3, 1, 0, 1, 0, false, 7.5, 0x1f, 0x1f},
    {DTYPE_F6_E3M2, 3, 2, 3, 0, 1, 0, false, 28, 0x1f, 0x1f},
    {DTYPE_F4, 2, 1, 1, 0, 1, 0, false, 6, 0x7, 0x7},
};

enum { FORMATS = sizeof formats / sizeof formats[0] };

static int sign_of(const Format *format) {
  return 1 << (format->exponent_bits + format->mantissa_bits);
}

static double reference(const Format *format, int code) {
  int sign = sign_of(format);
  int positive = format->one_nan ? code : code & (sign - 1);
  if (positive >= format->first_nan && positive <= format->last_nan) return NAN;
  positive = code & (sign - 1);
  double direction = code & sign ? -1 : 1;
  if (format->infinity != 0 && positive == format->infinity) return direction * INFINITY;
  int exponent = positive >> format->mantissa_bits;
  int mantissa = positive & ((1 << format->mantissa_bits) - 1);
  if (exponent == 0) {
    return direction * ldexp(mantissa, 1 - format->bias - format->mantissa_bits);
  }
  double significand = 1 + ldexp(mantissa, -format->mantissa_bits);
  return direction * ldexp(significand, exponent - format->bias);
}

/* Equal, zeros by their sign, and NaN to NaN. */
static bool same(double a, double b) {
  return isnan(a) ? isnan(b) : a == b && !signbit(a) == !signbit(b);
}

/* The next double in that direction; not across 0. */
static double next_to(double value, double direction) {
  uint64_t bits = double_bits(value);
  if (value == 0) return direction > 0 ? 0x1p-1074 : -0x1p-1074;
  return double_from_bits((value < direction) == (value > 0) ? bits + 1 : bits - 1);
}

/* ---- One element ---- */

static double decode_code(Dtype dtype, uint64_t code) {
  unsigned char bytes[8] = {0};
  for (unsigned i = 0; i < 8; i++) bytes[i] = (unsigned char)(code >> 8 * i);
  Value value;
  decode_value(dtype, bytes, 0, &value);
  return value.kind == VALUE_REAL ? value.real : (double)value.integer;
}

static uint64_t first_code(Dtype dtype, const unsigned char *bytes) {
  unsigned bits = dtype_bits(dtype);
  uint64_t code = 0;
  for (unsigned i = 0; i < (bits + 7) / 8; i++) code |= (uint64_t)bytes[i] << 8 * i;
  return code;
}

static uint64_t encode_one(Dtype dtype, double value) {
  double values[2] = {value, 0};
  unsigned char bytes[8] = {0};
  encode_doubles(dtype, values, 0, 1, bytes);
  return first_code(dtype, bytes);
}

static uint64_t encode_integer(Dtype dtype, uint64_t value, bool is_signed) {
  unsigned char bytes[8] = {0};
  encode_integers(dtype, &value, is_signed, 0, 1, bytes);
  return first_code(dtype, bytes);
}

static void expect_code(Dtype dtype, double value, uint64_t expected) {
  uint64_t code = encode_one(dtype, value);
  expect(code == expected, "%s of %a: expected 0x%" PRIx64 ", got 0x%" PRIx64, dtype_name(dtype),
         value, expected, code);
}

/* ---- Decoding ---- */

static void test_decode(const Format *format) {
  for (int code = 0; code < 2 * sign_of(format); code++) {
    double expected = reference(format, code), got = decode_code(format->dtype, (uint64_t)code);
    expect(same(got, expected), "0x%x: expected %a, got %a", (unsigned)code, expected, got);
  }
  test_done("decode", dtype_name(format->dtype));
}

static void test_decode_known(void) {
  static const double f4[] = {0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6};
  for (uint64_t i = 0; i < 16; i++) {
    double got = decode_code(DTYPE_F4, i);
    expect(same(got, f4[i]), "F4 0x%" PRIx64 ": got %a", i, got);
  }
  for (uint64_t i = 0; i < 256; i++) {
    double expected = i == 255 ? NAN : ldexp(1, (int)i - 127), got = decode_code(DTYPE_F8_E8M0, i);
    expect(same(got, expected), "F8_E8M0 0x%" PRIx64 ": got %a", i, got);
  }
  static const struct {
    Dtype dtype;
    uint64_t code;
    double value;
  } known[] = {
      {DTYPE_F16, 0x3555, 0.333251953125},
      {DTYPE_F16, 0x0001, 0x1p-24},
      {DTYPE_BF16, 0x3f80, 1},
      {DTYPE_BF16, 0xc2f7, -123.5},
      {DTYPE_F8_E4M3, 0x08, 0x1p-6},
      {DTYPE_F8_E5M2FNUZ, 0x7f, 57344},
      {DTYPE_F8_E4M3FNUZ, 0x08, 0x1p-7},
      {DTYPE_F6_E2M3, 0x21, -0.125},
      {DTYPE_F6_E3M2, 0x1f, 28},
      {DTYPE_F32, 0x00000001, 0x1p-149},
      {DTYPE_F32, 0xbf000000, -0.5},
      {DTYPE_F64, 0x3ff8000000000000, 1.5},
      {DTYPE_I8, 0x80, -128},
      {DTYPE_U8, 0x80, 128},
      {DTYPE_I16, 0xfffe, -2},
      {DTYPE_U16, 0xfffe, 65534},
      {DTYPE_I32, 0x80000000, -0x1p31},
      {DTYPE_U32, 0x80000000, 0x1p31},
      {DTYPE_I64, UINT64_MAX, -1},
      {DTYPE_U64, UINT64_MAX, 0x1p64},
      {DTYPE_U64, INT64_MAX, 0x1p63},
      {DTYPE_BOOL, 0, 0},
      {DTYPE_BOOL, 1, 1},
      {DTYPE_BOOL, 0x80, 1},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    double got = decode_code(known[i].dtype, known[i].code);
    expect(same(got, known[i].value), "%s 0x%" PRIx64 ": got %a", dtype_name(known[i].dtype),
           known[i].code, got);
  }
  test_done("decode", "known values");
}

static void test_packing(void) {
  /* 0x01, 0x12, 0x23, 0x34: the low bits first, without gaps. */
  unsigned number = 0x01 | 0x12 << 6 | 0x23 << 12 | 0x34 << 18;
  unsigned char six[3] = {(unsigned char)number, (unsigned char)(number >> 8),
                          (unsigned char)(number >> 16)};
  static const int codes[] = {0x01, 0x12, 0x23, 0x34};
  double values[4];
  decode_doubles(DTYPE_F6_E3M2, six, 0, 4, 1, values);
  for (int i = 0; i < 4; i++) {
    expect(values[i] == reference(&formats[7], codes[i]), "F6 element %d: %a", i, values[i]);
  }
  unsigned char out[3] = {0};
  encode_doubles(DTYPE_F6_E3M2, values, 0, 4, out);
  expect(memcmp(out, six, 3) == 0, "F6 written as %02x %02x %02x", out[0], out[1], out[2]);

  decode_doubles(DTYPE_F4, (const unsigned char[]){0x21, 0xf7}, 0, 4, 1, values);
  expect(values[0] == .5 && values[1] == 1 && values[2] == 6 && values[3] == -6, "F4 order");
  out[0] = out[1] = 0;
  encode_doubles(DTYPE_F4, values, 0, 4, out);
  expect(out[0] == 0x21 && out[1] == 0xf7, "F4 written as %02x %02x", out[0], out[1]);

  static const unsigned char complex[8] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0};
  Value value;
  decode_value(DTYPE_C64, complex, 0, &value);
  expect(value.kind == VALUE_COMPLEX && value.real == 1 && value.imaginary == -2, "C64");
  decode_value(DTYPE_U64, (const unsigned char[]){1, 2, 3, 4, 5, 6, 7, 8}, 0, &value);
  expect(value.kind == VALUE_INTEGER && value.integer == 0x0807060504030201, "byte order");
  test_done("decode", "packing and byte order");
}

static uint64_t random_state = 1;

/* SplitMix64 (Sebastiano Vigna, public domain). */
static uint64_t random_next(void) {
  uint64_t mixed = random_state += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
  return mixed ^ mixed >> 31;
}

/* Random bytes in a block of exactly that size, so that a sanitizer sees a read too far. */
static unsigned char *random_bytes(size_t size) {
  unsigned char *bytes = malloc(size + 1);
  if (bytes == NULL) exit(1);
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)random_next();
  return realloc(bytes, size);
}

static bool equals_single(Dtype dtype, const unsigned char *data, uint64_t index,
                          const double *bulk) {
  Value value;
  decode_value(dtype, data, index, &value);
  switch (value.kind) {
    case VALUE_REAL: return same(bulk[0], value.real);
    case VALUE_COMPLEX: return same(bulk[0], value.real) && same(bulk[1], value.imaginary);
    default: return bulk[0] == (double)value.integer;
  }
}

static void test_bulk(Dtype dtype) {
  enum { ELEMENTS = 120 };
  size_t width = dtype == DTYPE_C64 ? 2 : 1;
  unsigned char *data = random_bytes(ELEMENTS * dtype_bits(dtype) / 8);
  static double doubles[2 * ELEMENTS];
  static uint64_t integers[ELEMENTS];
  for (uint64_t stride = 1; stride <= 4; stride++) {
    for (uint64_t first = 0; first < 18; first++) {
      for (uint64_t count = 0; first + count * stride <= ELEMENTS; count++) {
        decode_doubles(dtype, data, first, count, stride, doubles);
        for (uint64_t i = 0; i < count; i++) {
          expect(equals_single(dtype, data, first + i * stride, doubles + i * width),
                 "first %" PRIu64 " count %" PRIu64 " stride %" PRIu64, first, count, stride);
        }
        if (decode_kind(dtype) == VALUE_REAL || decode_kind(dtype) == VALUE_COMPLEX) continue;
        decode_integers(dtype, data, first, count, stride, integers);
        for (uint64_t i = 0; i < count; i++) {
          double number = dtype == DTYPE_U64 ? (double)integers[i] : (double)(int64_t)integers[i];
          expect(number == doubles[i], "integers, first %" PRIu64 " stride %" PRIu64, first,
                 stride);
        }
      }
    }
  }
  free(data);
  test_done("bulk equals single", dtype_name(dtype));
}

/* ---- Encoding ---- */

/* The code of the negative of a number that has the code. */
static uint64_t negative(const Format *format, uint64_t code) {
  bool signless = format->one_nan && (code == 0 || code == 0x80);
  return signless ? code : code | (uint64_t)sign_of(format);
}

static void expect_both(const Format *format, double value, int code) {
  expect_code(format->dtype, value, (uint64_t)code);
  expect_code(format->dtype, -value, negative(format, (uint64_t)code));
}

/* Between two neighbours a tie goes to the even code, and all else to the nearer one. */
static void expect_rounding(const Format *format, double low, int low_code, double high,
                            int high_code) {
  double middle = low + (high - low) / 2;
  expect_both(format, low, low_code);
  expect_both(format, next_to(low, INFINITY), low_code);
  expect_both(format, next_to(middle, low), low_code);
  expect_both(format, middle, low_code % 2 == 0 ? low_code : high_code);
  expect_both(format, next_to(middle, high), high_code);
  expect_both(format, next_to(high, low), high_code);
}

static void test_encode(const Format *format) {
  int code = 0;
  double low = 0;
  for (; low != format->largest; code++) {
    double high = reference(format, code + 1);
    expect_rounding(format, low, code, high, code + 1);
    low = high;
  }
  /* What would be next, were there room. */
  double next = low + (low - reference(format, code - 1));
  expect_rounding(format, low, code, next, format->overflow);
  expect_both(format, next, format->overflow);
  expect_both(format, 1e300, format->overflow);
  expect_both(format, INFINITY, format->overflow);
  expect_both(format, 0x1p-1074, 0);
  expect_both(format, 0x1p-1022, 0);
  expect_code(format->dtype, copysign(NAN, 1), (uint64_t)format->encoded_nan);
  bool is_signed = format->first_nan <= format->last_nan && !format->one_nan;
  expect_code(format->dtype, copysign(NAN, -1),
              (uint64_t)(format->encoded_nan | (is_signed ? sign_of(format) : 0)));
  test_done("encode", dtype_name(format->dtype));
}

static void test_encode_scale(void) {
  for (int code = 0; code < 255; code++) {
    double value = ldexp(1, code - 127);
    uint64_t up = (uint64_t)(code + 1);
    expect_code(DTYPE_F8_E8M0, value, (uint64_t)code);
    expect_code(DTYPE_F8_E8M0, -value, (uint64_t)code);
    expect_code(DTYPE_F8_E8M0, 1.5 * value, up);
    expect_code(DTYPE_F8_E8M0, next_to(1.5 * value, 0), code == 0 ? up : (uint64_t)code);
  }
  expect_code(DTYPE_F8_E8M0, 0, 0);
  expect_code(DTYPE_F8_E8M0, 0x1p-149, 0);
  expect_code(DTYPE_F8_E8M0, next_to(0x1p-127, 1), 1);
  expect_code(DTYPE_F8_E8M0, 1e300, 255);
  expect_code(DTYPE_F8_E8M0, INFINITY, 255);
  expect_code(DTYPE_F8_E8M0, -INFINITY, 255);
  expect_code(DTYPE_F8_E8M0, NAN, 255);
  test_done("encode", "F8_E8M0");
}

static void test_encode_known(void) {
  static const struct {
    Dtype dtype;
    double value;
    uint64_t code;
  } known[] = {
      {DTYPE_F32, 0.1, 0x3dcccccd},
      {DTYPE_F32, -0., 0x80000000},
      {DTYPE_F32, 1e39, 0x7f800000},
      {DTYPE_F32, 0x1.ffffffp127, 0x7f800000},
      {DTYPE_F32, 0x1.fffffefp127, 0x7f7fffff},
      {DTYPE_F32, 0x1p-150, 0},
      {DTYPE_F32, 0x1.8p-149, 2},
      {DTYPE_F64, -0., 0x8000000000000000},
      {DTYPE_C64, -2, 0xc0000000},
      {DTYPE_BOOL, 0, 0},
      {DTYPE_BOOL, -0., 0},
      {DTYPE_BOOL, 1e-300, 1},
      {DTYPE_BOOL, NAN, 1},
      {DTYPE_I8, -1.9, 0xff},
      {DTYPE_I8, 300, 44},
      {DTYPE_I8, 1e10, 0},
      {DTYPE_I16, 40000.7, 40000},
      {DTYPE_I16, NAN, 0},
      {DTYPE_I32, 2147483647.9, INT32_MAX},
      {DTYPE_I32, 2147483648.0, 0x80000000},
      {DTYPE_I32, -2147483648.9, 0x80000000},
      {DTYPE_I32, INFINITY, 0x80000000},
      {DTYPE_I64, 0x1.fffffffffffffp62, 0x7ffffffffffffc00},
      {DTYPE_I64, 0x1p63, 0x8000000000000000},
      {DTYPE_I64, -0x1p63, 0x8000000000000000},
      {DTYPE_I64, NAN, 0x8000000000000000},
      {DTYPE_U8, -1, 0xff},
      {DTYPE_U8, 256.9, 0},
      {DTYPE_U8, 1e10 + 7, 7},
      {DTYPE_U8, NAN, 0},
      {DTYPE_U16, -1.5, 0xffff},
      {DTYPE_U32, 4294967295.5, UINT32_MAX},
      {DTYPE_U32, -1, UINT32_MAX},
      {DTYPE_U64, 0x1p63, 0x8000000000000000},
      {DTYPE_U64, 0x1.8p63, 0xc000000000000000},
      {DTYPE_U64, -1, UINT64_MAX},
      {DTYPE_U64, 0x1p64, 0x8000000000000000},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    expect_code(known[i].dtype, known[i].value, known[i].code);
  }
  expect((encode_one(DTYPE_F32, NAN) & 0x7fffffff) > 0x7f800000, "F32 of NaN");
  test_done("encode", "F32, F64, C64, BOOL and integers");
}

static void test_encode_integers(void) {
  static const struct {
    Dtype dtype;
    uint64_t value;
    bool is_signed;
    uint64_t code;
  } known[] = {
      {DTYPE_I8, 300, true, 44},
      {DTYPE_U8, (uint64_t)-1, true, 255},
      {DTYPE_I32, UINT64_MAX, false, UINT32_MAX},
      {DTYPE_U64, UINT64_MAX, false, UINT64_MAX},
      {DTYPE_I64, 9007199254740993, true, 9007199254740993},
      {DTYPE_BOOL, 256, true, 1},
      {DTYPE_BOOL, 0, true, 0},
      {DTYPE_F64, 9007199254740993, true, 0x4340000000000000},
      {DTYPE_F64, UINT64_MAX, false, 0x43f0000000000000},
      {DTYPE_F64, UINT64_MAX, true, 0xbff0000000000000},
      {DTYPE_F64, UINT64_C(1) << 63, true, 0xc3e0000000000000},
      {DTYPE_F32, 16777217, true, 0x4b800000},
      {DTYPE_F32, 16777219, true, 0x4b800002},
      /* Rounded to a double first, this is halfway, and would go down. */
      {DTYPE_F32, (UINT64_C(1) << 60) + (UINT64_C(1) << 36) + 1, true, 0x5d800001},
      {DTYPE_F32, (UINT64_C(1) << 60) + (UINT64_C(1) << 36), true, 0x5d800000},
      {DTYPE_F32, UINT64_MAX, false, 0x5f800000},
      {DTYPE_F32, (uint64_t)-16777219, true, 0xcb800002},
      {DTYPE_F16, 65519, true, 0x7bff},
      {DTYPE_F16, 65520, true, 0x7c00},
      {DTYPE_BF16, (1 << 30) + (1 << 22) + 1, true, 0x4e81},
      {DTYPE_F8_E4M3, 464, true, 0x7e},
      {DTYPE_F8_E4M3, 465, true, 0x7f},
      {DTYPE_F4, 100, true, 0x7},
      {DTYPE_C64, (uint64_t)-2, true, 0xc0000000},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    uint64_t code = encode_integer(known[i].dtype, known[i].value, known[i].is_signed);
    expect(code == known[i].code, "%s of %" PRIu64 ": expected 0x%" PRIx64 ", got 0x%" PRIx64,
           dtype_name(known[i].dtype), known[i].value, known[i].code, code);
  }
  test_done("encode", "from integers");
}

/* ---- Converting ---- */

/* By way of the single element; true parts of complex numbers. */
static void convert_one(Dtype from, Dtype to, const unsigned char *data, uint64_t index,
                        unsigned char *out, uint64_t out_index) {
  Value value;
  decode_value(from, data, index, &value);
  if (value.kind == VALUE_INTEGER || value.kind == VALUE_BOOLEAN) {
    uint64_t integer = (uint64_t)value.integer;
    encode_integers(to, &integer, true, out_index, 1, out);
  } else if (from == DTYPE_U64) {
    uint64_t integer = first_code(DTYPE_U64, data + 8 * index);
    encode_integers(to, &integer, false, out_index, 1, out);
  } else {
    double pair[2] = {value.real, value.imaginary};
    if (to == DTYPE_BOOL && value.imaginary != 0) pair[0] = 1;
    encode_doubles(to, pair, out_index, 1, out);
  }
}

static void copy_one(Dtype dtype, const unsigned char *data, uint64_t index, unsigned char *out,
                     uint64_t out_index) {
  for (unsigned bit = 0, bits = dtype_bits(dtype); bit < bits; bit++) {
    uint64_t at = index * bits + bit, to = out_index * bits + bit;
    unsigned set = data[at / 8] >> at % 8 & 1u;
    out[to / 8] = (unsigned char)((out[to / 8] & ~(1u << to % 8)) | set << to % 8);
  }
}

/* Equal as elements: a NaN's payload may differ, as between F32 and F32 through a double. */
static bool same_elements(Dtype dtype, const unsigned char *a, const unsigned char *b,
                          uint64_t count) {
  unsigned bits = dtype_bits(dtype);
  if (memcmp(a, b, (size_t)((count * bits + 7) / 8)) == 0) return true;
  static double left[1024], right[1024];
  decode_doubles(dtype, a, 0, count, 1, left);
  decode_doubles(dtype, b, 0, count, 1, right);
  for (uint64_t i = 0; i < count * (dtype == DTYPE_C64 ? 2 : 1); i++) {
    if (!same(left[i], right[i])) return false;
  }
  return decode_kind(dtype) == VALUE_REAL || decode_kind(dtype) == VALUE_COMPLEX;
}

static void test_convert(Dtype from) {
  enum { ELEMENTS = 1200, TOTAL = 320 };
  static const struct {
    uint64_t first, count, stride, out_first;
  } cases[] = {{0, 310, 1, 0}, {3, 300, 1, 5}, {1, 299, 4, 2}, {7, 1, 1, 3}, {5, 0, 1, 0}};
  unsigned char *data = random_bytes(ELEMENTS * dtype_bits(from) / 8);
  for (int to = 0; to < DTYPE_COUNT; to++) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
      unsigned char got[TOTAL * 8] = {0}, expected[TOTAL * 8] = {0};
      convert_elements(from, (Dtype)to, data, cases[i].first, cases[i].count, cases[i].stride, got,
                       cases[i].out_first);
      for (uint64_t k = 0; k < cases[i].count; k++) {
        uint64_t index = cases[i].first + k * cases[i].stride;
        if ((Dtype)to == from) {
          copy_one(from, data, index, expected, cases[i].out_first + k);
        } else {
          convert_one(from, (Dtype)to, data, index, expected, cases[i].out_first + k);
        }
      }
      expect(same_elements((Dtype)to, got, expected, TOTAL), "to %s, case %zu",
             dtype_name((Dtype)to), i);
    }
  }
  free(data);
  test_done("convert", dtype_name(from));
}

/* The loops made for two dtypes, on every 16-bit code, and on F32 near every BF16 and beside the
** middle between two F16. */
static void test_convert_fast(void) {
  static unsigned char halves[2 * 65536], wide[4 * 65536], back[2 * 65536];
  for (uint32_t i = 0; i < 65536; i++) element_store_16(halves + 2 * i, (uint16_t)i);
  for (int i = 0; i < 2; i++) {
    expect(convert_fast(formats[i].dtype, DTYPE_F32, halves, 65536, wide), "there is a loop");
    for (uint64_t k = 0; k < 65536; k++) {
      double got = decode_code(DTYPE_F32, first_code(DTYPE_F32, wide + 4 * k));
      expect(same(got, reference(&formats[i], (int)k)), "%s 0x%" PRIx64,
             dtype_name(formats[i].dtype), k);
    }
  }
  static const uint32_t lows[] = {0,      1,      0xfff,  0x1000, 0x1001, 0x7fff,
                                  0x8000, 0x8001, 0xefff, 0xf000, 0xf001, 0xffff};
  static const Dtype narrow[] = {DTYPE_BF16, DTYPE_F16};
  for (size_t i = 0; i < 2 * sizeof lows / sizeof lows[0]; i++) {
    Dtype to = narrow[i % 2];
    for (uint32_t k = 0; k < 65536; k++) element_store_32(wide + 4 * k, k << 16 | lows[i / 2]);
    expect(convert_fast(DTYPE_F32, to, wide, 65536, back), "there is a loop");
    for (uint64_t k = 0; k < 65536; k++) {
      double value = decode_code(DTYPE_F32, first_code(DTYPE_F32, wide + 4 * k));
      expect(first_code(to, back + 2 * k) == encode_one(to, value), "%s of %a", dtype_name(to),
             value);
    }
  }
  for (int i = 0; i < 2; i++) {
    Dtype from = narrow[i], to = narrow[1 - i];
    expect(convert_fast(from, to, halves, 65536, back), "there is a loop");
    for (uint64_t k = 0; k < 65536; k++) {
      double value = decode_code(from, k);
      expect(first_code(to, back + 2 * k) == encode_one(to, value), "%s of %a", dtype_name(to),
             value);
    }
  }
  expect(!convert_fast(DTYPE_F64, DTYPE_F4, wide, 1, back), "there is no loop");
  test_done("convert", "loops made for two dtypes");
}

static void test_complex(void) {
  unsigned char complex[16], out[16] = {0};
  encode_doubles(DTYPE_C64, (const double[]){0, 3, -1.5, NAN}, 0, 2, complex);
  convert_elements(DTYPE_C64, DTYPE_BOOL, complex, 0, 2, 1, out, 0);
  expect(out[0] == 1 && out[1] == 1, "BOOL is true where either part is not 0");
  convert_elements(DTYPE_C64, DTYPE_I8, complex, 0, 2, 1, out, 0);
  expect(out[0] == 0 && out[1] == 0xff, "an integer is the real part");
  convert_elements(DTYPE_I8, DTYPE_C64, (const unsigned char[]){0xfe}, 0, 1, 1, out, 1);
  expect(first_code(DTYPE_C64, out + 8) == 0xc0000000, "the imaginary part is 0");
  test_done("convert", "complex numbers");
}

/* ---- The program ---- */

static int cast(const char *from_name, const char *to_name) {
  Dtype from, to;
  if (!dtype_find(from_name, strlen(from_name), &from) ||
      !dtype_find(to_name, strlen(to_name), &to)) {
    fprintf(stderr, "decode: no such dtype\n");
    return 2;
  }
  static unsigned char in[8 * 4096],
      out[8 * 4096]; /* 4096 elements of any dtype fill whole bytes */
  size_t size;
  while ((size = fread(in, 1, 512 * dtype_bits(from), stdin)) > 0) {
    uint64_t count = size * 8 / dtype_bits(from);
    memset(out, 0, sizeof out);
    convert_elements(from, to, in, 0, count, 1, out, 0);
    if (fwrite(out, 1, (size_t)(count * dtype_bits(to) + 7) / 8, stdout) == 0) return 1;
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "--cast") == 0) return cast(argv[2], argv[3]);
  for (int i = 0; i < FORMATS; i++) test_decode(&formats[i]);
  test_decode_known();
  test_packing();
  for (int i = 0; i < DTYPE_COUNT; i++) test_bulk((Dtype)i);
  for (int i = 0; i < FORMATS; i++) test_encode(&formats[i]);
  test_encode_scale();
  test_encode_known();
  test_encode_integers();
  for (int i = 0; i < DTYPE_COUNT; i++) test_convert((Dtype)i);
  test_convert_fast();
  test_complex();
  printf("%d passed, %d failed\n", passed, failed);
  return failed > 0;
}
