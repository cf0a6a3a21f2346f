#include "base/memory.h"

#include <string.h>

#include "base/sqlite.h"

void *memory_alloc(uint64_t size) {
  return sqlite3_malloc64(size > 0 ? size : 1);
}

void *memory_zeroed(uint64_t count, uint64_t size) {
  void *block = memory_resize(NULL, count, size);
  if (block != NULL) memset(block, 0, (size_t)(count * size));
  return block;
}

void *memory_resize(void *block, uint64_t count, uint64_t size) {
  uint64_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  return sqlite3_realloc64(block, total > 0 ? total : 1);
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

uint64_t memory_random_seed(void) {
  uint64_t seed;
  sqlite3_randomness((int)sizeof seed, &seed);
  return seed;
}
