/*
** UTF-16 and UTF-8. Windows allows names that are not UTF-16, with surrogates that have no partner.
** Each is written as three bytes, as UTF-8 would if it allowed surrogates (WTF-8), so every name has
** a text of its own, and base/path_text.h shows those bytes as it shows others that are not UTF-8.
*/
#ifndef SAFETENSORS_BASE_UTF16_H
#define SAFETENSORS_BASE_UTF16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Converts a NUL-terminated text. `out` has room for as many units as the text has bytes, and its
** NUL. False if the text is not UTF-8 as above. */
bool utf16_from_text(const char *text, uint16_t *out);

/* How many bytes the text of `length` units has at most, with its NUL. */
static inline size_t utf16_text_size(size_t length) {
  return 3 * length + 1;
}

/* Converts `length` units, and returns the length of the text, which is followed by a NUL. */
size_t utf16_to_text(const uint16_t *units, size_t length, char *out);

#endif
