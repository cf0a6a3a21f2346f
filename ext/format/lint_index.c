#include "format/lint_index.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/path_list.h"
#include "base/utf8.h"
#include "format/index.h"
#include "format/json_load.h"

typedef unsigned long long Big; /* for "%llu" */

void index_lint_start(IndexLint *lint, Findings *findings, char *text, uint64_t length) {
  lint->text = text;
  lint->walk.findings = findings;
  lint->walk.scanner = (Scanner){.text = text, .length = (uint32_t)length};
  lint->walk.max_depth = JSON_MAX_DEPTH;
  lint->walk.any_number = true;
}

/* Makes room for one row more in a growing array. */
static bool reserve(IndexLint *lint, void **rows, uint64_t *capacity, uint32_t count, size_t size) {
  if (memory_reserve(rows, capacity, count, size)) return true;
  lint->walk.findings->out_of_memory = true;
  return false;
}

static void set_tensor(IndexLint *lint, Span name) {
  findings_set_tensor(lint->walk.findings, lint->text + name.offset, name.length);
}

/* ---- The JSON ---- */

static void start(IndexLint *lint) {
  JsonWalk *walk = &lint->walk;
  const Scanner *scanner = &walk->scanner;
  uint64_t valid = utf8_valid_length(scanner->text, scanner->length);
  if (valid < scanner->length) {
    json_walk_report(walk, LINT_NOT_UTF8, valid, "expected an index in UTF-8, found byte 0x%02x",
                     (unsigned char)scanner->text[valid]);
  }
  if (json_walk_peek(walk) == '{' && json_walk_enter(walk)) {
    lint->stage = INDEX_MEMBERS;
    return;
  }
  uint32_t at = scanner->at;
  if (json_walk_value(walk)) {
    json_walk_report(walk, LINT_NOT_AN_OBJECT, at,
                     "expected an object as index, found another value");
  }
  lint->stage = INDEX_DONE;
}

static void end_members(IndexLint *lint) {
  JsonWalk *walk = &lint->walk;
  if (!lint->has_weight_map) {
    json_walk_report(walk, LINT_BAD_WEIGHT_MAP, 0, "expected an object as weight_map, found none");
  }
  if (json_walk_peek(walk) != '\0' || walk->scanner.at < walk->scanner.length) {
    json_walk_not_json(walk, "the end of the JSON");
  }
  lint->stage = INDEX_NAMES;
}

static bool span_is(const IndexLint *lint, Span span, const char *word) {
  return span.length == strlen(word) && memcmp(lint->text + span.offset, word, span.length) == 0;
}

static bool take_total_size(IndexLint *lint) {
  static const char expected[] = "a non-negative integer as total_size";
  JsonWalk *walk = &lint->walk;
  char first = json_walk_peek(walk);
  JsonNumber kind;
  if (first != '-' && (first < '0' || first > '9')) {
    return json_walk_wrong_value(walk, LINT_BAD_METADATA, expected);
  }
  lint->total_size_at = walk->scanner.at;
  if (!json_walk_number(walk, &kind, &lint->total_size)) return false;
  lint->has_total_size = kind == NUMBER_UNSIGNED;
  if (!lint->has_total_size) {
    json_walk_report(walk, LINT_BAD_METADATA, lint->total_size_at,
                     "expected %s, found another number", expected);
  }
  return true;
}

static bool take_metadata(IndexLint *lint) {
  JsonWalk *walk = &lint->walk;
  if (json_walk_peek(walk) != '{') {
    return json_walk_wrong_value(walk, LINT_BAD_METADATA, "an object as metadata");
  }
  if (!json_walk_enter(walk)) return false;
  for (;;) {
    Span key;
    bool more;
    if (!json_walk_next_key(walk, &key, &more)) return false;
    if (!more) return true;
    bool taken = span_is(lint, key, "total_size") ? take_total_size(lint) : json_walk_value(walk);
    if (!taken) return false;
  }
}

static bool take_member(IndexLint *lint) {
  JsonWalk *walk = &lint->walk;
  Span key;
  bool more;
  if (!json_walk_next_key(walk, &key, &more)) return false;
  if (!more) {
    end_members(lint);
    return true;
  }
  if (span_is(lint, key, "metadata")) return take_metadata(lint);
  if (!span_is(lint, key, "weight_map")) return json_walk_value(walk);
  lint->has_weight_map = true;
  if (json_walk_peek(walk) != '{') {
    return json_walk_wrong_value(walk, LINT_BAD_WEIGHT_MAP, "an object as weight_map");
  }
  if (!json_walk_enter(walk)) return false;
  walk->frames[walk->depth - 1].keeps_keys = true;
  lint->stage = INDEX_WEIGHT_MAP;
  return true;
}

