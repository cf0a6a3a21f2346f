#include "format/shard_gaps.h"

#include <stdlib.h>
#include <string.h>

#include "base/sqlite.h"

/* The number that starts at `text`, of at most 18 digits; the number of digits, 0 for none. */
static uint32_t read_number(const char *text, uint64_t *number) {
  uint32_t digits = 0;
  *number = 0;
  while (text[digits] >= '0' && text[digits] <= '9') {
    if (digits == 18) return 0;
    *number = *number * 10 + (uint64_t)(text[digits++] - '0');
  }
  return digits;
}

bool shard_name_parse(const char *name, ShardName *parsed) {
  static const char of[] = "-of-";
  const char *middle = NULL;
  for (const char *at = strstr(name, of); at != NULL; at = strstr(at + 1, of)) middle = at;
  if (middle == NULL) return false;
  const char *start = middle, *total = middle + sizeof of - 1;
  while (start > name && start[-1] >= '0' && start[-1] <= '9') start--;
  *parsed = (ShardName){.name = name, .prefix_length = (uint64_t)(start - name)};
  uint32_t digits = read_number(total, &parsed->total);
  parsed->suffix = total + digits;
  return start > name && start[-1] == '-' && digits > 0 && read_number(start, &parsed->number) > 0;
}

/* The order of models; 0 for shards of one. */
static int by_model(const ShardName *a, const ShardName *b) {
  if (a->prefix_length != b->prefix_length) return a->prefix_length < b->prefix_length ? -1 : 1;
  int order = memcmp(a->name, b->name, (size_t)a->prefix_length);
  if (order == 0) order = strcmp(a->suffix, b->suffix);
  if (order == 0 && a->total != b->total) order = a->total < b->total ? -1 : 1;
  return order;
}

static int by_number(const void *left, const void *right) {
  const ShardName *a = left, *b = right;
  int order = by_model(a, b);
  if (order != 0) return order;
  return a->number < b->number ? -1 : a->number > b->number;
}

void shard_names_sort(ShardName *names, uint32_t count) {
  if (count > 1) qsort(names, count, sizeof *names, by_number);
}

uint32_t shard_names_group(const ShardName *names, uint32_t count) {
  uint32_t members = 1;
  while (members < count && by_model(&names[0], &names[members]) == 0) members++;
  return members;
}

char *shard_names_lacking(const ShardName *names, uint32_t count, uint64_t *lacking) {
  enum { NAMED = 10 };
  sqlite3_str *text = sqlite3_str_new(NULL);
  uint64_t expected = names[0].number == 0 ? 0 : 1; /* some count from 0 */
  uint64_t end = names[0].total + expected, ranges = 0;
  *lacking = 0;
  for (uint32_t i = 0; i <= count; i++) {
    uint64_t next = i < count && names[i].number < end ? names[i].number : end;
    if (next > expected) {
      const char *comma = ranges > 0 ? ", " : "";
      if (ranges == NAMED) {
        sqlite3_str_appendall(text, ", ...");
      } else if (ranges < NAMED && next - expected == 1) {
        sqlite3_str_appendf(text, "%s%lld", comma, (long long)expected);
      } else if (ranges < NAMED) {
        sqlite3_str_appendf(text, "%s%lld to %lld", comma, (long long)expected,
                            (long long)next - 1);
      }
      *lacking += next - expected;
      ranges++;
    }
    if (next >= expected) expected = next + 1;
  }
  bool failed = sqlite3_str_errcode(text) != SQLITE_OK;
  char *result = sqlite3_str_finish(text);
  if (!failed && result != NULL) return result;
  sqlite3_free(result);
  return *lacking == 0 && !failed ? sqlite3_mprintf("") : NULL;
}
