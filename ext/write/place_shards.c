#include "write/place_shards.h"

#include <string.h>

#include "base/file_system.h"
#include "base/memory.h"
#include "base/path.h"
#include "format/index.h"
#include "format/shards.h"

/* ---- The directory ---- */

/* Returns the real path of a file beside the index, or NULL if memory runs out. */
static char *place_shards_beside(const PlaceShards *set, const char *name) {
  char *directory = path_directory(set->index.target);
  char *path = directory != NULL ? path_join(directory[0] != '\0' ? directory : "/", name) : NULL;
  memory_free(directory);
  return path;
}

static bool place_shards_remove(const PlaceShards *set, const char *name) {
  char *path = place_shards_beside(set, name);
  bool removed = path != NULL && file_system_remove(path);
  memory_free(path);
  return removed;
}

static bool place_shards_list(const PlaceShards *set, PathList *names, Cancel *cancel,
                              Error *error) {
  char *directory = path_directory(set->index.target);
  if (directory == NULL) return error_memory(error);
  bool good = file_system_list(directory[0] != '\0' ? directory : "/", names, cancel, error);
  memory_free(directory);
  return good;
}

/* If there is such a file, loaders read it and ignore the index. */
static bool place_shards_check_lone(const PlaceShards *set, Error *error) {
  const char *suffix = strstr(set->index.name, INDEX_SUFFIX);
  if (suffix == NULL) return true;
  char *lone = memory_copy_text(set->index.name,
                                (uint64_t)(suffix - set->index.name) + strlen(".safetensors"));
  char *path = lone != NULL ? place_shards_beside(set, lone) : NULL;
  bool good = path != NULL || error_memory(error);
  if (good && file_system_exists(path)) {
    good = error_raise(error, ERROR_EXISTS, set->index.path,
                       "expected no %s beside the index, found one: loaders take that file and "
                       "never look at the index",
                       lone);
  }
  memory_free(path);
  memory_free(lone);
  return good;
}

/* Removes abandoned shards beside an index that names `named`, and removes them from `names`.
** The lock waits for writers that have put their shards, but not yet their index. */
static bool place_shards_sweep(PlaceShards *set, PathList *names, const PathList *named,
                               Cancel *cancel, Error *error) {
  uint32_t kept = 0;
  if (!places_lock(set->places, cancel, error)) return false;
  bool good = place_check_current(&set->index, error);
  for (uint32_t i = 0; i < names->count; i++) {
    char *name = names->paths[i];
    if (good && shards_is_abandoned(set->index.name, name, named) &&
        place_shards_remove(set, name)) {
      memory_free(name);
    } else {
      names->paths[kept++] = name;
    }
  }
  names->count = kept;
  places_unlock(set->places);
  return good;
}

static bool place_shards_look(PlaceShards *set, bool knows_old, Cancel *cancel, Error *error) {
  PathList names = {0};
  bool sweeps = set->index.exists && knows_old;
  bool good = place_shards_check_lone(set, error) &&
              place_shards_list(set, &names, cancel, error) &&
              (!sweeps || place_shards_sweep(set, &names, &set->old, cancel, error));
  if (good) set->generation = shards_next_generation(set->index.name, &names);
  path_list_clear(&names);
  return good;
}

static bool place_shards_copy_names(PathList *to, const PathList *from, Error *error) {
  for (uint32_t i = 0; from != NULL && i < from->count; i++) {
    if (!path_list_add(to, NULL, from->paths[i])) return error_memory(error);
  }
  return true;
}

bool place_shards_open(PlaceShards *set, Places *places, const char *index_path, PlaceMode mode,
                       const FileIdentity *expected, const PathList *old, Cancel *cancel,
                       Error *error) {
  *set = (PlaceShards){.places = places};
  if (place_shards_copy_names(&set->old, old, error) &&
      place_open(&set->index, places, index_path, mode, expected, error) &&
      place_shards_look(set, old != NULL, cancel, error)) {
    return true;
  }
  place_shards_take_back(set);
  return false;
}

/* ---- Shards ---- */

bool place_shards_keep(PlaceShards *set, const char *name, Error *error) {
  return path_list_add(&set->names, NULL, name) || error_memory(error);
}

/* If another process has created a shard with this name, it has written the model, or is about
** to. */
static bool place_shards_raise_taken(const PlaceShards *set, const char *name, Error *error) {
  if (error->code != ERROR_EXISTS) return false;
  error_clear(error);
  return error_raise(error, ERROR_SNAPSHOT, set->index.path,
                     "expected the model as it was when it was read, found that somebody else has "
                     "written its shard %s",
                     name);
}

Place *place_shards_add(PlaceShards *set, const char *name, Error *error) {
  char *path = place_shards_beside(set, name);
  if (path == NULL ||
      !memory_reserve((void **)&set->shards, &set->capacity, set->count, sizeof *set->shards)) {
    memory_free(path);
    error_memory(error);
    return NULL;
  }
  Place *shard = &set->shards[set->count];
  bool good = place_shards_keep(set, name, error) &&
              place_open(shard, set->places, path, PLACE_CREATE, NULL, error);
  memory_free(path);
  if (!good) {
    place_shards_raise_taken(set, name, error);
    return NULL;
  }
  set->count++;
  return shard;
}

bool place_shards_seal(PlaceShards *set, Error *error) {
  return place_seal(&set->index, error);
}

/* ---- The switch ---- */

bool place_shards_put(PlaceShards *set, Error *error) {
  if (set->index.state == PLACE_PUT) return true;
  if (!place_check_current(&set->index, error)) return false;
  for (uint64_t i = 0; i < set->count; i++) {
    if (place_put(&set->shards[i], error)) continue;
    return place_shards_raise_taken(set, set->shards[i].name, error);
  }
  return place_sync(&set->index, error) && place_put(&set->index, error) &&
         place_sync(&set->index, error);
}

static void place_shards_clear(PlaceShards *set) {
  memory_free(set->shards);
  path_list_clear(&set->names);
  path_list_clear(&set->old);
  *set = (PlaceShards){0};
}

void place_shards_take_back(PlaceShards *set) {
  place_take_back(&set->index);
  for (uint64_t i = 0; i < set->count; i++) place_take_back(&set->shards[i]);
  place_shards_clear(set);
}

/* If there was no index before, shards that were abandoned then can only be recognised by the
** new one. */
static void place_shards_sweep_at_last(PlaceShards *set) {
  PathList names = {0};
  Error ignored = {0};
  if (place_shards_list(set, &names, NULL, &ignored)) {
    place_shards_sweep(set, &names, &set->names, NULL, &ignored);
  }
  path_list_clear(&names);
  error_clear(&ignored);
}

/* A shard that cannot be removed does no harm, because the index does not name it. */
void place_shards_finish(PlaceShards *set) {
  if (set->index.state == PLACE_PUT && !set->index.exists) place_shards_sweep_at_last(set);
  for (uint32_t i = 0; i < set->old.count; i++) {
    const char *name = set->old.paths[i];
    if (shards_is_left_over(set->index.name, name, &set->names)) place_shards_remove(set, name);
  }
  place_finish(&set->index);
  for (uint64_t i = 0; i < set->count; i++) place_finish(&set->shards[i]);
  place_shards_clear(set);
}
