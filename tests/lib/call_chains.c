#include "call_chains.h"

#include <stdint.h>

#if defined(__GLIBC__)
#include <execinfo.h>
#endif

enum { FRAMES = 14, MAX_CHAINS = 1 << 18 };

/* A hash table of the hashes of the chains. */
static uint64_t chains[MAX_CHAINS];
static uint64_t chain_count;

static uint64_t mixed(uint64_t hash, uint64_t value) {
  return (hash ^ value) * UINT64_C(1099511628211);
}

bool call_chain_is_new(unsigned kind) {
  uint64_t hash = mixed(UINT64_C(14695981039346656037), kind);
#if defined(__GLIBC__)
  void *frames[FRAMES];
  int count = backtrace(frames, FRAMES);
  for (int i = 0; i < count; i++) hash = mixed(hash, (uint64_t)(uintptr_t)frames[i]);
#endif
  if (hash == 0) hash = 1; /* which marks a free slot */
  uint64_t at = (hash >> 20) % MAX_CHAINS;
  while (chains[at] != 0 && chains[at] != hash) at = (at + 1) % MAX_CHAINS;
  if (chains[at] == hash || chain_count == MAX_CHAINS / 2) return false;
  chains[at] = hash;
  chain_count++;
  return true;
}
