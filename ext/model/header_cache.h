/*
** What does not change at the hub, kept in files that all processes of the user share (base/file_store.h): the headers of
** files by their SHA-256 or commit, and the lists of files of commits. A commit that was asked about once need not be asked
** about again.
**
** The directory is XDG_CACHE_HOME/sqlite-safetensors, else ~/.cache/sqlite-safetensors; on Windows
** LOCALAPPDATA/sqlite-safetensors. Nothing here is an error: what cannot be read is not there.
*/
#ifndef SAFETENSORS_MODEL_HEADER_CACHE_H
#define SAFETENSORS_MODEL_HEADER_CACHE_H

#include "model/hub_api.h"

/* All files together. */
#define HEADER_CACHE_MOST ((uint64_t)1 << 30)

typedef struct HeaderCache HeaderCache;

/* NULL if memory runs out, or if nothing says where the directory is. */
HeaderCache *header_cache_open(void);
void header_cache_close(HeaderCache *cache); /* may be NULL, here and below */

/* The first bytes of a file, to be released with memory_free(), and the size of all of it. */
bool header_cache_find(HeaderCache *cache, const char *key, unsigned char **bytes, uint64_t *length,
                       uint64_t *file_size);
void header_cache_keep(HeaderCache *cache, const char *key, const unsigned char *bytes,
                       uint64_t length, uint64_t file_size);

/* The files of a commit. */
bool header_cache_find_files(HeaderCache *cache, const char *key, HubFiles *files);
void header_cache_keep_files(HeaderCache *cache, const char *key, const HubFiles *files);

#endif
