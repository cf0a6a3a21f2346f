#include "base/path_text.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

enum { PATH_TEXT_ESCAPE_LENGTH = 3 };

static const char path_text_digits[] = "0123456789ABCDEF";

static int path_text_digit_value(char digit) {
  const char *place = digit != '\0' ? strchr(path_text_digits, digit) : NULL;
  return place != NULL ? (int)(place - path_text_digits) : -1;
}

/* The byte that is written at `text`, where there is a '%': 0x80 to 0xff, or 0 for a '%' written
** as "%25", or -1 if the '%' is an ordinary one. `text` ends with a NUL. */
static int path_text_escaped_at(const char *text) {
  const char *at = text + 1;
  while (strncmp(at, "25", 2) == 0) at += 2;
  if (path_text_digit_value(at[0]) < 8 || path_text_digit_value(at[1]) < 0) return -1;
  return at > text + 1 ? 0 : path_text_digit_value(at[0]) * 16 + path_text_digit_value(at[1]);
}

bool path_text_is_plain(const char *path, uint64_t length) {
  return utf8_valid_length(path, length) == length && memchr(path, '%', (size_t)length) == NULL;
}

/* Addresses of the network, hf://..., are text from the beginning: a '%' in them is an ordinary one. */
static bool path_text_is_address(const char *path) {
  return strncmp(path + strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789"), "://", 3) == 0;
}

char *path_text_escape(const char *path, uint64_t length) {
  char *copy = memory_copy_text(path, length); /* including the NUL */
  char *text = copy != NULL ? memory_alloc(length * PATH_TEXT_ESCAPE_LENGTH + 1) : NULL;
  uint64_t out = 0, valid = 0;
  bool is_address = copy != NULL && path_text_is_address(copy);
  for (uint64_t i = 0; text != NULL && i < length; i++) {
    if (i >= valid) valid = i + utf8_valid_length(copy + i, length - i);
    unsigned char byte = (unsigned char)copy[i];
    bool is_percent =
        i < valid && byte == '%' && !is_address && path_text_escaped_at(copy + i) >= 0;
    if (i < valid && !is_percent) {
      text[out++] = copy[i];
    } else {
      text[out++] = '%';
      text[out++] = path_text_digits[byte / 16];
      text[out++] = path_text_digits[byte % 16];
    }
  }
  if (text != NULL) text[out] = '\0';
  memory_free(copy);
  return text;
}

char *path_text_unescape(const char *text, bool *out_of_memory) {
  size_t length = strlen(text), out = 0;
  *out_of_memory = false;
  if (strchr(text, '%') == NULL) return NULL;
  char *path = memory_copy_text(text, length);
  bool escaped = false;
  for (size_t i = 0; path != NULL && i < length; i++) {
    int byte = text[i] == '%' ? path_text_escaped_at(text + i) : -1;
    path[out++] = byte > 0 ? (char)byte : text[i];
    if (byte >= 0) i += PATH_TEXT_ESCAPE_LENGTH - 1;
    escaped = escaped || byte >= 0;
  }
  char *again = NULL;
  if (path != NULL) {
    path[out] = '\0';
    if (escaped) again = path_text_escape(path, out);
  }
  *out_of_memory = path == NULL || (escaped && again == NULL);
  bool same = again != NULL && strcmp(again, text) == 0;
  memory_free(again);
  if (same) return path;
  memory_free(path);
  return NULL;
}
