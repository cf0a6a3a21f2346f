/*
** tensor_elements(T [, slice]): one row per element.
**
**     SELECT coord, value FROM tensor_elements('model.safetensors#embed.weight', '0:2') LIMIT 10;
**
** `idx` counts the elements of the tensor, or of the slice, row-major; `coord` is the same place as
** a JSON array of indices. `value` is INTEGER or REAL: exactly the element (U64 above 2^63-1 as
** REAL); BOOL as 0 or 1; C64 as the JSON text [re,im]; NaN is NULL. Constraints on idx, and ORDER
** BY idx, are pushed into the scan, which reads nothing outside them.
*/
#include "func/value_result.h"
#include "tensor/decode.h"
#include "tensor/gather.h"
#include "tensor/text.h"
#include "vtab/modules.h"
#include "vtab/tensor_table.h"

static const char schema[] =
    "CREATE TABLE x(idx INTEGER, coord TEXT, value, " TENSOR_TABLE_4_ARGUMENTS ")";

/* Little: between two rows of a query much time may pass, and files can change in it. */
enum { AHEAD = 64 << 10 };

enum Column { COLUMN_IDX, COLUMN_COORD, COLUMN_VALUE, COLUMN_ARGUMENTS };

typedef struct ElementsCursor {
  TensorCursor tensor;
  Reader *reader;
  unsigned bits, group; /* of an element; how many fill whole bytes */
  bool contiguous;
} ElementsCursor;

static const TensorTable table_template = {
    .name = "tensor_elements",
    .usage = "(ref [, slice]) or (data, dtype [, shape] [, slice])",
    .argument_column = COLUMN_ARGUMENTS,
    .argument_count = 4,
    .trailing = TRAILING_SLICE,
};

static int connect(sqlite3 *db, void *store, int argc, const char *const *argv, sqlite3_vtab **out,
                   char **message) {
  (void)argc, (void)argv, (void)message;
  return tensor_table_connect(db, store, schema, &table_template, out);
}

static int cursor_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  (void)table;
  return tensor_cursor_open(out, sizeof(ElementsCursor));
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                  sqlite3_value **argv) {
  (void)plan_text, (void)argc;
  ElementsCursor *cursor = (ElementsCursor *)base;
  TensorArgument *argument = &cursor->tensor.argument;
  int code = tensor_cursor_filter(&cursor->tensor, plan, argv);
  if (code != SQLITE_OK || argument->is_null) return code;
  Error error = {0};
  cursor->reader = tensor_cursor_reader(&cursor->tensor, &error);
  if (cursor->reader == NULL) return result_vtab_error(base->pVtab, &error);
  cursor->reader->ahead = AHEAD;
  cursor->bits = dtype_bits(argument->dtype);
  cursor->group = gather_byte_group(cursor->bits);
  cursor->contiguous = view_is_contiguous(&argument->view);
  tensor_cursor_set_range(&cursor->tensor, argument->view.numel, plan, argv);
  return SQLITE_OK;
}

static void result_element(sqlite3_context *context, const ElementsCursor *cursor) {
  const View *view = &cursor->tensor.argument.view;
  uint64_t position = tensor_cursor_position(&cursor->tensor);
  uint64_t element = cursor->contiguous ? view->offset + position : view_element(view, position);
  uint64_t within = element % cursor->group;
  Error error = {0};
  const unsigned char *data = reader_bytes(cursor->reader, (element - within) * cursor->bits / 8,
                                           (within * cursor->bits + cursor->bits + 7) / 8, &error);
  if (data == NULL) {
    result_error(context, &error);
    return;
  }
  Value value;
  decode_value(cursor->tensor.argument.dtype, data, within, &value);
  value_result(context, &value);
}

static void result_coordinates(sqlite3_context *context, const TensorCursor *cursor) {
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  text_append_coordinates(out, &cursor->argument.view, tensor_cursor_position(cursor));
  result_string(context, out);
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const ElementsCursor *cursor = (const ElementsCursor *)base;
  switch (number) {
    case COLUMN_IDX: result_uint64(context, tensor_cursor_position(&cursor->tensor)); break;
    case COLUMN_COORD: result_coordinates(context, &cursor->tensor); break;
    case COLUMN_VALUE: result_element(context, cursor); break;
    default:
      tensor_cursor_result_argument(&cursor->tensor, context, number - COLUMN_ARGUMENTS);
      break;
  }
  return SQLITE_OK;
}

const sqlite3_module tensor_elements_module = {
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
