/*
** Splits a model into shards, and creates the index that maps tensors to shards.
**
** The rule is that of Hugging Face. Tensors are taken in the order in which they were added. A
** tensor that would make the current shard exceed the limit begins a new one. A tensor that alone
** exceeds the limit gets a shard of its own, and the current shard continues. Shards are numbered
** in the order of their completion. Sizes count the bytes of tensors, without headers. Source:
** huggingface_hub/serialization/_base.py, split_state_dict_into_shards_factory().
**
** The names are those of Hugging Face too, model-00001-of-00002.safetensors, if the directory has
** no such names yet. Otherwise they are new names of the next generation,
** model-r2-00001-of-00002.safetensors; names without a generation belong to the first. So no shard
** replaces another one, and the index alone determines which shards belong to the model.
*/
#ifndef SAFETENSORS_FORMAT_SHARDS_H
#define SAFETENSORS_FORMAT_SHARDS_H

#include "base/path_list.h"
#include "format/writer.h"

/* Must be zeroed before use; shards_clear() releases it. */
typedef struct Shards {
  WriterPart *parts; /* parts of the sorted Writer */
  uint32_t count;    /* at least 1 */
  PathList names;    /* file names, one for each part */
} Shards;

/* Returns whether a path is that of an index: it ends with INDEX_SUFFIX, and has more before it. */
bool shards_is_index_path(const char *path);

/* Splits the tensors, and sorts the Writer so that the tensors of each shard are adjacent. The
** shards are named for the index, in `generation`. */
bool shards_plan(Shards *shards, Writer *writer, uint64_t limit, const char *index_path,
                 uint64_t generation, Error *error);

/* Creates a single part, without a name, that contains all tensors. */
bool shards_plan_single(Shards *shards, Writer *writer, Error *error);

/* Does the same for tensors whose shards the caller has set; there are `count` of them. The caller
** adds the names. */
bool shards_plan_given(Shards *shards, Writer *writer, uint32_t count, Error *error);

/* Returns the text of the index as json.dumps(index, indent=2, sort_keys=True) formats it, with a
** line break at the end. Of `shards` only the names are used, to which the tensors' shards refer by
** number. `metadata` is the result of index_metadata() for the index that is being replaced, or
** NULL. memory_free() releases the text. Returns NULL on error. */
char *shards_index(const Shards *shards, const Writer *writer, const char *metadata,
                   const char *subject, uint64_t *length, Error *error);

/* ---- Names ---- */

/* The generation of a model's first shards, whose names do not contain it. */
enum { SHARDS_FIRST_GENERATION = 1 };

/* Returns "model-r2-00001-of-00002.safetensors" for x/model.safetensors.index.json. memory_free()
** releases it. Returns NULL if memory runs out. */
char *shards_name(const char *index_path, uint64_t generation, uint32_t number, uint32_t total);

/* Returns whether `name` is the name of a shard of the index's model by this scheme, and its
** generation. */
bool shards_parse_name(const char *index_path, const char *name, uint64_t *generation);

/* Returns the generation for new shards in a directory with these names. */
uint64_t shards_next_generation(const char *index_path, const PathList *names);

/* Whether the file is surely left over from a write that was not finished, or not tidied up: a shard
** of a later generation than the first, but not of the index's, which is the greatest that one of the
** shards has which it names, `named`. */
bool shards_is_abandoned(const char *index_path, const char *name, const PathList *named);

/* Returns whether `name` becomes unused when a write replaces the index's model, whose shards are
** `named`: it is a shard of the model by this scheme, but not one of `named`. */
bool shards_is_left_over(const char *index_path, const char *name, const PathList *named);

void shards_clear(Shards *shards);

#endif
