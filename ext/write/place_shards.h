/*
** Replaces a model in shards atomically. New shards have fresh names (format/shards.h). They are
** put in their places first; then the index is replaced in one step, which switches to them; then
** the shards that only the old index names are removed. At any moment, even if the process is
** killed, the directory has the whole old model or the whole new one.
**
**   place_shards_open()       lists the directory, and opens the new file of the index
**   place_shards_add()        opens a new shard, to be written and sealed before the next
**   place_shards_seal()       seals the index when it is written
**   place_shards_put()        while the directory is locked (places_lock())
**   place_shards_finish()     or place_shards_take_back(), which can be called in any state
*/
#ifndef SAFETENSORS_WRITE_PLACE_SHARDS_H
#define SAFETENSORS_WRITE_PLACE_SHARDS_H

#include "base/place.h"

/* Initialize with {0}. Other files may read `generation` and `index`. */
typedef struct PlaceShards {
  uint64_t generation; /* the generation of new shards, for shards_name() */
  Place index;         /* its content is written to index.descriptor */

  Places *places;
  Place *shards; /* the new ones */
  uint64_t count, capacity;
  PathList names; /* all that the new index names */
  PathList old;   /* all that the old index names */
} PlaceShards;

/* `index_path`, `mode` and `expected` are as for place_open(). `old` are the shards that the old
** index names; with NULL they are not known, and then no shard is removed. Also removes shards
** that unfinished writes have certainly abandoned. It is an error if there is a model in one
** file beside the index (model.safetensors), because loaders would read that instead. Returns
** false on error, and then the set is closed. */
bool place_shards_open(PlaceShards *set, Places *places, const char *index_path, PlaceMode mode,
                       const FileIdentity *expected, const PathList *old, Cancel *cancel,
                       Error *error);

/* Opens a new shard with this name in the directory of the index. The pointer is valid until the
** next call. Returns NULL on error. */
Place *place_shards_add(PlaceShards *set, const char *name, Error *error);

/* Adds the name of an old shard that the new index names, too. */
bool place_shards_keep(PlaceShards *set, const char *name, Error *error);

/* Seals the index. Does nothing if it is sealed already. */
bool place_shards_seal(PlaceShards *set, Error *error);

/* Puts the new shards and then the index in their places, and syncs the directory after each of
** these steps. On error returns false, and the caller must call place_shards_take_back(). */
bool place_shards_put(PlaceShards *set, Error *error);

/* Undoes what was done, in any state, and closes the set. */
void place_shards_take_back(PlaceShards *set);

/* Removes the shards that the old index names and the new one does not, if their names have the
** form of shards_name(), and closes the set. */
void place_shards_finish(PlaceShards *set);

#endif
