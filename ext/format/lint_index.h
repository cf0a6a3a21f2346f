/*
** The check of a sharded model's index, in steps: its JSON, a member at a time; the names of its
** shards; and, when those have been checked, whether they hold what the index says.
*/
#ifndef SAFETENSORS_FORMAT_LINT_INDEX_H
#define SAFETENSORS_FORMAT_LINT_INDEX_H

#include "format/lint_json.h"

typedef enum IndexStage {
  INDEX_START,
  INDEX_MEMBERS,
  INDEX_WEIGHT_MAP, /* its members */
  INDEX_NAMES,      /* their duplicates */
  INDEX_SHARD_NAMES,
  INDEX_SHARDS, /* the shards are known, and to be checked by the caller */
  INDEX_FOUND,  /* what the shards have not */
  INDEX_TOTAL_SIZE,
  INDEX_DONE
} IndexStage;

#define INDEX_NO_SHARD UINT32_MAX

/* A member of weight_map. */
typedef struct IndexRow {
  Span name;       /* first: NameTable reads it there */
  Span shard_name; /* empty when it is no text */
  uint32_t shard;  /* number, or INDEX_NO_SHARD */
  uint32_t found;  /* the number of the shard that has it, plus one */
} IndexRow;

typedef struct IndexShard {
  const char *name;  /* NUL-terminated */
  uint32_t first_at; /* where in the index it is first named */
  uint32_t tensors;  /* that the index says are in it */
  uint32_t number;   /* before the shards were sorted */
  bool complete;     /* all its tensors are known */
} IndexShard;

/* Starts as {0}. */
typedef struct IndexLint {
  IndexStage stage;
  JsonWalk walk;
  char *text;
  IndexRow *rows;
  uint32_t row_count, row;
  uint64_t row_capacity;
  NameTable names, shard_names;
  IndexShard *shards; /* those with good names, in natural order */
  uint32_t shard_count;
  uint64_t shard_capacity;
  bool cut_off; /* the JSON could not be followed to its end */
  bool has_weight_map;
  bool has_total_size;
  uint32_t total_size_at;
  uint64_t total_size, nbytes; /* what the index says, and of the tensors found */
} IndexLint;

/* Starts the check. `text`, a block from memory_alloc(), becomes the check's. */
void index_lint_start(IndexLint *lint, Findings *findings, char *text, uint64_t length);

/* Does a step; false at the stages INDEX_SHARDS and INDEX_DONE, or Findings.out_of_memory. */
bool index_lint_step(IndexLint *lint);

/* Notes that shard number `shard` has this tensor. False when the index does not know it. */
bool index_lint_note(IndexLint *lint, uint32_t shard, const char *name, uint64_t length,
                     uint64_t nbytes);

/* The shards have been checked: leaves INDEX_SHARDS. */
void index_lint_go_on(IndexLint *lint);

void index_lint_clear(IndexLint *lint);

#endif
