/*
** Replaces files atomically. The new content goes into a temporary file in the target's directory,
** which is synced and then takes the place of the target in one step. At any moment, even if the
** process is killed or the power fails, the target is the whole old file or the whole new file.
**
** Several files can be replaced together: either all of them or, unless the process dies in
** between, none. The calls come in this order:
**
**   place_open()     for each file: checks the target and opens `descriptor` for writing
**   place_seal()     for each file: syncs it, closes it, and gives it a temporary name
**   places_lock()    locks the directories against other writers
**   place_put()      for each file: puts it in the target's place and keeps the old file
**   places_sync()    syncs the directories
**   places_unlock()
**   place_finish()   for each file: removes the old file; there is no way back after this
**   places_close()
**
** Everything that is slow or needs space is done before the first file is put. Until a Place is
** finished, place_take_back() undoes what was done to it, in any state. All names are looked up in
** the directory that was opened first, so the process may change its current directory in between.
**
** Where the system supports it (O_TMPFILE on Linux), a temporary file has no name until it is
** sealed, so that a killed process leaves nothing behind. A temporary name is PREFIX, 16 digits,
** "-", a number, and ".tmp". The file with the same digits and no number is the guard: the process
** that uses these names holds a lock (flock) on it. The next writer in the directory removes the
** files whose guard is not locked.
*/
#ifndef SAFETENSORS_BASE_PLACE_H
#define SAFETENSORS_BASE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/place_directory.h"

typedef enum PlaceMode {
  PLACE_CREATE, /* there must be no file */
  PLACE_REPLACE /* replaces the file, if there is one */
} PlaceMode;

typedef enum PlaceState { PLACE_CLOSED, PLACE_OPEN, PLACE_SEALED, PLACE_PUT } PlaceState;

/* How place_take_back() undoes place_put(). */
typedef enum PlaceUndo {
  PLACE_UNDO_REMOVE,   /* there was no file: remove the new one */
  PLACE_UNDO_EXCHANGE, /* the temporary name is that of the old file: exchange the two again */
  PLACE_UNDO_RENAME    /* the same, or that of a copy: rename it over the new file */
} PlaceUndo;

/* Initialize with {0}. Other files may read all members up to `placed`. */
typedef struct Place {
  PlaceState state;
  PlaceMode mode;
  bool exists;           /* whether there was an old file when this was opened */
  int descriptor;        /* of the new file, for reading and writing; only in PLACE_OPEN */
  char *path;            /* as the caller gave it; messages name it */
  char *target;          /* the real path, without links */
  FileIdentity expected; /* of the old file, if `exists` */
  FileIdentity placed;   /* of the new file, if the state is PLACE_PUT */

  PlaceDirectory *directory;
  const char *name; /* of the target in the directory; points into `target` */
  char *temporary;  /* NULL if the file has no temporary name */
  PlaceUndo undo;
} Place;

/*
** Checks the target at `path` and opens a temporary file in its directory. Also removes temporary
** files that other processes have abandoned in the directory.
**
**   - If the target is a link, the file that it leads to is replaced. The system may refuse to
**     follow a link: Linux does so for links of other users in directories like /tmp.
**   - It is an error if the target is not a regular file, if it is a link that leads nowhere, or if
**     the file or its directory is not writable.
**   - With PLACE_CREATE, it is ERROR_EXISTS if there is a file.
**   - With PLACE_REPLACE, `expected` can be the identity of the file as the caller has read it. If
**     the file is gone or has changed, here or in place_put(), that is ERROR_SNAPSHOT. If
**     `expected` is NULL, place_put() expects what place_open() has found.
**
** Returns false on error, and then the Place is closed.
*/
bool place_open(Place *place, Places *places, const char *path, PlaceMode mode,
                const FileIdentity *expected, Error *error);

/* Creates a file without a name in the target's directory, for temporary data. Returns a
** descriptor for reading and writing, which the caller closes, or -1 on error. */
int place_scratch(const Place *place, Error *error);

/* Copies mode, group, owner, extended attributes and access control list from the old file to
** the new one as far as the system allows; if the group cannot be kept, its permissions are
** removed. Then syncs the new file, gives it a temporary name, and closes the descriptor. Does
** nothing if the file is already sealed or put. Returns false on error. */
bool place_seal(Place *place, Error *error);

/* Puts the sealed file in the target's place, and keeps the old file for place_take_back(). If
** another process has created or changed the target since place_open(), its file stays, and the
** error is ERROR_SNAPSHOT, or ERROR_EXISTS with PLACE_CREATE. Does nothing if the file is
** already put. */
bool place_put(Place *place, Error *error);

/* Checks that the target is still what place_open() found or, after place_put(), the new file.
** If not, returns false with the error that place_put() would raise. */
bool place_check_current(const Place *place, Error *error);

/* Syncs the target's directory. For all directories, see places_sync(). Returns false on error. */
bool place_sync(const Place *place, Error *error);

/* Undoes what was done, and closes the Place. After place_put(), the old file is back and the
** new one is gone; this needs no disk space. If another process has written the target since,
** its file stays. */
void place_take_back(Place *place);

/* Makes place_put() final: removes the old file, and closes the Place. */
void place_finish(Place *place);

#endif
