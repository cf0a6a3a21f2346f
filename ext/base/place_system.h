/*
** The operating system calls that place.c needs. Functions return 0 or an error number (errno).
** Names are looked up in an open directory.
**
** Each kind of system has a file that implements this, such as place_system_posix.c; what does not
** depend on it is in place_system.c.
*/
#ifndef SAFETENSORS_BASE_PLACE_SYSTEM_H
#define SAFETENSORS_BASE_PLACE_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

/* Whether the error number means that the system or the file system does not support the call,
** as opposed to a failure of the call. */
bool place_system_is_unsupported(int number);

/* ---- Paths ---- */

typedef enum PlaceKind {
  PLACE_KIND_NOTHING,
  PLACE_KIND_REGULAR,
  PLACE_KIND_DIRECTORY,
  PLACE_KIND_DEVICE
} PlaceKind;

/* Sets *kind to what is at `path`, following links, and *is_link to whether `path` is a link.
** Returns ENOENT if a link leads nowhere. */
int place_system_look(const char *path, PlaceKind *kind, bool *is_link);

/* Opens a file for reading and writing, and closes it again, to find out whether it is writable.
** Follows links if the system allows it. Sets *identity. */
int place_system_try(const char *path, FileIdentity *identity);

/* ---- Directories ---- */

/* Opens a directory, and sets its device and inode number. If the system supports it, this works
** even if the directory is not readable. */
int place_system_open_directory(const char *path, int *directory, uint64_t *device,
                                uint64_t *inode);

/* Locks a directory exclusively among those who write files there, without waiting. Returns
** EWOULDBLOCK if another process holds the lock. What *lock is set to ends it. */
int place_system_lock_directory(int directory, int *lock);
void place_system_unlock_directory(int lock);

/* Locks an open file exclusively, without waiting, until it is closed. Returns EWOULDBLOCK if
** another process holds the lock. */
int place_system_lock(int descriptor);

/* Makes a directory with the default permissions or, if `is_private`, only those of its owner; EEXIST if there is something. */
int place_system_make_directory(const char *path, bool is_private);

/* Whether a directory, and the link to it if there is one, belong to the user, and nobody else may write there. */
bool place_system_is_private(const char *path);

/* Removes an empty directory. */
int place_system_remove_directory(const char *path);

/* ---- Files in them ---- */

/* Creates a file and opens it for reading and writing. The file gets the default permissions or,
** if `is_private`, only those of its owner. The second function creates a file without a name. */
int place_system_create(int directory, const char *name, bool is_private, int *descriptor);
int place_system_create_nameless(int directory, bool is_private, int *descriptor);

/* Gives a name to a file that was created without one. */
int place_system_name(int descriptor, int directory, const char *name);

/* Opens a regular file for reading, and for writing if that is permitted. Does not follow links. */
int place_system_open(int directory, const char *name, int *descriptor);

/* Sets *identity without following links. Returns ENOENT also if the name is not that of a
** regular file. */
int place_system_identify(int directory, const char *name, FileIdentity *identity);

int place_system_remove(int directory, const char *name);

/* Three ways to rename. The first exchanges two files in one step. The second fails with EEXIST
** if `to` exists. The third replaces `to` if it exists. */
int place_system_exchange(int directory, const char *a, const char *b);
int place_system_move(int directory, const char *from, const char *to);
int place_system_replace(int directory, const char *from, const char *to);

/* Creates a hard link. */
int place_system_link(int directory, const char *from, const char *to);

/* Whether an open file still has a name. */
bool place_system_has_name(int descriptor);

/* Copies mode, group, owner, extended attributes and access control list. Skips what the system
** does not permit, but then narrows the permissions, so that nobody gains access who could not
** open the old file. */
int place_system_keep_attributes(int from, int to);

/* Syncs a file, or the entries of a directory. */
int place_system_sync(int descriptor);

int place_system_close(int descriptor);

/* Closes and removes a file that is not wanted: one that is open, or -1; and its name, or NULL. */
void place_system_discard(int directory, const char *name, int descriptor);

/* For tests: makes the process behave as if the system did not support some features. `what` is
** a sum of these. */
enum {
  PLACE_LACKS_NAMELESS = 1,
  PLACE_LACKS_EXCHANGE = 2,
  PLACE_LACKS_NO_REPLACE = 4,
  PLACE_LACKS_LINKS = 8,
  PLACE_LACKS_LOCKS = 16
};
void place_pretend_to_lack(unsigned what);

/* Whether a test has disabled one of the features `what`. */
bool place_system_pretends_to_lack(unsigned what);

#endif