/* A row for each key, whose names the rows keep: the walk need not. */
static bool take_row(IndexLint *lint) {
  JsonWalk *walk = &lint->walk;
  IndexRow row = {.shard = INDEX_NO_SHARD};
  bool more;
  uint32_t first_key = walk->frames[1].first_key;
  if (!json_walk_next_key(walk, &row.name, &more)) return false;
  json_walk_drop_keys(walk, first_key);
  if (!more) {
    if (lint->row_count == 0) {
      json_walk_report(walk, LINT_BAD_WEIGHT_MAP, walk->scanner.at - 1,
                       "expected tensors in weight_map, found none");
    }
    lint->stage = INDEX_MEMBERS;
    return true;
  }
  set_tensor(lint, row.name);
  bool is_text = json_walk_peek(walk) == '"';
  bool taken = is_text ? json_walk_string(walk, &row.shard_name)
                       : json_walk_wrong_value(walk, LINT_BAD_WEIGHT_MAP,
                                               "a shard's file name in weight_map");
  if (!taken) return false;
  if (is_text && row.shard_name.length == 0) {
    json_walk_report(walk, LINT_BAD_PATH, walk->scanner.at - 2,
                     "expected a shard's name within the index's folder, found an empty name");
  }
  if (!reserve(lint, (void **)&lint->rows, &lint->row_capacity, lint->row_count, sizeof row)) {
    return false;
  }
  lint->rows[lint->row_count++] = row;
  return true;
}

static void recover(IndexLint *lint, uint32_t depth) {
  JsonWalk *walk = &lint->walk;
  if (json_walk_recover(walk, depth)) return;
  if (walk->depth > 1) json_walk_drop_keys(walk, walk->frames[1].first_key);
  lint->cut_off = true;
  lint->stage = INDEX_NAMES;
}

/* ---- Names of tensors and shards ---- */

/* Starts, at the first row, the table that the stage fills row by row. */
static bool start_table(IndexLint *lint, NameTable *table, const void *rows) {
  if (table->slots != NULL) return true;
  lint->row = 0;
  if (name_table_start(table, lint->text, rows, sizeof(IndexRow), lint->row_count)) return true;
  lint->walk.findings->out_of_memory = true;
  return false;
}

/* Of the same name twice, the last counts. */
static void check_name(IndexLint *lint) {
  uint32_t earlier;
  if (!start_table(lint, &lint->names, lint->rows)) return;
  if (lint->row == lint->row_count) {
    lint->stage = INDEX_SHARD_NAMES;
    return;
  }
  Span name = lint->rows[lint->row].name;
  if (!name_table_add(&lint->names, lint->row++, &earlier)) {
    IndexRow *replaced = &lint->rows[earlier];
    set_tensor(lint, name);
    json_walk_report(&lint->walk, LINT_DUPLICATE_KEY, name.offset - 1,
                     "expected each tensor once, found it again, after offset %llu",
                     (Big)replaced->name.offset - 1);
    replaced->shard_name.length = 0;
  }
}

static bool add_shard(IndexLint *lint, const IndexRow *row) {
  if (!reserve(lint, (void **)&lint->shards, &lint->shard_capacity, lint->shard_count,
               sizeof(IndexShard))) {
    return false;
  }
  /* What follows a string that has been read is its closing quote, or what it was longer. */
  lint->text[row->shard_name.offset + row->shard_name.length] = '\0';
  lint->shards[lint->shard_count] = (IndexShard){.name = lint->text + row->shard_name.offset,
                                                 .first_at = row->shard_name.offset - 1,
                                                 .number = lint->shard_count};
  lint->shard_count++;
  return true;
}

static int by_name(const void *left, const void *right) {
  return natural_compare(((const IndexShard *)left)->name, ((const IndexShard *)right)->name);
}

/* Sorts the shards, and gives the rows their new numbers. */
static void sort_shards(IndexLint *lint) {
  uint32_t *place = memory_alloc((uint64_t)lint->shard_count * sizeof *place);
  if (place == NULL) {
    lint->walk.findings->out_of_memory = true;
    return;
  }
  if (lint->shard_count > 1) qsort(lint->shards, lint->shard_count, sizeof(IndexShard), by_name);
  for (uint32_t i = 0; i < lint->shard_count; i++) place[lint->shards[i].number] = i;
  for (uint32_t i = 0; i < lint->row_count; i++) {
    IndexRow *row = &lint->rows[i];
    if (row->shard == INDEX_NO_SHARD) continue;
    row->shard = place[row->shard];
    lint->shards[row->shard].tensors++;
  }
  memory_free(place);
  name_table_free(&lint->shard_names);
  lint->stage = INDEX_SHARDS;
}

