#include "tensor/runs.h"

#include "base/memory.h"

/* The number of trailing dimensions that are contiguous. Sets *count to their number of
** elements. */
static uint32_t runs_together(const View *view, uint64_t *count) {
  uint32_t d = view->rank;
  *count = 1;
  while (d > 0 && (view->shape[d - 1] == 1 || view->stride[d - 1] == *count)) {
    *count *= view->shape[--d];
  }
  return view->rank - d;
}

/* Records which of the first `outer` dimensions have to be iterated over. */
static bool runs_walk_dimensions(Runs *runs, uint32_t outer) {
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
  *runs = (Runs){.view = view, .stride = 1, .at = view->offset};
  if (view->numel == 0) return true;
  uint32_t merged = runs_together(view, &runs->count);
  if (runs->count == 1 && merged < view->rank) {
    /* The innermost dimension larger than 1 is not contiguous: its elements are one stride
    ** apart. */
    uint32_t d = view->rank - merged - 1;
    runs->count = view->shape[d];
    runs->stride = view->stride[d];
    merged++;
  }
  runs->left = view->numel / runs->count;
  return runs_walk_dimensions(runs, view->rank - merged);
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
  *run = (Run){runs->at, runs->count, runs->stride};
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
