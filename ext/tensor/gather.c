#include "tensor/gather.h"

#include <string.h>

#include "format/dtype.h"
#include "tensor/value.h"

bool gather_is_whole_bytes(const View *view, unsigned bits) {
  unsigned group = dtype_byte_group(bits);
  if (group == 1 || view->numel == 0) return true;
  uint64_t run = 1;
  uint32_t d = view->rank;
  while (d > 0 && (view->shape[d - 1] == 1 || view->stride[d - 1] == run)) {
    run *= view->shape[--d];
  }
  bool whole = run % group == 0 && view->offset % group == 0;
  for (; d > 0; d--) {
    if (view->shape[d - 1] > 1 && view->stride[d - 1] % group != 0) whole = false;
  }
  return whole;
}

static void gather_copy_strided(const unsigned char *source, uint64_t stride, uint64_t count,
                                size_t size, unsigned char *out) {
  switch (size) { /* memcpy of a constant size is a single instruction */
#define GATHER_COPY(SIZE)                                       \
  case SIZE:                                                    \
    for (uint64_t i = 0; i < count; i++) {                      \
      memcpy(out + i * SIZE, source + i * stride * SIZE, SIZE); \
    }                                                           \
    break;
    GATHER_COPY(1)
    GATHER_COPY(2)
    GATHER_COPY(4)
    GATHER_COPY(8)
#undef GATHER_COPY
  }
}

void gather_chunk(const Chunk *chunk, unsigned bits, unsigned char *out, uint64_t out_first) {
  uint64_t count = chunk->count;
  if (bits % 8 == 0) {
    size_t size = bits / 8;
    const unsigned char *from = chunk->data + chunk->first * size;
    if (chunk->stride == 1) {
      memcpy(out + out_first * size, from, (size_t)count * size);
    } else {
      gather_copy_strided(from, chunk->stride, count, size, out + out_first * size);
    }
    return;
  }
  unsigned group = dtype_byte_group(bits);
  uint64_t i = 0;
  if (chunk->stride == 1 && chunk->first % group == 0 && out_first % group == 0) {
    i = count - count % group;
    memcpy(out + out_first * bits / 8, chunk->data + chunk->first * bits / 8,
           (size_t)(i * bits / 8));
  }
  for (; i < count; i++) {
    uint64_t code = element_load(chunk->data, bits, chunk->first + i * chunk->stride);
    element_store(out, bits, out_first + i, code);
  }
}
