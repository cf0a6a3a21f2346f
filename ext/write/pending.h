/*
** The content of a file, or of a model, that is being written: its tensors, its metadata, and the
** files that it was loaded from. Cursors hold references to the lists (pending_rows.h).
*/
#ifndef SAFETENSORS_WRITE_PENDING_H
#define SAFETENSORS_WRITE_PENDING_H

#include "write/pending_tensor.h"

/* A file as it was when it was loaded. */
typedef struct PendingMember {
  char *path;
  char *name; /* as the index names it; NULL without an index */
  FileIdentity identity;
  uint32_t tensors, pairs; /* the number of tensors and of metadata pairs in it */
} PendingMember;

/* The files that the content was loaded from: one file, or an index and its shards. */
typedef struct PendingBase {
  bool is_index;
  char *path; /* of the file or the index, as it was opened */
  FileIdentity identity;
  PendingMember *members;
  uint32_t count;
} PendingBase;

/* Initialize with {0}; release with pending_clear(). */
typedef struct Pending {
  PendingRows *tensors, *pairs;
  PendingBase base;
} Pending;

/* Starts empty content that is not loaded from a file. Returns false on error. */
bool pending_start(Pending *pending, Error *error);

/* Loads the content of the file or index at `path`. Rows get the same rowid as the row of the
** same name in `before`, which may be NULL. Returns false on error. */
bool pending_load(Pending *pending, PendingSources *sources, const char *path,
                  const Pending *before, Error *error);

/* Whether the files that it was loaded from are unchanged. Returns false, without an error, also
** if one is gone. */
bool pending_is_current(const Pending *pending);

/* Releases the data of tensors that nobody else holds, which may be the last that keeps a spool or a
** source open. From then on the content is only good for being the `before` of pending_load(). */
void pending_keep_names(Pending *pending);

void pending_clear(Pending *pending);

#endif
