/*
** The check of a sharded model's index in steps: its JSON, one member at a time; the names of its
** shards; and, after the shards have been checked, whether they contain what the index says.
*/
#ifndef SAFETENSORS_CHECK_LINT_INDEX_H
#define SAFETENSORS_CHECK_LINT_INDEX_H

#include "base/name_table.h"
#include "check/findings.h"
#include "json/json_walk.h"

typedef enum IndexLintStage {
  INDEX_LINT_START,
  INDEX_LINT_MEMBERS,
  INDEX_LINT_WEIGHT_MAP, /* the members of weight_map */
  INDEX_LINT_NAMES,      /* duplicates among them */
  INDEX_LINT_SHARD_NAMES,
  INDEX_LINT_SHARDS, /* the shards are known, and the caller checks them */
  INDEX_LINT_FOUND,  /* tensors that the shards do not have */
  INDEX_LINT_TOTAL_SIZE,
  INDEX_LINT_DONE
} IndexLintStage;

#define INDEX_LINT_NO_SHARD UINT32_MAX

/* A member of weight_map. */
typedef struct IndexRow {
  Span name;       /* must be first for NameTable */
  Span shard_name; /* empty if it is not a string */
  uint32_t shard;  /* the shard's number, or INDEX_LINT_NO_SHARD */
  uint32_t found;  /* the number of the shard that contains the tensor, plus one */
} IndexRow;

typedef struct IndexShard {
  const char *name;  /* NUL-terminated */
  uint32_t first_at; /* the offset of its first mention in the index */
  uint32_t tensors;  /* the number of tensors that the index assigns to it */
  uint32_t number;   /* its number before the shards were sorted */
  bool complete;     /* all its tensors are known */
} IndexShard;

/* Must be zeroed before use. */
typedef struct IndexLint {
  IndexLintStage stage;
  Findings *findings;
  JsonWalk walk;
  char *text;
  IndexRow *rows;
  uint32_t row_count, row;
  uint64_t row_capacity;
  NameTable names, shard_names;
  IndexShard *shards; /* the shards with valid names, in natural order */
  uint32_t shard_count;
  uint64_t shard_capacity;
  bool cut_off; /* the JSON could not be followed to its end */
  bool has_weight_map;
  bool has_total_size;
  uint32_t total_size_at;
  uint64_t total_size, nbytes; /* the size that the index states, and that of the tensors found */
} IndexLint;

/* Starts the check. `text` is a block from memory_alloc(), which the check takes over. */
void index_lint_start(IndexLint *lint, Findings *findings, char *text, uint64_t length);

/* Does a step. Returns false at the stages INDEX_LINT_SHARDS and INDEX_LINT_DONE, or if
** Findings.failed is set. */
bool index_lint_step(IndexLint *lint);

/* Notes that shard number `shard` contains this tensor. Returns false if the index does not name
** the tensor. */
bool index_lint_note(IndexLint *lint, uint32_t shard, const char *name, uint64_t length,
                     uint64_t nbytes);

/* Leaves INDEX_LINT_SHARDS after the shards have been checked. */
void index_lint_go_on(IndexLint *lint);

void index_lint_clear(IndexLint *lint);

#endif
