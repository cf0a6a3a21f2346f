/* Writing to open files. */
#ifndef SAFETENSORS_BASE_FILE_WRITE_H
#define SAFETENSORS_BASE_FILE_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Writes all bytes where the file stands. `path` is for messages. */
bool file_write(int descriptor, const char *path, const void *bytes, uint64_t size, Error *error);

/* Writes all bytes at `offset`; ERROR_FULL if there is no space for them. */
bool file_write_at(int descriptor, const char *path, const void *bytes, uint64_t size,
                   uint64_t offset, Error *error);

/* What both are made of: one call of the system, for at most 1 GiB, at *place or, if that is NULL, where
** the file stands. Sets *written to how many bytes it has written. Returns 0 or an error number. */
int file_write_some(int descriptor, const void *bytes, uint32_t size, const uint64_t *place,
                    uint32_t *written);

/* Raises "PATH: cannot write: ..." for an error number. Returns false. */
bool file_write_raise(const char *path, int number, Error *error);

/* Has what is written next, without an offset, go to this one. */
bool file_seek(int descriptor, const char *path, uint64_t offset, Error *error);

/* Cuts an open file down to so many bytes, if that can be done. */
void file_cut(int descriptor, uint64_t size);

/* Another descriptor of the same open file, or -1. */
int file_duplicate(int descriptor, const char *path, Error *error);

/* Closes a file that has no name, and that nobody else has open. To free what a large one occupies takes
** about a tenth of a second for each GB; on Linux the kernel does so later, and nobody waits for it. */
void file_discard(int descriptor);

/* Has the disk begin to write a range of the file, so that a later sync has less to wait for. */
void file_start_writing_back(int descriptor, uint64_t offset, uint64_t size);

#endif
