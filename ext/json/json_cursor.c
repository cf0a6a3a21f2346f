#include "json/json_cursor.h"

#include <stdio.h>

/* Returns a word that is not 0 if a byte of `word` is 0. The lowest bit that is set belongs to the
** first such byte; bits above it may be wrong, because the subtraction borrows. */
static uint64_t json_cursor_zero_bytes(uint64_t word) {
  return (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
}

/* Returns a word that is not 0 if a byte of `word` ends a plain string. Only the lowest bit that is
** set counts, as above. */
static uint64_t json_cursor_not_plain(uint64_t word) {
  uint64_t control = (word - 0x2020202020202020u) & ~word & 0x8080808080808080u;
  return control | json_cursor_zero_bytes(word ^ 0x2222222222222222u) |
         json_cursor_zero_bytes(word ^ 0x5c5c5c5c5c5c5c5cu);
}

uint32_t json_cursor_plain_end(const JsonCursor *cursor, uint32_t at) {
  const char *text = cursor->text;
  uint32_t length = cursor->length;
  uint64_t word;
  while (length - at >= sizeof word) {
    memcpy(&word, text + at, sizeof word);
    uint64_t found = json_cursor_not_plain(word);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (found != 0) return at + (uint32_t)__builtin_ctzll(found) / 8;
#else
    if (found != 0) break;
#endif
    at += sizeof word;
  }
  while (at < length && text[at] != '"' && text[at] != '\\' && (unsigned char)text[at] >= 0x20)
    at++;
  return at;
}

bool json_cursor_take_plain_string(JsonCursor *cursor, Span *span) {
  if (json_cursor_peek(cursor) != '"') return false;
  uint32_t start = cursor->at + 1, end = json_cursor_plain_end(cursor, start);
  if (end >= cursor->length || cursor->text[end] != '"') return false;
  *span = (Span){start, end - start};
  cursor->at = end + 1;
  return true;
}

bool json_cursor_take_plain_integer(JsonCursor *cursor, uint64_t *value) {
  enum { JSON_CURSOR_MAX_DIGITS = 19 };
  json_cursor_skip_space(cursor);
  const char *text = cursor->text;
  uint32_t at = cursor->at, length = cursor->length, start = at;
  uint64_t number = 0;
  while (at < length && text[at] >= '0' && text[at] <= '9') {
    if (at - start >= JSON_CURSOR_MAX_DIGITS) return false;
    number = number * 10 + (uint64_t)(text[at] - '0');
    at++;
  }
  if (at == start || (text[start] == '0' && at - start > 1) || number > INT64_MAX) return false;
  cursor->at = at;
  *value = number;
  return true;
}

const char *json_cursor_kind(JsonCursor *cursor) {
  char first = json_cursor_peek(cursor);
  if (cursor->at >= cursor->length) return NULL;
  switch (first) {
    case '{': return "an object";
    case '[': return "an array";
    case '"': return "a string";
    case 't':
    case 'f': return "a boolean";
    case 'n': return "null";
    default: return first == '-' || (first >= '0' && first <= '9') ? "a number" : "no JSON value";
  }
}

const char *json_cursor_found(const JsonCursor *cursor, char *buffer) {
  if (cursor->at >= cursor->length) return NULL;
  unsigned char byte = (unsigned char)cursor->text[cursor->at];
  bool visible = byte > 0x20 && byte < 0x7f;
  snprintf(buffer, JSON_CURSOR_FOUND_SIZE, visible ? "'%c'" : "byte 0x%02x", byte);
  return buffer;
}
