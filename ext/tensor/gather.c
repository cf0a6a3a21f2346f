#include "tensor/gather.h"

#include <string.h>

#include "tensor/value.h"

unsigned gather_byte_group(unsigned bits) {
  unsigned group = 1;
  while (group * bits % 8 != 0) group *= 2;
  return group;
}

bool gather_is_whole_bytes(const View *view, unsigned bits) {
  unsigned group = gather_byte_group(bits);
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

static void copy_strided(const unsigned char *source, uint64_t step, uint64_t count, size_t size,
                         unsigned char *out) {
  switch (size) { /* a constant size makes memcpy one instruction */
#define COPY(SIZE)                                            \
  case SIZE:                                                  \
    for (uint64_t i = 0; i < count; i++) {                    \
      memcpy(out + i * SIZE, source + i * step * SIZE, SIZE); \
    }                                                         \
    break;
    COPY(1)
    COPY(2)
    COPY(4)
    COPY(8)
#undef COPY
  }
}

void gather_chunk(const Chunk *chunk, unsigned bits, unsigned char *out, uint64_t out_first) {
  uint64_t count = chunk->count;
  if (bits % 8 == 0) {
    size_t size = bits / 8;
    const unsigned char *from = chunk->data + chunk->first * size;
    if (chunk->step == 1) {
      memcpy(out + out_first * size, from, (size_t)count * size);
    } else {
      copy_strided(from, chunk->step, count, size, out + out_first * size);
    }
    return;
  }
  unsigned group = gather_byte_group(bits);
  uint64_t i = 0;
  if (chunk->step == 1 && chunk->first % group == 0 && out_first % group == 0) {
    i = count - count % group;
    memcpy(out + out_first * bits / 8, chunk->data + chunk->first * bits / 8,
           (size_t)(i * bits / 8));
  }
  for (; i < count; i++) {
    uint64_t code = element_load(chunk->data, bits, chunk->first + i * chunk->step);
    element_store(out, bits, out_first + i, code);
  }
}
