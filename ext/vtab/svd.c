/*
** tensor_svd(T, k [, seed]): the k greatest singular values of a tensor as a matrix, the first dimension by all others.
**
**     SELECT i, value, energy FROM tensor_svd(tensor_sub('tuned#w', 'base#w'), 16);
**
**     i        from 0 on, the greatest value first
**     value    the singular value
**     energy   the share of the squared Frobenius norm that the values up to this one have; NULL if the norm is 0
**
** k is at most 512; there are no more rows than the shorter side of the matrix has elements. Matrices with a side of at most
** 600 are decomposed exactly. Others are approximated by block Krylov iteration, which begins with random vectors: `seed`
** (0) chooses them, so the same query has the same rows.
**
** Hidden columns: `left` and `right`, BLOBs of F32, little-endian: the singular vectors, of one number for each row and
** for each column of the matrix. They take one pass more. See spectral/svd.h for their signs, and for values of 0.
**
** An element that is not finite is an error that says where it is. C64 is refused.
*/
#include "spectral/svd.h"

#include "base/memory.h"
#include "sql/number_argument.h"
#include "sql/tensor_table.h"
#include "tensor/encode.h"
#include "vtab/modules.h"

static const char svd_schema[] =
    "CREATE TABLE x(i INTEGER, value REAL, energy REAL, " TENSOR_TABLE_5_ARGUMENTS
    ", left BLOB HIDDEN, right BLOB HIDDEN)";

static const char svd_name[] = "tensor_svd",
                  svd_usage[] = "(ref, k [, seed]) or (data, dtype [, shape], k [, seed])";

enum { SVD_ARGUMENT_COUNT = 5 };

enum SvdColumn {
  SVD_COLUMN_I,
  SVD_COLUMN_VALUE,
  SVD_COLUMN_ENERGY,
  SVD_COLUMN_ARGUMENTS,
  SVD_COLUMN_LEFT = SVD_COLUMN_ARGUMENTS + SVD_ARGUMENT_COUNT + 1,
  SVD_COLUMN_RIGHT
};

/* What follows T. */
enum SvdValue { SVD_VALUE_K, SVD_VALUE_SEED, SVD_VALUE_COUNT };

typedef struct SvdCursor {
  TensorCursor tensor;
  SvdTask task;
  bool computed;
  Svd found;
} SvdCursor;

static void svd_forget(SvdCursor *cursor) {
  svd_clear(&cursor->found);
  cursor->computed = false;
}

static void svd_clear_cursor(sqlite3_vtab_cursor *base) {
  svd_forget((SvdCursor *)base);
  tensor_cursor_clear(base);
}

static bool svd_take_integer(sqlite3_value *value, const char *expected, int64_t most, int64_t *out,
                             Error *error) {
  NumberArgument number = number_argument_read(value);
  *out = number.integer;
  if (number.type == SQLITE_INTEGER && *out >= 0 && *out <= most) return true;
  return error_raise(
      error, ERROR_ARGUMENT, svd_name, "expected %s, found \"%.*s\"", expected,
      ERROR_NAME((const char *)sqlite3_value_text(value), (uint64_t)sqlite3_value_bytes(value)));
}

/* Takes what follows T. *is_null is whether a value of it is NULL. */
static bool svd_take_arguments(sqlite3_value **values, int count, SvdTask *task, bool *is_null,
                               Error *error) {
  int64_t k = 0, seed = 0;
  if (count < SVD_VALUE_SEED || count > SVD_VALUE_COUNT) {
    return error_raise(error, ERROR_ARGUMENT, svd_name, "expected %s, found %s arguments",
                       svd_usage, count < SVD_VALUE_SEED ? "too few" : "more");
  }
  for (int i = 0; i < count; i++)
    *is_null = *is_null || sqlite3_value_type(values[i]) == SQLITE_NULL;
  if (*is_null) return true;
  if (!svd_take_integer(values[SVD_VALUE_K], "k to be a whole number from 0 to 512", SVD_MAX_COUNT,
                        &k, error))
    return false;
  if (count > SVD_VALUE_SEED &&
      !svd_take_integer(values[SVD_VALUE_SEED], "seed to be a whole number of at least 0",
                        INT64_MAX, &seed, error))
    return false;
  task->count = (uint64_t)k;
  task->seed = (uint64_t)seed;
  return true;
}

static bool svd_check_tensor(const TensorArgument *argument, Error *error) {
  if (argument->view.rank < 2) {
    return error_raise_tensor(error, ERROR_ARGUMENT, &argument->tensor,
                              "expected a tensor of two dimensions or more, found %u",
                              (unsigned)argument->view.rank);
  }
  if (argument->dtype != DTYPE_C64) return true;
  return error_raise_tensor(error, ERROR_ARGUMENT, &argument->tensor,
                            "expected real numbers, found dtype C64");
}

