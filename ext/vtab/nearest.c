/*
** tensor_nearest(T, query [, k [, metric]]): the rows of a tensor that are nearest to a vector, the nearest first.
**
**     SELECT i, score FROM tensor_nearest('m.safetensors#embed.weight', 'm.safetensors?slice=42#embed.weight', 10);
**
**     i       the row, as in tensor_rows()
**     score   how near it is: tensor_cosine(ref, query), the product, or the distance
**
** `query` has as many elements as a row: a ref, an expression, bytes and their dtype, or a BLOB of native
** little-endian floats (F32) alone. After such a BLOB comes k, or nothing; a text
** that is no number is a dtype.
** `k` is how many rows are wanted; NULL or none: all. `metric` is 'cosine' (the default) or 'dot', the largest first,
** or 'l2', the smallest first. Rows that score the same are in the order of i. A row has no score (NULL) if it or the
** query has a NaN, and as a cosine if one of them is all zero; such rows come last.
**
** Hidden columns: `ref` and `data`, as of tensor_rows(). A tensor of one dimension has rows of one element, a
** tensor without dimensions is an error.
**
** One pass over T finds all rows when the first column is read.
*/
#include <string.h>

#include "base/memory.h"
#include "sql/connection.h"
#include "sql/number_argument.h"
#include "sql/row_result.h"
#include "sql/tensor_table.h"
#include "tensor/convert.h"
#include "tensor/nearest.h"
#include "vtab/modules.h"

typedef unsigned long long NearestBig; /* for "%llu" */

static const char nearest_schema[] =
    "CREATE TABLE x(i INTEGER, score REAL, " TENSOR_TABLE_7_ARGUMENTS
    ", ref TEXT HIDDEN, data BLOB HIDDEN)";

static const char nearest_name[] = "tensor_nearest",
                  nearest_usage[] =
                      "(ref, query [, k [, metric]]) or (data, dtype, shape, query [, k "
                      "[, metric]])";

enum { NEAREST_ARGUMENT_COUNT = 7 };

enum NearestColumn {
  NEAREST_COLUMN_I,
  NEAREST_COLUMN_SCORE,
  NEAREST_COLUMN_ARGUMENTS,
  NEAREST_COLUMN_REF = NEAREST_COLUMN_ARGUMENTS + NEAREST_ARGUMENT_COUNT + 1,
  NEAREST_COLUMN_DATA
};

/* What follows the query. */
enum NearestValue { NEAREST_VALUE_K, NEAREST_VALUE_METRIC, NEAREST_VALUE_COUNT };

typedef struct NearestCursor {
  TensorCursor tensor;
  NearestTask task;
  TensorArgument query; /* opened from the cursor's values */
  unsigned char *bytes; /* of the query */
  bool computed;
  Nearest found;
} NearestCursor;

static void nearest_forget(NearestCursor *cursor) {
  tensor_argument_close(&cursor->query);
  cursor->query = (TensorArgument){0};
  memory_free(cursor->bytes);
  cursor->bytes = NULL;
  nearest_clear(&cursor->found);
  cursor->computed = false;
}

static void nearest_clear_cursor(sqlite3_vtab_cursor *base) {
  nearest_forget((NearestCursor *)base);
  tensor_cursor_clear(base);
}

/* ---- Arguments ---- */

static bool nearest_take_k(sqlite3_value *value, uint64_t *limit, Error *error) {
  if (sqlite3_value_type(value) == SQLITE_NULL) return true;
  NumberArgument count = number_argument_read(value);
  if (count.type != SQLITE_INTEGER || count.integer < 0) {
    return error_raise(
        error, ERROR_ARGUMENT, nearest_name,
        "expected k to be a whole number of at least 0, or NULL for all rows, found \"%.*s\"",
        ERROR_NAME((const char *)sqlite3_value_text(value), (uint64_t)sqlite3_value_bytes(value)));
  }
  *limit = (uint64_t)count.integer;
  return true;
}

