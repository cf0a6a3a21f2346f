#include "write/pending_rows.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"

enum { PENDING_ROWS_MIN_TABLE = 16 };
#define PENDING_ROWS_FREE    0u
#define PENDING_ROWS_REMOVED UINT32_MAX

PendingRow *pending_row_retain(PendingRow *row) {
  row->references++;
  return row;
}

void pending_row_release(PendingRow *row) {
  if (row != NULL && --row->references == 0) row->free(row);
}

/* ---- The list ---- */

PendingRows *pending_rows_new(void) {
  PendingRows *rows = memory_zeroed(1, sizeof *rows);
  if (rows != NULL) rows->references = 1;
  return rows;
}

PendingRows *pending_rows_retain(PendingRows *rows) {
  rows->references++;
  return rows;
}

static void pending_rows_forget_names(PendingRows *rows) {
  memory_free(rows->table);
  rows->table = NULL;
  rows->mask = rows->used = rows->twice = 0;
}

void pending_rows_release(PendingRows *rows) {
  if (rows == NULL || --rows->references > 0) return;
  for (uint32_t i = 0; i < rows->count; i++) pending_row_release(rows->slots[i].row);
  pending_rows_forget_names(rows);
  memory_free(rows->slots);
  memory_free(rows);
}

/* The table of names goes to the copy, because the caller is about to change rows and looks
** names up, while readers of the old list do not. */
bool pending_rows_own(PendingRows **rows) {
  PendingRows *shared = *rows;
  if (shared->references == 1) return true;
  PendingSlot *slots = memory_resize(NULL, shared->count, sizeof *slots);
  PendingRows *own = slots != NULL ? memory_alloc(sizeof *own) : NULL;
  if (own == NULL) {
    memory_free(slots);
    return false;
  }
  *own = *shared;
  own->references = 1;
  own->slots = slots;
  own->capacity = shared->count;
  for (uint32_t i = 0; i < shared->count; i++) {
    slots[i] = shared->slots[i];
    if (slots[i].row != NULL) pending_row_retain(slots[i].row);
  }
  shared->table = NULL;
  pending_rows_forget_names(shared);
  shared->references--;
  *rows = own;
  return true;
}

int64_t pending_rows_last_rowid(const PendingRows *rows) {
  return rows->count > 0 ? rows->slots[rows->count - 1].rowid : 0;
}

bool pending_rows_find_rowid(const PendingRows *rows, int64_t rowid, uint32_t *slot) {
  uint32_t low = 0, high = rows->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (rows->slots[middle].rowid < rowid) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  *slot = low;
  return low < rows->count && rows->slots[low].rowid == rowid && rows->slots[low].row != NULL;
}

/* ---- Names ---- */

static uint32_t pending_rows_hash(const PendingRows *rows, const char *name, uint64_t length) {
  return (uint32_t)XXH3_64bits_withSeed(name, (size_t)length, rows->seed);
}

static bool pending_rows_has_name(const PendingRows *rows, uint32_t slot, const char *name,
                                  uint64_t length) {
  const PendingRow *row = rows->slots[slot].row;
  return row != NULL && row->name_length == length && memcmp(row->name, name, (size_t)length) == 0;
}

bool pending_rows_find_name(const PendingRows *rows, const char *name, uint64_t length,
                            uint32_t but, uint32_t *slot) {
  uint32_t hash = pending_rows_hash(rows, name, length);
  uint64_t at = hash & rows->mask;
  for (; rows->table[at].slot != PENDING_ROWS_FREE; at = (at + 1) & rows->mask) {
    const PendingRowsPlace *place = &rows->table[at];
    if (place->slot == PENDING_ROWS_REMOVED || place->hash != hash) continue;
    *slot = place->slot - 1;
    if (*slot != but && pending_rows_has_name(rows, *slot, name, length)) return true;
  }
  return false;
}

static void pending_rows_put_place(PendingRows *rows, PendingRowsPlace place) {
  uint64_t at = place.hash & rows->mask;
  while (rows->table[at].slot != PENDING_ROWS_FREE) at = (at + 1) & rows->mask;
  rows->table[at] = place;
  rows->used++;
}

/* Adds a slot to the table, which must have room. */
static void pending_rows_note_name(PendingRows *rows, uint32_t slot) {
  const PendingRow *row = rows->slots[slot].row;
  uint32_t other;
  if (pending_rows_find_name(rows, row->name, row->name_length, slot, &other)) rows->twice++;
  uint32_t hash = pending_rows_hash(rows, row->name, row->name_length);
  pending_rows_put_place(rows, (PendingRowsPlace){slot + 1, hash});
}