static int svd_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  SvdCursor *cursor = (SvdCursor *)base;
  TensorCursor *tensor = &cursor->tensor;
  Error error = {0};
  bool is_null = false;
  svd_forget(cursor);
  int code = tensor_cursor_filter(tensor, plan, argv);
  const TensorArgument *argument = &tensor->argument;
  if (code != SQLITE_OK || argument->is_null) return code;
  cursor->task = (SvdTask){.dtype = argument->dtype};
  int used = argument->used;
  if (!svd_take_arguments(tensor->values + used, tensor->value_count - used, &cursor->task,
                          &is_null, &error) ||
      !svd_check_tensor(argument, &error))
    return result_vtab_error(base->pVtab, &error);
  if (is_null) return SQLITE_OK;
  uint64_t rows = argument->view.shape[0], columns = rows > 0 ? argument->view.numel / rows : 0;
  uint64_t shorter = rows < columns ? rows : columns, count = cursor->task.count;
  tensor_cursor_set_range(tensor, count < shorter ? count : shorter, plan, argv);
  return SQLITE_OK;
}

static bool svd_compute(SvdCursor *cursor, bool vectors, Error *error) {
  const TensorArgument *argument = &cursor->tensor.argument;
  if (cursor->computed && (!vectors || cursor->found.left != NULL)) return true;
  Source source = tensor_argument_source(argument);
  SvdTask task = cursor->task;
  task.source = &source;
  task.view = &argument->view;
  task.tensor = &argument->tensor;
  Host host = tensor_cursor_begin_work(&cursor->tensor);
  if (!cursor->computed) {
    svd_clear(&cursor->found);
    cursor->computed = svd_find(&task, &host, &cursor->found, error);
  }
  bool good =
      cursor->computed && (!vectors || svd_find_vectors(&task, &host, &cursor->found, error));
  connection_end_work(&host);
  return good;
}

static void svd_result_energy(sqlite3_context *context, const Svd *found, uint64_t place) {
  double energy = 0;
  if (found->norm == 0) return; /* NULL */
  for (uint64_t i = 0; i <= place; i++) {
    double share = found->values[i] / found->norm;
    energy += share * share;
  }
  sqlite3_result_double(context, energy < 1 ? energy : 1);
}

static void svd_result_vector(sqlite3_context *context, const float *vectors, uint64_t length,
                              uint64_t place) {
  unsigned char *bytes = memory_alloc(length * sizeof *vectors);
  if (bytes == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  encode_floats(DTYPE_F32, vectors + place * length, 0, length, bytes);
  sqlite3_result_blob64(context, bytes, length * sizeof *vectors, memory_free);
}

static void svd_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  SvdCursor *cursor = (SvdCursor *)base;
  const Svd *found = &cursor->found;
  Error error = {0};
  int argument = number - SVD_COLUMN_ARGUMENTS;
  uint64_t place = tensor_cursor_position(&cursor->tensor);
  if (argument >= 0 && argument <= SVD_ARGUMENT_COUNT) {
    tensor_cursor_result_argument(&cursor->tensor, context, argument);
  } else if (number == SVD_COLUMN_I) {
    result_uint64(context, place);
  } else if (!svd_compute(cursor, number >= SVD_COLUMN_LEFT, &error)) {
    result_error(context, &error);
  } else if (number == SVD_COLUMN_VALUE) {
    sqlite3_result_double(context, found->values[place]);
  } else if (number == SVD_COLUMN_ENERGY) {
    svd_result_energy(context, found, place);
  } else if (number == SVD_COLUMN_LEFT) {
    svd_result_vector(context, found->left, found->rows, place);
  } else {
    svd_result_vector(context, found->right, found->columns, place);
  }
}

/* ---- The table ---- */

static const TableRows svd_table_rows = {TENSOR_TABLE_ROWS, .cursor_size = sizeof(SvdCursor),
                                         .filter = svd_filter, .column = svd_column,
                                         .clear = svd_clear_cursor};

static const TensorTable svd_table_template = {
    .name = svd_name,
    .usage = svd_usage,
    .argument_column = SVD_COLUMN_ARGUMENTS,
    .argument_count = SVD_ARGUMENT_COUNT,
    .trailing = TRAILING_VALUES,
    .passes = true,
    .rows = &svd_table_rows,
};

static int svd_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                       sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return tensor_table_connect(db, session, svd_schema, &svd_table_template, out, message);
}

const sqlite3_module tensor_svd_module = {
    .xConnect = svd_connect,
    .xBestIndex = tensor_table_best_index,
    .xDisconnect = tensor_table_disconnect,
    TABLE_METHODS,
};
