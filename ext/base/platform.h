/*
** What the extension asks of the operating system: look at a file, read a part of it, map it.
** Nothing here knows what a safetensors file is.
*/
#ifndef SAFETENSORS_BASE_PLATFORM_H
#define SAFETENSORS_BASE_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/path_list.h"

/* Which file, in which state: two equal identities mean the same bytes, as far as the file
** system's clock can tell. Times are nanoseconds since 1970. */
typedef struct FileIdentity {
  uint64_t device, inode, size;
  int64_t modified, changed;
} FileIdentity;

bool platform_identity_equal(const FileIdentity *a, const FileIdentity *b);

/* The same but for the time of the last status change, which a new hard link or mode moves too. */
bool platform_identity_unchanged(const FileIdentity *a, const FileIdentity *b);

/* Looks at `path` without opening it. Anything that is not a regular file is an error: a pipe
** would hang the reader, a device may act on being opened. */
bool platform_identify(const char *path, FileIdentity *identity, Error *error);

typedef enum PathKind {
  PATH_MISSING, /* or out of reach */
  PATH_FOLDER,
  PATH_OTHER /* a regular file, or something that platform_open() will refuse */
} PathKind;

/* Finds out what `path` names. False when the system fails; *kind is PATH_MISSING then. */
bool platform_path_kind(const char *path, PathKind *kind, Error *error);

/* What to add to "no such file": that a path begins with what only a shell knows. */
const char *platform_tilde_hint(const char *path);

/* Whether there is anything of that name: a symbolic link that leads nowhere is. */
bool platform_exists(const char *path);

/* Appends the names in a folder, without "." and "..", in no order. */
bool platform_list_folder(const char *folder, PathList *names, Error *error);

/* Whether `path`, all symbolic links followed, lies within `folder`, all of its followed too. What
** does not exist lies nowhere. Opens neither. */
bool platform_is_within(const char *path, const char *folder);

/* Removes a name of a file. */
bool platform_remove(const char *path);

/* Opens a regular file for reading and identifies it. Returns the descriptor, which the caller
** closes with platform_close(), or -1. */
int platform_open(const char *path, FileIdentity *identity, Error *error);

void platform_close(int descriptor);

/* Reads from now on what it is asked for, and nothing ahead of it. */
void platform_no_read_ahead(int descriptor);

/* Looks at an open file. */
bool platform_identify_descriptor(int descriptor, const char *path, FileIdentity *identity,
                                  Error *error);

/* Reads exactly `size` bytes at `offset`; less is an error. */
bool platform_read(int descriptor, const char *path, void *buffer, uint64_t size, uint64_t offset,
                   Error *error);

/* Maps the first `size` bytes (more than 0) read-only. The mapping outlives the descriptor, and the
** file's name; it ends with platform_unmap(). NULL on error. */
const unsigned char *platform_map(int descriptor, const char *path, uint64_t size, Error *error);

/* Brings the pages of a mapped range into memory before they are touched, where the kernel can
** (Linux 5.14): a range that the file no longer has, or a disk that fails, is an error then, and
** not a SIGBUS. Elsewhere it does nothing. */
bool platform_populate(const unsigned char *data, uint64_t size, const char *path, Error *error);

/* Whether all pages of a mapped range are in the system's cache, as far as it tells: of a file that
** is neither the user's nor writable, Linux does not, and elsewhere nothing does. At most
** PLATFORM_MOST_RESIDENT bytes. */
enum { PLATFORM_MOST_RESIDENT = 1 << 20 };
bool platform_is_resident(const unsigned char *data, uint64_t size);

/* Takes the whole pages within a mapped range out of the process, which had enough of them. They
** stay in the system's cache, and come back when they are touched. */
void platform_release(const unsigned char *data, uint64_t size);

void platform_unmap(const unsigned char *data, uint64_t size);

/* Bytes of memory that the machine has. */
uint64_t platform_memory(void);

/* Nanoseconds since some moment, which go on evenly. */
int64_t platform_monotonic(void);

/* The file system's idea of now, in the unit of FileIdentity.modified. */
int64_t platform_now(void);

#endif
