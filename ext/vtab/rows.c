/*
** tensor_rows(T): one row per index of the first dimension of the tensor.
**
**     SELECT i, tensor_json(ref) FROM tensor_rows('model.safetensors#embed.weight') WHERE i < 3;
**
** `data` is the bytes of the row, which are not copied if they are contiguous in the file. `ref`
** names the row as a slice, and can be passed to every function and table that takes a tensor: an
** expression for a row of one. It is NULL for a tensor given as bytes. Constraints on i, and ORDER BY i, are pushed into the scan.
** A tensor without dimensions has no rows, and is an error.
*/
#include "sql/row_result.h"
#include "sql/tensor_table.h"
#include "vtab/modules.h"

static const char rows_schema[] =
    "CREATE TABLE x(i INTEGER, data BLOB, ref TEXT, " TENSOR_TABLE_3_ARGUMENTS ")";

enum RowsColumn { ROWS_COLUMN_I, ROWS_COLUMN_DATA, ROWS_COLUMN_REF, ROWS_COLUMN_ARGUMENTS };

static int rows_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  TensorCursor *cursor = (TensorCursor *)base;
  int code = tensor_cursor_filter(cursor, plan, argv);
  if (code != SQLITE_OK || cursor->argument.is_null) return code;
  const TensorArgument *argument = &cursor->argument;
  Error error = {0};
  if (argument->view.rank == 0) {
    error_fill_tensor(&error, ERROR_ARGUMENT, &argument->tensor,
                      "expected a tensor with rows, found a scalar");
  } else {
    tensor_cursor_set_range(cursor, argument->view.shape[0], plan, argv);
    return SQLITE_OK;
  }
  return result_vtab_error(base->pVtab, &error);
}

static void rows_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  TensorCursor *cursor = (TensorCursor *)base;
  uint64_t row = tensor_cursor_position(cursor);
  switch (number) {
    case ROWS_COLUMN_I: result_uint64(context, row); break;
    case ROWS_COLUMN_DATA: row_result_data(context, cursor, row); break;
    case ROWS_COLUMN_REF: row_result_ref(context, cursor, row); break;
    default: tensor_cursor_result_argument(cursor, context, number - ROWS_COLUMN_ARGUMENTS); break;
  }
}

/* ---- The table ---- */

static const TableRows rows_table_rows = {TENSOR_TABLE_ROWS, .cursor_size = sizeof(TensorCursor),
                                          .filter = rows_filter, .column = rows_column,
                                          .clear = tensor_cursor_clear};

static const TensorTable rows_table_template = {
    .name = "tensor_rows",
    .usage = "(ref) or (data, dtype [, shape])",
    .argument_column = ROWS_COLUMN_ARGUMENTS,
    .argument_count = 3,
    .rows = &rows_table_rows,
};

static int rows_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return tensor_table_connect(db, session, rows_schema, &rows_table_template, out, message);
}

const sqlite3_module tensor_rows_module = {
    .xConnect = rows_connect,
    .xBestIndex = tensor_table_best_index,
    .xDisconnect = tensor_table_disconnect,
    TABLE_METHODS,
};
