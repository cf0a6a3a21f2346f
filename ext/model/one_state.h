/*
** Makes sure that a statement sees a single state of a model of several files.
**
** A model is replaced file by file. So before the first row is returned, the states of its files
** are recorded, the headers and the index are read and checked against each other, and the states
** are compared again. If one has changed in the meantime, everything is repeated. A file that was
** changed or renamed only a moment ago may be the first of several, so this moment is waited for.
** Files that keep changing are an error in the end, and so is a set of shards in a directory
** without an index if it cannot be a single model.
**
** From then on the statement is committed to the states that were found (session_see()).
**
** This cannot detect shards that are overwritten one after the other, minutes apart, with shards
** that have the same tensor names and sizes.
*/
#ifndef SAFETENSORS_MODEL_ONE_STATE_H
#define SAFETENSORS_MODEL_ONE_STATE_H

#include "model/checkpoint.h"

/* Does this for a checkpoint of shards. Returns true for any other checkpoint, and for one with a
** problem. Afterwards the checkpoint may have been reopened, with no member open, or have a
** problem. A model that was found to be consistent is not examined again as long as its index and
** shards do not change. Returns false, with an error, if the files contradict each other or keep
** changing. */
bool verify_shards(Checkpoint *checkpoint, Error *error);

#endif
