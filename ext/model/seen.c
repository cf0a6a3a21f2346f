#include "model/seen.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"

typedef struct SeenFile {
  uint64_t path, state; /* hashes; a path of 0 marks a free slot */
} SeenFile;

static uint64_t seen_path_hash(const char *path) {
  uint64_t hash = XXH3_64bits(path, strlen(path));
  return hash != 0 ? hash : 1;
}

/* The time of the last status change is ignored, because a new hard link or mode changes it,
** too. */
static uint64_t seen_state_hash(const FileIdentity *identity) {
  uint64_t parts[4] = {identity->device, identity->inode, identity->size,
                       (uint64_t)identity->modified};
  return XXH3_64bits(parts, sizeof parts);
}

/* The slot of the path, or the free slot where it belongs. */
static SeenFile *seen_find_slot(const Seen *seen, uint64_t path) {
  uint64_t mask = seen->capacity - 1, at = path & mask;
  while (seen->slots[at].path != 0 && seen->slots[at].path != path) at = (at + 1) & mask;
  return &seen->slots[at];
}

/* Makes room for one more. Returns false if that is not possible. */
static bool seen_grow(Seen *seen) {
  if (seen->count < seen->capacity / 4 * 3) return true;
  if (seen->count >= SEEN_MAX) return false;
  Seen grown = {.capacity = seen->capacity > 0 ? seen->capacity * 2 : 64, .count = seen->count};
  grown.slots = memory_zeroed(grown.capacity, sizeof *grown.slots);
  if (grown.slots == NULL) return false;
  for (uint64_t i = 0; i < seen->capacity; i++) {
    if (seen->slots[i].path != 0) *seen_find_slot(&grown, seen->slots[i].path) = seen->slots[i];
  }
  memory_free(seen->slots);
  *seen = grown;
  return true;
}

/* The slot of the path, which is allocated if it is new. NULL if there is no room. */
static SeenFile *seen_take_slot(Seen *seen, uint64_t path, bool *is_new) {
  bool room = seen_grow(seen);
  if (seen->capacity == 0) return NULL;
  SeenFile *slot = seen_find_slot(seen, path);
  *is_new = slot->path == 0;
  if (*is_new && !room) return NULL;
  if (*is_new) seen->count++;
  slot->path = path;
  return slot;
}

static bool seen_note_state(Seen *seen, uint64_t path, uint64_t state) {
  bool is_new;
  SeenFile *slot = seen_take_slot(seen, path, &is_new);
  if (slot == NULL) return true;
  if (is_new) slot->state = state;
  return slot->state == state;
}

static void seen_replace_state(Seen *seen, uint64_t path, uint64_t state) {
  bool is_new;
  SeenFile *slot = seen_take_slot(seen, path, &is_new);
  if (slot != NULL) slot->state = state;
}

bool seen_note(Seen *seen, const char *path, const FileIdentity *identity) {
  return seen_note_state(seen, seen_path_hash(path), seen_state_hash(identity));
}

void seen_replace(Seen *seen, const char *path, const FileIdentity *identity) {
  seen_replace_state(seen, seen_path_hash(path), seen_state_hash(identity));
}

/* Differs from the hash for the path as a file, because a path may be both. */
static uint64_t seen_place_hash(const char *path) {
  uint64_t hash = ~seen_path_hash(path);
  return hash != 0 ? hash : 1;
}

bool seen_note_place(Seen *seen, const char *path, const char *place) {
  return seen_note_state(seen, seen_place_hash(path), seen_path_hash(place));
}

void seen_replace_place(Seen *seen, const char *path, const char *place) {
  seen_replace_state(seen, seen_place_hash(path), seen_path_hash(place));
}

void seen_clear(Seen *seen) {
  memory_free(seen->slots);
  *seen = (Seen){0};
}
