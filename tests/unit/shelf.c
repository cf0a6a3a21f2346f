/* Blocks of a shelf keep what was written to them, whatever else is taken and released, and in the end nothing is left. */
#include "base/shelf.h"

#include "base/memory.h"
#include "program.h"

enum { BLOCKS = 400, STEPS = 20000, LARGEST = 400000 };

typedef struct Block {
  unsigned char *bytes;
  uint32_t size, step;
} Block;

static Block blocks[BLOCKS];
static uint32_t state = 20240229, wrong;

static uint32_t random_below(uint32_t limit) {
  state = state * 1664525 + 1013904223;
  return (uint32_t)((uint64_t)state * limit >> 32);
}

/* Both ends of a block have its number. */
static void take(Shelf *shelf, Block *block, uint32_t step) {
  block->size = 8 + random_below(random_below(4) == 0 ? LARGEST : 200);
  block->step = step;
  block->bytes = shelf_alloc(shelf, block->size);
  if (block->bytes == NULL) stop("shelf_alloc");
  wrong += (uintptr_t)block->bytes % 8 != 0;
  memcpy(block->bytes, &step, sizeof step);
  memcpy(block->bytes + block->size - sizeof step, &step, sizeof step);
}

static void release(Block *block) {
  if (block->bytes == NULL) return;
  wrong += memcmp(block->bytes, &block->step, sizeof block->step) != 0;
  wrong += memcmp(block->bytes + block->size - sizeof block->step, &block->step,
                  sizeof block->step) != 0;
  shelf_free(block->bytes);
  block->bytes = NULL;
}

int main(void) {
  Shelf shelf = {0};
  int64_t before = sqlite3_memory_used(), most = 0;
  for (uint32_t step = 0; step < STEPS; step++) {
    Block *block = &blocks[random_below(BLOCKS)];
    if (block->bytes != NULL) {
      release(block);
    } else {
      take(&shelf, block, step);
    }
    if (random_below(1000) == 0) shelf_clear(&shelf);
    if (sqlite3_memory_used() > most) most = sqlite3_memory_used();
  }
  shelf_free(NULL);
  check(most > 0, "blocks are counted");
  check(shelf_alloc(&shelf, UINT64_MAX - 4) == NULL, "a size that overflows");
  shelf_clear(&shelf);
  for (uint32_t i = 0; i < BLOCKS; i++) release(&blocks[i]);
  check(wrong == 0, "blocks keep their bytes");
  check(sqlite3_memory_used() == before, "nothing is left");
  return finish();
}
