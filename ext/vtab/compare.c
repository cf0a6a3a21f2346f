/*
** tensor_compare(A, B): one row that compares two tensors element by element.
**
**     SELECT equal, max_abs_diff, cosine FROM tensor_compare('base#lm_head.weight', 'tune#lm_head.weight');
**
** A and B may have different dtypes, but must have the same shape. Another shape may follow a
** tensor, to compare the elements in row-major order: tensor_compare(A, B, '[6]').
**
**     equal          1 if n_diff is 0, else 0
**     n_diff         elements whose values differ; 0 and -0 are equal, and so are NaN and NaN
**     max_abs_diff, mean_abs_diff, rmse
**                    the largest |a - b|, the mean, and the root of the mean square
**     rel_l2         the norm of a - b divided by the norm of a; 0 if they are equal, else Inf if a is all zero
**     cosine         of the angle between a and b; NULL if one is all zero
**
** tensor/compare.h says how each dtype and values that are not finite are treated. In short, a NaN
** enters no number, and the difference from an infinity is Inf, with cosine NULL. Without two
** numbers to compare, as in empty tensors, all columns except equal and n_diff are NULL.
**
** Hidden columns: n_nan and n_nan_one count the places where both are NaN, and where one is; l2_a,
** l2_b and l2_diff are the norms of a, b and a - b.
**
** One pass computes all numbers when the first is read; `equal` alone stops at the first
** difference.
*/
#include "sql/tensor_pair.h"
#include "sql/tensor_table.h"
#include "vtab/modules.h"

static const char compare_schema[] =
    "CREATE TABLE x(equal INTEGER, n_diff INTEGER, max_abs_diff REAL, mean_abs_diff REAL, rmse "
    "REAL, "
    "rel_l2 REAL, cosine REAL, " TENSOR_TABLE_6_ARGUMENTS
    ", n_nan INTEGER HIDDEN, n_nan_one INTEGER HIDDEN, l2_a REAL HIDDEN, l2_b REAL HIDDEN, "
    "l2_diff REAL HIDDEN)";

enum CompareColumn {
  COMPARE_COLUMN_EQUAL,
  COMPARE_COLUMN_N_DIFF,
  COMPARE_COLUMN_MAX_ABS_DIFF,
  COMPARE_COLUMN_MEAN_ABS_DIFF,
  COMPARE_COLUMN_RMSE,
  COMPARE_COLUMN_REL_L2,
  COMPARE_COLUMN_COSINE,
  COMPARE_COLUMN_ARGUMENTS,
  COMPARE_COLUMN_N_NAN = COMPARE_COLUMN_ARGUMENTS + TENSOR_PAIR_MAX_ARGUMENTS + 1,
  COMPARE_COLUMN_N_NAN_ONE,
  COMPARE_COLUMN_L2_A,
  COMPARE_COLUMN_L2_B,
  COMPARE_COLUMN_L2_DIFF
};

/* The query uses more columns than `equal`. */
enum { COMPARE_PLAN_NUMBERS = TENSOR_PLAN_OWN };

typedef struct CompareCursor {
  TensorCursor tensor;
  TensorPair pair;  /* opened from the cursor's values */
  CompareGoal goal; /* wanted, and reached once `computed` */
  bool computed;
  Comparison found;
} CompareCursor;

static ComparisonNumber compare_number_of(int column) {
  switch (column) {
    case COMPARE_COLUMN_N_DIFF: return COMPARISON_N_DIFF;
    case COMPARE_COLUMN_MAX_ABS_DIFF: return COMPARISON_MAX_ABS_DIFF;
    case COMPARE_COLUMN_MEAN_ABS_DIFF: return COMPARISON_MEAN_ABS_DIFF;
    case COMPARE_COLUMN_RMSE: return COMPARISON_RMSE;
    case COMPARE_COLUMN_REL_L2: return COMPARISON_REL_L2;
    case COMPARE_COLUMN_COSINE: return COMPARISON_COSINE;
    case COMPARE_COLUMN_N_NAN: return COMPARISON_N_NAN;
    case COMPARE_COLUMN_N_NAN_ONE: return COMPARISON_N_NAN_ONE;
    case COMPARE_COLUMN_L2_A: return COMPARISON_L2_A;
    case COMPARE_COLUMN_L2_B: return COMPARISON_L2_B;
    case COMPARE_COLUMN_L2_DIFF: return COMPARISON_L2_DIFF;
    default: return COMPARISON_NONE;
  }
}

