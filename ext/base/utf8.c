#include "base/utf8.h"

#include <string.h>

/* The length of the sequence at `at`, or 0 when it is not valid within `left` bytes. */
static uint64_t utf8_sequence_length(const unsigned char *at, uint64_t left) {
  unsigned char first = at[0];
  if (first < 0x80) return 1;
  uint64_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || left < length) return 0;
  /* Only the second byte has a range that depends on the first. */
  unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (at[1] < low || at[1] > high) return 0;
  for (uint64_t i = 2; i < length; i++) {
    if ((at[i] & 0xc0) != 0x80) return 0;
  }
  return length;
}

uint64_t utf8_valid_length(const char *text, uint64_t length) {
  const unsigned char *bytes = (const unsigned char *)text;
  uint64_t at = 0;
  while (at < length) {
    uint64_t words[4];
    if (length - at >=
        sizeof words) { /* nearly all of a header is ASCII, so 32 bytes are checked at a time */
      memcpy(words, bytes + at, sizeof words);
      if (((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080u) == 0) {
        at += sizeof words;
        continue;
      }
    }
    uint64_t step = utf8_sequence_length(bytes + at, length - at);
    if (step == 0) return at;
    at += step;
  }
  return at;
}

uint32_t utf8_next(const char *text, uint64_t length, uint64_t *at) {
  const unsigned char *bytes = (const unsigned char *)text + *at;
  uint64_t size = utf8_sequence_length(bytes, length - *at);
  *at += size == 0 ? 1 : size;
  if (size == 0) return UTF8_BYTE + bytes[0];
  if (size == 1) return bytes[0];
  uint32_t character = bytes[0] & (0xffu >> (size + 1));
  for (uint64_t i = 1; i < size; i++) character = character << 6 | (bytes[i] & 0x3fu);
  return character;
}
