#include "base/glob_match.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

/* Takes a character. A byte that does not begin a valid one counts as one. */
static uint32_t glob_match_take_character(const char **at) {
  const unsigned char *bytes = (const unsigned char *)*at;
  size_t length = bytes[0] < 0xc0 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
  size_t there = strnlen(*at, length);
  if (length == 1 || there < length || utf8_valid_length(*at, length) < length) {
    ++*at;
    return bytes[0] < 0x80 ? bytes[0] : 0x110000u + bytes[0]; /* not the number of any character */
  }
  *at += length;
  uint32_t character = bytes[0] & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; i++) character = character << 6 | (bytes[i] & 0x3fu);
  return character;
}

/* The same for a pattern, in which '\' escapes. */
static uint32_t glob_match_take_literal(const char **at) {
  if (**at == '\\' && (*at)[1] != '\0') ++*at;
  return glob_match_take_character(at);
}

static bool glob_match_is_negation(char byte) {
  return byte == '!' || byte == '^';
}

/* The end of the set that begins with '[' at `at`, after its ']'; NULL if there is none. The
** first character of a set may be ']'. */
static const char *glob_match_set_end(const char *at, const char *end) {
  at++;
  if (at < end && glob_match_is_negation(*at)) at++;
  if (at < end && *at == ']') at++;
  for (; at < end && *at != ']'; at++) {
    if (*at == '\\' && at + 1 < end) at++;
  }
  return at < end ? at + 1 : NULL;
}

/* Whether the set, which is complete, contains the character. */
static bool glob_match_set_has(const char *at, const char *end, uint32_t character) {
  at++;
  bool negated = glob_match_is_negation(*at), has = false;
  if (negated) at++;
  while (at < end - 1) {
    uint32_t low = glob_match_take_literal(&at), high = low;
    if (*at == '-' && at + 1 < end - 1) {
      at++;
      high = glob_match_take_literal(&at);
    }
    has = has || (low <= character && character <= high);
  }
  return has != negated;
}

bool glob_is_special(const char *component, size_t length) {
  const char *end = component + length;
  for (const char *at = component; at < end; at++) {
    if (*at == '\\') {
      if (at + 1 < end) at++;
    } else if (*at == '*' || *at == '?' || (*at == '[' && glob_match_set_end(at, end) != NULL)) {
      return true;
    }
  }
  return false;
}

void glob_unescape(char *component) {
  char *out = component;
  for (const char *in = component; *in != '\0'; in++) {
    if (*in == '\\' && in[1] != '\0') in++;
    *out++ = *in;
  }
  *out = '\0';
}

/* Takes one element of the pattern, which is not a '*', and the character of the name, if they
** match. */
static bool glob_match_take_one(const char **pattern, const char *end, const char **name) {
  const char *set = **pattern == '[' ? glob_match_set_end(*pattern, end) : NULL;
  bool any = **pattern == '?';
  const char *start = *pattern;
  if (**name == '\0' || *pattern == end) return false;
  uint32_t character = glob_match_take_character(name);
  if (set != NULL) {
    *pattern = set;
    return glob_match_set_has(start, set, character);
  }
  return glob_match_take_literal(pattern) == character || any;
}

/* Only the last '*' has to be tried again, because everything before it matched as early as
** possible. */
bool glob_match(const char *component, const char *name) {
  const char *end = component + strlen(component), *pattern = component;
  const char *star = NULL, *star_name = NULL;
  while (*name != '\0' || pattern < end) {
    if (pattern < end && *pattern == '*') {
      star = ++pattern;
      star_name = name;
    } else if (!glob_match_take_one(&pattern, end, &name)) {
      if (star == NULL || *star_name == '\0') return false;
      glob_match_take_character(&star_name);
      pattern = star;
      name = star_name;
    }
  }
  return true;
}
