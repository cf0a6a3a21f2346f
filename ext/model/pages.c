#include "model/pages.h"

#include <stdatomic.h>

#include "base/machine.h"
#include "base/memory.h"

enum { PAGES_CHUNK = 1 << 20 };

struct Pages {
  uint64_t chunk_count; /* only whole chunks */
  atomic_uint states[]; /* words, since a byte alone is not atomic on every processor */
};

/* The chunks of all files of the process that are not PAGES_UNKNOWN. */
static _Atomic(size_t) pages_noted;

Pages *pages_new(uint64_t size) {
  uint64_t count = size / PAGES_CHUNK;
  Pages *pages = memory_zeroed(1, sizeof *pages + count * sizeof pages->states[0]);
  if (pages != NULL) pages->chunk_count = count;
  return pages;
}

void pages_free(Pages *pages) {
  for (uint64_t i = 0; pages != NULL && i < pages->chunk_count; i++) {
    if (atomic_load(&pages->states[i]) != PAGES_UNKNOWN) atomic_fetch_sub(&pages_noted, 1);
  }
  memory_free(pages);
}

PagesState pages_state(const Pages *pages, uint64_t begin, uint64_t end) {
  PagesState min = PAGES_MAPPED;
  if (pages == NULL || (end - 1) / PAGES_CHUNK >= pages->chunk_count) return PAGES_UNKNOWN;
  for (uint64_t i = begin / PAGES_CHUNK; i <= (end - 1) / PAGES_CHUNK; i++) {
    PagesState state = (PagesState)atomic_load_explicit(&pages->states[i], memory_order_relaxed);
    if (state < min) min = state;
  }
  return min;
}

/* Whether one more can be recorded. */
static bool pages_take_room(void) {
  if (atomic_fetch_add(&pages_noted, 1) < machine_memory() / 2 / PAGES_CHUNK) return true;
  atomic_fetch_sub(&pages_noted, 1);
  return false;
}

void pages_note(Pages *pages, uint64_t begin, uint64_t end, PagesState state) {
  if (pages == NULL) return;
  for (uint64_t i = begin / PAGES_CHUNK; i < end / PAGES_CHUNK && i < pages->chunk_count; i++) {
    unsigned before = PAGES_UNKNOWN;
    if (!pages_take_room()) return;
    if (atomic_compare_exchange_strong(&pages->states[i], &before, state)) continue;
    atomic_fetch_sub(&pages_noted, 1); /* it was recorded before */
    atomic_store(&pages->states[i], state);
  }
}
