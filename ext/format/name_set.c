#include "format/name_set.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"

/* Returns the slot of the hash, or the free slot where it belongs. */
static NameSetSlot *name_set_find_slot(const NameSet *set, uint64_t low, uint64_t high) {
  uint64_t at = low & set->mask;
  while (set->slots[at].file != 0 && (set->slots[at].low != low || set->slots[at].high != high)) {
    at = (at + 1) & set->mask;
  }
  return &set->slots[at];
}

static bool name_set_grow(NameSet *set) {
  uint64_t capacity = set->slots != NULL ? (set->mask + 1) * 2 : 256;
  NameSet grown = {.slots = memory_zeroed(capacity, sizeof(NameSetSlot)),
                   .count = set->count,
                   .mask = capacity - 1,
                   .seed = set->slots != NULL ? set->seed : memory_random_seed()};
  if (grown.slots == NULL) return false;
  for (uint64_t i = 0; set->slots != NULL && i <= set->mask; i++) {
    const NameSetSlot *slot = &set->slots[i];
    if (slot->file != 0) *name_set_find_slot(&grown, slot->low, slot->high) = *slot;
  }
  memory_free(set->slots);
  *set = grown;
  return true;
}

NameSetSlot *name_set_add(NameSet *set, const char *name, uint64_t length, uint32_t file) {
  if (set->slots == NULL || set->count > set->mask - set->mask / 4) {
    if (!name_set_grow(set)) return NULL;
  }
  XXH128_hash_t hash = XXH3_128bits_withSeed(name, (size_t)length, set->seed);
  NameSetSlot *slot = name_set_find_slot(set, hash.low64, hash.high64);
  if (slot->file == 0) {
    *slot = (NameSetSlot){.low = hash.low64, .high = hash.high64, .file = file + 1};
    set->count++;
  }
  return slot;
}

void name_set_clear(NameSet *set) {
  memory_free(set->slots);
  *set = (NameSet){0};
}
