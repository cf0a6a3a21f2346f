/*
** A walk over a view's elements in row-major order, through a Reader: in chunks, as many elements
** at equal distances as lie within reach at a time.
*/
#ifndef SAFETENSORS_TENSOR_WALK_H
#define SAFETENSORS_TENSOR_WALK_H

#include "format/source.h"
#include "tensor/runs.h"

/* The elements first, first + step, ..., `count` of them, counted from `data`. Valid until the next
** chunk is asked for. */
typedef struct Chunk {
  const unsigned char *data;
  uint64_t first, count, step;
} Chunk;

typedef struct Walk {
  Reader *reader;
  unsigned bits;
  Runs runs;
  Run run; /* what is left of the current one */
} Walk;

/* Starts at the view's first element. The elements have `bits` bits; view and reader must outlive
** the walk, which walk_close() releases. False when memory runs out. */
bool walk_open(Walk *walk, const View *view, unsigned bits, Reader *reader, Error *error);

/* Goes to the view's element number `position`, row-major, which is there. */
void walk_seek(Walk *walk, uint64_t position);

/* The next elements, at most `most` of them. False at the end, and on error. */
bool walk_next(Walk *walk, uint64_t most, Chunk *chunk, Error *error);

void walk_close(Walk *walk);

#endif
