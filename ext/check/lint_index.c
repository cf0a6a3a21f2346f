#include "check/lint_index.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/path_list.h"
#include "base/sort.h"
#include "base/utf8.h"
#include "format/index.h"

typedef unsigned long long LintIndexBig; /* for "%llu" */

/* ---- Faults of the walk ---- */

static LintCode lint_index_code_of(int fault) {
  static const LintCode codes[] = {[JSON_FAULT_SYNTAX] = LINT_NOT_JSON,
                                   [JSON_FAULT_DUPLICATE_KEY] = LINT_DUPLICATE_KEY,
                                   [JSON_FAULT_NUL_IN_KEY] = LINT_NUL_IN_KEY,
                                   [JSON_FAULT_NUMBER] = LINT_BAD_NUMBER,
                                   [JSON_FAULT_ODD] = LINT_ODD_INDEX};
  return codes[fault];
}

/* The kind of the fault that weight_map, or a value in it, has the wrong type. */
enum { LINT_INDEX_WEIGHT_MAP_FAULT = JSON_FAULT_COUNT };

/* The sink of the walk, which converts each fault into a finding. */
static bool lint_index_note(void *context, const JsonFault *fault) {
  IndexLint *lint = context;
  const char *found = fault->found != NULL ? fault->found : "the end";
  LintCode code = fault->kind == LINT_INDEX_WEIGHT_MAP_FAULT ? LINT_BAD_WEIGHT_MAP
                                                             : lint_index_code_of(fault->kind);
  if (fault->expected == NULL) {
    findings_add(lint->findings, code, fault->at, "%s", found);
  } else {
    findings_add(lint->findings, code, fault->at, "expected %s, found %s", fault->expected, found);
  }
  return !lint->findings->failed;
}

void index_lint_start(IndexLint *lint, Findings *findings, char *text, uint64_t length) {
  lint->text = text;
  lint->findings = findings;
  lint->walk = (JsonWalk){.cursor = {.text = text, .length = (uint32_t)length},
                          .sink = lint_index_note,
                          .context = lint,
                          .cancel = findings->cancel,
                          .subject = findings->file != NULL ? findings->file : "BLOB",
                          .error = &findings->problem,
                          .rules = JSON_RULES_PYTHON,
                          .finds_odd = true};
}

/* Makes room for another row in a growing array. */
static bool lint_index_reserve(IndexLint *lint, void **rows, uint64_t *capacity, uint32_t count,
                               size_t size) {
  if (memory_reserve(rows, capacity, count, size)) return true;
  return findings_fail_memory(lint->findings);
}

static void lint_index_set_tensor(IndexLint *lint, Span name) {
  findings_set_tensor(lint->findings, lint->text + name.offset, name.length);
}

/* ---- The JSON ---- */

/* Reports that the file does not begin as an index does. The message quotes no byte, because the
** file may be of any kind. */
static void lint_index_report_start(IndexLint *lint, const char *problem, const char *code) {
  const char *kind = json_cursor_kind(&lint->walk.cursor);
  bool is_json = kind != NULL && strcmp(kind, "no JSON value") != 0;
  LintCode other = is_json ? LINT_NOT_AN_OBJECT : LINT_NOT_JSON;
  findings_add(lint->findings, code != NULL ? lint_code_find(code) : other, lint->walk.cursor.at,
               "expected an object as index, found %s", problem);
  lint->stage = INDEX_LINT_DONE;
}

static void lint_index_start(IndexLint *lint) {
  JsonCursor *cursor = &lint->walk.cursor;
  const char *code, *problem = index_start_problem(cursor->text, cursor->length, &code);
  if (problem != NULL) {
    lint_index_report_start(lint, problem, code);
    return;
  }
  uint64_t valid = utf8_valid_length(cursor->text, cursor->length);
  if (valid < cursor->length) {
    findings_add(lint->findings, LINT_NOT_UTF8, valid,
                 "expected an index in UTF-8, found byte 0x%02x",
                 (unsigned char)cursor->text[valid]);
  }
  json_cursor_skip_space(cursor);
  lint->stage = json_walk_enter(&lint->walk, false) ? INDEX_LINT_MEMBERS : INDEX_LINT_DONE;
}

