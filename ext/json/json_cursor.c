#include "json/json_cursor.h"

#include <stdio.h>

/* Bytes that are looked at together, which compilers do with the machine's vectors. */
typedef unsigned char JsonBytes __attribute__((vector_size(16)));

static bool json_cursor_is_plain(char byte) {
  return byte != '"' && byte != '\\' && (unsigned char)byte >= 0x20;
}

/* Returns whether 16 bytes are plain; else sets *first to the number of plain bytes before the first
** that is not. */
static inline bool json_cursor_all_plain(const char *text, uint32_t *first) {
  JsonBytes bytes;
  uint64_t words[2];
  memcpy(&bytes, text, sizeof bytes);
  JsonBytes found =
      (JsonBytes)(bytes == '"') | (JsonBytes)(bytes == '\\') | (JsonBytes)(bytes < 0x20);
  memcpy(words, &found, sizeof words);
  if ((words[0] | words[1]) == 0) return true;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  *first = words[0] != 0 ? (uint32_t)__builtin_ctzll(words[0]) / 8
                         : 8 + (uint32_t)__builtin_ctzll(words[1]) / 8;
#else
  *first = words[0] != 0 ? (uint32_t)__builtin_clzll(words[0]) / 8
                         : 8 + (uint32_t)__builtin_clzll(words[1]) / 8;
#endif
  return false;
}

uint32_t json_cursor_plain_end(const JsonCursor *cursor, uint32_t at) {
  const char *text = cursor->text;
  uint32_t length = cursor->length, first;
  for (; length - at >= sizeof(JsonBytes); at += (uint32_t)sizeof(JsonBytes)) {
    if (!json_cursor_all_plain(text + at, &first)) return at + first;
  }
  while (at < length && json_cursor_is_plain(text[at])) at++;
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
