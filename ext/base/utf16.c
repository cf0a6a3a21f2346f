#include "base/utf16.h"

enum { UTF16_HIGH = 0xd800, UTF16_LOW = 0xdc00, UTF16_END = 0xe000, UTF16_BEYOND = 0x10000 };

/* ---- From UTF-8 ---- */

/* Takes a character, or returns false if there is none. A NUL ends any sequence. */
static bool utf16_take_character(const unsigned char **at, uint32_t *character) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, UTF16_BEYOND};
  unsigned char first = (*at)[0];
  unsigned length = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length == 0 || first > 0xf4) return false;
  *character = length == 1 ? first : first & (0xffu >> (length + 1));
  for (unsigned i = 1; i < length; i++) {
    if (((*at)[i] & 0xc0) != 0x80) return false;
    *character = *character << 6 | ((*at)[i] & 0x3fu);
  }
  *at += length;
  return *character >= least[length] && *character < 0x110000;
}

bool utf16_from_text(const char *text, uint16_t *out) {
  const unsigned char *at = (const unsigned char *)text;
  uint32_t character;
  while (*at != '\0') {
    if (!utf16_take_character(&at, &character)) return false;
    if (character >= UTF16_BEYOND) {
      *out++ = (uint16_t)(UTF16_HIGH + ((character - UTF16_BEYOND) >> 10));
      character = UTF16_LOW + (character & 0x3ff);
    }
    *out++ = (uint16_t)character;
  }
  *out = 0;
  return true;
}

/* ---- To UTF-8 ---- */

static uint32_t utf16_take(const uint16_t *units, size_t length, size_t *at) {
  uint32_t unit = units[(*at)++];
  bool is_pair = unit >= UTF16_HIGH && unit < UTF16_LOW && *at < length &&
                 units[*at] >= UTF16_LOW && units[*at] < UTF16_END;
  if (!is_pair) return unit;
  return UTF16_BEYOND + ((unit - UTF16_HIGH) << 10) + (units[(*at)++] - (uint32_t)UTF16_LOW);
}

static unsigned utf16_put(uint32_t character, char *out) {
  unsigned length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < UTF16_BEYOND ? 3 : 4;
  if (length == 1) {
    out[0] = (char)character;
    return 1;
  }
  for (unsigned i = length - 1; i > 0; i--, character >>= 6) {
    out[i] = (char)(0x80 | (character & 0x3f));
  }
  out[0] = (char)(0xf00u >> length | character);
  return length;
}

size_t utf16_to_text(const uint16_t *units, size_t length, char *out) {
  size_t at = 0, written = 0;
  while (at < length) written += utf16_put(utf16_take(units, length, &at), out + written);
  out[written] = '\0';
  return written;
}
