/* Gaps in the numbers of files whose names have the form *-0000N-of-0000M*. */
#ifndef SAFETENSORS_FORMAT_SHARD_GAPS_H
#define SAFETENSORS_FORMAT_SHARD_GAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"

/* The parts of a name. "model-00002-of-00005.safetensors" consists of "model-", 2, 5 and
** ".safetensors". "model-r3-00002-of-00005.safetensors", which a later write of the model creates,
** has the stem "model-" too. */
typedef struct ShardName {
  const char *name; /* NUL-terminated */
  const char *suffix;
  const char *of; /* "-of-" and the rest of the name */
  uint64_t prefix_length, stem_length;
  uint64_t number, total;
  uint32_t place; /* the index in the caller's list */
} ShardName;

/* Returns false for a name of another form. */
bool shard_name_parse(const char *name, ShardName *parsed);

/* Sorts names so that the shards of a model are adjacent and ordered by number. Returns false if
** memory runs out or `cancel` says so. */
bool shard_names_sort(ShardName *names, uint32_t count, Cancel *cancel, const char *subject,
                      Error *error);

/* Returns whether two names belong to models of the same name: to one model, or to two states of
** it. */
bool shard_names_share_stem(const ShardName *a, const ShardName *b);

/* Returns how many of the names, beginning with the first, belong to one model. */
uint32_t shard_names_group(const ShardName *names, uint32_t count);

/* Returns how many of the names, beginning with the first, have its stem, if they belong to several
** writes, and 0 otherwise. A model that was edited has such names: shards that did not change keep theirs,
** so that the numbers do not show what is missing. */
uint32_t shard_names_edited(const ShardName *names, uint32_t count);

/* Returns the missing numbers of a group, as in "2, 5 to 7", of which only the first few are
** listed. Sets *missing to their count. memory_free() releases the text. Returns NULL if memory
** runs out. */
char *shard_names_missing(const ShardName *names, uint32_t count, uint64_t *missing);

#endif
