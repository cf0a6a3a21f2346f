#include "tensor/walk.h"

#include "tensor/gather.h"

/* Elements farther apart than this are read one by one, not with all that lies between them. */
enum { NEAR = 4096 };

bool walk_open(Walk *walk, const View *view, unsigned bits, Reader *reader, Error *error) {
  *walk = (Walk){.reader = reader, .bits = bits};
  return runs_open(&walk->runs, view) || error_memory(error);
}

void walk_seek(Walk *walk, uint64_t position) {
  uint64_t within = runs_seek(&walk->runs, position);
  if (!runs_next(&walk->runs, &walk->run)) walk->run.count = 0;
  if (within > 0) {
    walk->run.first += within * walk->run.step;
    walk->run.count -= within;
  }
}

/* How many of the run's elements one window holds, the first one being `lead` elements behind the
** window's start. */
static uint64_t reach(const Walk *walk, uint64_t lead) {
  uint64_t step = walk->run.step, room = READER_WINDOW * (uint64_t)8 / walk->bits - lead;
  if (step > 1 && step * walk->bits / 8 > NEAR) return 1;
  return (room - 1) / step + 1;
}

bool walk_next(Walk *walk, uint64_t most, Chunk *chunk, Error *error) {
  Run *run = &walk->run;
  if (run->count == 0 && !runs_next(&walk->runs, run)) return false;
  uint64_t lead = run->first % gather_byte_group(walk->bits); /* data starts on a byte */
  uint64_t count = reach(walk, lead);
  if (count > run->count) count = run->count;
  if (count > most) count = most;
  uint64_t begin = (run->first - lead) * walk->bits / 8;
  uint64_t span = (lead + (count - 1) * run->step + 1) * walk->bits;
  const unsigned char *data = reader_bytes(walk->reader, begin, (span + 7) / 8, error);
  if (data == NULL) return false;
  *chunk = (Chunk){data, lead, count, run->step};
  run->first += count * run->step;
  run->count -= count;
  return true;
}

void walk_close(Walk *walk) {
  runs_close(&walk->runs);
}
