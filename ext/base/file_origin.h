/*
** Open files whose bytes come from elsewhere when they are read: descriptors for which there is somebody who fetches them.
** file_read(), file_identify_descriptor(), file_duplicate(), copy_range() and file_close() ask here, so that a file of the
** network is one like others for everybody who reads by them. Who maps such a file has to fetch its bytes before.
**
** For any thread.
*/
#ifndef SAFETENSORS_BASE_FILE_ORIGIN_H
#define SAFETENSORS_BASE_FILE_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"

typedef struct FileOrigin {
  FileIdentity identity; /* what the descriptor is reported as */
  /* Makes sure that bytes are there, as far as the file goes. */
  bool (*fetch)(void *context, uint64_t begin, uint64_t size, Error *error);
  void (*retain)(void *context); /* for another descriptor */
  void (*release)(void *context);
  void *context;
} FileOrigin;

/* Gives a descriptor an origin, which it releases when it is closed by file_close(). False if memory runs out; then nothing
** was retained. */
bool file_origin_set(int descriptor, const FileOrigin *origin);

/* Sets *origin to that of a descriptor, whose context stays until the descriptor is closed. False if it has none. */
bool file_origin_find(int descriptor, FileOrigin *origin);

/* Fetches bytes of a descriptor that may have an origin. */
bool file_origin_fetch(int descriptor, uint64_t begin, uint64_t size, Error *error);

/* For file_duplicate(): gives `to` the origin that `from` has, if any. False if memory runs out. */
bool file_origin_copy(int from, int to);

/* For file_close(). */
void file_origin_forget(int descriptor);

#endif
