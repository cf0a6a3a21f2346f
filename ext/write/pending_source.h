/*
** The files from which pending rows take bytes. A connection has one source for each path of a
** file: if a file was moved, or has several names, its rows keep the path by which they named it.
**
** A file stays open from when a row names it, so that its bytes are still there if another file
** takes its name. It is an error if it is changed in place. If more than PENDING_SOURCE_MAX_OPEN
** files are open, the least recently used one is closed. When it is needed, it is opened again, and
** its name must still lead to the same file.
*/
#ifndef SAFETENSORS_WRITE_PENDING_SOURCE_H
#define SAFETENSORS_WRITE_PENDING_SOURCE_H

#include "model/source.h"

enum { PENDING_SOURCE_MAX_OPEN = 200, PENDING_SOURCE_BUCKETS = 1024 };

typedef struct PendingSource {
  uint32_t references;
  char *path;
  FileIdentity identity;
  uint64_t hash;  /* of its header: File.hash */
  int descriptor; /* -1 if closed */
  File *file;     /* for readers of the session; NULL until one needs it */
  struct PendingSources *all;
  struct PendingSource *next_in_bucket, *newer, *older; /* the open sources, by last use */
} PendingSource;

/* Those of one connection. Initialize with {.session = ...}. */
typedef struct PendingSources {
  Session *session;
  uint32_t open;
  PendingSource *newest, *oldest;
  PendingSource *buckets[PENDING_SOURCE_BUCKETS];
} PendingSources;

/* Returns the source for `file`, which `path` leads to, with a new reference. It need not be
** open. Returns NULL if memory runs out. */
PendingSource *pending_source_find(PendingSources *sources, const char *path, const File *file,
                                   Error *error);
PendingSource *pending_source_retain(PendingSource *source);
void pending_source_release(PendingSource *source); /* may be NULL */

/* Closes all files. */
void pending_sources_close(PendingSources *sources);

/* Opens the file if it is closed, and checks that it is unchanged. Returns false on error. */
bool pending_source_open(PendingSource *source, Error *error);

/* Checks that an open file is still unchanged after it was read. Returns false on error. */
bool pending_source_check(PendingSource *source, Error *error);

/* Sets *out to `nbytes` bytes of the file from `offset` on, for readers of the session. The
** caller must hold a lease. The result is valid as long as the source. Returns false on error. */
bool pending_source_range(PendingSource *source, uint64_t offset, uint64_t nbytes, Source *out,
                          Error *error);

#endif
