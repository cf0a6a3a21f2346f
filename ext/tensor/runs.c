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
  runs->outer = view->rank - merged;
  runs->left = view->numel / runs->count;
  if (runs->outer == 0) return true;
  runs->index = memory_zeroed(runs->outer, sizeof(uint64_t));
  return runs->index != NULL;
}

uint64_t runs_seek(Runs *runs, uint64_t position) {
  const View *view = runs->view;
  uint64_t number = position / runs->count;
  runs->left = view->numel / runs->count - number;
  runs->at = view->offset;
  for (uint32_t d = runs->outer; d-- > 0;) {
    runs->index[d] = number % view->shape[d];
    number /= view->shape[d];
    runs->at += runs->index[d] * view->stride[d];
  }
  return position % runs->count;
}

bool runs_next(Runs *runs, Run *run) {
  if (runs->left == 0) return false;
  *run = (Run){runs->at, runs->count, runs->step};
  if (--runs->left == 0) return true;
  const View *view = runs->view;
  for (uint32_t d = runs->outer; d-- > 0;) {
    runs->at += view->stride[d];
    if (++runs->index[d] < view->shape[d]) break;
    runs->at -= view->stride[d] * view->shape[d];
    runs->index[d] = 0;
  }
  return true;
}

void runs_close(Runs *runs) {
  memory_free(runs->index);
  runs->index = NULL;
}
