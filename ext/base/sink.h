/*
** Where bytes go, one after the other: into an open file, through a buffer, or into a block of
** memory.
*/
#ifndef SAFETENSORS_BASE_SINK_H
#define SAFETENSORS_BASE_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Bytes written to a file at a time: larger buffered writes were 2 to 4 times slower. */
enum { SINK_BUFFER = 256 << 10 };

typedef struct Sink {
  int descriptor;       /* the file, written where it stands; -1 for memory */
  const char *path;     /* for messages */
  unsigned char *block; /* the buffer, or the memory */
  uint64_t used, size;  /* of block */
  bool no_copy;         /* copy_file_range() does not work here */
  bool lasting;         /* for the caller to set: the file is to be on the disk soon */
  uint64_t written;     /* to the file, and of these */
  uint64_t begun;       /* what the disk was set to work on */
} Sink;

/* Starts a Sink into a file, which must outlive it, and so must `path`. sink_close() releases it.
** False when memory runs out. */
bool sink_open_file(Sink *sink, int descriptor, const char *path, Error *error);

/* Into `size` bytes of memory, the caller's. */
void sink_open_memory(Sink *sink, unsigned char *memory, uint64_t size);

bool sink_write(Sink *sink, const void *bytes, uint64_t size, Error *error);

/* Takes bytes of another open file, from `offset` on: within the kernel, or as shared blocks of the
** file system, where that can be done (copy_file_range). It is an error when the file has not as
** many. Takes at most `size` of them, and says in *taken how many. */
bool sink_copy(Sink *sink, int from, const char *from_path, uint64_t offset, uint64_t size,
               uint64_t *taken, Error *error);

/* Writes what is still in the buffer. */
bool sink_flush(Sink *sink, Error *error);

void sink_close(Sink *sink);

#endif
