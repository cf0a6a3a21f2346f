#include "base/place.h"

#include <errno.h>
#include <string.h>

#include "base/copy_range.h"
#include "base/file_system.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/place_directory.h"
#include "base/place_system.h"
#include "base/system_error.h"

enum { PLACE_ATTEMPTS = 4 };

static bool place_raise(const Place *place, const char *action, int number, Error *error) {
  return error_raise(error, system_error_write_code(number), place->path, "cannot %s: %s", action,
                     system_error_words(number));
}

static bool place_raise_snapshot(const Place *place, const char *found, Error *error) {
  return error_raise(error, ERROR_SNAPSHOT, place->path,
                     "expected the file as it was when it was read, found that somebody else %s",
                     found);
}

static bool place_raise_exists(const Place *place, Error *error) {
  return error_raise(error, ERROR_EXISTS, place->path,
                     "expected no file there (mode 'create'), found one; mode 'replace' replaces "
                     "it, BEGIN ... COMMIT joins several INSERTs");
}

/* Raises that the target exists, although there was no file before. */
static bool place_raise_found(const Place *place, Error *error) {
  return place->mode == PLACE_CREATE ? place_raise_exists(place, error)
                                     : place_raise_snapshot(place, "has written one", error);
}

static int place_directory_of(const Place *place) {
  return place->directory->descriptor;
}

/* Closes the Place, and leaves all files where they are. */
static void place_close(Place *place) {
  memory_free(place->temporary);
  memory_free(place->path);
  memory_free(place->target);
  *place = (Place){.descriptor = -1};
}

/* Closes the Place, and removes the new file, which is open, or has a temporary name, or both. */
static void place_discard(Place *place) {
  int descriptor = place->state == PLACE_OPEN ? place->descriptor : -1;
  if (descriptor >= 0 || place->temporary != NULL)
    place_system_discard(place_directory_of(place), place->temporary, descriptor);
  place_close(place);
}

/* ---- Looking at the target ---- */

static bool place_check_regular(const Place *place, PlaceKind kind, Error *error) {
  if (kind == PLACE_KIND_REGULAR) return true;
  return error_raise(error, ERROR_UNOPENED, place->path,
                     "expected the path of a file to write, found a %s",
                     kind == PLACE_KIND_DIRECTORY ? "directory" : "pipe, socket or device");
}

static bool place_check_missing(const Place *place, bool is_link, const FileIdentity *expected,
                                Error *error) {
  if (is_link) {
    return error_raise(error, ERROR_UNOPENED, place->path,
                       "expected the path of a file to write, found a link that leads nowhere");
  }
  return expected == NULL || place_raise_snapshot(place, "has removed it", error);
}

/* Only opening the file shows whether it is writable, and whether the system follows the link. */
static bool place_check_existing(Place *place, const FileIdentity *expected, Error *error) {
  place->exists = true;
  if (place->mode == PLACE_CREATE) return place_raise_exists(place, error);
  int number = place_system_try(place->path, &place->expected);
  if (number != 0) return place_raise(place, "write the file", number, error);
  if (expected == NULL) return true;
  bool same = file_identity_unchanged(expected, &place->expected);
  return same || place_raise_snapshot(place, "has written it since", error);
}

static bool place_look(Place *place, const FileIdentity *expected, bool *is_link, Error *error) {
  PlaceKind kind;
  int number = place_system_look(place->path, &kind, is_link);
  if (number == ENOENT) return place_check_missing(place, *is_link, expected, error);
  if (number != 0) return place_raise(place, "look at the file", number, error);
  return place_check_regular(place, kind, error) && place_check_existing(place, expected, error);
}

/* A link is resolved completely. Otherwise only the directory is, because the file may not
** exist. */
static int place_find_target(Place *place, bool is_link) {
  if (is_link && place->exists) return file_system_real_path(place->path, &place->target);
  char *directory = path_directory(place->path), *real = NULL;
  if (directory == NULL) return ENOMEM;
  int number = file_system_real_path(directory[0] != '\0' ? directory : ".", &real);
  if (number == 0) {
    place->target = path_join(real, path_name(place->path));
    if (place->target == NULL) number = ENOMEM;
  }
  memory_free(directory);
  memory_free(real);
  return number;
}

