/*
** Writes what is pending as a model in shards: the shards with fresh names, and an index that
** switches to them. When a model is edited, shards without changes keep their files.
*/
#ifndef SAFETENSORS_WRITE_SEAL_SHARDS_H
#define SAFETENSORS_WRITE_SEAL_SHARDS_H

#include "write/place_shards.h"
#include "write/target.h"

/* Writes and seals the shards and the index of a target. On error returns false, and the caller
** must call place_shards_take_back(). */
bool seal_shards(Target *target, PlaceShards *set, Places *places, Session *session, Error *error);

/* Checks that the shards that are kept have not been changed by another process. */
bool seal_shards_check(const Target *target, const PlaceShards *set, Error *error);

#endif