static void check_shard_name(IndexLint *lint) {
  if (lint->row_count == 0) {
    sort_shards(lint);
    return;
  }
  const char *names = (const char *)lint->rows + offsetof(IndexRow, shard_name);
  uint32_t earlier;
  if (!start_table(lint, &lint->shard_names, names)) return;
  if (lint->row == lint->row_count) {
    sort_shards(lint);
    return;
  }
  IndexRow *row = &lint->rows[lint->row];
  const char *name = lint->text + row->shard_name.offset;
  bool is_new = name_table_add(&lint->shard_names, lint->row++, &earlier);
  if (row->shard_name.length == 0) return;
  if (!is_new) {
    row->shard = lint->rows[earlier].shard;
    return;
  }
  const char *problem = index_shard_problem(name, row->shard_name.length);
  if (problem == NULL) {
    if (add_shard(lint, row)) row->shard = lint->shard_count - 1;
    return;
  }
  set_tensor(lint, row->name);
  json_walk_report(&lint->walk, LINT_BAD_PATH, row->shard_name.offset - 1,
                   "expected a shard's name within the index's folder, found \"%.*s\": %s",
                   ERROR_NAME(name, row->shard_name.length), problem);
}

/* ---- What the shards hold ---- */

bool index_lint_note(IndexLint *lint, uint32_t shard, const char *name, uint64_t length,
                     uint64_t nbytes) {
  uint32_t number;
  if (!name_table_find(&lint->names, name, length, &number)) return false;
  IndexRow *row = &lint->rows[number];
  if (row->found == 0) lint->nbytes += nbytes;
  if (row->found == 0 || row->shard == shard) row->found = shard + 1;
  return true;
}

void index_lint_go_on(IndexLint *lint) {
  lint->row = 0;
  lint->stage = INDEX_FOUND;
}

static void check_found(IndexLint *lint) {
  if (lint->row == lint->row_count) {
    lint->stage = INDEX_TOTAL_SIZE;
    return;
  }
  const IndexRow *row = &lint->rows[lint->row++];
  if (row->shard == INDEX_NO_SHARD || row->found == row->shard + 1) return;
  const IndexShard *shard = &lint->shards[row->shard];
  set_tensor(lint, row->name);
  if (row->found != 0) {
    json_walk_report(&lint->walk, LINT_MISPLACED_TENSOR, row->name.offset - 1,
                     "expected in shard %s by the index, found in %s", shard->name,
                     lint->shards[row->found - 1].name);
  } else if (shard->complete) {
    json_walk_report(&lint->walk, LINT_MISSING_TENSOR, row->name.offset - 1,
                     "expected in shard %s by the index, found in none", shard->name);
  }
}

/* Only where all that the index names was found can the sums differ by themselves. */
static void check_total_size(IndexLint *lint) {
  lint->stage = INDEX_DONE;
  if (!lint->has_total_size || lint->total_size == lint->nbytes) return;
  for (uint32_t i = 0; i < lint->row_count; i++) {
    if (lint->rows[i].found == 0) return;
  }
  json_walk_report(&lint->walk, LINT_TOTAL_SIZE_DIFFERS, lint->total_size_at,
                   "expected a total_size of %llu bytes, which the tensors have, found %llu",
                   (Big)lint->nbytes, (Big)lint->total_size);
}

/* ---- Steps ---- */

bool index_lint_step(IndexLint *lint) {
  switch (lint->stage) {
    case INDEX_START: start(lint); break;
    case INDEX_MEMBERS:
      if (!take_member(lint)) recover(lint, 1);
      break;
    case INDEX_WEIGHT_MAP:
      if (!take_row(lint)) recover(lint, 2);
      break;
    case INDEX_NAMES: check_name(lint); break;
    case INDEX_SHARD_NAMES: check_shard_name(lint); break;
    case INDEX_FOUND: check_found(lint); break;
    case INDEX_TOTAL_SIZE: check_total_size(lint); break;
    case INDEX_SHARDS:
    case INDEX_DONE: return false;
  }
  findings_set_tensor(lint->walk.findings, NULL, 0);
  return !lint->walk.findings->out_of_memory;
}

void index_lint_clear(IndexLint *lint) {
  json_walk_clear(&lint->walk);
  name_table_free(&lint->names);
  name_table_free(&lint->shard_names);
  memory_free(lint->rows);
  memory_free(lint->shards);
  memory_free(lint->text);
  *lint = (IndexLint){0};
}
