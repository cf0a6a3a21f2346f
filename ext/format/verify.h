/* Whether the shards of a model hold what its index says. */
#ifndef SAFETENSORS_FORMAT_VERIFY_H
#define SAFETENSORS_FORMAT_VERIFY_H

#include "format/checkpoint.h"

/* Opens all members of a model with an index and checks that each tensor of the index is in the
** shard that it says, and that none, also of those the index does not know, is in several. The
** first that is not so is the error, named. What was found good is not looked through again while
** the shards are what they were. True for a checkpoint without an index, and for one with a
** problem. */
bool verify_shards(Checkpoint *checkpoint, Error *error);

#endif
