#include "base/file_origin.h"

#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/threads.h"

typedef struct FileOriginRow {
  int descriptor;
  FileOrigin origin;
} FileOriginRow;

/* Of the process, as descriptors are. Few, and mostly none, which is found out without the lock. */
static FileOriginRow *file_origin_rows;
static uint64_t file_origin_capacity;
static _Atomic(size_t) file_origin_count;

/* The row of a descriptor, or NULL. Within the lock. */
static FileOriginRow *file_origin_row(int descriptor) {
  uint64_t count = atomic_load(&file_origin_count);
  for (uint64_t i = 0; i < count; i++) {
    if (file_origin_rows[i].descriptor == descriptor) return &file_origin_rows[i];
  }
  return NULL;
}

bool file_origin_set(int descriptor, const FileOrigin *origin) {
  void *rows;
  process_lock_enter();
  uint64_t count = atomic_load(&file_origin_count);
  rows = file_origin_rows;
  bool added = memory_reserve(&rows, &file_origin_capacity, count, sizeof *file_origin_rows);
  file_origin_rows = rows;
  if (added) {
    file_origin_rows[count] = (FileOriginRow){descriptor, *origin};
    atomic_store(&file_origin_count, count + 1);
  }
  process_lock_leave();
  if (added) origin->retain(origin->context);
  return added;
}

bool file_origin_find(int descriptor, FileOrigin *origin) {
  if (atomic_load(&file_origin_count) == 0) return false;
  process_lock_enter();
  const FileOriginRow *row = file_origin_row(descriptor);
  if (row != NULL) *origin = row->origin;
  process_lock_leave();
  return row != NULL;
}

bool file_origin_fetch(int descriptor, uint64_t begin, uint64_t size, Error *error) {
  FileOrigin origin;
  return !file_origin_find(descriptor, &origin) || origin.fetch(origin.context, begin, size, error);
}

bool file_origin_copy(int from, int to) {
  FileOrigin origin;
  return !file_origin_find(from, &origin) || file_origin_set(to, &origin);
}

void file_origin_forget(int descriptor) {
  FileOrigin origin = {0};
  if (atomic_load(&file_origin_count) == 0) return;
  process_lock_enter();
  FileOriginRow *row = file_origin_row(descriptor);
  if (row != NULL) {
    uint64_t last = atomic_load(&file_origin_count) - 1;
    origin = row->origin;
    *row = file_origin_rows[last];
    atomic_store(&file_origin_count, last);
    if (last == 0) { /* so that nothing is left when nobody uses it */
      memory_free(file_origin_rows);
      file_origin_rows = NULL;
      file_origin_capacity = 0;
    }
  }
  process_lock_leave();
  if (origin.release != NULL) origin.release(origin.context);
}
