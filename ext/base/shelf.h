/*
** Memory for many blocks of some kilobytes that live long, such as the headers of a model's shards. The
** more there are, the larger are the pieces of memory that they are taken from, so that the system can
** provide those in large pages, in a fraction of the time. A piece is released with its last block.
*/
#ifndef SAFETENSORS_BASE_SHELF_H
#define SAFETENSORS_BASE_SHELF_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ShelfPiece ShelfPiece;

/* Must be zeroed before use. */
typedef struct Shelf {
  ShelfPiece *first; /* a list of all pieces; blocks are taken from the first one */
  uint64_t size;     /* of all pieces */
} Shelf;

/* Returns uninitialised memory for anything, or NULL if memory runs out. */
void *shelf_alloc(Shelf *shelf, uint64_t size);

/* Releases a block, whose shelf may be cleared. NULL is none. */
void shelf_free(void *block);

/* Gives the shelf up. Its blocks stay until they are released. */
void shelf_clear(Shelf *shelf);

#endif
