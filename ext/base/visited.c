#include "base/visited.h"

#include "base/memory.h"

typedef struct VisitedSlot {
  uint64_t device, inode, position;
  uint32_t count; /* 0 if the slot is free */
} VisitedSlot;

static VisitedSlot *visited_slot(VisitedSlot *slots, uint64_t capacity, const VisitedSlot *wanted) {
  uint64_t hash =
      (wanted->inode ^ wanted->device << 32 ^ wanted->position << 44) * 0x9e3779b97f4a7c15u;
  for (uint64_t at = hash >> 20;; at++) {
    VisitedSlot *slot = &slots[at & (capacity - 1)];
    if (slot->count == 0 || (slot->device == wanted->device && slot->inode == wanted->inode &&
                             slot->position == wanted->position)) {
      return slot;
    }
  }
}

static bool visited_grow(Visited *visited) {
  uint64_t capacity = visited->capacity > 0 ? visited->capacity * 2 : 64;
  VisitedSlot *slots = memory_zeroed(capacity, sizeof *slots);
  if (slots == NULL) return false;
  for (uint64_t i = 0; i < visited->capacity; i++) {
    const VisitedSlot *old = &visited->slots[i];
    if (old->count > 0) *visited_slot(slots, capacity, old) = *old;
  }
  memory_free(visited->slots);
  visited->slots = slots;
  visited->capacity = capacity;
  return true;
}

bool visited_note(Visited *visited, uint64_t device, uint64_t inode, uint64_t position,
                  uint32_t max, bool *again) {
  if (visited->count * 2 >= visited->capacity && !visited_grow(visited)) return false;
  const VisitedSlot wanted = {.device = device, .inode = inode, .position = position};
  VisitedSlot *slot = visited_slot(visited->slots, visited->capacity, &wanted);
  if (slot->count == 0) {
    *slot = wanted;
    visited->count++;
  }
  *again = slot->count < max;
  if (*again) slot->count++;
  return true;
}

void visited_clear(Visited *visited) {
  memory_free(visited->slots);
  *visited = (Visited){0};
}
