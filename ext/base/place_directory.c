#include "base/place_directory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/path_list.h"
#include "base/place_system.h"
#include "base/system_error.h"

enum { PLACE_DIRECTORY_ATTEMPTS = 16, PLACE_DIRECTORY_DIGITS = 16, PLACE_DIRECTORY_NAME = 128 };

static const int64_t place_directory_patience = 10000000000, /* nanoseconds */
    place_directory_pause = 2000000;

bool place_directory_raise(const PlaceDirectory *directory, const char *about, const char *action,
                           int number, Error *error) {
  ErrorCode code = system_error_write_code(number);
  if (code == ERROR_READ_ONLY) {
    return error_raise(
        error, code, about,
        "cannot %s in the directory %s: %s; a file is written beside the one that it "
        "replaces, so write it to a directory where you may create files, and copy "
        "it from there",
        action, directory->path, system_error_words(number));
  }
  return error_raise(error, code, about, "cannot %s in the directory %s: %s", action,
                     directory->path, system_error_words(number));
}

/* ---- Opening ---- */

static void place_directory_close(PlaceDirectory *directory);
static void place_directory_sweep(const PlaceDirectory *directory);

static PlaceDirectory *place_directory_new(const Places *places, const char *path,
                                           const char *about, Error *error) {
  PlaceDirectory *directory = memory_zeroed(1, sizeof *directory);
  if (directory == NULL) {
    error_memory(error);
    return NULL;
  }
  *directory = (PlaceDirectory){.path = memory_copy_text(path, strlen(path)),
                                .prefix = places->prefix,
                                .descriptor = -1,
                                .lock = -1,
                                .guard = -1};
  int number = directory->path == NULL
                   ? ENOMEM
                   : place_system_open_directory(path, &directory->descriptor, &directory->device,
                                                 &directory->inode);
  if (number == 0) return directory;
  if (directory->path == NULL) {
    error_memory(error);
  } else {
    error_fill(error, system_error_code(number), about, "cannot open its directory: %s",
               system_error_words(number));
  }
  place_directory_close(directory);
  return NULL;
}

static bool place_directory_is_before(const PlaceDirectory *a, const PlaceDirectory *b) {
  return a->device < b->device || (a->device == b->device && a->inode < b->inode);
}

PlaceDirectory *place_directory_open(Places *places, const char *path, const char *about,
                                     Error *error) {
  for (PlaceDirectory *known = places->directories; known != NULL; known = known->next) {
    if (strcmp(known->path, path) == 0) return known;
  }
  PlaceDirectory *directory = place_directory_new(places, path, about, error);
  if (directory == NULL) return NULL;
  PlaceDirectory **at = &places->directories;
  while (*at != NULL && place_directory_is_before(*at, directory)) at = &(*at)->next;
  if (*at != NULL && (*at)->device == directory->device && (*at)->inode == directory->inode) {
    place_directory_close(directory); /* it was opened by another path before */
    return *at;
  }
  directory->next = *at;
  *at = directory;
  place_directory_sweep(directory);
  return directory;
}

/* ---- Temporary names ---- */

static void place_directory_guard_name(const char *prefix, uint64_t digits,
                                       char name[PLACE_DIRECTORY_NAME]) {
  snprintf(name, PLACE_DIRECTORY_NAME, "%s%0*" PRIx64 ".tmp", prefix, PLACE_DIRECTORY_DIGITS,
           digits);
}

/* Creates and locks the guard file. Before it is locked, another process can mistake it for an
** abandoned one; then that process has locked or removed it, and we try another name. */
static int place_directory_make_guard(PlaceDirectory *directory) {
  char name[PLACE_DIRECTORY_NAME];
  int guard;
  directory->digits = memory_random_seed();
  place_directory_guard_name(directory->prefix, directory->digits, name);
  int number = place_system_create(directory->descriptor, name, true, &guard);
  if (number != 0) return number;
  if (place_system_lock(guard) == EWOULDBLOCK || !place_system_has_name(guard)) {
    place_system_remove(directory->descriptor, name);
    place_system_close(guard);
    return EEXIST;
  }
  directory->guard = guard;
  return 0;
}

char *place_directory_new_name(PlaceDirectory *directory, const char *about, Error *error) {
  int number = 0;
  for (int i = 0; i < PLACE_DIRECTORY_ATTEMPTS && directory->guard < 0; i++) {
    number = place_directory_make_guard(directory);
    if (number != 0 && number != EEXIST) break;
  }
  if (directory->guard < 0) {
    place_directory_raise(directory, about, "create a file", number, error);
    return NULL;
  }
  char name[PLACE_DIRECTORY_NAME];
  snprintf(name, sizeof name, "%s%0*" PRIx64 "-%" PRIu32 ".tmp", directory->prefix,
           PLACE_DIRECTORY_DIGITS, directory->digits, ++directory->names);
  char *copy = memory_copy_text(name, strlen(name));
  if (copy == NULL) error_memory(error);
  return copy;
}

/* Parses a temporary name into its digits and whether it is that of a guard file. */
static bool place_directory_parse_name(const char *name, const char *prefix, uint64_t *digits,
                                       bool *is_guard) {
  size_t length = strlen(prefix);
  if (strncmp(name, prefix, length) != 0) return false;
  const char *at = name + length;
  *digits = 0;
  for (int i = 0; i < PLACE_DIRECTORY_DIGITS; i++, at++) {
    const char *hexadecimal = "0123456789abcdef";
    const char *digit = *at != '\0' ? strchr(hexadecimal, *at) : NULL;
    if (digit == NULL) return false;
    *digits = *digits << 4 | (uint64_t)(digit - hexadecimal);
  }
  *is_guard = *at != '-';
  if (!*is_guard) {
    size_t numbers = strspn(at + 1, "0123456789");
    if (numbers == 0) return false;
    at += 1 + numbers;
  }
  return strcmp(at, ".tmp") == 0;
}

