/* Checks whether the shards of a model belong together. one_state.h says when this is needed. */
#ifndef SAFETENSORS_MODEL_VERIFY_H
#define SAFETENSORS_MODEL_VERIFY_H

#include "model/checkpoint.h"

/* Opens all members of a model with an index, and checks that each tensor of the index is in the
** shard that it names, and that no tensor, even if it is not in the index, is in several shards.
** Returns false, with an error that names the first tensor for which this is not true. Sets
** shards[] to the states of the members, and *surely to whether these states are reliable (see
** File.recent). */
bool shards_agree(Checkpoint *checkpoint, FileIdentity *shards, bool *surely, Error *error);

/* Opens these members, and checks that no tensor is in two of them. Returns false with an error. */
bool shards_are_apart(Checkpoint *checkpoint, const uint32_t *members, uint32_t count,
                      FileIdentity *shards, Error *error);

#endif
