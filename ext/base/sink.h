/*
** Writes bytes in sequence, either to an open file, through a buffer, or to a block of memory.
*/
#ifndef SAFETENSORS_BASE_SINK_H
#define SAFETENSORS_BASE_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* How many bytes are written at a time: larger buffered writes were 2 to 4 times slower. */
enum { SINK_BUFFER = 256 << 10 };

typedef struct Sink {
  int descriptor;       /* the file, written at its current position; -1 for memory */
  const char *path;     /* for messages */
  unsigned char *block; /* the buffer, or the memory */
  uint64_t used, size;  /* bytes of `block` */
  bool no_copy;         /* copy_file_range() does not work here */
  bool lasting;         /* set by the caller if the file will be synced soon */
  uint64_t written;     /* bytes written to the file, and of these */
  uint64_t begun;       /* those that the disk has begun to write */
} Sink;

/* Starts a Sink to a file, which must outlive it, and so must `path`. sink_close() releases it.
** False when memory runs out. */
bool sink_open_file(Sink *sink, int descriptor, const char *path, Error *error);

/* Starts a Sink to `size` bytes of memory, which belong to the caller. */
void sink_open_memory(Sink *sink, unsigned char *memory, uint64_t size);

bool sink_write(Sink *sink, const void *bytes, uint64_t size, Error *error);

/* Copies at most `size` bytes of another open file, from `offset` on; *taken says how many.
** Where the system can, they are copied within the kernel, or the file system shares their
** blocks (copy_file_range). It is an error if the file has fewer bytes. */
bool sink_copy(Sink *sink, int from, const char *from_path, uint64_t offset, uint64_t size,
               uint64_t *taken, Error *error);

/* Writes what is still in the buffer. */
bool sink_flush(Sink *sink, Error *error);

void sink_close(Sink *sink);

#endif