/* ---- What nobody is at work with ---- */

/* Whether the guard file does not exist, or is not locked by another process. In the second case
** it is locked now, and *guard is its descriptor; otherwise *guard is -1. */
static bool place_directory_is_abandoned(int directory, const char *prefix, uint64_t digits,
                                         int *guard) {
  char name[PLACE_DIRECTORY_NAME];
  *guard = -1;
  place_directory_guard_name(prefix, digits, name);
  int number = place_system_open(directory, name, guard);
  if (number != 0) return number == ENOENT;
  if (place_system_lock(*guard) == 0) return true;
  place_system_close(*guard);
  *guard = -1;
  return false;
}

bool place_is_left_over(const char *directory, const char *name, const char *prefix) {
  uint64_t digits, device, inode;
  int descriptor, guard;
  bool is_guard;
  if (!place_directory_parse_name(name, prefix, &digits, &is_guard) ||
      place_system_open_directory(directory, &descriptor, &device, &inode) != 0) {
    return false;
  }
  bool abandoned = place_directory_is_abandoned(descriptor, prefix, digits, &guard);
  if (guard >= 0) place_system_close(guard);
  place_system_close(descriptor);
  return abandoned;
}

/* Removes one abandoned file. The guard file must be removed last, because it shows that the
** others are abandoned; therefore the caller makes two passes. */
static void place_directory_sweep_name(const PlaceDirectory *directory, const char *name,
                                       bool guards) {
  uint64_t digits;
  bool is_guard;
  int guard;
  if (!place_directory_parse_name(name, directory->prefix, &digits, &is_guard) ||
      is_guard != guards || (directory->guard >= 0 && digits == directory->digits) ||
      !place_directory_is_abandoned(directory->descriptor, directory->prefix, digits, &guard)) {
    return;
  }
  place_system_remove(directory->descriptor, name);
  if (guard >= 0) place_system_close(guard);
}

/* Sweeping is optional, so errors are ignored. */
static void place_directory_sweep(const PlaceDirectory *directory) {
  PathList names = {0};
  Error problem = {0};
  file_system_list(directory->path, &names, NULL, &problem);
  for (uint32_t i = 0; i < names.count; i++) {
    place_directory_sweep_name(directory, names.paths[i], false);
  }
  for (uint32_t i = 0; i < names.count; i++) {
    place_directory_sweep_name(directory, names.paths[i], true);
  }
  path_list_clear(&names);
  error_clear(&problem);
}

/* ---- All of them ---- */

/* If the file system has no locks, writers go on without one: place_put() still detects changes,
** only less reliably. */
static bool place_directory_lock(PlaceDirectory *directory, Cancel *cancel, Error *error) {
  int64_t began = clock_monotonic();
  for (;;) {
    int number = place_system_lock_directory(directory->descriptor, &directory->lock);
    if (number != 0) directory->lock = -1;
    if (number != EWOULDBLOCK) return true;
    if (clock_monotonic() - began > place_directory_patience) {
      return error_raise(error, ERROR_BUSY, directory->path,
                         "expected to lock the directory, found that another program has held its "
                         "lock for ten seconds");
    }
    if (!cancel_go_on(cancel, directory->path, error)) return false;
    clock_sleep(place_directory_pause);
  }
}

bool places_lock(Places *places, Cancel *cancel, Error *error) {
  bool good = true;
  for (PlaceDirectory *at = places->directories; at != NULL && good; at = at->next) {
    good = place_directory_lock(at, cancel, error);
  }
  if (!good) places_unlock(places);
  return good;
}

void places_unlock(Places *places) {
  for (PlaceDirectory *at = places->directories; at != NULL; at = at->next) {
    if (at->lock >= 0) place_system_unlock_directory(at->lock);
    at->lock = -1;
  }
}

bool place_directory_sync(const PlaceDirectory *directory, Error *error) {
  int number = place_system_sync(directory->descriptor);
  /* Some file systems do not support locks, and flock() fails with EBADF on a directory that
  ** could only be opened with O_PATH. */
  if (number == 0 || number == EBADF || place_system_is_unsupported(number)) return true;
  return error_raise(error, system_error_write_code(number), directory->path,
                     "cannot write the directory to the disk: %s", system_error_words(number));
}

bool places_sync(Places *places, Error *error) {
  for (PlaceDirectory *at = places->directories; at != NULL; at = at->next) {
    if (!place_directory_sync(at, error)) return false;
  }
  return made_directory_sync_all(places->made, error);
}

static void place_directory_close(PlaceDirectory *directory) {
  char name[PLACE_DIRECTORY_NAME];
  if (directory->guard >= 0) {
    place_directory_guard_name(directory->prefix, directory->digits, name);
    place_system_remove(directory->descriptor, name);
    place_system_close(directory->guard);
  }
  if (directory->descriptor >= 0) place_system_close(directory->descriptor);
  memory_free(directory->path);
  memory_free(directory);
}

void places_close(Places *places) {
  while (places->directories != NULL) {
    PlaceDirectory *directory = places->directories;
    places->directories = directory->next;
    place_directory_close(directory);
  }
  made_directory_close_all(&places->made);
}
