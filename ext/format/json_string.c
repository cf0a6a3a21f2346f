#include "format/json_string.h"

#include <limits.h>
#include <stdbool.h>

/* The four hexadecimal digits of a \u escape. False unless all are there. */
static bool hex4(const char *text, uint32_t length, uint32_t at, uint32_t *unit) {
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

static uint32_t put_utf8(char *out, uint32_t point) {
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

/* The code point of a \u escape, or pair of them, after its "\u". */
static const char *unicode_escape(const char *text, uint32_t length, uint32_t *at,
                                  uint32_t *point) {
  static const char lone[] = "both halves of a surrogate pair";
  if (!hex4(text, length, *at, point)) return "four hexadecimal digits after \\u";
  *at += 4;
  if (*point < 0xd800 || *point > 0xdfff) return NULL;
  uint32_t low;
  if (*point > 0xdbff || length - *at < 6 || text[*at] != '\\' || text[*at + 1] != 'u' ||
      !hex4(text, length, *at + 2, &low) || low < 0xdc00 || low > 0xdfff) {
    return lone;
  }
  *at += 6;
  *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
  return NULL;
}

static char simple_escape(char letter) {
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
  uint32_t in = *at + 1, start = in, out = in;
  const char *problem = NULL;
  while (in < length && text[in] != '"') {
    if ((unsigned char)text[in] < 0x20) {
      problem = "an escape instead of a control character in a string";
      break;
    }
    if (text[in] != '\\') {
      text[out++] = text[in++];
      continue;
    }
    char letter = in + 1 < length ? text[in + 1] : '\0';
    if (letter == 'u') {
      uint32_t point, after = in + 2;
      problem = unicode_escape(text, length, &after, &point);
      if (problem != NULL) break;
      out += put_utf8(text + out, point);
      in = after;
    } else {
      char meant = simple_escape(letter);
      if (meant == 0) {
        problem = "a known escape";
        break;
      }
      text[out++] = meant;
      in += 2;
    }
  }
  *at = in;
  if (problem == NULL && in >= length) problem = "the end of a string";
  if (problem != NULL) return problem;
  *at = in + 1;
  *span = (Span){start, out - start};
  return NULL;
}

/* The letter of a byte's short escape: 'u' when it only has the long one, 0 when it needs none. */
static char escape_letter(char byte) {
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
    char letter = i < length ? escape_letter(text[i]) : 0;
    if (i < length && letter == 0 && i - start < INT_MAX) continue;
    sqlite3_str_append(out, text + start, (int)(i - start));
    start = i;
    if (letter == 0) continue;
    sqlite3_str_appendf(out, letter == 'u' ? "\\u%04x" : "\\%c", letter == 'u' ? text[i] : letter);
    start++;
  }
  sqlite3_str_appendchar(out, 1, '"');
}
