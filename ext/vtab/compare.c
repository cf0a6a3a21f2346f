/*
** tensor_compare(A, B): one row, two tensors compared element by element.
**
**     SELECT equal, max_abs_diff, cosine FROM tensor_compare('base#lm_head.weight', 'tune#lm_head.weight');
**
** A and B may be of different dtypes; they have one shape. Behind a tensor there may be another shape for
** it, so that elements are compared in row-major order: tensor_compare(A, B, '[6]').
**
**     equal          1 if n_diff is 0, else 0
**     n_diff         elements that are not equal in value; 0 and -0 are, and so are NaN and NaN
**     max_abs_diff, mean_abs_diff, rmse
**                    the largest |a - b|, the mean, and the root of the mean square
**     rel_l2         the norm of a - b by the norm of a; 0 if they are equal, else Inf if a is all zero
**     cosine         of the angle between a and b; NULL if one is all zero
**
** tensor/compare.h tells what is made of each dtype, and of what is not finite: in short, a NaN is in
** no number, and a difference from an infinity is Inf, with cosine NULL. Without two numbers to compare,
** as in empty tensors, all but equal and n_diff are NULL.
**
** Hidden: n_nan and n_nan_one, places where both are NaN, and where one is; l2_a, l2_b and l2_diff, the
** norms of a, b and a - b.
**
** One pass computes all numbers, when the first is asked for; `equal` alone ends at the first
** difference.
*/
#include "func/tensor_pair.h"
#include "vtab/modules.h"
#include "vtab/tensor_table.h"

static const char schema[] =
    "CREATE TABLE x(equal INTEGER, n_diff INTEGER, max_abs_diff REAL, mean_abs_diff REAL, rmse "
    "REAL, "
    "rel_l2 REAL, cosine REAL, " TENSOR_TABLE_6_ARGUMENTS
    ", n_nan INTEGER HIDDEN, n_nan_one INTEGER HIDDEN, l2_a REAL HIDDEN, l2_b REAL HIDDEN, "
    "l2_diff REAL HIDDEN)";

enum Column {
  COLUMN_EQUAL,
  COLUMN_N_DIFF,
  COLUMN_MAX_ABS_DIFF,
  COLUMN_MEAN_ABS_DIFF,
  COLUMN_RMSE,
  COLUMN_REL_L2,
  COLUMN_COSINE,
  COLUMN_ARGUMENTS,
  COLUMN_N_NAN = COLUMN_ARGUMENTS + TENSOR_PAIR_MAX_ARGUMENTS + 1,
  COLUMN_N_NAN_ONE,
  COLUMN_L2_A,
  COLUMN_L2_B,
  COLUMN_L2_DIFF
};

/* The query uses more than `equal`. */
enum { PLAN_NUMBERS = PLAN_OWN };

typedef struct CompareCursor {
  TensorCursor tensor;
  TensorPair pair;  /* opened from the cursor's values */
  CompareGoal goal; /* wanted, and, once computed, in: */
  bool computed;
  Comparison found;
} CompareCursor;

static const TensorTable table_template = {
    .name = "tensor_compare",
    .usage = TENSOR_PAIR_USAGE,
    .argument_column = COLUMN_ARGUMENTS,
    .argument_count = TENSOR_PAIR_MAX_ARGUMENTS,
    .trailing = TRAILING_OWN,
    .single_row = true,
};

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)argc, (void)argv, (void)message;
  return tensor_table_connect(db, store, schema, &table_template, out);
}

static ComparisonNumber number_of(int column) {
  switch (column) {
    case COLUMN_N_DIFF: return NUMBER_N_DIFF;
    case COLUMN_MAX_ABS_DIFF: return NUMBER_MAX_ABS_DIFF;
    case COLUMN_MEAN_ABS_DIFF: return NUMBER_MEAN_ABS_DIFF;
    case COLUMN_RMSE: return NUMBER_RMSE;
    case COLUMN_REL_L2: return NUMBER_REL_L2;
    case COLUMN_COSINE: return NUMBER_COSINE;
    case COLUMN_N_NAN: return NUMBER_N_NAN;
    case COLUMN_N_NAN_ONE: return NUMBER_N_NAN_ONE;
    case COLUMN_L2_A: return NUMBER_L2_A;
    case COLUMN_L2_B: return NUMBER_L2_B;
    case COLUMN_L2_DIFF: return NUMBER_L2_DIFF;
    default: return NUMBER_NONE;
  }
}