static void lint_index_end_members(IndexLint *lint) {
  JsonWalk *walk = &lint->walk;
  if (!lint->has_weight_map) {
    findings_add(lint->findings, LINT_BAD_WEIGHT_MAP, 0,
                 "expected an object as weight_map, found none");
  }
  json_cursor_skip_space(&walk->cursor);
  if (walk->cursor.at < walk->cursor.length) {
    json_walk_not_json(walk, "the end of the JSON");
  }
  lint->stage = INDEX_LINT_NAMES;
}

static bool lint_index_span_is(const IndexLint *lint, Span span, const char *word) {
  return span.length == strlen(word) && memcmp(lint->text + span.offset, word, span.length) == 0;
}

/* Returns whether a number is whole although it is written with a point, as in 71903645408.0. */
static bool lint_index_is_whole(const char *text, uint32_t length, uint64_t *value) {
  enum { LINT_INDEX_DIGITS = 18 };
  uint32_t digits = 0, zeros = 0;
  *value = 0;
  while (digits < length && digits <= LINT_INDEX_DIGITS && text[digits] >= '0' &&
         text[digits] <= '9') {
    *value = *value * 10 + (uint64_t)(text[digits++] - '0');
  }
  while (digits + 1 + zeros < length && text[digits + 1 + zeros] == '0') zeros++;
  return digits <= LINT_INDEX_DIGITS && digits < length && text[digits] == '.' &&
         digits + 1 + zeros == length;
}

static bool lint_index_take_total_size(IndexLint *lint) {
  static const char expected[] = "a non-negative integer as total_size";
  JsonWalk *walk = &lint->walk;
  char first = json_cursor_peek(&walk->cursor);
  uint32_t at = walk->cursor.at;
  JsonNumber kind;
  lint->total_size_at = at;
  if (first < '0' || first > '9') return json_walk_wrong_value(walk, JSON_FAULT_ODD, expected);
  if (!json_walk_number(walk, &kind, &lint->total_size)) return false;
  lint->has_total_size = kind == JSON_NUMBER_UNSIGNED;
  if (lint->has_total_size) return true;
  lint->has_total_size =
      kind == JSON_NUMBER_REAL &&
      lint_index_is_whole(lint->text + at, walk->cursor.at - at, &lint->total_size);
  findings_add(lint->findings, LINT_ODD_INDEX, at, "expected %s, found %s", expected,
               kind == JSON_NUMBER_REAL ? "a number with a fraction or exponent"
                                        : "a number of more than 63 bits");
  return true;
}

static bool lint_index_take_metadata(IndexLint *lint) {
  JsonWalk *walk = &lint->walk;
  if (json_cursor_peek(&walk->cursor) != '{') {
    return json_walk_wrong_value(walk, JSON_FAULT_ODD, "an object as metadata");
  }
  if (!json_walk_enter(walk, false)) return false;
  for (;;) {
    Span key;
    bool more;
    if (!json_walk_next_key(walk, &key, &more)) return false;
    if (!more) return true;
    bool taken = lint_index_span_is(lint, key, "total_size") ? lint_index_take_total_size(lint)
                                                             : json_walk_value(walk);
    if (!taken) return false;
  }
}

static bool lint_index_take_weight_map(IndexLint *lint, Span key) {
  JsonWalk *walk = &lint->walk;
  if (lint->has_weight_map) {
    findings_add(lint->findings, LINT_DUPLICATE_KEY, key.offset - 1,
                 "expected one weight_map, found another");
    walk->key_count--; /* its duplicate has been reported */
    return json_walk_value(walk);
  }
  lint->has_weight_map = true;
  walk->rules = JSON_RULES_STRICT;
  if (json_cursor_peek(&walk->cursor) != '{') {
    bool taken =
        json_walk_wrong_value(walk, LINT_INDEX_WEIGHT_MAP_FAULT, "an object as weight_map");
    walk->rules = JSON_RULES_PYTHON;
    return taken;
  }
  if (!json_walk_enter(walk, true)) return false;
  lint->stage = INDEX_LINT_WEIGHT_MAP;
  return true;
}

static bool lint_index_take_member(IndexLint *lint) {
  JsonWalk *walk = &lint->walk;
  Span key;
  bool more;
  if (!json_walk_next_key(walk, &key, &more)) return false;
  if (!more) {
    lint_index_end_members(lint);
    return true;
  }
  if (lint_index_span_is(lint, key, "metadata")) return lint_index_take_metadata(lint);
  return lint_index_span_is(lint, key, "weight_map") ? lint_index_take_weight_map(lint, key)
                                                     : json_walk_value(walk);
}

