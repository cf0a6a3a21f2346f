#include "base/suggest.h"

#include <string.h>

#include "base/error.h"
#include "base/sqlite.h"

enum {
  SUGGEST_MAX_LENGTH =
      512, /* in bytes; only the beginnings and ends of longer names are compared */
  SUGGEST_COST_CASE = 1,
  SUGGEST_COST_PART = 2,
  SUGGEST_COST_EDIT = 3, /* the cost of one edit; several cost as much each */
  SUGGEST_COST_NONE = 1000000
};

static bool suggest_is_boundary(char byte) {
  return byte == '.' || byte == '/' || byte == '_' || byte == '-';
}

/* Whether the longer text is the shorter one with a whole part added at the beginning or end. */
static bool suggest_has_part_more(const char *text, uint64_t length, const char *part,
                                  uint64_t shorter) {
  if (shorter == 0 || length <= shorter) return false;
  if (suggest_is_boundary(text[length - shorter - 1]) &&
      memcmp(text + length - shorter, part, (size_t)shorter) == 0) {
    return true;
  }
  return suggest_is_boundary(text[shorter]) && memcmp(text, part, (size_t)shorter) == 0;
}

static uint32_t suggest_min(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

/* The number of edits (inserting, deleting or replacing a letter) that turn one text into the
** other, at most SUGGEST_MAX_EDITS, else one more. Only the diagonals that are close enough to
** the middle one are computed. */
static uint32_t suggest_edits(const char *a, uint32_t a_length, const char *b, uint32_t b_length) {
  enum { SUGGEST_WIDTH = 2 * SUGGEST_MAX_EDITS + 1, SUGGEST_TOO_MANY = SUGGEST_MAX_EDITS + 1 };
  uint32_t row[SUGGEST_WIDTH + 2], next[SUGGEST_WIDTH + 2];
  /* row[1 + d] is the cell of this line at column line + d - SUGGEST_MAX_EDITS */
  for (uint32_t d = 0; d < SUGGEST_WIDTH + 2; d++) {
    row[d] =
        d > SUGGEST_MAX_EDITS && d <= SUGGEST_WIDTH ? d - 1 - SUGGEST_MAX_EDITS : SUGGEST_TOO_MANY;
  }
  for (uint32_t line = 1; line <= a_length; line++) {
    uint32_t best = SUGGEST_TOO_MANY;
    next[0] = next[SUGGEST_WIDTH + 1] = SUGGEST_TOO_MANY;
    for (uint32_t d = 0; d < SUGGEST_WIDTH; d++) {
      next[1 + d] = SUGGEST_TOO_MANY;
      if (line + d < SUGGEST_MAX_EDITS || line + d - SUGGEST_MAX_EDITS > b_length) continue;
      uint32_t column = line + d - SUGGEST_MAX_EDITS;
      uint32_t cost = suggest_min(row[d + 2] + 1, next[d] + 1);
      if (column > 0) cost = suggest_min(cost, row[d + 1] + (a[line - 1] != b[column - 1]));
      next[1 + d] = suggest_min(column == 0 ? line : cost, SUGGEST_TOO_MANY);
      best = suggest_min(best, next[1 + d]);
    }
    if (best == SUGGEST_TOO_MANY) return SUGGEST_TOO_MANY;
    memcpy(row, next, sizeof row);
  }
  return row[1 + SUGGEST_MAX_EDITS + b_length - a_length];
}

/* The distance does not depend on what the texts have in common at both ends. */
static uint32_t suggest_distance(const char *a, uint64_t a_length, const char *b,
                                 uint64_t b_length) {
  uint64_t difference = a_length > b_length ? a_length - b_length : b_length - a_length;
  if (difference > SUGGEST_MAX_EDITS || a_length > SUGGEST_MAX_LENGTH) return SUGGEST_MAX_EDITS + 1;
  while (a_length > 0 && b_length > 0 && a[0] == b[0]) a++, b++, a_length--, b_length--;
  while (a_length > 0 && b_length > 0 && a[a_length - 1] == b[b_length - 1]) a_length--, b_length--;
  return suggest_edits(a, (uint32_t)a_length, b, (uint32_t)b_length);
}

static uint32_t suggest_cost_of(const Suggest *suggest, const char *text, uint64_t length) {
  const char *word = suggest->word;
  if (length == suggest->length && length <= SUGGEST_MAX_LENGTH &&
      sqlite3_strnicmp(text, word, (int)length) == 0) {
    return SUGGEST_COST_CASE;
  }
  if (suggest_has_part_more(text, length, word, suggest->length) ||
      suggest_has_part_more(word, suggest->length, text, length)) {
    uint64_t more = length > suggest->length ? length - suggest->length : suggest->length - length;
    return SUGGEST_COST_PART + (more > 100 ? 100 : (uint32_t)more);
  }
  uint32_t count = suggest_distance(word, suggest->length, text, length);
  /* A few edits turn a short word into any other. */
  return count <= SUGGEST_MAX_EDITS && count * 2 <= suggest->length ? SUGGEST_COST_EDIT * count
                                                                    : SUGGEST_COST_NONE;
}

void suggest_offer(Suggest *suggest, const char *text, uint64_t length) {
  uint32_t cost = length > UINT32_MAX ? SUGGEST_COST_NONE : suggest_cost_of(suggest, text, length);
  uint32_t at = suggest->count;
  bool is_word = length == suggest->length && memcmp(text, suggest->word, (size_t)length) == 0;
  if (cost == SUGGEST_COST_NONE || is_word) return;
  while (at > 0 && suggest->names[at - 1].cost > cost) at--;
  if (at == SUGGEST_MAX) return;
  if (suggest->count < SUGGEST_MAX) suggest->count++;
  for (uint32_t i = suggest->count - 1; i > at; i--) suggest->names[i] = suggest->names[i - 1];
  suggest->names[at] = (SuggestedName){text, (uint32_t)length, cost};
}

char *suggest_text(const Suggest *suggest, const char *before) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  for (uint32_t i = 0; i < suggest->count; i++) {
    const SuggestedName *name = &suggest->names[i];
    const char *join = i == 0 ? "; did you mean " : i + 1 == suggest->count ? " or " : ", ";
    sqlite3_str_appendf(text, "%s\"%s%.*s\"", join, before, ERROR_NAME(name->text, name->length));
  }
  if (suggest->count > 0) sqlite3_str_appendf(text, "?");
  bool empty = suggest->count == 0 && sqlite3_str_errcode(text) == SQLITE_OK;
  char *finished = sqlite3_str_finish(text);
  return empty ? sqlite3_mprintf("") : finished;
}

bool suggest_is_near(const char *a, uint64_t a_length, const char *b, uint64_t b_length,
                     uint32_t edits) {
  return suggest_distance(a, a_length, b, b_length) <= edits;
}

bool suggest_may_search(uint32_t *searches) {
  return searches != NULL && *searches > 0 && (*searches)-- > 0;
}
