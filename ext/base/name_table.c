#include "base/name_table.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"

static const char *name_table_row_name(const NameTable *table, uint64_t row, uint32_t *length) {
  Span name;
  memcpy(&name, table->rows + row * table->row_size, sizeof name);
  *length = name.length;
  return table->text + name.offset;
}

static uint64_t name_table_name_hash(const NameTable *table, const char *name, uint64_t length) {
  return XXH3_64bits_withSeed(name, (size_t)length, table->seed);
}

/* The slot that contains the name, or the free one for it. */
static uint64_t *name_table_find_slot(const NameTable *table, const char *name, uint64_t length,
                                      uint64_t hash) {
  uint64_t tag = hash >> 32;
  for (uint64_t at = hash & table->mask;; at = (at + 1) & table->mask) {
    uint64_t slot = table->slots[at];
    if (slot == 0) return &table->slots[at];
    if (slot >> 32 != tag) continue;
    uint32_t row_length;
    const char *row = name_table_row_name(table, (uint32_t)slot - 1, &row_length);
    if (row_length == length && memcmp(row, name, (size_t)length) == 0) return &table->slots[at];
  }
}

uint64_t name_table_slot_count(uint32_t count) {
  uint64_t capacity = 8;
  while (capacity < (uint64_t)count + count / 2) capacity *= 2;
  return capacity;
}

void name_table_start_in(NameTable *table, uint64_t *slots, const char *text, const void *rows,
                         size_t row_size, uint32_t count) {
  uint64_t capacity = name_table_slot_count(count);
  *table = (NameTable){.slots = slots,
                       .mask = capacity - 1,
                       .seed = memory_random_seed(),
                       .text = text,
                       .rows = rows,
                       .row_size = row_size};
  if (slots != NULL) memset(slots, 0, (size_t)capacity * sizeof *slots);
}

bool name_table_start(NameTable *table, const char *text, const void *rows, size_t row_size,
                      uint32_t count) {
  uint64_t *slots = memory_resize(NULL, name_table_slot_count(count), sizeof *slots);
  name_table_start_in(table, slots, text, rows, row_size, count);
  return slots != NULL;
}

bool name_table_add(NameTable *table, uint32_t row, uint32_t *earlier) {
  uint32_t length;
  const char *name = name_table_row_name(table, row, &length);
  uint64_t hash = name_table_name_hash(table, name, length);
  uint64_t *slot = name_table_find_slot(table, name, length, hash);
  uint64_t before = *slot;
  *slot = (hash >> 32 << 32) | (row + 1);
  if (before == 0) return true;
  *earlier = (uint32_t)before - 1;
  return false;
}

/* A slot of a large table is in no cache of the processor. All hashes come first, so that it fetches the
** slots meanwhile. */
bool name_table_add_batch(NameTable *table, uint32_t first, uint32_t count, uint32_t *duplicate) {
  uint64_t hashes[NAME_TABLE_BATCH];
  for (uint32_t i = 0; i < count; i++) {
    uint32_t length;
    const char *name = name_table_row_name(table, first + i, &length);
    hashes[i] = name_table_name_hash(table, name, length);
    __builtin_prefetch(&table->slots[hashes[i] & table->mask]);
  }
  for (uint32_t i = 0; i < count; i++) {
    uint32_t length;
    const char *name = name_table_row_name(table, first + i, &length);
    uint64_t *slot = name_table_find_slot(table, name, length, hashes[i]);
    if (*slot != 0) {
      *duplicate = first + i;
      return false;
    }
    *slot = (hashes[i] >> 32 << 32) | (first + i + 1);
  }
  return true;
}

NameTableResult name_table_build(NameTable *table, const char *text, const void *rows,
                                 size_t row_size, uint32_t count, uint32_t *duplicate) {
  if (!name_table_start(table, text, rows, row_size, count)) return NAME_TABLE_NO_MEMORY;
  for (uint32_t row = 0; row < count; row += NAME_TABLE_BATCH) {
    uint32_t left = count - row;
    if (name_table_add_batch(table, row, left < NAME_TABLE_BATCH ? left : NAME_TABLE_BATCH,
                             duplicate)) {
      continue;
    }
    name_table_free(table);
    return NAME_TABLE_DUPLICATE;
  }
  return NAME_TABLE_BUILT;
}

bool name_table_find(const NameTable *table, const char *name, uint64_t length, uint32_t *row) {
  if (table->slots == NULL) return false;
  uint64_t slot =
      *name_table_find_slot(table, name, length, name_table_name_hash(table, name, length));
  if (slot == 0) return false;
  *row = (uint32_t)slot - 1;
  return true;
}

void name_table_free(NameTable *table) {
  memory_free(table->slots);
  table->slots = NULL;
}

int name_table_compare(const char *a, uint64_t a_length, const char *b, uint64_t b_length) {
  int order = memcmp(a, b, (size_t)(a_length < b_length ? a_length : b_length));
  return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}
