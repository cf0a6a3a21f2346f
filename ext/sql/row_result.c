#include "sql/row_result.h"

#include "sql/tensor_result.h"
#include "tensor/gather.h"

/* A row of an expression, `text`, which is one, too. */
static void row_result_expression(sqlite3_context *context, const TensorArgument *argument,
                                  const char *text, uint64_t row) {
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  sqlite3_str_appendf(out, "{\"op\":\"slice\",\"args\":[%s],\"slice\":\"", text);
  view_append_row_slice(&argument->view, row, out);
  sqlite3_str_appendall(out, "\"}");
  result_string(context, out);
}

void row_result_ref(sqlite3_context *context, const TensorCursor *cursor, uint64_t row) {
  const TensorArgument *argument = &cursor->argument;
  if (argument->expression != NULL) {
    const char *text = (const char *)sqlite3_value_text(cursor->values[0]);
    row_result_expression(context, argument, text, row);
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
static bool row_result_is_short(const View *view, unsigned bits, uint64_t limit) {
  uint64_t max = limit < HAND_OUT_MIN ? limit : HAND_OUT_MIN - 1;
  return view->numel > 0 && view->numel <= max * 8 / bits && view_is_contiguous(view) &&
         gather_is_whole_bytes(view, bits);
}

void row_result_data(sqlite3_context *context, TensorCursor *cursor, uint64_t row) {
  View view = view_row(&cursor->argument.view, row);
  unsigned bits = dtype_bits(cursor->argument.dtype);
  int limit = sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1);
  Error error = {0};
  if (!row_result_is_short(&view, bits, (uint64_t)limit)) {
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
