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
#include <string.h>

#include "sql/tensor_result.h"
#include "sql/tensor_table.h"
#include "tensor/gather.h"
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

/* A row of an expression, `text`, which is one, too. */
static void rows_result_expression(sqlite3_context *context, const TensorArgument *argument,
                                   const char *text, uint64_t row) {
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  sqlite3_str_appendf(out, "{\"op\":\"slice\",\"args\":[%s],\"slice\":\"", text);
  view_append_row_slice(&argument->view, row, out);
  sqlite3_str_appendall(out, "\"}");
  result_string(context, out);
}

static void rows_result_ref(sqlite3_context *context, const TensorCursor *cursor, uint64_t row) {
  const TensorArgument *argument = &cursor->argument;
  if (argument->expression != NULL) {
    const char *text = (const char *)sqlite3_value_text(cursor->values[0]);
    rows_result_expression(context, argument, text, row);
    return;
  }
  if (argument->leaf.entry == NULL) return;
  const Ref *ref = &argument->leaf.ref;
  sqlite3_str *slice = sqlite3_str_new(sqlite3_context_db_handle(context));
  view_append_row_slice(&argument->view, row, slice);
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  int code = sqlite3_str_errcode(slice);
  uint64_t length = (uint64_t)sqlite3_str_length(slice);
  char *text = sqlite3_str_finish(slice);
  if (code == SQLITE_OK) {
    Ref row_ref = *ref;
    row_ref.slice = text;
    row_ref.slice_length = length;
    ref_append(out, &row_ref);
    result_string(context, out);
  } else {
    sqlite3_free(sqlite3_str_finish(out));
    sqlite3_result_error_code(context, code);
  }
  sqlite3_free(text);
}

/* Rows that are too short to return a pointer to are copied from the window of the reader. */
static bool rows_is_short(const View *view, unsigned bits, uint64_t limit) {
  uint64_t max = limit < HAND_OUT_MIN ? limit : HAND_OUT_MIN - 1;
  return view->numel > 0 && view->numel <= max * 8 / bits && view_is_contiguous(view) &&
         gather_is_whole_bytes(view, bits);
}

static void rows_result_data(sqlite3_context *context, TensorCursor *cursor, uint64_t row) {
  View view = view_row(&cursor->argument.view, row);
  unsigned bits = dtype_bits(cursor->argument.dtype);
  int limit = sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1);
  Error error = {0};
  if (!rows_is_short(&view, bits, (uint64_t)limit)) {
    tensor_result_data(context, &cursor->argument, &view, true);
    return;
  }
  uint64_t nbytes = view.numel * bits / 8;
  Reader *reader = tensor_cursor_reader(cursor, &error);
  const unsigned char *data =
      reader != NULL ? reader_bytes(reader, view.offset * bits / 8, nbytes, &error) : NULL;
  if (data != NULL) {
    sqlite3_result_blob64(context, data, nbytes, SQLITE_TRANSIENT);
  } else {
    result_error(context, &error);
  }
}

static void rows_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  TensorCursor *cursor = (TensorCursor *)base;
  uint64_t row = tensor_cursor_position(cursor);
  switch (number) {
    case ROWS_COLUMN_I: result_uint64(context, row); break;
    case ROWS_COLUMN_DATA: rows_result_data(context, cursor, row); break;
    case ROWS_COLUMN_REF: rows_result_ref(context, cursor, row); break;
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
