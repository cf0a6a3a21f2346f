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

/* Both may be called by several threads at a time. What is read must have been written. */
bool temporary_write(Temporary *temporary, const void *bytes, uint64_t size, uint64_t offset,
                     Error *error);
bool temporary_read(Temporary *temporary, void *bytes, uint64_t size, uint64_t offset,
                    Error *error);

#endif
