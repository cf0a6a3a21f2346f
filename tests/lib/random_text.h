/* Part of header_differential.c and index_differential.c: chance, the dtypes, and text put together. */
#ifndef TESTS_RANDOM_TEXT_H
#define TESTS_RANDOM_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* From the format's reference implementation, not from the extension's own table. */
typedef struct Type {
  const char *name;
  unsigned bits;
} Type;

enum { TYPE_COUNT = 22 };
extern const Type types[TYPE_COUNT];

#define COUNT_OF(array) ((uint32_t)(sizeof(array) / sizeof(array)[0]))

/* ---- Chance ---- */

/* The seed, and what has become of it. */
extern uint64_t random_state;

/* SplitMix64 (Sebastiano Vigna, public domain). */
uint64_t random_next(void);

uint32_t below(uint64_t limit);

/* True one time in `rate`; never when that is 0. */
bool one_in(uint32_t rate);

#define ONE_OF(array) ((array)[below(COUNT_OF(array))])

/* One of the words, which single spaces separate. Valid until the next call. */
const char *one_word_of(const char *words);

/* ---- Text ---- */

typedef struct Text {
  char *bytes;
  size_t length, capacity;
} Text;

void *must_have(void *block);

void put_bytes(Text *text, const char *bytes, size_t length);

void put(Text *text, const char *words);

__attribute__((format(printf, 2, 3))) void put_format(Text *text, const char *format, ...);

#endif
