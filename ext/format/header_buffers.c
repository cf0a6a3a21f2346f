#include "format/header_buffers.h"

#include <string.h>

#include "base/memory.h"
#include "base/name_table.h"

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

/* Copies all into one block. */
static bool header_buffers_copy(HeaderBuffers *buffers, uint64_t length, uint32_t count,
                                HeaderMemory *memory) {
  uint64_t size = count * sizeof(TensorEntry), slots = name_table_slot_count(count);
  char *block = shelf_alloc(&buffers->shelf, size + slots * sizeof *memory->slots + length);
  if (block == NULL) return false;
  *memory = (HeaderMemory){.block = block,
                           .tensors = (TensorEntry *)(void *)block,
                           .slots = (uint64_t *)(void *)(block + size),
                           .text = block + size + slots * sizeof *memory->slots};
  if (count > 0) memcpy(memory->tensors, buffers->tensors, (size_t)size);
  if (length > 0) memcpy(memory->text, buffers->text, (size_t)length);
  return true;
}

/* Returns the block with its first `length` bytes alone; if that fails it is larger than necessary. */
static void *header_buffers_fit(void *block, uint64_t length) {
  void *fitted = memory_resize(block, length, 1);
  return fitted != NULL ? fitted : block;
}

bool header_buffers_keep(HeaderBuffers *buffers, uint64_t length, uint32_t count,
                         HeaderMemory *memory) {
  uint64_t size = count * sizeof(TensorEntry);
  *memory = (HeaderMemory){0};
  if (size + length < HEADER_BUFFERS_LARGE)
    return header_buffers_copy(buffers, length, count, memory);
  memory->text = header_buffers_fit(buffers->text, length);
  buffers->text = NULL;
  buffers->text_size = 0;
  if (buffers->tensors == NULL) { /* metadata alone */
    memory->tensors = memory_alloc(0);
    return memory->tensors != NULL;
  }
  memory->tensors = header_buffers_fit(buffers->tensors, size);
  buffers->tensors = NULL;
  buffers->tensor_capacity = 0;
  return true;
}

void header_memory_free(HeaderMemory *memory) {
  if (memory->block != NULL) {
    shelf_free(memory->block);
  } else {
    memory_free(memory->tensors);
    memory_free(memory->text);
  }
  *memory = (HeaderMemory){0};
}

static void header_buffers_empty(HeaderBuffers *buffers) {
  memory_free(buffers->text);
  memory_free(buffers->tensors);
  *buffers = (HeaderBuffers){.shelf = buffers->shelf};
}

void header_buffers_trim(HeaderBuffers *buffers) {
  if (buffers->text_size + buffers->tensor_capacity * sizeof(TensorEntry) > HEADER_BUFFERS_MAX) {
    header_buffers_empty(buffers);
  }
}

void header_buffers_clear(HeaderBuffers *buffers) {
  header_buffers_empty(buffers);
  shelf_clear(&buffers->shelf);
}
