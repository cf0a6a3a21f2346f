/*
** Temporary files, where SQLite puts its own (SQLITE_TMPDIR, PRAGMA temp_store_directory): its VFS
** makes and removes them. They have no name that others could use, and are gone when they are closed
** or the process ends.
*/
#ifndef SAFETENSORS_BASE_TEMPORARY_H
#define SAFETENSORS_BASE_TEMPORARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct Temporary Temporary;

/* NULL on an error. */
Temporary *temporary_open(Error *error);
void temporary_close(Temporary *temporary); /* may be NULL */

/* Opens a file without a name in the same directory, for reading, writing and mapping, whose bytes are 0 until they are
** written, and take no space. Returns its descriptor, which the caller closes with file_close(), or -1 with an error. */
int temporary_open_file(uint64_t size, Error *error);

/* For it: opens a file of no bytes in a directory, or where the system puts such files if it is NULL. Returns 0 or an error
** number. */
int temporary_system_open(const char *directory, int *descriptor);

/* Both may be called by several threads at a time. What is read must have been written. */
bool temporary_write(Temporary *temporary, const void *bytes, uint64_t size, uint64_t offset,
                     Error *error);
bool temporary_read(Temporary *temporary, void *bytes, uint64_t size, uint64_t offset,
                    Error *error);

#endif
