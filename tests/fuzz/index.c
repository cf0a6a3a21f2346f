/*
** The attack: the index of a sharded model, whose maker wants files outside its directory opened, or
** tensors looked up in shards that are not there, or memory read or written that is not the
** index's.
**
** The input is the index file.
*/
#include "format/index.h"
#include "fuzz_lint.h"

static void require_entry(const Index *index, uint32_t number, const IndexInput *input) {
  const IndexEntry *entry = &index->entries[number];
  Error error = {0};
  uint32_t found;
  REQUIRE(entry->shard < index->shards.count);
  char *name = index_input_name(input, entry->at, &error);
  REQUIRE(name != NULL);
  if (strlen(name) < 1000) { /* a longer one may be cut */
    REQUIRE(index_find(index, name, strlen(name), &found));
    REQUIRE(found == number);
  }
  sqlite3_free(name);
}

/* No shard's name is a way out of the directory. */
static void require_shard(const Index *index, uint32_t number) {
  const char *name = index->shards.paths[number];
  char *within = sqlite3_mprintf("/%s/", name);
  REQUIRE(within != NULL && strstr(within, "/../") == NULL && strstr(within, "//") == NULL);
  REQUIRE(strlen(name) > 0 && index_shard_problem(name, strlen(name)) == NULL);
  REQUIRE(number == 0 || natural_compare(index->shards.paths[number - 1], name) < 0);
  sqlite3_free(within);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Error error = {0};
  sqlite3_int64 before = sqlite3_memory_used();
  IndexInput input = {.path = "index", .text = (const char *)data, .size = size};
  Index *index = index_read(&input, NULL, NULL, &error);
  if (index != NULL) {
    for (uint32_t i = 0; i < index->entry_count; i++) require_entry(index, i, &input);
    for (uint32_t i = 0; i < index->shards.count; i++) require_shard(index, i);
    REQUIRE(index_memory(index) > 0);
  }
  require_outcome(index != NULL, &error);
  REQUIRE((index != NULL) == (lint_index_errors(data, size) == 0));
  index_free(index);
  REQUIRE(sqlite3_memory_used() == before);
  return 0;
}
