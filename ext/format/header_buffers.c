#include "format/header_buffers.h"

#include <string.h>

#include "base/memory.h"

enum {
  HEADER_BUFFERS_LARGE = 1 << 19,               /* what is longer is not copied */
  HEADER_BUFFERS_MAX = 2 * HEADER_BUFFERS_LARGE /* what is larger is not held in vain */
};

char *header_buffers_text(HeaderBuffers *buffers, uint64_t length) {
  if (buffers->text != NULL && length <= buffers->text_size) return buffers->text;
  memory_free(buffers->text);
  /* Shards are nearly of one size, so the next text probably fits, too. */
  uint64_t size = length < HEADER_BUFFERS_LARGE ? length + length / 8 : length;
  buffers->text = memory_alloc(size);
  buffers->text_size = buffers->text != NULL ? size : 0;
  return buffers->text;
}

/* A large array is not copied again and again while it grows if it is large from the start. What is not
** used of it takes no memory. */
void header_buffers_expect(HeaderBuffers *buffers, uint64_t length) {
  enum { HEADER_BUFFERS_ENTRY = 120 /* the length of a usual entry */ };
  uint64_t count = length / HEADER_BUFFERS_ENTRY;
  if (length < HEADER_BUFFERS_LARGE || count <= buffers->tensor_capacity) return;
  TensorEntry *tensors = memory_resize(buffers->tensors, count, sizeof *tensors);
  if (tensors == NULL) return; /* it may be much too large */
  buffers->tensors = tensors;
  buffers->tensor_capacity = count;
}

/* Returns the first `length` bytes of *block: a copy, or the block itself, which is then NULL. */
static void *header_buffers_keep(void **block, uint64_t *capacity, uint64_t length) {
  void *kept;
  if (length < HEADER_BUFFERS_LARGE) {
    kept = memory_alloc(length);
    if (kept != NULL && length > 0) memcpy(kept, *block, (size_t)length);
    return kept;
  }
  kept = memory_resize(*block, length, 1);
  if (kept == NULL) kept = *block; /* it is larger than necessary */
  *block = NULL;
  *capacity = 0;
  return kept;
}

char *header_buffers_keep_text(HeaderBuffers *buffers, uint64_t length) {
  void *text = buffers->text, *kept = header_buffers_keep(&text, &buffers->text_size, length);
  buffers->text = text;
  return kept;
}

TensorEntry *header_buffers_keep_tensors(HeaderBuffers *buffers, uint64_t count) {
  void *tensors = buffers->tensors;
  void *kept =
      header_buffers_keep(&tensors, &buffers->tensor_capacity, count * sizeof(TensorEntry));
  buffers->tensors = tensors;
  return kept;
}

void header_buffers_trim(HeaderBuffers *buffers) {
  if (buffers->text_size + buffers->tensor_capacity * sizeof(TensorEntry) > HEADER_BUFFERS_MAX) {
    header_buffers_clear(buffers);
  }
}

void header_buffers_clear(HeaderBuffers *buffers) {
  memory_free(buffers->text);
  memory_free(buffers->tensors);
  *buffers = (HeaderBuffers){0};
}
