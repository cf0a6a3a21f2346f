/*
** Reads the elements of a view in row-major order through a Reader, in chunks: as many elements at
** equal distances as are within reach at a time.
*/
#ifndef SAFETENSORS_TENSOR_WALK_H
#define SAFETENSORS_TENSOR_WALK_H

#include "model/source.h"
#include "tensor/runs.h"

/* The elements first, first + stride, ..., `count` of them, numbered from `data`. Valid until the
** next chunk is requested. */
typedef struct Chunk {
  const unsigned char *data;
  uint64_t first, count, stride;
} Chunk;

typedef struct Walk {
  Reader *reader;
  unsigned bits;
  Runs runs;
  Run run; /* the rest of the current run */
} Walk;

/* Starts at the first element of the view. Elements have `bits` bits. `view` and `reader` must
** outlive the walk, which walk_close() releases. Returns false if memory runs out. */
bool walk_open(Walk *walk, const View *view, unsigned bits, Reader *reader, Error *error);

/* Moves to element number `position` of the view in row-major order, which must exist. */
void walk_seek(Walk *walk, uint64_t position);

/* Returns the next elements, at most `max` of them. Returns false at the end, and on an error. */
bool walk_next(Walk *walk, uint64_t max, Chunk *chunk, Error *error);

/* Releases the memory of the walk. May be called on {0}. */
void walk_close(Walk *walk);

#endif