static bool lint_index_take_row(IndexLint *lint) {
  JsonWalk *walk = &lint->walk;
  IndexRow row = {.shard = INDEX_LINT_NO_SHARD};
  bool more;
  if (!json_walk_next_key(walk, &row.name, &more)) return false;
  if (!more) {
    if (lint->row_count == 0) {
      findings_add(lint->findings, LINT_BAD_WEIGHT_MAP, walk->cursor.at - 1,
                   "expected tensors in weight_map, found none");
    }
    walk->rules = JSON_RULES_PYTHON;
    lint->stage = INDEX_LINT_MEMBERS;
    return true;
  }
  lint_index_set_tensor(lint, row.name);
  bool is_text = json_cursor_peek(&walk->cursor) == '"';
  bool taken = is_text ? json_walk_string(walk, &row.shard_name)
                       : json_walk_wrong_value(walk, LINT_INDEX_WEIGHT_MAP_FAULT,
                                               "a shard's file name in weight_map");
  if (!taken) return false;
  if (is_text && row.shard_name.length == 0) {
    findings_add(lint->findings, LINT_BAD_PATH, walk->cursor.at - 2,
                 "expected a shard's name within the index's directory, found an empty name");
  }
  char *name = lint->text + row.shard_name.offset;
  if (is_text && index_shard_problem(name, row.shard_name.length) == NULL) {
    row.shard_name.length = (uint32_t)index_shard_simplify(name, row.shard_name.length);
  }
  if (!lint_index_reserve(lint, (void **)&lint->rows, &lint->row_capacity, lint->row_count,
                          sizeof row)) {
    return false;
  }
  lint->rows[lint->row_count++] = row;
  return true;
}

static void lint_index_recover(IndexLint *lint, uint32_t depth) {
  JsonWalk *walk = &lint->walk;
  if (json_walk_recover(walk, depth)) return;
  lint->cut_off = true;
  lint->stage = INDEX_LINT_NAMES;
}

/* ---- Names of tensors and shards ---- */

/* Creates, at the first row, the table that a stage fills row by row. */
static bool lint_index_start_table(IndexLint *lint, NameTable *table, const void *rows) {
  if (table->slots != NULL) return true;
  lint->row = 0;
  if (name_table_start(table, lint->text, rows, sizeof(IndexRow), lint->row_count)) return true;
  return findings_fail_memory(lint->findings);
}

/* The last of several rows with the same name counts. */
static void lint_index_check_name(IndexLint *lint) {
  uint32_t earlier;
  if (!lint_index_start_table(lint, &lint->names, lint->rows)) return;
  if (lint->row == lint->row_count) {
    lint->stage = INDEX_LINT_SHARD_NAMES;
    return;
  }
  Span name = lint->rows[lint->row].name;
  if (!name_table_add(&lint->names, lint->row++, &earlier)) {
    IndexRow *replaced = &lint->rows[earlier];
    lint_index_set_tensor(lint, name);
    findings_add(lint->findings, LINT_DUPLICATE_KEY, name.offset - 1,
                 "expected each tensor once, found it again, after offset %llu",
                 (LintIndexBig)replaced->name.offset - 1);
    replaced->shard_name.length = 0;
  }
}

static bool lint_index_add_shard(IndexLint *lint, const IndexRow *row) {
  if (!lint_index_reserve(lint, (void **)&lint->shards, &lint->shard_capacity, lint->shard_count,
                          sizeof(IndexShard))) {
    return false;
  }
  /* The byte behind a string that has been read is its closing quote or a part of the string before
  ** it was decoded or simplified. */
  lint->text[row->shard_name.offset + row->shard_name.length] = '\0';
  lint->shards[lint->shard_count] = (IndexShard){.name = lint->text + row->shard_name.offset,
                                                 .first_at = row->shard_name.offset - 1,
                                                 .number = lint->shard_count};
  lint->shard_count++;
  return true;
}

static int lint_index_by_name(const void *left, const void *right) {
  return natural_compare(((const IndexShard *)left)->name, ((const IndexShard *)right)->name);
}

