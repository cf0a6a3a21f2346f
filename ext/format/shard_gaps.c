#include "format/shard_gaps.h"

#include <string.h>

#include "base/sort.h"
#include "base/sqlite.h"

/* Reads a number of at most 18 digits. Returns the number of digits, 0 if there are none. */
static uint32_t shard_gaps_read_number(const char *text, uint64_t *number) {
  uint32_t digits = 0;
  *number = 0;
  while (text[digits] >= '0' && text[digits] <= '9') {
    if (digits == 18) return 0;
    *number = *number * 10 + (uint64_t)(text[digits++] - '0');
  }
  return digits;
}

/* Returns the length of the prefix without "rK-" at its end. */
static uint64_t shard_gaps_find_stem(const char *name, uint64_t prefix_length) {
  uint64_t at = prefix_length - 1; /* the position of the '-' */
  while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') at--;
  bool has_generation =
      at + 1 < prefix_length && at >= 2 && name[at - 1] == 'r' && name[at - 2] == '-';
  return has_generation ? at - 1 : prefix_length;
}

bool shard_name_parse(const char *name, ShardName *parsed) {
  static const char of[] = "-of-";
  const char *middle = NULL;
  for (const char *at = strstr(name, of); at != NULL; at = strstr(at + 1, of)) middle = at;
  if (middle == NULL) return false;
  const char *start = middle, *total = middle + sizeof of - 1;
  while (start > name && start[-1] >= '0' && start[-1] <= '9') start--;
  *parsed = (ShardName){.name = name, .of = middle, .prefix_length = (uint64_t)(start - name)};
  uint32_t digits = shard_gaps_read_number(total, &parsed->total);
  parsed->suffix = total + digits;
  if (start == name || start[-1] != '-' || digits == 0 || strchr(parsed->suffix, '/') != NULL) {
    return false;
  }
  parsed->stem_length = shard_gaps_find_stem(name, parsed->prefix_length);
  return shard_gaps_read_number(start, &parsed->number) > 0;
}

/* Compares the models of two shards. Models of one stem are adjacent. Returns 0 for shards of one
** model. */
static int shard_gaps_by_model(const ShardName *a, const ShardName *b) {
  if (a->stem_length != b->stem_length) return a->stem_length < b->stem_length ? -1 : 1;
  int order = memcmp(a->name, b->name, (size_t)a->stem_length);
  if (order == 0) order = strcmp(a->suffix, b->suffix);
  if (order != 0) return order;
  if (a->prefix_length != b->prefix_length) return a->prefix_length < b->prefix_length ? -1 : 1;
  order = memcmp(a->name, b->name, (size_t)a->prefix_length);
  if (order == 0 && a->total != b->total) order = a->total < b->total ? -1 : 1;
  return order;
}

static int shard_gaps_by_number(const void *left, const void *right) {
  const ShardName *a = left, *b = right;
  int order = shard_gaps_by_model(a, b);
  if (order != 0) return order;
  return a->number < b->number ? -1 : a->number > b->number;
}

bool shard_names_sort(ShardName *names, uint32_t count, Cancel *cancel, const char *subject,
                      Error *error) {
  return sort_rows(names, count, sizeof *names, shard_gaps_by_number, cancel, subject, error);
}

bool shard_names_share_stem(const ShardName *a, const ShardName *b) {
  return a->stem_length == b->stem_length &&
         memcmp(a->name, b->name, (size_t)a->stem_length) == 0 && strcmp(a->suffix, b->suffix) == 0;
}

uint32_t shard_names_group(const ShardName *names, uint32_t count) {
  uint32_t members = 1;
  while (members < count && shard_gaps_by_model(&names[0], &names[members]) == 0) members++;
  return members;
}

uint32_t shard_names_edited(const ShardName *names, uint32_t count) {
  uint32_t span = 1;
  while (span < count && shard_names_share_stem(&names[0], &names[span])) span++;
  const ShardName *last = &names[span - 1];
  bool is_one_write = last->prefix_length == names[0].prefix_length &&
                      memcmp(last->name, names[0].name, (size_t)last->prefix_length) == 0;
  return is_one_write ? 0 : span;
}

char *shard_names_missing(const ShardName *names, uint32_t count, uint64_t *missing) {
  enum { SHARD_GAPS_NAMED = 10 };
  sqlite3_str *text = sqlite3_str_new(NULL);
  uint64_t expected = names[0].number == 0 ? 0 : 1; /* some tools count from 0 */
  uint64_t end = names[0].total + expected, ranges = 0;
  *missing = 0;
  for (uint32_t i = 0; i <= count; i++) {
    uint64_t next = i < count && names[i].number < end ? names[i].number : end;
    if (next > expected) {
      const char *comma = ranges > 0 ? ", " : "";
      if (ranges == SHARD_GAPS_NAMED) {
        sqlite3_str_appendall(text, ", ...");
      } else if (ranges < SHARD_GAPS_NAMED && next - expected == 1) {
        sqlite3_str_appendf(text, "%s%lld", comma, (long long)expected);
      } else if (ranges < SHARD_GAPS_NAMED) {
        sqlite3_str_appendf(text, "%s%lld to %lld", comma, (long long)expected,
                            (long long)next - 1);
      }
      *missing += next - expected;
      ranges++;
    }
    if (next >= expected) expected = next + 1;
  }
  bool failed = sqlite3_str_errcode(text) != SQLITE_OK;
  char *result = sqlite3_str_finish(text);
  if (!failed && result != NULL) return result;
  sqlite3_free(result);
  return *missing == 0 && !failed ? sqlite3_mprintf("") : NULL;
}
