#include "format/pages.h"

#include <stdatomic.h>

#include "base/memory.h"
#include "base/platform.h"

enum { CHUNK = 1 << 20 };

struct Pages {
  uint64_t chunk_count; /* whole ones */
  atomic_uchar states[];
};

/* Chunks of all files of the process that are not PAGES_UNKNOWN. */
static _Atomic(uint64_t) noted;

Pages *pages_new(uint64_t size) {
  uint64_t count = size / CHUNK;
  Pages *pages = memory_zeroed(1, sizeof *pages + count * sizeof pages->states[0]);
  if (pages != NULL) pages->chunk_count = count;
  return pages;
}

void pages_free(Pages *pages) {
  for (uint64_t i = 0; pages != NULL && i < pages->chunk_count; i++) {
    if (atomic_load(&pages->states[i]) != PAGES_UNKNOWN) atomic_fetch_sub(&noted, 1);
  }
  memory_free(pages);
}

PagesState pages_state(const Pages *pages, uint64_t begin, uint64_t end) {
  PagesState least = PAGES_MAPPED;
  if (pages == NULL || (end - 1) / CHUNK >= pages->chunk_count) return PAGES_UNKNOWN;
  for (uint64_t i = begin / CHUNK; i <= (end - 1) / CHUNK; i++) {
    PagesState state = (PagesState)atomic_load_explicit(&pages->states[i], memory_order_relaxed);
    if (state < least) least = state;
  }
  return least;
}

/* Whether there is room for one more. */
static bool take_room(void) {
  if (atomic_fetch_add(&noted, 1) < platform_memory() / 2 / CHUNK) return true;
  atomic_fetch_sub(&noted, 1);
  return false;
}

void pages_note(Pages *pages, uint64_t begin, uint64_t end, PagesState state) {
  if (pages == NULL) return;
  for (uint64_t i = begin / CHUNK; i < end / CHUNK && i < pages->chunk_count; i++) {
    unsigned char before = PAGES_UNKNOWN;
    if (!take_room()) return;
    if (atomic_compare_exchange_strong(&pages->states[i], &before, (unsigned char)state)) continue;
    atomic_fetch_sub(&noted, 1); /* it had its room */
    atomic_store(&pages->states[i], (unsigned char)state);
  }
}
