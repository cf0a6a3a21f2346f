/*
** The directory in which files are replaced: its descriptor, its lock, and the temporary names in
** it. See place.h.
*/
#ifndef SAFETENSORS_BASE_PLACE_DIRECTORY_H
#define SAFETENSORS_BASE_PLACE_DIRECTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/made_directory.h"

typedef struct PlaceDirectory PlaceDirectory;

/* The files that are replaced together. Initialize with {.prefix = ...}; release with
** places_close(). */
typedef struct Places {
  const char *prefix;          /* of temporary names */
  PlaceDirectory *directories; /* those of the targets, without duplicates */
  MadeDirectory *made;         /* those that were not there */
} Places;

struct PlaceDirectory {
  PlaceDirectory *next; /* ordered by device and inode, which is the order of locking */
  char *path;           /* the real path */
  const char *prefix;
  int descriptor;
  int lock; /* of the directory, or -1 */
  uint64_t device, inode;
  uint64_t digits; /* of the temporary names of this process */
  int guard;       /* the descriptor of the locked guard file (see place.h), or -1 */
  uint32_t names;  /* the number of temporary names so far */
};

/* Returns the directory at `path`, which must be a real path, and opens it if it is not open
** yet. Returns NULL on error. Messages name `about`. */
PlaceDirectory *place_directory_open(Places *places, const char *path, const char *about,
                                     Error *error);

/* Returns a new temporary name, which the caller releases with memory_free(), or NULL on error. */
char *place_directory_new_name(PlaceDirectory *directory, const char *about, Error *error);

/* Syncs the directory. Returns false on error. */
bool place_directory_sync(const PlaceDirectory *directory, Error *error);

/* Raises that `action`, which was to create something in the directory, failed with the error
** number. Returns false. */
bool place_directory_raise(const PlaceDirectory *directory, const char *about, const char *action,
                           int number, Error *error);

/* ---- All directories of Places ---- */

/* Locks all directories against other writers (flock, if the file system supports it). Waits for
** at most ten seconds, and then fails with ERROR_BUSY. Checks `cancel` while it waits. Hold the
** lock only around place_put(), because other writers wait for it. */
bool places_lock(Places *places, Cancel *cancel, Error *error);
void places_unlock(Places *places);

/* Syncs all directories. Returns false on error. */
bool places_sync(Places *places, Error *error);

/* Closes all directories, and removes those that were made and are empty. The Places must have been
** closed before. */
void places_close(Places *places);

/* Whether `name` is a temporary name with this prefix whose process has abandoned it. */
bool place_is_left_over(const char *directory, const char *name, const char *prefix);

#endif
