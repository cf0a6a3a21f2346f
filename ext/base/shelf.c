#include "base/shelf.h"

#include <stddef.h>

#include "base/memory.h"

enum {
  SHELF_PAGE = 2 << 20, /* a large page */
  SHELF_MAX_PIECE = 8 * SHELF_PAGE,
  SHELF_ALIGNMENT = 16
};

/* Blocks follow it; if it is large, from the first large page on. */
struct ShelfPiece {
  Shelf *shelf; /* NULL if that has been cleared */
  ShelfPiece *next, *previous;
  uint64_t size, used; /* including this */
  uint64_t blocks;
};

/* Before each block. */
typedef union ShelfBlock {
  ShelfPiece *piece;
  char alignment[SHELF_ALIGNMENT];
} ShelfBlock;

/* Returns a size that is a multiple of the alignment, also if it overflows. */
static uint64_t shelf_round(uint64_t size) {
  return (size + SHELF_ALIGNMENT - 1) & ~(uint64_t)(SHELF_ALIGNMENT - 1);
}

/* Makes a piece with that much room. */
static ShelfPiece *shelf_new_piece(Shelf *shelf, uint64_t room) {
  bool in_pages = room >= 2 * SHELF_PAGE;
  uint64_t used = shelf_round(sizeof(ShelfPiece)), whole = used + room;
  ShelfPiece *piece = memory_alloc(in_pages ? whole + SHELF_PAGE : whole);
  if (piece == NULL) return NULL;
  if (in_pages) {
    whole += SHELF_PAGE;
    used += (SHELF_PAGE - ((uintptr_t)piece + used) % SHELF_PAGE) % SHELF_PAGE;
  }
  *piece = (ShelfPiece){.shelf = shelf, .next = shelf->first, .size = whole, .used = used};
  if (shelf->first != NULL) shelf->first->previous = piece;
  shelf->first = piece;
  shelf->size += whole;
  return piece;
}

static void shelf_free_piece(ShelfPiece *piece) {
  Shelf *shelf = piece->shelf;
  if (piece->next != NULL) piece->next->previous = piece->previous;
  if (piece->previous != NULL) {
    piece->previous->next = piece->next;
  } else if (shelf != NULL) {
    shelf->first = piece->next;
  }
  if (shelf != NULL) shelf->size -= piece->size;
  memory_free(piece);
}

/* Makes a piece with room for a block of that size, and for others if there is memory. */
static ShelfPiece *shelf_grow(Shelf *shelf, uint64_t size) {
  uint64_t room = shelf->size / 2 < SHELF_MAX_PIECE ? shelf->size / 2 : SHELF_MAX_PIECE;
  ShelfPiece *piece = room > size ? shelf_new_piece(shelf, room) : NULL;
  return piece != NULL ? piece : shelf_new_piece(shelf, size);
}

void *shelf_alloc(Shelf *shelf, uint64_t size) {
  uint64_t whole;
  if (__builtin_add_overflow(size, sizeof(ShelfBlock) + SHELF_ALIGNMENT, &whole)) return NULL;
  whole = shelf_round(sizeof(ShelfBlock) + size);
  ShelfPiece *piece = shelf->first;
  if (piece == NULL || piece->size - piece->used < whole) piece = shelf_grow(shelf, whole);
  if (piece == NULL) return NULL;
  ShelfBlock *block = (ShelfBlock *)(void *)((char *)piece + piece->used);
  block->piece = piece;
  piece->used += whole;
  piece->blocks++;
  return block + 1;
}

void shelf_free(void *block) {
  if (block == NULL) return;
  ShelfPiece *piece = ((ShelfBlock *)block - 1)->piece;
  if (--piece->blocks == 0) shelf_free_piece(piece);
}

void shelf_clear(Shelf *shelf) {
  for (ShelfPiece *piece = shelf->first; piece != NULL; piece = piece->next) piece->shelf = NULL;
  *shelf = (Shelf){0};
}
