#include "json/json_string.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

static const char json_string_no_control[] = "an escape instead of a control character in a string";
static const char json_string_no_escape[] = "a known escape";
static const char json_string_no_digits[] = "four hexadecimal digits after \\u";
static const char json_string_no_end[] = "the end of a string";

/* Reads the four hexadecimal digits of a \u escape. Returns false unless there are four. */
static bool json_string_hex4(const char *text, uint32_t length, uint32_t at, uint32_t *unit) {
  *unit = 0;
  if (length - at < 4) return false;
  for (uint32_t i = at; i < at + 4; i++) {
    char digit = text[i];
    uint32_t value;
    if (digit >= '0' && digit <= '9') {
      value = (uint32_t)(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
      value = (uint32_t)(digit - 'a') + 10;
    } else if (digit >= 'A' && digit <= 'F') {
      value = (uint32_t)(digit - 'A') + 10;
    } else {
      return false;
    }
    *unit = *unit * 16 + value;
  }
  return true;
}

static uint32_t json_string_put_utf8(char *out, uint32_t point) {
  if (point < 0x80) {
    out[0] = (char)point;
    return 1;
  }
  uint32_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  static const uint32_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (uint32_t i = length - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (point & 0x3f));
    point >>= 6;
  }
  out[0] = (char)(lead[length] | point);
  return length;
}

/* Reads the code point of a \u escape, or of a surrogate pair of two, from behind the first
** "\u". */
static const char *json_string_unicode_escape(const char *text, uint32_t length, uint32_t *at,
                                              uint32_t *point) {
  static const char lone[] = "both halves of a surrogate pair";
  if (!json_string_hex4(text, length, *at, point)) return json_string_no_digits;
  *at += 4;
  if (*point < 0xd800 || *point > 0xdfff) return NULL;
  uint32_t low;
  if (*point > 0xdbff || length - *at < 6 || text[*at] != '\\' || text[*at + 1] != 'u' ||
      !json_string_hex4(text, length, *at + 2, &low) || low < 0xdc00 || low > 0xdfff) {
    return lone;
  }
  *at += 6;
  *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
  return NULL;
}

static char json_string_simple_escape(char letter) {
  switch (letter) {
    case '"':
    case '\\':
    case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
  }
}

const char *json_string_decode(char *text, uint32_t length, uint32_t *at, Span *span) {
  const JsonCursor cursor = {.text = text, .length = length};
  uint32_t in = *at + 1, start = in, out = in;
  const char *problem = NULL;
  while (in < length) {
    uint32_t run = json_cursor_plain_end(&cursor, in) - in;
    memmove(text + out, text + in, run);
    in += run;
    out += run;
    if (in == length || text[in] == '"') break;
    if (text[in] != '\\') {
      problem = json_string_no_control;
      break;
    }
    char letter = in + 1 < length ? text[in + 1] : '\0';
    if (letter == 'u') {
      uint32_t point, after = in + 2;
      problem = json_string_unicode_escape(text, length, &after, &point);
      if (problem != NULL) break;
      out += json_string_put_utf8(text + out, point);
      in = after;
    } else {
      char meant = json_string_simple_escape(letter);
      if (meant == 0) {
        problem = json_string_no_escape;
        break;
      }
      text[out++] = meant;
      in += 2;
    }
  }
  *at = in;
  if (problem == NULL && in >= length) problem = json_string_no_end;
  if (problem != NULL) return problem;
  *at = in + 1;
  *span = (Span){start, out - start};
  return NULL;
}

/* Returns the length of the escape that begins with the backslash at text[at], or sets *problem. */
static uint32_t json_string_escape_length(const char *text, uint32_t length, uint32_t at,
                                          const char **problem) {
  char letter = at + 1 < length ? text[at + 1] : '\0';
  uint32_t unit;
  if (letter == 'u' && json_string_hex4(text, length, at + 2, &unit)) return 6;
  if (json_string_simple_escape(letter) != 0) return 2;
  *problem = letter == 'u' ? json_string_no_digits : json_string_no_escape;
  return 0;
}

const char *json_string_take(JsonCursor *cursor, Span *span) {
  if (json_cursor_take_plain_string(cursor, span)) return NULL;
  if (!json_cursor_at(cursor, '"')) return "a string";
  return json_string_decode(cursor->text, cursor->length, &cursor->at, span);
}

const char *json_string_skip(JsonCursor *cursor, Span *raw) {
  const char *text = cursor->text, *problem = NULL;
  uint32_t length = cursor->length, start = cursor->at + 1, in = start;
  while ((in = json_cursor_plain_end(cursor, in)) < length && text[in] != '"') {
    uint32_t escape = 0;
    if (text[in] != '\\') {
      problem = json_string_no_control;
    } else {
      escape = json_string_escape_length(text, length, in, &problem);
    }
    if (problem != NULL) break;
    in += escape;
  }
  cursor->at = in;
  if (problem == NULL && in >= length) problem = json_string_no_end;
  if (problem != NULL) return problem;
  *raw = (Span){start, in - start};
  cursor->at = in + 1;
  return NULL;
}

/* Returns the letter of a byte's short escape, 'u' if it has only the long one, or 0 if it needs no
** escape. */
static char json_string_escape_letter(char byte) {
  switch (byte) {
    case '"':
    case '\\': return byte;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return (unsigned char)byte < 0x20 ? 'u' : 0;
  }
}

void json_string_append(sqlite3_str *out, const char *text, uint64_t length) {
  sqlite3_str_appendchar(out, 1, '"');
  for (uint64_t i = 0, start = 0; i <= length; i++) {
    char letter = i < length ? json_string_escape_letter(text[i]) : 0;
    if (i < length && letter == 0 && i - start < INT_MAX) continue;
    sqlite3_str_append(out, text + start, (int)(i - start));
    start = i;
    if (letter == 0) continue;
    sqlite3_str_appendf(out, letter == 'u' ? "\\u%04x" : "\\%c", letter == 'u' ? text[i] : letter);
    start++;
  }
  sqlite3_str_appendchar(out, 1, '"');
}
