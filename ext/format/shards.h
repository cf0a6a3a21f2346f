/*
** Splitting a model into shards, and the index that says which tensor is in which.
**
** The rule is Hugging Face's: tensors are taken in the order in which they were added; one that
** would make the current shard larger than the limit starts the next; one that alone is larger than
** the limit gets a shard of its own, and the current one goes on. Shards are numbered as they are
** completed. Sizes count tensors' bytes, not headers.
** Source: huggingface_hub/serialization/_base.py, split_state_dict_into_shards_factory().
*/
#ifndef SAFETENSORS_FORMAT_SHARDS_H
#define SAFETENSORS_FORMAT_SHARDS_H

#include "base/path_list.h"
#include "format/writer.h"

/* Starts as {0}; shards_clear() releases it. */
typedef struct Shards {
  WriterPart *parts; /* of the sorted Writer */
  uint32_t count;    /* at least 1 */
  PathList names;    /* file names, one for each part */
} Shards;

/* Whether a path is one for an index: it ends with INDEX_SUFFIX, and has more before it. */
bool shards_is_index_path(const char *path);

/* Splits the tensors, and sorts the Writer so that each shard's lie together. `index_path` gives the
** shards' names: for x/model.safetensors.index.json, model-00001-of-00002.safetensors. */
bool shards_plan(Shards *shards, Writer *writer, uint64_t limit, const char *index_path,
                 Error *error);

/* The one file of all tensors, as a single part without a name. */
bool shards_plan_single(Shards *shards, Writer *writer, Error *error);

/* The text of the index, as json.dumps(index, indent=2, sort_keys=True) lays it out, with a line
** break at the end. memory_free() releases it; NULL on error. */
char *shards_index(const Shards *shards, const Writer *writer, const char *subject,
                   uint64_t *length, Error *error);

/* Whether a file name is that of a shard of this model, by the rule above, but of none of these. */
bool shards_is_left_over(const Shards *shards, const char *index_path, const char *name);

void shards_clear(Shards *shards);

#endif
