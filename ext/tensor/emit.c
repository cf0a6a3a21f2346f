#include "tensor/emit.h"

#include <string.h>

#include "tensor/convert.h"

typedef struct EmitEmission {
  Dtype from, to;
  Sink *sink;
  Error *error;
} EmitEmission;

/* A converted block, as it is written. */
typedef struct EmittedBlock {
  uint64_t count; /* elements */
  unsigned char bytes[];
} EmittedBlock;

static void emit_convert_block(const void *task, const PassElements *elements, uint64_t position,
                               uint64_t count, void *scratch, void *state) {
  const EmitEmission *emission = task;
  EmittedBlock *block = state;
  (void)position, (void)scratch;
  block->count = count;
  if (dtype_bits(emission->to) % 8 != 0)
    memset(block->bytes, 0, (size_t)((count * dtype_bits(emission->to) + 7) / 8));
  convert_elements(emission->from, emission->to, elements->data, elements->first, count, 1,
                   block->bytes, 0);
}

static bool emit_write_block(void *task, const void *state) {
  const EmitEmission *emission = task;
  const EmittedBlock *block = state;
  uint64_t nbytes = (block->count * dtype_bits(emission->to) + 7) / 8;
  return sink_write(emission->sink, block->bytes, nbytes, emission->error);
}

bool emit_view(const Source *source, const View *view, Dtype from, Dtype to, Sink *sink,
               const Host *host, Error *error) {
  Error write_error = {0};
  uint64_t max = view->numel < PASS_BLOCK ? view->numel : PASS_BLOCK;
  EmitEmission emission = {.from = from, .to = to, .sink = sink, .error = &write_error};
  Pass pass = {.input_count = 1,
               .inputs = {{.source = source, .view = view, .bits = dtype_bits(from)}},
               .task = &emission,
               .once = true,
               .writes = true,
               .state_size = sizeof(EmittedBlock) + (max * dtype_bits(to) + 7) / 8,
               .unset_size = (max * dtype_bits(to) + 7) / 8,
               .block = emit_convert_block,
               .merge = emit_write_block};
  bool good = pass_run(&pass, host, error) && write_error.code == ERROR_NONE;
  if (write_error.code != ERROR_NONE) error_repeat(error, &write_error);
  error_clear(&write_error);
  return good;
}
