#include "sql/comparison.h"

#include "sql/connection.h"
#include "sql/result.h"

static uint64_t comparison_nbytes(const ComparisonSide *side) {
  return side->view->numel * dtype_bits(side->dtype) / 8;
}

/* Whether both sides are the same elements of one file or value. Two computed tensors never are:
** neither is in a file, so that they have no place to be told apart by. */
static bool comparison_is_same_place(const ComparisonSide *a, const ComparisonSide *b) {
  const Source *x = &a->source, *y = &b->source;
  return a->dtype == b->dtype && x->computed == NULL && y->computed == NULL &&
         x->memory == y->memory && x->file == y->file && x->offset == y->offset &&
         a->view->offset == b->view->offset && view_is_contiguous(a->view) &&
         view_is_contiguous(b->view);
}

bool comparison_run(sqlite3 *db, Session *session, const ComparisonSide *a, const ComparisonSide *b,
                    CompareTask *task, Error *error) {
  task->a = a->dtype;
  task->b = b->dtype;
  bool sameness_does = task->goal == COMPARE_BYTES || task->goal == COMPARE_EQUAL;
  if (sameness_does && comparison_is_same_place(a, b)) return true;
  Host host = connection_begin_work(db, session, &a->tensor, a->view->numel,
                                    comparison_nbytes(a) + comparison_nbytes(b));
  bool good = compare_run(task, &a->source, a->view, &b->source, b->view, &host, error);
  connection_end_work(&host);
  return good;
}

void comparison_result(sqlite3_context *context, const Comparison *found, ComparisonNumber number) {
  switch (number) { /* SQLite turns a NaN into NULL */
    case COMPARISON_NONE: break;
    case COMPARISON_N_DIFF: result_uint64(context, found->n_diff); break;
    case COMPARISON_N_NAN: result_uint64(context, found->n_nan); break;
    case COMPARISON_N_NAN_ONE: result_uint64(context, found->n_nan_one); break;
    case COMPARISON_MAX_ABS_DIFF:
      sqlite3_result_double(context, compare_max_abs_diff(found));
      break;
    case COMPARISON_MEAN_ABS_DIFF:
      sqlite3_result_double(context, compare_mean_abs_diff(found));
      break;
    case COMPARISON_RMSE: sqlite3_result_double(context, compare_rmse(found)); break;
    case COMPARISON_REL_L2: sqlite3_result_double(context, compare_rel_l2(found)); break;
    case COMPARISON_COSINE: sqlite3_result_double(context, compare_cosine(found)); break;
    case COMPARISON_L2_A: sqlite3_result_double(context, compare_l2_a(found)); break;
    case COMPARISON_L2_B: sqlite3_result_double(context, compare_l2_b(found)); break;
    case COMPARISON_L2_DIFF: sqlite3_result_double(context, compare_l2_diff(found)); break;
  }
}
