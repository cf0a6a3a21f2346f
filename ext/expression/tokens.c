#include "expression/tokens.h"

#include <math.h>

#include "json/json_number.h"
#include "json/json_string.h"

/* A number that begins at the cursor, for a message. */
static bool tokens_refuse_number(Tokens *tokens, const char *expected) {
  JsonCursor ahead = tokens->cursor;
  JsonNumber kind;
  uint64_t value;
  if (json_number_take(&ahead, &kind, &value) != NULL) {
    return error_raise(tokens->error, ERROR_ARGUMENT, tokens->subject,
                       "expected %s, found no JSON value", expected);
  }
  return error_raise(
      tokens->error, ERROR_ARGUMENT, tokens->subject, "expected %s, found %.*s", expected,
      ERROR_NAME(ahead.text + tokens->cursor.at, (uint64_t)ahead.at - tokens->cursor.at));
}

bool tokens_refuse_value(Tokens *tokens, const char *expected) {
  const char *kind = json_cursor_kind(&tokens->cursor);
  if (kind == NULL || strcmp(kind, "no JSON value") == 0) return tokens_refuse(tokens, expected);
  if (strcmp(kind, "a number") == 0) return tokens_refuse_number(tokens, expected);
  return error_raise(tokens->error, ERROR_ARGUMENT, tokens->subject, "expected %s, found %s",
                     expected, kind);
}

bool tokens_refuse(Tokens *tokens, const char *expected) {
  char buffer[JSON_CURSOR_FOUND_SIZE];
  const char *found = json_cursor_found(&tokens->cursor, buffer);
  return error_raise(tokens->error, ERROR_ARGUMENT, tokens->subject, "expected %s, found %s",
                     expected, found != NULL ? found : "the end of the text");
}

bool tokens_take(Tokens *tokens, char byte, const char *expected) {
  return json_cursor_take(&tokens->cursor, byte) || tokens_refuse(tokens, expected);
}

bool tokens_take_text(Tokens *tokens, const char *expected, Span *span) {
  if (json_cursor_peek(&tokens->cursor) != '"') return tokens_refuse_value(tokens, expected);
  const char *problem = json_string_take(&tokens->cursor, span);
  if (problem != NULL) return tokens_refuse(tokens, problem);
  tokens->cursor.text[span->offset + span->length] = '\0';
  return true;
}

uint64_t tokens_object_length(const char *text, uint64_t length) {
  JsonCursor cursor = {.text = (char *)text, .length = (uint32_t)length};
  uint32_t depth = 0;
  Span ignored;
  while (cursor.at < cursor.length) {
    char byte = text[cursor.at];
    if (byte == '"') {
      if (json_string_skip(&cursor, &ignored) != NULL) return 0;
      continue;
    }
    cursor.at++;
    if (byte == '{' || byte == '[') depth++;
    if ((byte == '}' || byte == ']') && --depth == 0) return cursor.at;
  }
  return 0;
}

bool tokens_take_object(Tokens *tokens, Span *span) {
  JsonCursor *cursor = &tokens->cursor;
  if (json_cursor_peek(cursor) != '{') return tokens_refuse_value(tokens, "an object");
  span->offset = cursor->at;
  span->length =
      (uint32_t)tokens_object_length(cursor->text + cursor->at, cursor->length - cursor->at);
  cursor->at += span->length;
  return span->length > 0 || tokens_refuse(tokens, "an object that ends");
}

/* Takes a number of any kind, and sets *text to it. */
static bool tokens_take_any_number(Tokens *tokens, JsonNumber *kind, uint64_t *value, Span *text) {
  JsonCursor *cursor = &tokens->cursor;
  text->offset = cursor->at;
  const char *problem = json_number_take(cursor, kind, value);
  text->length = cursor->at - text->offset;
  return problem == NULL || tokens_refuse(tokens, problem);
}

bool tokens_is_number(Tokens *tokens) {
  char first = json_cursor_peek(&tokens->cursor);
  return first == '-' || (first >= '0' && first <= '9');
}

/* The integer that the digits stand for, which is at least -2^63. */
static int64_t tokens_negative(const char *digits, uint32_t length) {
  int64_t value = 0;
  for (uint32_t i = 0; i < length; i++) value = value * 10 - (digits[i] - '0');
  return value;
}

bool tokens_take_integer(Tokens *tokens, int64_t *value) {
  static const char expected[] = "an integer", limits[] = "an integer from -2^63 to 2^63-1";
  if (!tokens_is_number(tokens)) return tokens_refuse_value(tokens, expected);
  JsonNumber kind;
  uint64_t magnitude = 0;
  Span text;
  JsonCursor before = tokens->cursor;
  if (!tokens_take_any_number(tokens, &kind, &magnitude, &text)) return false;
  switch (kind) {
    case JSON_NUMBER_UNSIGNED: *value = (int64_t)magnitude; return true;
    case JSON_NUMBER_NEGATIVE:
      *value = tokens_negative(before.text + text.offset + 1, text.length - 1);
      return true;
    case JSON_NUMBER_NEGATIVE_ZERO: *value = 0; return true;
    default:
      tokens->cursor = before;
      return tokens_refuse_number(tokens, kind == JSON_NUMBER_REAL ? expected : limits);
  }
}

bool tokens_is_infinity(const char *text, uint64_t length, double *value) {
  bool negative = length > 0 && text[0] == '-';
  *value = negative ? -INFINITY : INFINITY;
  return length == 3u + negative && memcmp(text + negative, "inf", 3) == 0;
}

static bool tokens_take_infinity(Tokens *tokens, const char *expected, double *value) {
  Span span;
  if (!tokens_take_text(tokens, expected, &span)) return false;
  const char *text = tokens->cursor.text + span.offset;
  return tokens_is_infinity(text, span.length, value) ||
         error_raise(tokens->error, ERROR_ARGUMENT, tokens->subject, "expected %s, found \"%.*s\"",
                     expected, ERROR_NAME(text, span.length));
}

bool tokens_take_number(Tokens *tokens, double *value) {
  static const char expected[] = "a number, \"inf\" or \"-inf\"";
  if (!tokens_is_number(tokens)) return tokens_take_infinity(tokens, expected, value);
  JsonNumber kind;
  uint64_t ignored;
  Span text;
  JsonCursor before = tokens->cursor;
  if (!tokens_take_any_number(tokens, &kind, &ignored, &text)) return false;
  if (kind == JSON_NUMBER_BEYOND_DOUBLE) {
    tokens->cursor = before;
    return tokens_refuse_number(tokens, "a number within the range of a double");
  }
  *value = json_number_real(before.text + text.offset, text.length);
  return true;
}
