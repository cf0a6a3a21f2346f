/*
** Reads the weights of a checkpoint: see weight_list.h. Headers are read, and what schemes need
** beyond them: configurations beside the files (weight_config.h), and small tensors that describe
** packed ones.
**
** The members of a model share their parts: a scale may lie in another shard. The members of a
** sharded model are one model. Of a directory or pattern without an index, the files of one
** directory are one model if no tensor is in two of them, and otherwise those of one set of shards,
** if that has this property; all others are models by themselves.
*/
#ifndef SAFETENSORS_MODEL_WEIGHTS_H
#define SAFETENSORS_MODEL_WEIGHTS_H

#include "model/checkpoint.h"
#include "model/weight_list.h"

typedef struct Weights Weights;

/* The weights of a checkpoint. What was worked out about a path stays in the session, and is used
** again as long as neither its files nor their configurations change. With `skips`, files that
** cannot be read have no rows. NULL on an error. weights_release() releases the result, which does
** not depend on the Checkpoint. */
Weights *weights_open(Checkpoint *checkpoint, const char *path, bool skips, Error *error);

Weights *weights_retain(Weights *weights); /* adds a reference */
void weights_release(Weights *weights);

/* What they are. Belongs to the Weights. */
const WeightList *weights_list(const Weights *weights);

#endif
