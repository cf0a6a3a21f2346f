/*
** What was asked for, kept in files that all processes of the user share (base/file_store.h): the headers of files at the hub by
** their SHA-256 or commit, the lists of files of commits, and the headers of files of the web and of stores with their ETag. A
** commit that was asked about once need not be asked about again.
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

/* What is kept of a file: its first bytes, the size of all of it, and its ETag if it can change, else "". */
typedef struct CachedHeader {
  const unsigned char *bytes;
  uint64_t length, file_size;
  const char *state;
  unsigned char
      *memory; /* of what was found: memory_free() releases it, and what the others point to */
} CachedHeader;

bool header_cache_find(HeaderCache *cache, const char *key, CachedHeader *found);
void header_cache_keep(HeaderCache *cache, const char *key, const CachedHeader *header);

/* The files of a commit. */
bool header_cache_find_files(HeaderCache *cache, const char *key, HubFiles *files);
void header_cache_keep_files(HeaderCache *cache, const char *key, const HubFiles *files);

#endif
