#include "tensor/hash.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tensor/kernels.h"
#include "tensor/value.h"

/* A stripe is what XXH3 takes at a time; the last one of all is taken once more at the end. */
enum { STRIPE = 64 };

/* What a block of the pass adds. Its blocks for the hash are followed by a rest of at most
** HASH_BLOCK bytes, which only the last block of the pass has: the end of the input, never empty. */
typedef struct Part {
  uint64_t block_count, rest;
  unsigned char last_stripe[STRIPE]; /* of the blocks */
  unsigned char rest_bytes[HASH_BLOCK];
  uint64_t sums[]; /* HASH_LANES for each block */
} Part;

typedef struct Task {
  const Kernels *kernels;
  unsigned bits;
  uint64_t nbytes; /* of all elements */
  XXH3_state_t state;
} Task;

static uint64_t pass_block_bytes(unsigned bits) {
  return (uint64_t)PASS_BLOCK * bits / 8;
}

static void take_block(const void *context, const PassElements *elements, uint64_t position,
                       uint64_t count, void *state) {
  const Task *task = context;
  Part *part = state;
  const unsigned char *data = elements->data; /* whole bytes: element 0 is the first */
  uint64_t size = count * task->bits / 8;
  if (position * task->bits / 8 + size == task->nbytes) { /* the last */
    part->rest = (size - 1) % HASH_BLOCK + 1;
    memcpy(part->rest_bytes, data + size - part->rest, (size_t)part->rest);
  }
  uint64_t hashed = size - part->rest;
  part->block_count = hashed / HASH_BLOCK;
  task->kernels->hash_blocks(data, part->block_count, task->state.extSecret, part->sums);
  if (hashed > 0) memcpy(part->last_stripe, data + hashed - STRIPE, STRIPE);
}

/* What XXH3_128bits_update() does with whole blocks. The fields of the state are the same in all
** versions since 0.8.0. */
static bool merge_block(void *context, const void *state) {
  Task *task = context;
  const Part *part = state;
  XXH3_state_t *xxh = &task->state;
  task->kernels->hash_merge(part->sums, part->block_count, xxh->extSecret, xxh->acc);
  if (part->block_count > 0) {
    xxh->totalLen += part->block_count * HASH_BLOCK;
    memcpy(xxh->buffer + sizeof xxh->buffer - STRIPE, part->last_stripe, STRIPE);
  }
  XXH3_128bits_update(xxh, part->rest_bytes, (size_t)part->rest);
  return true;
}

bool hash_run(const Source *source, const View *view, unsigned bits, const PassHost *host,
              Hash *out, Error *error) {
  Task task = {.kernels = kernels_chosen(), .bits = bits, .nbytes = view->numel * bits / 8};
  XXH3_128bits_reset(&task.state);
  uint64_t sums_size = pass_block_bytes(bits) / HASH_BLOCK * HASH_LANES * sizeof(uint64_t);
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, bits}},
               .task = &task,
               .state_size = sizeof(Part) + sums_size,
               .unset_size = sums_size,
               .block = take_block,
               .merge = merge_block};
  if (!pass_run(&pass, host, error)) return false;
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&task.state));
  memcpy(out->bytes, canonical.digest, sizeof out->bytes);
  return true;
}
