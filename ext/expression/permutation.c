#include "expression/permutation.h"

#include "base/memory.h"

/* ---- The generator ---- */

enum { TWISTER_SIZE = 624, TWISTER_AHEAD = 397 };

typedef struct Twister {
  uint32_t state[TWISTER_SIZE];
  unsigned next;
} Twister;

static void twister_open(Twister *twister, uint64_t seed) {
  uint32_t *state = twister->state;
  state[0] = (uint32_t)seed;
  for (uint32_t i = 1; i < TWISTER_SIZE; i++)
    state[i] = 1812433253u * (state[i - 1] ^ state[i - 1] >> 30) + i;
}

static void twister_renew(Twister *twister) {
  uint32_t *state = twister->state;
  for (unsigned i = 0; i < TWISTER_SIZE; i++) {
    uint32_t mixed = (state[i] & 0x80000000u) | (state[(i + 1) % TWISTER_SIZE] & 0x7fffffffu);
    state[i] = state[(i + TWISTER_AHEAD) % TWISTER_SIZE] ^ mixed >> 1 ^
               ((mixed & 1) != 0 ? 0x9908b0dfu : 0);
  }
  twister->next = 0;
}

static uint32_t twister_next(Twister *twister) {
  if (twister->next == TWISTER_SIZE) twister_renew(twister);
  uint32_t y = twister->state[twister->next++];
  y ^= y >> 11;
  y ^= y << 7 & 0x9d2c5680u;
  y ^= y << 15 & 0xefc60000u;
  return y ^ y >> 18;
}

/* ---- The places that are not their own number any more ---- */

typedef struct PermutationPlace {
  uint64_t place, number; /* place + 1; 0 if the slot is empty */
} PermutationPlace;

/* The slot of a place, or the empty one where it belongs. */
static PermutationPlace *permutation_slot(PermutationPlace *places, uint64_t mask, uint64_t place) {
  uint64_t at = (place * 0x9e3779b97f4a7c15u) >> 20 & mask;
  while (places[at].place != 0 && places[at].place != place + 1) at = (at + 1) & mask;
  return &places[at];
}

static uint64_t permutation_number(PermutationPlace *places, uint64_t mask, uint64_t place) {
  const PermutationPlace *slot = permutation_slot(places, mask, place);
  return slot->place != 0 ? slot->number : place;
}

bool permutation_front(uint64_t numel, uint64_t seed, uint64_t count, uint64_t *out, Error *error) {
  Twister twister = {.next = TWISTER_SIZE};
  uint64_t slots = 16;
  while (slots / 2 < count) slots *= 2;
  PermutationPlace *places = memory_zeroed(slots, sizeof *places);
  if (places == NULL) return error_memory(error);
  twister_open(&twister, seed);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t other = i + 1 < numel ? i + twister_next(&twister) % (numel - i) : i;
    uint64_t own = permutation_number(places, slots - 1, i);
    out[i] = permutation_number(places, slots - 1, other);
    *permutation_slot(places, slots - 1, other) = (PermutationPlace){other + 1, own};
  }
  memory_free(places);
  return true;
}