static int best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  int code = tensor_table_best_index(table, info);
  for (int column = 0; column <= COLUMN_L2_DIFF; column++) {
    bool used = (info->colUsed >> column & 1) != 0;
    if (used && number_of(column) != NUMBER_NONE) info->idxNum |= PLAN_NUMBERS;
  }
  return code;
}

/* ---- Scanning ---- */

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  return tensor_cursor_open(out, sizeof(CompareCursor));
}

static void forget_pair(CompareCursor *cursor) {
  tensor_pair_close(&cursor->pair);
  cursor->pair = (TensorPair){0};
  cursor->computed = false;
}

static int cursor_close(sqlite3_vtab_cursor *base) {
  forget_pair((CompareCursor *)base);
  return tensor_cursor_close(base);
}

static bool open_pair(CompareCursor *cursor, const TensorTable *table, Error *error) {
  TensorPair *pair = &cursor->pair;
  int count = cursor->tensor.value_count;
  if (!tensor_pair_open(pair, table->name, table->store, count, cursor->tensor.values, error)) {
    return false;
  }
  if (pair->is_null) return true;
  if (pair->used < count) {
    return error_raise(error, ERROR_ARGUMENT, table->name, "expected %s, found more arguments",
                       table->usage);
  }
  return tensor_pair_check_shapes(pair, table->name, error);
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text, (void)argc;
  CompareCursor *cursor = (CompareCursor *)base;
  Error error = {0};
  forget_pair(cursor);
  cursor->goal = (plan & PLAN_NUMBERS) != 0 ? COMPARE_NUMBERS : COMPARE_EQUAL;
  int code = tensor_cursor_filter(&cursor->tensor, plan, argv);
  if (code != SQLITE_OK) return code;
  if (!open_pair(cursor, (const TensorTable *)base->pVtab, &error)) {
    forget_pair(cursor);
    return result_vtab_error(base->pVtab, &error);
  }
  if (!cursor->pair.is_null) tensor_cursor_set_range(&cursor->tensor, 1, plan, argv);
  return SQLITE_OK;
}

static bool compute(CompareCursor *cursor, Error *error) {
  const TensorTable *table = (const TensorTable *)cursor->tensor.base.pVtab;
  CompareTask task = {.goal = cursor->goal};
  cursor->computed = tensor_pair_compare(&cursor->pair, table->db, &task, error);
  cursor->found = task.found;
  return cursor->computed;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  CompareCursor *cursor = (CompareCursor *)base;
  ComparisonNumber number = number_of(column);
  Error error = {0};
  if (column != COLUMN_EQUAL && number == NUMBER_NONE) {
    tensor_cursor_result_argument(&cursor->tensor, context, column - COLUMN_ARGUMENTS);
    return SQLITE_OK;
  }
  if (number != NUMBER_NONE && cursor->goal != COMPARE_NUMBERS) {
    cursor->goal = COMPARE_NUMBERS;
    cursor->computed = false;
  }
  if (!cursor->computed && !compute(cursor, &error)) {
    result_error(context, &error);
  } else if (column == COLUMN_EQUAL) {
    sqlite3_result_int(context, cursor->found.n_diff == 0);
  } else {
    comparison_result(context, &cursor->found, number);
  }
  return SQLITE_OK;
}

const sqlite3_module tensor_compare_module = {
    .xConnect = connect,
    .xBestIndex = best_index,
    .xDisconnect = tensor_table_disconnect,
    .xOpen = cursor_open,
    .xClose = cursor_close,
    .xFilter = filter,
    .xNext = tensor_cursor_next,
    .xEof = tensor_cursor_at_end,
    .xColumn = column,
    .xRowid = tensor_cursor_rowid,
};
