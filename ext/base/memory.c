#include "base/memory.h"

#include <string.h>

#include "base/sqlite.h"

static _Thread_local uint64_t memory_refused;

/* Records the size of an allocation that failed. */
static void *memory_note(void *block, uint64_t size) {
  if (block == NULL) memory_refused = size >= MEMORY_LARGE ? size : 0;
  if (block != NULL && size >= MEMORY_LARGE / 4) memory_prefer_large_pages(block, size);
  return block;
}

uint64_t memory_take_refused(void) {
  uint64_t size = memory_refused;
  memory_refused = 0;
  return size;
}

void *memory_alloc(uint64_t size) {
  return memory_note(sqlite3_malloc64(size > 0 ? size : 1), size);
}

void *memory_zeroed(uint64_t count, uint64_t size) {
  void *block = memory_resize(NULL, count, size);
  if (block != NULL) memset(block, 0, (size_t)(count * size));
  return block;
}

void *memory_resize(void *block, uint64_t count, uint64_t size) {
  uint64_t total;
  if (__builtin_mul_overflow(count, size, &total)) return memory_note(NULL, UINT64_MAX);
  return memory_note(sqlite3_realloc64(block, total > 0 ? total : 1), total);
}

bool memory_reserve(void **rows, uint64_t *capacity, uint64_t count, uint64_t row_size) {
  if (count < *capacity) return true;
  uint64_t grown = *capacity + *capacity / 2 + 16;
  void *block = memory_resize(*rows, grown, row_size);
  if (block == NULL) return false;
  *rows = block;
  *capacity = grown;
  return true;
}

char *memory_copy_text(const char *text, uint64_t length) {
  char *copy = memory_alloc(length + 1);
  if (copy == NULL) return NULL;
  if (length > 0) memcpy(copy, text, (size_t)length);
  copy[length] = '\0';
  return copy;
}

void memory_free(void *block) {
  sqlite3_free(block);
}

const char *memory_find(const char *bytes, uint64_t length, const char *text, size_t size) {
  const char *at = bytes, *end = bytes + length;
  while (at != NULL && (uint64_t)(end - at) >= size) {
    if (memcmp(at, text, size) == 0) return at;
    at = memchr(at + 1, text[0], (size_t)(end - at - 1));
  }
  return NULL;
}

uint64_t memory_random_seed(void) {
  uint64_t seed;
  sqlite3_randomness((int)sizeof seed, &seed);
  return seed;
}
