/*
** tensor_rows(T): one row per index of the tensor's first dimension.
**
**     SELECT i, tensor_json(ref) FROM tensor_rows('model.safetensors#embed.weight') WHERE i < 3;
**
** `data` is the row's bytes, not copied when they lie together in the file. `ref` names the row as
** a slice and can be given to every function and table that takes a tensor; it is NULL for a tensor
** given as bytes. Constraints on i, and ORDER BY i, are pushed into the scan. A tensor without
** dimensions has no rows, and is an error.
*/
#include <string.h>

#include "func/tensor_result.h"
#include "vtab/modules.h"
#include "vtab/tensor_table.h"

static const char schema[] =
    "CREATE TABLE x(i INTEGER, data BLOB, ref TEXT, " TENSOR_TABLE_3_ARGUMENTS ")";

enum Column { COLUMN_I, COLUMN_DATA, COLUMN_REF, COLUMN_ARGUMENTS };

static const TensorTable table_template = {
    .name = "tensor_rows",
    .usage = "(ref) or (data, dtype [, shape])",
    .argument_column = COLUMN_ARGUMENTS,
    .argument_count = 3,
};

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)argc, (void)argv, (void)message;
  return tensor_table_connect(db, store, schema, &table_template, out);
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  return tensor_cursor_open(out, sizeof(TensorCursor));
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text, (void)argc;
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

static void result_ref(sqlite3_context *context, const TensorArgument *argument, uint64_t row) {
  if (argument->entry == NULL) return;
  const Ref *ref = &argument->ref;
  sqlite3_str *slice = sqlite3_str_new(sqlite3_context_db_handle(context));
  view_append_row_slice(&argument->view, row, slice);
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  int code = sqlite3_str_errcode(slice);
  uint64_t length = (uint64_t)sqlite3_str_length(slice);
  char *text = sqlite3_str_finish(slice);
  if (code == SQLITE_OK) {
    ref_append(out, ref->path, ref->path_length, text, length, ref->name, ref->name_length);
    result_string(context, out);
  } else {
    sqlite3_free(sqlite3_str_finish(out));
    sqlite3_result_error_code(context, code);
  }
  sqlite3_free(text);
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  TensorCursor *cursor = (TensorCursor *)base;
  uint64_t row = tensor_cursor_position(cursor);
  switch (number) {
    case COLUMN_I: result_uint64(context, row); break;
    case COLUMN_DATA: {
      View view = view_row(&cursor->argument.view, row);
      tensor_result_data(context, &cursor->argument, &view);
      break;
    }
    case COLUMN_REF: result_ref(context, &cursor->argument, row); break;
    default: tensor_cursor_result_argument(cursor, context, number - COLUMN_ARGUMENTS); break;
  }
  return SQLITE_OK;
}

const sqlite3_module tensor_rows_module = {
    .xConnect = connect,
    .xBestIndex = tensor_table_best_index,
    .xDisconnect = tensor_table_disconnect,
    .xOpen = cursor_open,
    .xClose = tensor_cursor_close,
    .xFilter = filter,
    .xNext = tensor_cursor_next,
    .xEof = tensor_cursor_at_end,
    .xColumn = column,
    .xRowid = tensor_cursor_rowid,
};