/* Removes a slot from the table. Must be called before its row is released. */
static void pending_rows_drop_name(PendingRows *rows, uint32_t slot) {
  const PendingRow *row = rows->slots[slot].row;
  uint32_t other;
  uint64_t at = pending_rows_hash(rows, row->name, row->name_length) & rows->mask;
  while (rows->table[at].slot != slot + 1) at = (at + 1) & rows->mask;
  rows->table[at].slot = PENDING_ROWS_REMOVED;
  if (pending_rows_find_name(rows, row->name, row->name_length, slot, &other)) rows->twice--;
}

/* Replaces the table by an empty one for `count` names. The caller must release the old one. */
static bool pending_rows_new_table(PendingRows *rows, uint64_t count) {
  uint64_t size = PENDING_ROWS_MIN_TABLE;
  while (size < count * 2) size *= 2;
  PendingRowsPlace *table = memory_zeroed(size, sizeof *table);
  if (table == NULL) return false;
  rows->table = table;
  rows->mask = size - 1;
  rows->used = 0;
  return true;
}

static bool pending_rows_make_table(PendingRows *rows) {
  if (!pending_rows_new_table(rows, (uint64_t)rows->living + 1)) return false;
  rows->seed = memory_random_seed();
  rows->twice = 0;
  for (uint32_t i = 0; i < rows->count; i++) {
    if (rows->slots[i].row != NULL) pending_rows_note_name(rows, i);
  }
  return true;
}

/* Makes room for many more rows, because they may come one by one. */
static bool pending_rows_grow_table(PendingRows *rows) {
  PendingRowsPlace *old = rows->table;
  uint64_t size = rows->mask + 1;
  if (!pending_rows_new_table(rows, (uint64_t)rows->living + rows->living / 2 + 1)) return false;
  for (uint64_t i = 0; i < size; i++) {
    if (old[i].slot != PENDING_ROWS_FREE && old[i].slot != PENDING_ROWS_REMOVED)
      pending_rows_put_place(rows, old[i]);
  }
  memory_free(old);
  return true;
}

bool pending_rows_know_names(PendingRows *rows) {
  return rows->table != NULL || pending_rows_make_table(rows);
}

/* Adds a name if the table exists. If the table is full and cannot grow, discards it. */
static void pending_rows_note_new_name(PendingRows *rows, uint32_t slot) {
  if (rows->table == NULL) return;
  if (rows->used + 1 < rows->mask - rows->mask / 4 || pending_rows_grow_table(rows)) {
    pending_rows_note_name(rows, slot);
  } else {
    pending_rows_forget_names(rows);
  }
}

bool pending_rows_are_unique(const PendingRows *rows) {
  return rows->twice == 0;
}

const PendingRow *pending_rows_find_twice(const PendingRows *rows) {
  uint32_t other;
  if (pending_rows_are_unique(rows)) return NULL;
  for (uint32_t i = 0; i < rows->count; i++) {
    const PendingRow *row = rows->slots[i].row;
    if (row != NULL && pending_rows_find_name(rows, row->name, row->name_length, i, &other))
      return row;
  }
  return NULL;
}

/* ---- Changes ---- */

bool pending_rows_append(PendingRows *rows, int64_t rowid, PendingRow *row) {
  enum { PENDING_ROWS_MAX = 1 << 30 };
  if (rows->count == PENDING_ROWS_MAX ||
      !memory_reserve((void **)&rows->slots, &rows->capacity, rows->count, sizeof *rows->slots)) {
    return false;
  }
  rows->slots[rows->count] = (PendingSlot){rowid, row};
  rows->count++;
  rows->living++;
  pending_rows_note_new_name(rows, rows->count - 1);
  return true;
}

void pending_rows_remove_last(PendingRows *rows) {
  pending_row_release(pending_rows_put(rows, rows->count - 1, NULL));
  rows->count--;
}

PendingRow *pending_rows_put(PendingRows *rows, uint32_t slot, PendingRow *row) {
  PendingRow *old = rows->slots[slot].row;
  if (old != NULL) {
    if (rows->table != NULL) pending_rows_drop_name(rows, slot);
    rows->living--;
  }
  rows->slots[slot].row = row;
  if (row != NULL) {
    rows->living++;
    pending_rows_note_new_name(rows, slot);
  }
  return old;
}