static bool place_open_directory(Place *place, Places *places, Error *error) {
  char *directory = path_directory(place->target);
  if (directory == NULL) return error_memory(error);
  place->directory =
      place_directory_open(places, directory[0] != '\0' ? directory : "/", place->path, error);
  memory_free(directory);
  place->name = path_name(place->target);
  return place->directory != NULL;
}

/* The identity was taken by the whole path. Checks that the name in the directory is the same
** file. */
static bool place_check_target(const Place *place, Error *error) {
  FileIdentity found;
  if (!place->exists) return true;
  int number = place_system_identify(place_directory_of(place), place->name, &found);
  if (number != 0 && number != ENOENT) return place_raise(place, "look at the file", number, error);
  return (number == 0 && file_identity_unchanged(&found, &place->expected)) ||
         place_raise_snapshot(place, "is writing it", error);
}

static bool place_find(Place *place, Places *places, bool is_link, Error *error) {
  int number = place_find_target(place, is_link);
  if (number == ENOMEM) return error_memory(error);
  if (number == ENOENT || number == ENOTDIR) {
    return error_raise(error, ERROR_MISSING, place->path,
                       "cannot write: there is no such directory%s", path_tilde_hint(place->path));
  }
  if (number != 0) return place_raise(place, "find its directory", number, error);
  return place_open_directory(place, places, error) && place_check_target(place, error);
}

/* ---- The temporary file ---- */

/* Creates a file without a name if the system supports it. Otherwise sets *name to its temporary
** name. */
static int place_create_temporary(const Place *place, bool is_private, char **name, Error *error) {
  int descriptor, directory = place_directory_of(place);
  if (place_system_create_nameless(directory, is_private, &descriptor) == 0) return descriptor;
  *name = place_directory_new_name(place->directory, place->path, error);
  if (*name == NULL) return -1;
  int number = place_system_create(directory, *name, is_private, &descriptor);
  if (number == 0) return descriptor;
  place_directory_raise(place->directory, place->path, "create a file", number, error);
  memory_free(*name);
  *name = NULL;
  return -1;
}

bool place_open(Place *place, Places *places, const char *path, PlaceMode mode,
                const FileIdentity *expected, Error *error) {
  bool is_link;
  *place = (Place){.mode = mode, .descriptor = -1, .path = memory_copy_text(path, strlen(path))};
  if (place->path == NULL) return error_memory(error);
  if (place_look(place, expected, &is_link, error) && place_find(place, places, is_link, error)) {
    place->descriptor = place_create_temporary(place, place->exists, &place->temporary, error);
  }
  place->state = PLACE_OPEN;
  if (place->descriptor >= 0) return true;
  place_discard(place);
  return false;
}

int place_scratch(const Place *place, Error *error) {
  char *name = NULL;
  int descriptor = place_create_temporary(place, true, &name, error);
  if (name != NULL) place_system_remove(place_directory_of(place), name);
  memory_free(name);
  return descriptor;
}

/* ---- Sealing ---- */

/* Opens the old file, and checks that it is still the expected one. */
static int place_open_old(const Place *place, Error *error) {
  FileIdentity found = {0};
  int old;
  int number = place_system_open(place_directory_of(place), place->name, &old);
  if (number == ENOENT) {
    place_raise_snapshot(place, "has removed it", error);
    return -1;
  }
  if (number != 0) {
    place_raise(place, "open the file", number, error);
    return -1;
  }
  if (file_identify_descriptor(old, place->path, &found, error)) {
    if (file_identity_unchanged(&found, &place->expected)) return old;
    place_raise_snapshot(place, "has written it since", error);
  }
  place_system_close(old);
  return -1;
}

static bool place_keep_attributes(const Place *place, int descriptor, Error *error) {
  int old = place_open_old(place, error);
  if (old < 0) return false;
  int number = place_system_keep_attributes(old, descriptor);
  place_system_close(old);
  if (number == ENOMEM) return error_memory(error);
  return number == 0 || place_raise(place, "keep the file's attributes", number, error);
}

