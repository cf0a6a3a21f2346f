/*
** Stores the bytes of rows until their file is written. They are in a file without a name in the
** target's directory, so that they take disk space there instead of memory. Space that is no longer
** needed is freed only with the whole spool.
*/
#ifndef SAFETENSORS_WRITE_SPOOL_H
#define SAFETENSORS_WRITE_SPOOL_H

#include "base/sink.h"

typedef struct Spool {
  uint32_t references;
  int descriptor;
  char *path;    /* of the target, for messages */
  uint64_t size; /* in the file; the buffer follows it */
  uint64_t used; /* bytes in the buffer */
  unsigned char *buffer;
  const unsigned char *mapped; /* the first mapped_size bytes of the file, or NULL */
  uint64_t mapped_size;
} Spool;

/* Takes over the descriptor of an empty file, even on error. Returns NULL if memory runs out. */
Spool *spool_new(int descriptor, const char *path, Error *error);
Spool *spool_retain(Spool *spool);
void spool_release(Spool *spool); /* may be NULL */

/* Appends bytes, and sets *offset to where they are. On error returns false, and the spool is
** unchanged. */
bool spool_put(Spool *spool, const void *bytes, uint64_t size, uint64_t *offset, Error *error);

/* The same for bytes that are written one part after the other. spool_begin() opens a sink for
** them, and spool_end() appends what was written to it, or discards that if `good` is false.
** spool_end() must be called in any case. Both return false on error. */
bool spool_begin(Spool *spool, Sink *sink, Error *error);
bool spool_end(Spool *spool, Sink *sink, bool good, uint64_t *offset, Error *error);

/* Returns the bytes that were put in at `offset`. They stay in memory until more is put in. The file
** is mapped for this, which is safe because nobody else can truncate it. Returns NULL on error. */
const unsigned char *spool_bytes(Spool *spool, uint64_t offset, uint64_t size, Error *error);

/* Writes the buffer to the file, so that all bytes can be read through the descriptor. */
bool spool_flush(Spool *spool, Error *error);

#endif
