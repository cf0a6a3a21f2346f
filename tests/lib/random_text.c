#include "random_text.h"

#include <stdarg.h>
#include <stdio.h>

const Type types[TYPE_COUNT] = {
    {"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},
    {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8},     {"F8_E4M3FNUZ", 8},
    {"I16", 16}, {"U16", 16},    {"F16", 16},    {"F8_E5M2FNUZ", 8}, {"BF16", 16},
    {"I32", 32}, {"U32", 32},    {"F32", 32},    {"C64", 64},        {"F64", 64},
    {"I64", 64}, {"U64", 64},
};

/* ---- Chance ---- */

uint64_t random_state;

uint64_t random_next(void) {
  uint64_t mixed = random_state += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
  return mixed ^ mixed >> 31;
}

uint32_t below(uint64_t limit) {
  return (uint32_t)(random_next() % limit);
}

bool one_in(uint32_t rate) {
  return rate != 0 && below(rate) == 0;
}

const char *one_word_of(const char *words) {
  static char word[64];
  uint32_t count = 1;
  for (const char *at = words; *at != '\0'; at++) count += *at == ' ';
  for (uint32_t skip = below(count); skip > 0; skip--) words = strchr(words, ' ') + 1;
  snprintf(word, sizeof word, "%.*s", (int)strcspn(words, " "), words);
  return word;
}

/* ---- Text ---- */

void *must_have(void *block) {
  if (block != NULL) return block;
  fprintf(stderr, "out of memory\n");
  exit(1);
}

void put_bytes(Text *text, const char *bytes, size_t length) {
  if (text->length + length > text->capacity) {
    text->capacity = (text->length + length) * 2;
    text->bytes = must_have(realloc(text->bytes, text->capacity));
  }
  memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
}

void put(Text *text, const char *words) {
  put_bytes(text, words, strlen(words));
}

__attribute__((format(printf, 2, 3))) void put_format(Text *text, const char *format, ...) {
  char out[64];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(out, sizeof out, format, arguments);
  va_end(arguments);
  put(text, out);
}
