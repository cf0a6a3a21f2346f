/*
** The index of a sharded model, *.safetensors.index.json: {"metadata": {"total_size": ...},
** "weight_map": {tensor's name: shard's file name, ...}}. Source: transformers/modeling_utils.py
** and huggingface_hub/serialization (save_torch_state_dict).
**
** Readers only need weight_map, in which no tensor may occur twice. Everything else in the index
** is skipped, provided that Python's json module accepts it (JSON_RULES_PYTHON).
**
** A shard's name is relative to the directory of the index, and may contain subdirectories. A name
** that could leave that directory is an error, which is raised before any shard is opened.
*/
#ifndef SAFETENSORS_FORMAT_INDEX_H
#define SAFETENSORS_FORMAT_INDEX_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/path_list.h"
#include "json/json_walk.h"

enum { INDEX_MAX_LENGTH = 100000000 };
#define INDEX_SUFFIX ".safetensors.index.json"
#define INDEX_INFIX  ".safetensors.index."

/* A tensor of weight_map. Only a hash of its name is kept. The hash has a new seed for each
** reading, so nobody can make a file whose names collide. No two tensors of an index have equal
** hashes. */
typedef struct IndexEntry {
  uint64_t hash;
  uint32_t shard;
  uint32_t at; /* the offset of the name's opening quote in the file */
} IndexEntry;

typedef struct Index {
  PathList shards;     /* names as in the file, each once, in natural order */
  IndexEntry *entries; /* in the order of the file */
  uint32_t entry_count;
  uint32_t *slots; /* a hash table of the entries: their numbers plus one, and above those a part of
                      their hashes; 0 is free */
  uint64_t mask, seed;
  uint32_t entry_bits;           /* the number of bits of a slot that have the number */
  FileIdentity *verified_shards; /* their state when verify_shards() accepted them, or NULL */
  bool verified_surely;          /* an unchanged state proves that nothing has changed */
} Index;

/* The source of an index: an open file, or memory. */
typedef struct IndexInput {
  const char *path; /* for messages */
  const char *text; /* NULL for a file */
  int descriptor;
  uint64_t size;
  uint64_t window; /* the number of bytes to hold in memory at a time; 0 for the default */
} IndexInput;

/* Returns what makes `name` invalid as the name of a shard, or NULL: an absolute path, "..", the
** name of a directory, a backslash, a colon (drive letters, URLs), or a control character. */
const char *index_shard_problem(const char *name, uint64_t length);

/* Simplifies a valid name in place, so that all names of a shard become one: "./a//b/./c" becomes
** "a/b/c". Returns the new length. Does not append a NUL. */
uint64_t index_shard_simplify(char *name, uint64_t length);

/* Returns what a text is that does not begin with '{', as an index does, or NULL if it does. If
** `code` is not NULL, sets *code to the code of the finding for that (see lint_code.h), or to NULL
** if there is none. */
const char *index_start_problem(const char *text, uint64_t length, const char **code);

/* Reads and validates an index of at most INDEX_MAX_LENGTH bytes, a window at a time. The text does
** not stay in memory. If `hash` is not NULL, sets *hash to the XXH3 hash of all bytes. Returns an
** Index that index_free() releases, or NULL. */
Index *index_read(const IndexInput *input, uint64_t *hash, Cancel *cancel, Error *error);

void index_free(Index *index);

/* Returns whether the index has this tensor, and its number. With a probability of 2^-64 a name
** that is not in the index gets the number of another tensor, which the caller notices when it
** opens the shard. */
bool index_find(const Index *index, const char *name, uint64_t length, uint32_t *entry);

/* Does the same, and is faster if the tensor is the one behind number *entry. */
bool index_find_next(const Index *index, const char *name, uint64_t length, uint32_t *entry);

/* Returns, for a message, the name of the tensor whose opening quote is at `at`, or the beginning
** of a long name. memory_free() releases it. Returns NULL on error. */
char *index_input_name(const IndexInput *input, uint32_t at, Error *error);

/* Returns, for a message, the name of tensor number `entry` from the file of the index, or other
** words if the file has changed. */
char *index_entry_name(const Index *index, uint32_t entry, const char *path, Error *error);

/* Reads `size` bytes of the file. */
bool index_input_read(const IndexInput *input, char *buffer, uint64_t offset, uint64_t size,
                      Error *error);

/* For walks over the index: raises that it is not JSON. Returns false. */
bool index_raise_fault(const char *subject, const JsonFault *fault, Error *error);

/* For index_reader.c: return the hash of a name, and the slot of a hash, which is free if no entry
** has it. */
uint64_t index_hash(const Index *index, const char *name, uint64_t length);
uint32_t *index_slot(const Index *index, uint64_t hash);

/* For index_reader.c: return the value of a slot for an entry, and the number of the entry that a slot
** is for. */
uint32_t index_slot_value(const Index *index, uint32_t entry);
uint32_t index_slot_entry(const Index *index, uint32_t value);

/* Adds to the size of each shard's header, which is at first what it takes without tensors, what its tensors take there as
** far as the index says it: the bytes of their names, and INDEX_HEADER_ENTRY for the rest of each. */
enum { INDEX_HEADER_ENTRY = 110 };
void index_estimate_headers(const Index *index, uint64_t *sizes);

/* Returns the approximate number of bytes of memory that the index occupies. */
uint64_t index_memory(const Index *index);

#endif