static int compare_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  int code = tensor_table_best_index(table, info);
  for (int column = 0; column <= COMPARE_COLUMN_L2_DIFF; column++) {
    bool used = (info->colUsed >> column & 1) != 0;
    if (used && compare_number_of(column) != COMPARISON_NONE) info->idxNum |= COMPARE_PLAN_NUMBERS;
  }
  return code;
}

/* ---- Scanning ---- */

static void compare_forget_pair(CompareCursor *cursor) {
  tensor_pair_close(&cursor->pair);
  cursor->pair = (TensorPair){0};
  cursor->computed = false;
}

static void compare_clear(sqlite3_vtab_cursor *base) {
  compare_forget_pair((CompareCursor *)base);
  tensor_cursor_clear(base);
}

static bool compare_open_pair(CompareCursor *cursor, const TensorTable *table, Error *error) {
  TensorPair *pair = &cursor->pair;
  int count = cursor->tensor.value_count;
  if (!tensor_pair_open(pair, table->name, table->session, count, cursor->tensor.values, error)) {
    return false;
  }
  if (pair->is_null) return true;
  if (pair->used < count) {
    return error_raise(error, ERROR_ARGUMENT, table->name, "expected %s, found more arguments",
                       table->usage);
  }
  return tensor_pair_check_shapes(pair, table->name, error);
}

static int compare_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  CompareCursor *cursor = (CompareCursor *)base;
  Error error = {0};
  compare_forget_pair(cursor);
  cursor->goal = (plan & COMPARE_PLAN_NUMBERS) != 0 ? COMPARE_NUMBERS : COMPARE_EQUAL;
  int code = tensor_cursor_filter(&cursor->tensor, plan, argv);
  if (code != SQLITE_OK) return code;
  if (!compare_open_pair(cursor, (const TensorTable *)base->pVtab, &error)) {
    compare_forget_pair(cursor);
    return result_vtab_error(base->pVtab, &error);
  }
  if (!cursor->pair.is_null) tensor_cursor_set_range(&cursor->tensor, 1, plan, argv);
  return SQLITE_OK;
}

static bool compare_compute(CompareCursor *cursor, Error *error) {
  const TensorTable *table = (const TensorTable *)cursor->tensor.base.pVtab;
  CompareTask task = {.goal = cursor->goal};
  cursor->computed = tensor_pair_compare(&cursor->pair, table->db, &task, error);
  cursor->found = task.found;
  return cursor->computed;
}

static void compare_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column) {
  CompareCursor *cursor = (CompareCursor *)base;
  ComparisonNumber number = compare_number_of(column);
  Error error = {0};
  if (column != COMPARE_COLUMN_EQUAL && number == COMPARISON_NONE) {
    tensor_cursor_result_argument(&cursor->tensor, context, column - COMPARE_COLUMN_ARGUMENTS);
    return;
  }
  if (number != COMPARISON_NONE && cursor->goal != COMPARE_NUMBERS) {
    cursor->goal = COMPARE_NUMBERS;
    cursor->computed = false;
  }
  if (!cursor->computed && !compare_compute(cursor, &error)) {
    result_error(context, &error);
  } else if (column == COMPARE_COLUMN_EQUAL) {
    sqlite3_result_int(context, cursor->found.n_diff == 0);
  } else {
    comparison_result(context, &cursor->found, number);
  }
}

/* ---- The table ---- */

static const TableRows compare_table_rows = {
    TENSOR_TABLE_ROWS, .cursor_size = sizeof(CompareCursor), .filter = compare_filter,
    .column = compare_column, .clear = compare_clear};

static const TensorTable compare_table_template = {
    .name = "tensor_compare",
    .usage = TENSOR_PAIR_USAGE,
    .argument_column = COMPARE_COLUMN_ARGUMENTS,
    .argument_count = TENSOR_PAIR_MAX_ARGUMENTS,
    .trailing = TRAILING_OWN,
    .single_row = true,
    .rows = &compare_table_rows,
};

static int compare_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                           sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return tensor_table_connect(db, session, compare_schema, &compare_table_template, out, message);
}

const sqlite3_module tensor_compare_module = {
    .xConnect = compare_connect,
    .xBestIndex = compare_best_index,
    .xDisconnect = tensor_table_disconnect,
    TABLE_METHODS,
};
