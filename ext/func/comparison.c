#include "func/comparison.h"

#include "func/host.h"

static uint64_t nbytes(const ComparisonSide *side) {
  return side->view->numel * dtype_bits(side->dtype) / 8;
}

/* Whether the two are the same elements of one file, or of one value. */
static bool is_same_place(const ComparisonSide *a, const ComparisonSide *b) {
  const Source *x = &a->source, *y = &b->source;
  return a->dtype == b->dtype && x->memory == y->memory && x->file == y->file &&
         x->offset == y->offset && a->view->offset == b->view->offset &&
         view_is_contiguous(a->view) && view_is_contiguous(b->view);
}

bool comparison_run(sqlite3 *db, Store *store, const ComparisonSide *a, const ComparisonSide *b,
                    CompareTask *task, Error *error) {
  Host host;
  task->a = a->dtype;
  task->b = b->dtype;
  bool sameness_does = task->goal == COMPARE_BYTES || task->goal == COMPARE_EQUAL;
  if (sameness_does && is_same_place(a, b)) return true;
  host_open(&host, db, store, &a->tensor, a->view->numel, nbytes(a) + nbytes(b));
  bool good = compare_run(task, &a->source, a->view, &b->source, b->view, &host.pass, error);
  host_close(&host);
  return good;
}

void comparison_result(sqlite3_context *context, const Comparison *found, ComparisonNumber number) {
  switch (number) { /* SQLite makes a NaN a NULL */
    case NUMBER_NONE: break;
    case NUMBER_N_DIFF: result_uint64(context, found->n_diff); break;
    case NUMBER_N_NAN: result_uint64(context, found->n_nan); break;
    case NUMBER_N_NAN_ONE: result_uint64(context, found->n_nan_one); break;
    case NUMBER_MAX_ABS_DIFF: sqlite3_result_double(context, compare_max_abs_diff(found)); break;
    case NUMBER_MEAN_ABS_DIFF: sqlite3_result_double(context, compare_mean_abs_diff(found)); break;
    case NUMBER_RMSE: sqlite3_result_double(context, compare_rmse(found)); break;
    case NUMBER_REL_L2: sqlite3_result_double(context, compare_rel_l2(found)); break;
    case NUMBER_COSINE: sqlite3_result_double(context, compare_cosine(found)); break;
    case NUMBER_L2_A: sqlite3_result_double(context, compare_l2_a(found)); break;
    case NUMBER_L2_B: sqlite3_result_double(context, compare_l2_b(found)); break;
    case NUMBER_L2_DIFF: sqlite3_result_double(context, compare_l2_diff(found)); break;
  }
}
