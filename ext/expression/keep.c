#include "expression/keep.h"

#include <string.h>

#include "base/memory.h"
#include "base/temporary.h"

struct Keep {
  Computed computed; /* first: a Computed is its Keep */
  uint64_t nbytes;
  unsigned char *memory;
  Temporary *file; /* if it is not in memory */
};

static bool keep_open(Computed *computed, void **state, Error *error) {
  (void)error;
  *state = computed;
  return true;
}

static bool keep_read(void *state, const Asking *asking, uint64_t begin, uint64_t size,
                      unsigned char *out, Error *error) {
  (void)asking;
  return temporary_read(((Keep *)state)->file, out, size, begin, error);
}

static void keep_close(void *state) {
  (void)state;
}

Keep *keep_new(uint64_t nbytes, uint64_t in_memory, Error *error) {
  Keep *keep = memory_zeroed(1, sizeof *keep);
  if (keep == NULL) {
    error_memory(error);
    return NULL;
  }
  *keep = (Keep){.computed = {.unit = 1,
                              .ahead = READER_WINDOW,
                              .open = keep_open,
                              .read = keep_read,
                              .close = keep_close},
                 .nbytes = nbytes};
  if (nbytes <= in_memory) {
    keep->memory = memory_alloc(nbytes);
    if (keep->memory == NULL) error_memory(error);
  } else {
    keep->file = temporary_open(error);
  }
  if (keep->memory != NULL || keep->file != NULL) return keep;
  keep_free(keep);
  return NULL;
}

void keep_free(Keep *keep) {
  if (keep == NULL) return;
  memory_free(keep->memory);
  temporary_close(keep->file);
  memory_free(keep);
}

bool keep_write(Keep *keep, const void *bytes, uint64_t size, uint64_t offset, Error *error) {
  if (keep->file != NULL) return temporary_write(keep->file, bytes, size, offset, error);
  memcpy(keep->memory + offset, bytes, (size_t)size);
  return true;
}

Source keep_source(Keep *keep) {
  return (Source){.memory = keep->memory,
                  .computed = keep->file != NULL ? &keep->computed : NULL,
                  .nbytes = keep->nbytes};
}
