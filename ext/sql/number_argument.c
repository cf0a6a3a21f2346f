#include "sql/number_argument.h"

#include <stdbool.h>
#include <stddef.h>

static bool number_argument_is_space(char byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static const char *number_argument_skip_digits(const char *at, const char *end) {
  while (at < end && *at >= '0' && *at <= '9') at++;
  return at;
}

/* Whether the digits, with their sign, are an integer of 64 bits. */
static bool number_argument_read_integer(const char *digits, const char *end, bool negative,
                                         sqlite3_int64 *out) {
  *out = 0;
  for (; digits < end; digits++) {
    int digit = *digits - '0';
    if (__builtin_mul_overflow(*out, 10, out) ||
        __builtin_add_overflow(*out, negative ? -digit : digit, out)) {
      return false;
    }
  }
  return true;
}

/* The type of a text: white space, a sign, digits with a point before, between or after them, an
** exponent, white space. */
static int number_argument_type_of_text(const char *at, const char *end, sqlite3_int64 *integer) {
  while (at < end && number_argument_is_space(*at)) at++;
  while (at < end && number_argument_is_space(end[-1])) end--;
  bool negative = at < end && *at == '-';
  if (at < end && (*at == '-' || *at == '+')) at++;
  const char *digits = at, *digits_end = number_argument_skip_digits(at, end);
  at = digits_end;
  if (at == end && at > digits) {
    return number_argument_read_integer(digits, end, negative, integer) ? SQLITE_INTEGER
                                                                        : SQLITE_FLOAT;
  }
  bool any = at > digits;
  if (at < end && *at == '.') {
    const char *fraction = ++at;
    at = number_argument_skip_digits(at, end);
    any = any || at > fraction;
  }
  if (any && at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '-' || *at == '+')) at++;
    const char *exponent = at;
    at = number_argument_skip_digits(at, end);
    any = at > exponent;
  }
  return any && at == end ? SQLITE_FLOAT : SQLITE_TEXT;
}

NumberArgument number_argument_read(sqlite3_value *value) {
  NumberArgument number = {.type = sqlite3_value_type(value)};
  if (number.type == SQLITE_TEXT) {
    const char *text = (const char *)sqlite3_value_text(value);
    if (text != NULL) {
      number.type =
          number_argument_type_of_text(text, text + sqlite3_value_bytes(value), &number.integer);
    }
  } else if (number.type == SQLITE_INTEGER) {
    number.integer = sqlite3_value_int64(value);
  }
  if (number.type == SQLITE_INTEGER) number.real = (double)number.integer;
  if (number.type == SQLITE_FLOAT) number.real = sqlite3_value_double(value);
  return number;
}