static bool nearest_take_metric(sqlite3_value *value, NearestMetric *metric, Error *error) {
  static const char *const names[] = {
      [NEAREST_COSINE] = "cosine", [NEAREST_DOT] = "dot", [NEAREST_L2] = "l2"};
  if (sqlite3_value_type(value) == SQLITE_NULL) return true;
  const char *text = (const char *)sqlite3_value_text(value);
  uint64_t length = (uint64_t)sqlite3_value_bytes(value);
  if (text == NULL) return error_memory(error);
  for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (length != strlen(names[i]) || memcmp(text, names[i], (size_t)length) != 0) continue;
    *metric = (NearestMetric)i;
    return true;
  }
  return error_raise(error, ERROR_ARGUMENT, nearest_name,
                     "expected the metric 'cosine', 'dot' or 'l2', found \"%.*s\"",
                     ERROR_NAME(text, length));
}

/* Takes the `count` values that follow the query. */
static bool nearest_take_values(sqlite3_value **values, int count, NearestTask *task,
                                Error *error) {
  task->limit = UINT64_MAX;
  task->metric = NEAREST_COSINE;
  if (count > NEAREST_VALUE_COUNT) {
    return error_raise(error, ERROR_ARGUMENT, nearest_name, "expected %s, found more arguments",
                       nearest_usage);
  }
  return (count <= NEAREST_VALUE_K ||
          nearest_take_k(values[NEAREST_VALUE_K], &task->limit, error)) &&
         (count <= NEAREST_VALUE_METRIC ||
          nearest_take_metric(values[NEAREST_VALUE_METRIC], &task->metric, error));
}

/* The elements of a row. None if there are no rows. */
static bool nearest_measure(const View *view, NearestTask *task, const TensorName *tensor,
                            Error *error) {
  if (view->rank == 0) {
    return error_raise_tensor(error, ERROR_ARGUMENT, tensor,
                              "expected a tensor with rows, found a scalar");
  }
  task->row_count = view->shape[0];
  task->columns = task->row_count > 0 ? view->numel / task->row_count : 0;
  return true;
}

static bool nearest_check_query(const NearestCursor *cursor, Error *error) {
  uint64_t found = cursor->query.view.numel, expected = cursor->task.columns;
  if (cursor->task.row_count == 0 || found == expected) return true;
  return error_raise_tensor(error, ERROR_ARGUMENT, &cursor->query.tensor,
                            "expected a query of %llu elements, as many as a row of the tensor "
                            "has, found %llu",
                            (NearestBig)expected, (NearestBig)found);
}

/* Opens the query, the first of `count` values. After a dtype, NULL is k and no shape. */
static bool nearest_open_query_value(NearestCursor *cursor, int count, sqlite3_value **values,
                                     Error *error) {
  Session *session = cursor->tensor.argument.session;
  bool is_blob = sqlite3_value_type(values[0]) == SQLITE_BLOB;
  if (is_blob && (count == 1 || number_argument_read(values[1]).type != SQLITE_TEXT))
    return tensor_argument_open_floats(&cursor->query, session, values[0], error);
  if (is_blob && count > 2 && !tensor_argument_is_shape(values[2])) count = 2;
  return tensor_argument_open(&cursor->query, session, count, values, error);
}

/* Opens the query, and takes what follows it. */
static bool nearest_open_query(NearestCursor *cursor, Error *error) {
  TensorCursor *tensor = &cursor->tensor;
  NearestTask *task = &cursor->task;
  int used = tensor->argument.used, left = tensor->value_count - used;
  if (left == 0) {
    return error_raise(error, ERROR_ARGUMENT, nearest_name, "expected %s, found no query",
                       nearest_usage);
  }
  sqlite3_value **values = tensor->values + used;
  bool good = nearest_open_query_value(cursor, left, values, error);
  if (!good || cursor->query.is_null) return good;
  values += cursor->query.used;
  left -= cursor->query.used;
  *task = (NearestTask){.dtype = tensor->argument.dtype, .query_dtype = cursor->query.dtype};
  const View *view = &tensor->argument.view;
  return nearest_measure(view, task, &tensor->argument.tensor, error) &&
         nearest_check_query(cursor, error) && nearest_take_values(values, left, task, error);
}