static bool place_name_file(Place *place, Error *error) {
  if (place->temporary != NULL) return true;
  char *name = place_directory_new_name(place->directory, place->path, error);
  if (name == NULL) return false;
  int number = place_system_name(place->descriptor, place_directory_of(place), name);
  if (number == 0) {
    place->temporary = name;
    return true;
  }
  memory_free(name);
  return place_directory_raise(place->directory, place->path, "name the new file", number, error);
}

bool place_seal(Place *place, Error *error) {
  if (place->state != PLACE_OPEN) return true;
  if (place->exists && !place_keep_attributes(place, place->descriptor, error)) return false;
  int number = place_system_sync(place->descriptor);
  if (number != 0) return place_raise(place, "write to the disk", number, error);
  if (!place_name_file(place, error)) return false;
  number = place_system_close(place->descriptor);
  place->descriptor = -1;
  place->state = PLACE_SEALED;
  return number == 0 || place_raise(place, "write to the disk", number, error);
}

/* ---- Into the target's place ---- */

/* Sets *same to whether the name is that of the file `identity`; it is not if it is that of a
** link, or of nothing. Returns an error number if this cannot be determined. */
static int place_compare(const Place *place, const char *name, const FileIdentity *identity,
                         bool *same) {
  FileIdentity found;
  int number = place_system_identify(place_directory_of(place), name, &found);
  *same = number == 0 && file_identity_unchanged(&found, identity);
  return number == ENOENT ? 0 : number;
}

/* Whether the name is certainly that of another file. An error counts as no. */
static bool place_is_other(const Place *place, const char *name, const FileIdentity *identity) {
  bool same;
  return place_compare(place, name, identity, &same) == 0 && !same;
}

static bool place_check_is(const Place *place, const char *name, const FileIdentity *identity,
                           Error *error) {
  bool same;
  int number = place_compare(place, name, identity, &same);
  if (number != 0) return place_raise(place, "look at the file", number, error);
  return same || place_raise_snapshot(place, "has written it since", error);
}

bool place_check_current(const Place *place, Error *error) {
  FileIdentity found;
  if (place->state == PLACE_PUT) return place_check_is(place, place->name, &place->placed, error);
  if (place->exists) return place_check_is(place, place->name, &place->expected, error);
  return place_system_identify(place_directory_of(place), place->name, &found) != 0 ||
         place_raise_found(place, error);
}

bool place_sync(const Place *place, Error *error) {
  return place_directory_sync(place->directory, error);
}

static int place_exchange(const Place *place) {
  return place_system_exchange(place_directory_of(place), place->temporary, place->name);
}

/* Another process may put its own file in the target's place at the same moment, and that file
** must stay. So this exchanges the two until the temporary name is that of our file again. */
static int place_exchange_back(const Place *place) {
  int number = 0;
  for (int i = 0; i < PLACE_ATTEMPTS && number == 0; i++) {
    number = place_exchange(place);
    if (number == 0 && !place_is_other(place, place->temporary, &place->placed)) return 0;
  }
  return number != 0 ? number : EAGAIN;
}

static bool place_put_new(Place *place, Error *error) {
  int number = place_system_move(place_directory_of(place), place->temporary, place->name);
  if (number == EEXIST) return place_raise_found(place, error);
  if (number != 0) return place_raise(place, "put the new file in its place", number, error);
  memory_free(place->temporary);
  place->temporary = NULL;
  place->undo = PLACE_UNDO_REMOVE;
  return true;
}

/* Copies the old file, if the file system has no hard links. */
static bool place_copy_old(const Place *place, const char *copy, Error *error) {
  int to, directory = place_directory_of(place);
  int from = place_open_old(place, error);
  if (from < 0) return false;
  int number = place_system_create(directory, copy, true, &to);
  if (number != 0) {
    place_system_close(from);
    return place_directory_raise(place->directory, place->path, "keep the old file", number, error);
  }
  CopyRange all = {.from = from,
                   .to = to,
                   .from_path = place->path,
                   .to_path = place->path,
                   .size = place->expected.size};
  bool good = copy_range(&all, error);
  number = good ? place_system_keep_attributes(from, to) : 0;
  if (good && number == 0) number = place_system_sync(to);
  place_system_close(from);
  place_system_close(to);
  return good && (number == 0 || place_raise(place, "keep the old file", number, error));
}

