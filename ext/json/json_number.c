#include "json/json_number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/float_environment.h"

/* strtod() gets the number without a decimal point, which depends on the locale. A double, and the
** middle between two, have at most 768 digits, so digits beyond only say that the number is larger
** than those before them. */
double json_number_real(const char *text, uint32_t length) {
  enum { JSON_NUMBER_DIGITS = 800 };
  const int64_t far = 1000000000000; /* larger than any exponent that 2^32 digits of a mantissa can
                                        compensate */
  char plain[JSON_NUMBER_DIGITS + 32];
  uint32_t digits = 0, i = text[0] == '-';
  int64_t exponent = 0, written = 0;
  bool after_point = false, more = false;
  for (; i < length && text[i] != 'e' && text[i] != 'E'; i++) {
    if (text[i] == '.') {
      after_point = true;
      continue;
    }
    bool counts = digits > 0 || text[i] != '0';
    if (counts && digits < JSON_NUMBER_DIGITS) {
      plain[digits++] = text[i];
      exponent -= after_point;
    } else {
      if (!counts || !after_point) exponent += counts ? 1 : -after_point;
      more = more || text[i] != '0';
    }
  }
  if (digits == 0) return text[0] == '-' ? -0.0 : 0.0;
  if (more) {
    plain[digits++] = '1';
    exponent--;
  }
  bool negative = i + 1 < length && text[i + 1] == '-';
  for (i++; i < length; i++) {
    if (text[i] >= '0' && text[i] <= '9' && written < far) written = written * 10 + (text[i] - '0');
  }
  snprintf(plain + digits, sizeof plain - digits, "e%lld",
           (long long)(exponent + (negative ? -written : written)));
  FloatEnvironment host;
  float_environment_enter(&host);
  double value = strtod(plain, NULL);
  float_environment_leave(&host);
  return text[0] == '-' ? -value : value;
}

static JsonNumber json_number_integer_kind(const char *text, uint32_t length, uint64_t *value) {
  bool negative = text[0] == '-', beyond = false;
  uint64_t number = 0;
  for (uint32_t i = negative; i < length && !beyond; i++) {
    beyond = __builtin_mul_overflow(number, (uint64_t)10, &number) ||
             __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number);
  }
  if (beyond || (negative && number > (uint64_t)INT64_MAX + 1)) return JSON_NUMBER_LARGE_INTEGER;
  if (negative) return number == 0 ? JSON_NUMBER_NEGATIVE_ZERO : JSON_NUMBER_NEGATIVE;
  *value = number;
  return number > INT64_MAX ? JSON_NUMBER_UNSIGNED_64 : JSON_NUMBER_UNSIGNED;
}

static bool json_number_take_digits(JsonCursor *cursor) {
  uint32_t start = cursor->at;
  while (cursor->at < cursor->length && cursor->text[cursor->at] >= '0' &&
         cursor->text[cursor->at] <= '9') {
    cursor->at++;
  }
  return cursor->at > start;
}

static bool json_number_take_byte(JsonCursor *cursor, char byte) {
  bool taken = json_cursor_at(cursor, byte);
  cursor->at += taken;
  return taken;
}

/* Takes a number without a sign. */
static bool json_number_take_unsigned(JsonCursor *cursor, bool *is_real) {
  /* A number that begins with 0 has no other digit before its point. */
  if (!json_number_take_byte(cursor, '0') && !json_number_take_digits(cursor)) return false;
  if (json_number_take_byte(cursor, '.')) {
    *is_real = true;
    if (!json_number_take_digits(cursor)) return false;
  }
  if (json_number_take_byte(cursor, 'e') || json_number_take_byte(cursor, 'E')) {
    *is_real = true;
    if (!json_number_take_byte(cursor, '+')) json_number_take_byte(cursor, '-');
    if (!json_number_take_digits(cursor)) return false;
  }
  return true;
}

const char *json_number_take(JsonCursor *cursor, JsonNumber *kind, uint64_t *value) {
  uint32_t start = cursor->at;
  bool is_real = false;
  json_number_take_byte(cursor, '-');
  if (!json_number_take_unsigned(cursor, &is_real)) return "a digit";
  const char *text = cursor->text + start;
  uint32_t length = cursor->at - start;
  *kind = is_real ? JSON_NUMBER_REAL : json_number_integer_kind(text, length, value);
  if (*kind == JSON_NUMBER_REAL || *kind == JSON_NUMBER_LARGE_INTEGER) {
    if (fabs(json_number_real(text, length)) > DBL_MAX) *kind = JSON_NUMBER_BEYOND_DOUBLE;
  }
  return NULL;
}
