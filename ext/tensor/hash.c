#include "tensor/hash.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kernels/kernels.h"

/* XXH3 consumes one stripe at a time. The last stripe of the input is consumed once more at the
** end. */
enum { HASH_STRIPE = 64 };

/* The contribution of one block of the pass. It consists of whole blocks of the hash, and only for
** the last block of the pass of a rest of 1 to KERNEL_HASH_BLOCK bytes, the end of the input. */
typedef struct HashPart {
  uint64_t block_count, rest;
  unsigned char last_stripe[HASH_STRIPE]; /* of the hash blocks */
  unsigned char rest_bytes[KERNEL_HASH_BLOCK];
  uint64_t sums[]; /* KERNEL_HASH_LANES for each hash block */
} HashPart;

typedef struct HashTask {
  const Kernels *kernels;
  unsigned bits;
  uint64_t nbytes; /* of all elements */
  bool in_order;   /* on one thread */
  XXH3_state_t state;
} HashTask;

static uint64_t hash_pass_block_bytes(unsigned bits) {
  return (uint64_t)PASS_BLOCK * bits / 8;
}

/* What is not whole blocks, of the last block of the pass. Returns how many bytes are. */
static uint64_t hash_take_rest(const HashTask *task, const unsigned char *data, uint64_t position,
                               uint64_t count, HashPart *part) {
  uint64_t size = count * task->bits / 8;
  if (position * task->bits / 8 + size == task->nbytes) { /* the last block */
    part->rest = (size - 1) % KERNEL_HASH_BLOCK + 1;
    memcpy(part->rest_bytes, data + size - part->rest, (size_t)part->rest);
  }
  uint64_t hashed = size - part->rest;
  if (hashed > 0) memcpy(part->last_stripe, data + hashed - HASH_STRIPE, HASH_STRIPE);
  return hashed;
}

static void hash_take_block(const void *context, const PassElements *elements, uint64_t position,
                            uint64_t count, void *scratch, void *state) {
  (void)scratch;
  const HashTask *task = context;
  HashPart *part = state;
  const unsigned char *data = elements->data; /* elements fill whole bytes, so element 0 is the
                                              ** first */
  part->block_count = hash_take_rest(task, data, position, count, part) / KERNEL_HASH_BLOCK;
  task->kernels->hash_blocks(data, part->block_count, task->state.extSecret, part->sums);
}

/* The same on one thread, which has the blocks in their order: the sums are the accumulators. They are merged after
** every few blocks of the hash, while memory delivers the next ones. */
static void hash_take_next(const void *context, const PassElements *elements, uint64_t position,
                           uint64_t count, void *scratch, void *state) {
  enum { HASH_AT_ONCE = 4 };
  (void)scratch;
  const HashTask *task = context;
  HashPart *part = state;
  const unsigned char *data = elements->data, *secret = task->state.extSecret;
  uint64_t sums[HASH_AT_ONCE * KERNEL_HASH_LANES];
  uint64_t left = hash_take_rest(task, data, position, count, part) / KERNEL_HASH_BLOCK;
  if (position == 0) memcpy(part->sums, task->state.acc, sizeof task->state.acc);
  part->block_count += left;
  for (uint64_t some; left > 0; left -= some, data += some * KERNEL_HASH_BLOCK) {
    some = left < HASH_AT_ONCE ? left : HASH_AT_ONCE;
    task->kernels->hash_blocks(data, some, secret, sums);
    task->kernels->hash_merge(sums, some, secret, part->sums);
  }
}

/* Does what XXH3_128bits_update() does with whole blocks. The fields of the state have been the
** same in all versions since 0.8.0. */
static bool hash_merge_block(void *context, const void *state) {
  HashTask *task = context;
  const HashPart *part = state;
  XXH3_state_t *xxh = &task->state;
  if (task->in_order) {
    memcpy(xxh->acc, part->sums, sizeof xxh->acc);
  } else {
    task->kernels->hash_merge(part->sums, part->block_count, xxh->extSecret, xxh->acc);
  }
  if (part->block_count > 0) {
    xxh->totalLen += part->block_count * KERNEL_HASH_BLOCK;
    memcpy(xxh->buffer + sizeof xxh->buffer - HASH_STRIPE, part->last_stripe, HASH_STRIPE);
  }
  XXH3_128bits_update(xxh, part->rest_bytes, (size_t)part->rest);
  return true;
}

bool hash_run(const Source *source, const View *view, unsigned bits, const Host *host, Hash *out,
              Error *error) {
  HashTask task = {.kernels = kernels_chosen(),
                   .bits = bits,
                   .nbytes = view->numel * bits / 8,
                   .in_order = host == NULL || host->threads == 0};
  XXH3_128bits_reset(&task.state);
  uint64_t sums_size = KERNEL_HASH_LANES * sizeof(uint64_t);
  if (!task.in_order) sums_size *= hash_pass_block_bytes(bits) / KERNEL_HASH_BLOCK;
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, bits}},
               .task = &task,
               .maps_windows = true,
               .state_size = sizeof(HashPart) + sums_size,
               .unset_size = sums_size,
               .any_order = task.in_order,
               .block = task.in_order ? hash_take_next : hash_take_block,
               .merge = hash_merge_block};
  if (!pass_run(&pass, host, error)) return false;
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&task.state));
  memcpy(out->bytes, canonical.digest, sizeof out->bytes);
  return true;
}