/* Keeps the old file under a second name, as a hard link or a copy. */
static bool place_keep_old(const Place *place, const char *name, Error *error) {
  int number = place_system_link(place_directory_of(place), place->name, name);
  if (number == 0) return place_check_is(place, name, &place->expected, error);
  if (number == ENOENT) return place_raise_snapshot(place, "has removed it", error);
  return place_copy_old(place, name, error);
}

/* Replaces the target if the system cannot exchange two files in one step. */
static bool place_put_over_kept(Place *place, Error *error) {
  int directory = place_directory_of(place);
  char *kept = place_directory_new_name(place->directory, place->path, error);
  if (kept == NULL) return false;
  bool good = place_keep_old(place, kept, error);
  if (good) {
    int number = place_system_replace(directory, place->temporary, place->name);
    good = number == 0 || place_raise(place, "put the new file in its place", number, error);
  }
  if (good) {
    memory_free(place->temporary);
    place->temporary = kept;
    place->undo = PLACE_UNDO_RENAME;
  } else {
    place_system_remove(directory, kept);
    memory_free(kept);
  }
  return good;
}

static bool place_put_over(Place *place, Error *error) {
  if (!place_check_current(place, error)) return false;
  int number = place_exchange(place);
  if (place_system_is_unsupported(number)) return place_put_over_kept(place, error);
  if (number == ENOENT) return place_raise_snapshot(place, "has removed it", error);
  if (number != 0) return place_raise(place, "put the new file in its place", number, error);
  place->undo = PLACE_UNDO_EXCHANGE;
  if (place_check_is(place, place->temporary, &place->expected, error)) return true;
  place_exchange_back(place);
  return false;
}

/* Renaming a file changes its ctime, which is part of its identity. */
static void place_take_placed(Place *place) {
  FileIdentity found;
  if (place_system_identify(place_directory_of(place), place->name, &found) == 0) {
    if (file_identity_unchanged(&found, &place->placed)) place->placed = found;
  }
}

bool place_put(Place *place, Error *error) {
  if (place->state != PLACE_SEALED) return true;
  int number = place_system_identify(place_directory_of(place), place->temporary, &place->placed);
  if (number != 0) return place_raise(place, "find the new file again", number, error);
  if (!(place->exists ? place_put_over(place, error) : place_put_new(place, error))) return false;
  place->state = PLACE_PUT;
  place_take_placed(place);
  return true;
}

/* ---- And out of it, or for good ---- */

/* Renames the new file to a temporary name before removing it, so that a file that another
** process has put there in the meantime can be renamed back. */
static void place_take_back_new(Place *place) {
  Error ignored = {0};
  int directory = place_directory_of(place);
  place->temporary = place_directory_new_name(place->directory, place->path, &ignored);
  error_clear(&ignored);
  if (place->temporary == NULL) { /* out of memory */
    if (!place_is_other(place, place->name, &place->placed)) {
      place_system_remove(directory, place->name);
    }
    return;
  }
  if (place_system_move(directory, place->name, place->temporary) == 0 &&
      place_is_other(place, place->temporary, &place->placed)) {
    place_system_move(directory, place->temporary, place->name);
  }
}

static void place_take_back_old(Place *place) {
  if (place_is_other(place, place->name, &place->placed)) return;
  int number = place->undo == PLACE_UNDO_EXCHANGE
                   ? place_exchange_back(place)
                   : place_system_replace(place_directory_of(place), place->temporary, place->name);
  if (number == 0) return;
  memory_free(place->temporary); /* forget the name, so that the old file is not removed with it */
  place->temporary = NULL;
}

void place_take_back(Place *place) {
  if (place->state == PLACE_CLOSED) return;
  if (place->state == PLACE_PUT) {
    if (place->undo == PLACE_UNDO_REMOVE) {
      place_take_back_new(place);
    } else {
      place_take_back_old(place);
    }
  }
  place_discard(place);
}

void place_finish(Place *place) {
  if (place->state == PLACE_CLOSED) return;
  if (place->temporary != NULL) place_system_remove(place_directory_of(place), place->temporary);
  place_close(place);
}
