/*
** The lexical level of JSON (RFC 8259): a position in a text, and functions that take the token at
** that position. A function that takes a token moves behind it. If it fails it takes nothing,
** unless its comment says otherwise.
**
** Strings are decoded in place, so the text changes. A decoded string is valid UTF-8 if the text
** is.
*/
#ifndef SAFETENSORS_JSON_JSON_CURSOR_H
#define SAFETENSORS_JSON_JSON_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

typedef struct JsonCursor {
  char *text;
  uint32_t length, at;
} JsonCursor;

static inline bool json_is_space(char byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* Skips white space. */
static inline void json_cursor_skip_space(JsonCursor *cursor) {
  while (cursor->at < cursor->length && json_is_space(cursor->text[cursor->at])) cursor->at++;
}

/* Returns whether the next byte is `byte`. Does not skip white space. */
static inline bool json_cursor_at(const JsonCursor *cursor, char byte) {
  return cursor->at < cursor->length && cursor->text[cursor->at] == byte;
}

/* Skips white space, and takes the next byte if it is `byte`. Returns whether it was. */
static inline bool json_cursor_take(JsonCursor *cursor, char byte) {
  json_cursor_skip_space(cursor);
  bool taken = json_cursor_at(cursor, byte);
  cursor->at += taken;
  return taken;
}

/* Skips white space. Returns the next byte, or 0 at the end of the text. */
static inline char json_cursor_peek(JsonCursor *cursor) {
  json_cursor_skip_space(cursor);
  return cursor->at < cursor->length ? cursor->text[cursor->at] : '\0';
}

/* Takes `word` if the next bytes equal it. Does not skip white space. */
static inline bool json_cursor_take_word(JsonCursor *cursor, const char *word) {
  size_t length = strlen(word);
  if (cursor->length - cursor->at < length) return false;
  if (memcmp(cursor->text + cursor->at, word, length) != 0) return false;
  cursor->at += (uint32_t)length;
  return true;
}

/* Returns the position, from `at` on, of the first byte that a plain string cannot contain: a
** quote, a backslash, or a control character. Returns the length of the text if there is none. */
uint32_t json_cursor_plain_end(const JsonCursor *cursor, uint32_t at);

/* Skips white space, and takes a string that has no escapes. */
bool json_cursor_take_plain_string(JsonCursor *cursor, Span *span);

/* Skips white space, and takes an integer from 0 to 2^63-1. The number may continue behind the
** digits with a fraction or exponent: the caller notices by the next token. */
bool json_cursor_take_plain_integer(JsonCursor *cursor, uint64_t *value);

/* Skips white space. Returns the kind of the next value in words for a message, "no JSON value" if
** no value begins there, or NULL at the end of the text. */
const char *json_cursor_kind(JsonCursor *cursor);

enum { JSON_CURSOR_FOUND_SIZE = 32 };

/* Returns the next byte in words for a message, or NULL at the end of the text. The words may be in
** `buffer`, which must have JSON_CURSOR_FOUND_SIZE bytes. */
const char *json_cursor_found(const JsonCursor *cursor, char *buffer);

#endif
