#include "tensor/sha256.h"

#include <string.h>

/* What a block adds: its bytes, which are digested in order. */
typedef struct Sha256Block {
  uint64_t size;
  unsigned char bytes[];
} Sha256Block;

typedef struct Sha256Task {
  unsigned bits;
  Digest *digest;
} Sha256Task;

static void sha256_take_block(const void *context, const PassElements *elements, uint64_t position,
                              uint64_t count, void *scratch, void *state) {
  const Sha256Task *task = context;
  Sha256Block *block = state;
  (void)position, (void)scratch;
  block->size = count * task->bits / 8;
  memcpy(block->bytes, elements->data, (size_t)block->size);
}

static bool sha256_add_block(void *context, const void *state) {
  const Sha256Block *block = state;
  digest_add(((Sha256Task *)context)->digest, block->bytes, block->size);
  return true;
}

bool sha256_run(const Source *source, const View *view, unsigned bits, const Host *host,
                unsigned char *out, Error *error) {
  const char *subject = source->path != NULL ? source->path : "tensor_sha256";
  Sha256Task task = {.bits = bits, .digest = digest_new(DIGEST_SHA256, subject, error)};
  if (task.digest == NULL) return false;
  uint64_t most = view->numel < PASS_BLOCK ? view->numel : PASS_BLOCK;
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, bits}},
               .task = &task,
               .once = true,
               .state_size = sizeof(Sha256Block) + (most * bits + 7) / 8,
               .unset_size = (most * bits + 7) / 8,
               .block = sha256_take_block,
               .merge = sha256_add_block};
  bool good = pass_run(&pass, host, error) && digest_end(task.digest, out, error);
  digest_free(task.digest);
  return good;
}
