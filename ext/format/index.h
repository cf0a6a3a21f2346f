/*
** The index of a sharded model, *.safetensors.index.json: {"metadata": {"total_size": ...},
** "weight_map": {tensor's name: shard's file name, ...}}.
** Source: transformers/modeling_utils.py and huggingface_hub/serialization (save_torch_state_dict).
**
** A shard's name is relative to the index's folder, and may name a sub-folder. Everything by which
** it could leave that folder is an error, before any shard is opened.
*/
#ifndef SAFETENSORS_FORMAT_INDEX_H
#define SAFETENSORS_FORMAT_INDEX_H

#include "base/error.h"
#include "base/path_list.h"
#include "base/platform.h"
#include "format/name_table.h"

enum { INDEX_MAX_LENGTH = 100000000 };
#define INDEX_SUFFIX ".safetensors.index.json"
#define INDEX_INFIX  ".safetensors.index."

typedef struct IndexEntry {
  Span name; /* first: NameTable reads it there */
  uint32_t shard;
} IndexEntry;

typedef struct Index {
  PathList shards; /* names as in the file, each once, natural order */
  IndexEntry *entries;
  uint32_t entry_count;
  char *text; /* of the names */
  NameTable names;
  bool has_total_size;
  int64_t total_size;
  FileIdentity *verified_shards; /* as they were when verify_shards() found them good, or NULL */
} Index;

/* What makes this no name of a shard, or NULL: an absolute path, "..", a backslash, a colon (drive
** letters, URLs), a control character. */
const char *index_shard_problem(const char *name, uint64_t length);

/* Parses and validates `length` bytes of JSON. `path` names the file in messages. Returns an Index
** that index_free() releases, or NULL. */
Index *index_parse(const char *text, uint64_t length, const char *path, Error *error);

void index_free(Index *index);

/* The shard that has this tensor by the index. */
bool index_find(const Index *index, const char *name, uint64_t length, uint32_t *entry);

/* Bytes of memory that the index holds, roughly. */
uint64_t index_memory(const Index *index);

#endif
