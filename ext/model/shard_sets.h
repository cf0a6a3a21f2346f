/* Shards in a directory without an index: files named *-0000N-of-0000M.safetensors. */
#ifndef SAFETENSORS_MODEL_SHARD_SETS_H
#define SAFETENSORS_MODEL_SHARD_SETS_H

#include "model/checkpoint.h"

/* Whether the checkpoint is a directory without an index, in which some models have more than one
** shard. */
bool shard_sets_has_any(const Checkpoint *checkpoint);

/* Checks that each set of shards is a complete model: that no number is missing, that no other set
** has the same name with another number of shards, that no tensor is in two of them, and that no
** file beside them shows that they are being replaced. Sets shards[] to the states of the members
** of sets. Returns false, with an error, otherwise. */
bool shard_sets_check(Checkpoint *checkpoint, FileIdentity *shards, Error *error);

#endif
