#include "write/seal.h"

#include <string.h>

#include "base/mapping.h"
#include "base/memory.h"
#include "model/open_files.h"
#include "write/seal_file.h"
#include "write/seal_shards.h"

/* One of the two is used, depending on target->is_index. */
typedef struct Sealed {
  Place file;
  PlaceShards shards;
} Sealed;

/* ---- One file ---- */

static bool seal_write_file(Target *target, const Place *place, Session *session, Error *error) {
  SealFile file = {.session = session, .pending = &target->pending, .subject = target->path};
  bool good =
      (target->use == TARGET_NEW ? seal_file_take_json(&file, target->options.metadata, error)
                                 : seal_file_take_pairs(&file, 0, error)) &&
      seal_file_take_tensors(&file, error) && seal_file_write(&file, place->descriptor, error);
  seal_file_clear(&file);
  return good;
}

/* Checks that the path leads to the same place as when the first row came, and that there still
** is no file if there was none. */
static bool seal_check_place(const Target *target, const Place *place, Error *error) {
  if (place->exists && !target->has_expected) {
    return error_raise(error, ERROR_SNAPSHOT, target->path,
                       "expected no file there, as when its first row came, found that somebody "
                       "else has written one");
  }
  if (strcmp(place->target, target->location.path) == 0) return true;
  return error_raise(
      error, ERROR_SNAPSHOT, target->path,
      "expected the path to lead to %s, as it did when its first row came, found that "
      "it leads to %s",
      target->location.path, place->target);
}

static bool seal_file(Target *target, Place *place, Places *places, Session *session,
                      Error *error) {
  PlaceMode mode = target->use == TARGET_NEW ? target->options.mode : PLACE_REPLACE;
  return place_open(place, places, target->path, mode,
                    target->has_expected ? &target->expected : NULL, error) &&
         seal_check_place(target, place, error) && seal_write_file(target, place, session, error) &&
         place_seal(place, error);
}

/* ---- Targets ---- */

static bool seal_target(Target *target, Places *places, Session *session, Error *error) {
  Sealed *sealed = memory_zeroed(1, sizeof *sealed);
  if (sealed == NULL) return error_memory(error);
  target->sealed = sealed;
  if (!target->is_index) return seal_file(target, &sealed->file, places, session, error);
  return seal_shards(target, &sealed->shards, places, session, error) &&
         seal_check_place(target, &sealed->shards.index, error);
}

static bool seal_put(Target *target, Error *error) {
  Sealed *sealed = target->sealed;
  if (!target->is_index) return place_put(&sealed->file, error);
  return seal_shards_check(target, &sealed->shards, error) &&
         place_shards_put(&sealed->shards, error);
}

void seal_discard(Target *target) {
  if (target->sealed == NULL) return;
  place_take_back(&target->sealed->file);
  place_shards_take_back(&target->sealed->shards);
  memory_free(target->sealed);
  target->sealed = NULL;
}

void seal_finish(Target *target) {
  if (target->sealed == NULL) return;
  if (target->is_index) {
    place_shards_finish(&target->sealed->shards);
  } else {
    place_finish(&target->sealed->file);
  }
  memory_free(target->sealed);
  target->sealed = NULL;
}

/* ---- All ---- */

static bool seal_put_all(Target *targets, Places *places, Error *error) {
  for (Target *target = targets; target != NULL; target = target->next) {
    if (target->sealed != NULL && !seal_put(target, error)) return false;
  }
  return places_sync(places, error);
}

bool seal_all(Target *targets, Places *places, Session *session, Error *error) {
  bool any = false;
  for (Target *target = targets; target != NULL; target = target->next) {
    if (target->use == TARGET_UNUSED) continue;
    any = true;
    if (target->sealed == NULL && !seal_target(target, places, session, error)) return false;
  }
  if (!any) return true;
  if (!MAPPING_IS_FREE) open_files_unmap_idle(session_open_files(session));
  if (!places_lock(places, session_cancel(session), error)) return false;
  bool good = seal_put_all(targets, places, error);
  places_unlock(places);
  return good;
}
