#include "tensor/gather.h"

#include <string.h>

#include "tensor/runs.h"

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

bool gather_bytes(const View *view, unsigned bits, const unsigned char *source,
                  unsigned char *out) {
  Runs runs;
  Run run;
  if (!runs_open(&runs, view)) return false;
  while (runs_next(&runs, &run)) {
    const unsigned char *from = source + run.first * bits / 8;
    uint64_t size = run.count * bits / 8;
    if (run.step == 1) {
      memcpy(out, from, (size_t)size);
    } else {
      copy_strided(from, run.step, run.count, bits / 8, out);
    }
    out += size;
  }
  runs_close(&runs);
  return true;
}