static int nearest_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  NearestCursor *cursor = (NearestCursor *)base;
  Error error = {0};
  nearest_forget(cursor);
  int code = tensor_cursor_filter(&cursor->tensor, plan, argv);
  if (code != SQLITE_OK || cursor->tensor.argument.is_null) return code;
  if (!nearest_open_query(cursor, &error)) {
    nearest_forget(cursor);
    return result_vtab_error(base->pVtab, &error);
  }
  if (cursor->query.is_null) return SQLITE_OK;
  uint64_t rows = cursor->task.row_count, limit = cursor->task.limit;
  tensor_cursor_set_range(&cursor->tensor, limit < rows ? limit : rows, plan, argv);
  return SQLITE_OK;
}

/* ---- The pass ---- */

/* Reads the query. */
static bool nearest_read_query(NearestCursor *cursor, const Host *host, Error *error) {
  const TensorArgument *query = &cursor->query;
  uint64_t nbytes = (query->view.numel * dtype_bits(query->dtype) + 7) / 8;
  Source source = tensor_argument_source(query);
  Reader reader;
  memory_free(cursor->bytes);
  cursor->bytes = memory_zeroed(nbytes, 1);
  if (cursor->bytes == NULL) return error_memory(error);
  bool good =
      reader_open(&reader, &source, error) &&
      convert_view(&query->view, query->dtype, query->dtype, &reader, cursor->bytes, host, error);
  reader_close(&reader);
  cursor->task.query = cursor->bytes;
  return good;
}

static bool nearest_compute(NearestCursor *cursor, Error *error) {
  const TensorArgument *argument = &cursor->tensor.argument;
  Source source = tensor_argument_source(argument);
  Host host = tensor_cursor_begin_work(&cursor->tensor);
  cursor->computed =
      nearest_read_query(cursor, &host, error) &&
      nearest_find(&cursor->task, &source, &argument->view, &host, &cursor->found, error);
  connection_end_work(&host);
  return cursor->computed;
}

static void nearest_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  NearestCursor *cursor = (NearestCursor *)base;
  TensorCursor *tensor = &cursor->tensor;
  Error error = {0};
  int argument = number - NEAREST_COLUMN_ARGUMENTS;
  if (argument >= 0 && argument <= NEAREST_ARGUMENT_COUNT) {
    tensor_cursor_result_argument(tensor, context, argument);
    return;
  }
  if (!cursor->computed && !nearest_compute(cursor, &error)) {
    result_error(context, &error);
    return;
  }
  NearestRow row = nearest_at(&cursor->found, tensor_cursor_position(tensor));
  switch (number) {
    case NEAREST_COLUMN_I: result_uint64(context, row.row); break;
    case NEAREST_COLUMN_SCORE: sqlite3_result_double(context, row.score); break;
    case NEAREST_COLUMN_REF: row_result_ref(context, tensor, row.row); break;
    default: row_result_data(context, tensor, row.row); break;
  }
}

/* ---- The table ---- */

static const TableRows nearest_table_rows = {
    TENSOR_TABLE_ROWS, .cursor_size = sizeof(NearestCursor), .filter = nearest_filter,
    .column = nearest_column, .clear = nearest_clear_cursor};

static const TensorTable nearest_table_template = {
    .name = nearest_name,
    .usage = nearest_usage,
    .argument_column = NEAREST_COLUMN_ARGUMENTS,
    .argument_count = NEAREST_ARGUMENT_COUNT,
    .trailing = TRAILING_VALUES,
    .ranked = true,
    .rows = &nearest_table_rows,
};

static int nearest_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                           sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return tensor_table_connect(db, session, nearest_schema, &nearest_table_template, out, message);
}

const sqlite3_module tensor_nearest_module = {
    .xConnect = nearest_connect,
    .xBestIndex = tensor_table_best_index,
    .xDisconnect = tensor_table_disconnect,
    TABLE_METHODS,
};
