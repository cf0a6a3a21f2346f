#include "tensor/runs.h"

#include "base/memory.h"

/* How many trailing dimensions lie together, and how many elements that makes. */
static uint32_t together(const View *view, uint64_t *count) {
  uint32_t d = view->rank;
  *count = 1;
  while (d > 0 && (view->shape[d - 1] == 1 || view->stride[d - 1] == *count)) {
    *count *= view->shape[--d];
  }
  return view->rank - d;
}

/* Notes which of the first `outer` dimensions are to be walked. */
static bool walk_dimensions(Runs *runs, uint32_t outer) {
  const View *view = runs->view;
  uint32_t count = 0;
  for (uint32_t d = 0; d < outer; d++) count += view->shape[d] > 1;
  if (count == 0) return true;
  runs->walked = memory_zeroed(count, sizeof *runs->walked);
  if (runs->walked == NULL) return false;
  for (uint32_t d = 0; d < outer; d++) {
    if (view->shape[d] == 1) continue;
    runs->walked[runs->walked_count++] =
        (RunsDimension){.size = view->shape[d], .stride = view->stride[d]};
  }
  return true;
}

bool runs_open(Runs *runs, const View *view) {
  *runs = (Runs){.view = view, .step = 1, .at = view->offset};
  if (view->numel == 0) return true;
  uint32_t merged = together(view, &runs->count);
  if (runs->count == 1 && merged < view->rank) {
    /* The innermost dimension that is more than 1 has a step. */
    uint32_t d = view->rank - merged - 1;
    runs->count = view->shape[d];
    runs->step = view->stride[d];
    merged++;
  }
  runs->left = view->numel / runs->count;
  return walk_dimensions(runs, view->rank - merged);
}

uint64_t runs_seek(Runs *runs, uint64_t position) {
  const View *view = runs->view;
  uint64_t number = position / runs->count;
  runs->left = view->numel / runs->count - number;
  runs->at = view->offset;
  for (uint32_t d = runs->walked_count; d-- > 0;) {
    RunsDimension *dimension = &runs->walked[d];
    dimension->index = number % dimension->size;
    number /= dimension->size;
    runs->at += dimension->index * dimension->stride;
  }
  return position % runs->count;
}

bool runs_next(Runs *runs, Run *run) {
  if (runs->left == 0) return false;
  *run = (Run){runs->at, runs->count, runs->step};
  if (--runs->left == 0) return true;
  for (uint32_t d = runs->walked_count; d-- > 0;) {
    RunsDimension *dimension = &runs->walked[d];
    runs->at += dimension->stride;
    if (++dimension->index < dimension->size) break;
    runs->at -= dimension->stride * dimension->size;
    dimension->index = 0;
  }
  return true;
}

void runs_close(Runs *runs) {
  memory_free(runs->walked);
  runs->walked = NULL;
}
