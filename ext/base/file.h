/* Files for reading: which file a path names, in which state it is, and its bytes. */
#ifndef SAFETENSORS_BASE_FILE_H
#define SAFETENSORS_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/path_list.h"

/* Which file this is, and in which state. Two equal identities mean the same bytes, as far as the
** file system's clock can distinguish two states. Times are nanoseconds since 1970. */
typedef struct FileIdentity {
  uint64_t device, inode, size;
  int64_t modified, changed;
} FileIdentity;

bool file_identity_equal(const FileIdentity *a, const FileIdentity *b);

/* The same without `changed`, the time of the last status change, because a new hard link or a new
** mode changes that as well. */
bool file_identity_unchanged(const FileIdentity *a, const FileIdentity *b);

/* Looks at `path` without opening it. Anything that is not a regular file is an error: a pipe would
** block the reader, and a device may act on being opened. */
bool file_identify(const char *path, FileIdentity *identity, Error *error);

/* Opens a regular file for reading and identifies it. Returns the descriptor, which the caller
** closes with file_close(), or -1. */
int file_open(const char *path, FileIdentity *identity, Error *error);

void file_close(int descriptor);

/* Looks at an open file. `path` is for messages. */
bool file_identify_descriptor(int descriptor, const char *path, FileIdentity *identity,
                              Error *error);

/* Reads exactly `size` bytes at `offset`. It is an error if the file has fewer. */
bool file_read(int descriptor, const char *path, void *buffer, uint64_t size, uint64_t offset,
               Error *error);

/* What file_read() is made of: one call of the system, for at most 1 GiB. Sets *got to how many bytes
** it has read, which is 0 at the end of the file. Returns 0 or an error number. */
int file_read_some(int descriptor, void *buffer, uint32_t size, uint64_t offset, uint32_t *got);

/* Asks the system not to read ahead in this file, and to do so again. */
void file_no_read_ahead(int descriptor);
void file_usual_read_ahead(int descriptor);

/* Sets *real_path to the path of an open file, as file_system_real_path() does. ENOTSUP if the system
** does not report it. */
int file_real_path(int descriptor, char **real_path);

#endif
