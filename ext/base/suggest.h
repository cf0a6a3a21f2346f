/*
** Finds names that a mistyped one may have meant: the same name in upper or lower case, with a part
** added or missing at its beginning or end ("layers.0" for "model.layers.0", "norm" for
** "norm.weight"), or a few letters away. Names are offered one by one, each takes a bounded time,
** and the best are kept.
*/
#ifndef SAFETENSORS_BASE_SUGGEST_H
#define SAFETENSORS_BASE_SUGGEST_H

#include <stdbool.h>
#include <stdint.h>

enum { SUGGEST_MAX = 3, SUGGEST_MAX_EDITS = 3 };

/* A name that was kept. Its text belongs to the caller, and must live as long. */
typedef struct SuggestedName {
  const char *text;
  uint32_t length, cost;
} SuggestedName;

/* Starts as {.word = ..., .length = ...}. */
typedef struct Suggest {
  const char *word;
  uint64_t length;
  SuggestedName names[SUGGEST_MAX]; /* the best first */
  uint32_t count;
} Suggest;

/* Offers a name. The word itself is not taken. Among equals, those offered first win. */
void suggest_offer(Suggest *suggest, const char *text, uint64_t length);

/* Writes "; did you mean \"a\", \"b\" or \"c\"?", with `before` in front of each name, or "" if
** nothing was kept. memory_free() releases it; NULL when memory runs out. */
char *suggest_text(const Suggest *suggest, const char *before);

/* Whether so many edits, at most SUGGEST_MAX_EDITS, turn one word into the other: a letter inserted,
** deleted or replaced. */
bool suggest_is_near(const char *a, uint64_t a_length, const char *b, uint64_t b_length,
                     uint32_t edits);

/* Whether one more search for near names may be made; *searches counts down. `searches` may be
** NULL, which means none. */
bool suggest_may_search(uint32_t *searches);

#endif