/* Sorts the shards, and updates their numbers in the rows. */
static void lint_index_sort_shards(IndexLint *lint) {
  uint32_t *place = memory_alloc((uint64_t)lint->shard_count * sizeof *place);
  if (place == NULL) {
    findings_fail_memory(lint->findings);
    return;
  }
  Findings *findings = lint->findings;
  if (!sort_rows(lint->shards, lint->shard_count, sizeof(IndexShard), lint_index_by_name,
                 findings->cancel, findings->file, &findings->problem)) {
    findings->failed = true;
  }
  for (uint32_t i = 0; i < lint->shard_count; i++) place[lint->shards[i].number] = i;
  for (uint32_t i = 0; i < lint->row_count && !findings->failed; i++) {
    IndexRow *row = &lint->rows[i];
    if (!findings_go_on(findings, i) || row->shard == INDEX_LINT_NO_SHARD) continue;
    row->shard = place[row->shard];
    lint->shards[row->shard].tensors++;
  }
  memory_free(place);
  name_table_free(&lint->shard_names);
  lint->stage = INDEX_LINT_SHARDS;
}

static void lint_index_check_shard_name(IndexLint *lint) {
  if (lint->row_count == 0) {
    lint_index_sort_shards(lint);
    return;
  }
  const char *names = (const char *)lint->rows + offsetof(IndexRow, shard_name);
  uint32_t earlier;
  if (!lint_index_start_table(lint, &lint->shard_names, names)) return;
  if (lint->row == lint->row_count) {
    lint_index_sort_shards(lint);
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
    if (lint_index_add_shard(lint, row)) row->shard = lint->shard_count - 1;
    return;
  }
  lint_index_set_tensor(lint, row->name);
  findings_add(lint->findings, LINT_BAD_PATH, row->shard_name.offset - 1,
               "expected a shard's name within the index's directory, found \"%.*s\": %s",
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
  lint->stage = INDEX_LINT_FOUND;
}

static void lint_index_check_found(IndexLint *lint) {
  if (lint->row == lint->row_count) {
    lint->stage = INDEX_LINT_TOTAL_SIZE;
    return;
  }
  const IndexRow *row = &lint->rows[lint->row++];
  if (row->shard == INDEX_LINT_NO_SHARD || row->found == row->shard + 1) return;
  const IndexShard *shard = &lint->shards[row->shard];
  lint_index_set_tensor(lint, row->name);
  if (row->found != 0) {
    findings_add(lint->findings, LINT_MISPLACED_TENSOR, row->name.offset - 1,
                 "expected in shard %s by the index, found in %s", shard->name,
                 lint->shards[row->found - 1].name);
  } else if (shard->complete) {
    findings_add(lint->findings, LINT_MISSING_TENSOR, row->name.offset - 1,
                 "expected in shard %s by the index, found in none", shard->name);
  }
}

/* The sizes are only compared if all tensors that the index names were found, because otherwise
** they differ for that reason. */
static void lint_index_check_total_size(IndexLint *lint) {
  lint->stage = INDEX_LINT_DONE;
  if (!lint->has_total_size || lint->total_size == lint->nbytes || lint->row_count == 0) return;
  for (uint32_t i = 0; i < lint->row_count; i++) {
    if (!findings_go_on(lint->findings, i) || lint->rows[i].found == 0) return;
  }
  findings_add(lint->findings, LINT_TOTAL_SIZE_DIFFERS, lint->total_size_at,
               "expected a total_size of %llu bytes, which the tensors have, found %llu",
               (LintIndexBig)lint->nbytes, (LintIndexBig)lint->total_size);
}

/* ---- Steps ---- */

bool index_lint_step(IndexLint *lint) {
  switch (lint->stage) {
    case INDEX_LINT_START: lint_index_start(lint); break;
    case INDEX_LINT_MEMBERS:
      if (!lint_index_take_member(lint)) lint_index_recover(lint, 1);
      break;
    case INDEX_LINT_WEIGHT_MAP:
      if (!lint_index_take_row(lint)) lint_index_recover(lint, 2);
      break;
    case INDEX_LINT_NAMES: lint_index_check_name(lint); break;
    case INDEX_LINT_SHARD_NAMES: lint_index_check_shard_name(lint); break;
    case INDEX_LINT_FOUND: lint_index_check_found(lint); break;
    case INDEX_LINT_TOTAL_SIZE: lint_index_check_total_size(lint); break;
    case INDEX_LINT_SHARDS:
    case INDEX_LINT_DONE: return false;
  }
  findings_set_tensor(lint->findings, NULL, 0);
  if (lint->walk.stopped) lint->findings->failed = true;
  return !lint->findings->failed;
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
