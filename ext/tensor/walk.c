#include "tensor/walk.h"

#include "format/dtype.h"

/* Elements farther apart than this many bytes are read one at a time, without the bytes between
** them. */
enum { WALK_NEAR = 4096 };

bool walk_open(Walk *walk, const View *view, unsigned bits, Reader *reader, Error *error) {
  *walk = (Walk){.reader = reader, .bits = bits};
  return runs_open(&walk->runs, view) || error_memory(error);
}

void walk_seek(Walk *walk, uint64_t position) {
  uint64_t within = runs_seek(&walk->runs, position);
  if (!runs_next(&walk->runs, &walk->run)) walk->run.count = 0;
  if (within > 0) {
    walk->run.first += within * walk->run.stride;
    walk->run.count -= within;
  }
}

/* How many elements of the run fit in one window, whose first element is preceded by `lead`
** others. */
static uint64_t walk_reach(const Walk *walk, uint64_t lead) {
  uint64_t stride = walk->run.stride, room = READER_WINDOW * (uint64_t)8 / walk->bits - lead;
  if (stride == 0) return UINT64_MAX; /* one element, again and again */
  if (stride > 1 && stride * walk->bits / 8 > WALK_NEAR) return 1;
  return (room - 1) / stride + 1;
}

bool walk_next(Walk *walk, uint64_t max, Chunk *chunk, Error *error) {
  Run *run = &walk->run;
  if (run->count == 0 && !runs_next(&walk->runs, run)) return false;
  uint64_t lead = run->first % dtype_byte_group(walk->bits); /* data must start on a byte */
  uint64_t count = walk_reach(walk, lead);
  if (count > run->count) count = run->count;
  if (count > max) count = max;
  uint64_t begin = (run->first - lead) * walk->bits / 8;
  uint64_t span = (lead + (count - 1) * run->stride + 1) * walk->bits;
  const unsigned char *data = reader_bytes(walk->reader, begin, (span + 7) / 8, error);
  if (data == NULL) return false;
  *chunk = (Chunk){data, lead, count, run->stride};
  run->first += count * run->stride;
  run->count -= count;
  return true;
}

void walk_close(Walk *walk) {
  runs_close(&walk->runs);
}
