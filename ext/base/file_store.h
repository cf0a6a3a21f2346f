/*
** Small texts by key, in files of one directory, which all processes of a user share: a cache that may lose everything, and
** never returns anything wrong. Each text is written to a new file, which then takes its name. When it is read, its key and a
** checksum (XXH3-128) are compared. A directory that others may write to is not used, as they could put anything there. When all files together are larger than a limit, the oldest ones go.
**
** Nothing here is an error: what cannot be read is not there, and what cannot be written is not kept.
*/
#ifndef SAFETENSORS_BASE_FILE_STORE_H
#define SAFETENSORS_BASE_FILE_STORE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct FileStore FileStore;

/* Files in `directory`, of at most `most` bytes together. The directory is made when something is kept first, for its owner
** alone. NULL when memory runs out. Not for several threads at a time. */
FileStore *file_store_open(const char *directory, uint64_t most);
void file_store_close(FileStore *store); /* may be NULL */

/* Finds the text of a key. memory_free() releases *bytes, which a NUL follows. Returns whether there is one. */
bool file_store_find(FileStore *store, const char *key, unsigned char **bytes, uint64_t *size);

/* Keeps `size` bytes, instead of what the key had before. */
void file_store_keep(FileStore *store, const char *key, const void *bytes, uint64_t size);

#endif
