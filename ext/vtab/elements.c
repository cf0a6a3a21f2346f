/*
** tensor_elements(T [, slice]): one row per element.
**
**     SELECT coord, value FROM tensor_elements('model.safetensors#embed.weight', '0:2') LIMIT 10;
**
** `idx` counts the elements of the tensor, or of the slice, in row-major order; `coord` is the same
** place as a JSON array of indices. `value` is exactly the element as INTEGER or REAL (U64 above
** 2^63-1 as REAL), BOOL as 0 or 1, C64 as the JSON text [re,im]; NaN is NULL. Constraints on idx,
** and ORDER BY idx, are pushed into the scan, which reads nothing outside them.
*/
#include "sql/tensor_table.h"
#include "sql/value_result.h"
#include "tensor/decode.h"
#include "tensor/gather.h"
#include "tensor/text.h"
#include "vtab/modules.h"

static const char elements_schema[] =
    "CREATE TABLE x(idx INTEGER, coord TEXT, value, " TENSOR_TABLE_4_ARGUMENTS ")";

/* Small, because much time may pass between two rows of a query, in which the file can change. */
enum { ELEMENTS_AHEAD = 64 << 10 };

enum ElementsColumn {
  ELEMENTS_COLUMN_IDX,
  ELEMENTS_COLUMN_COORD,
  ELEMENTS_COLUMN_VALUE,
  ELEMENTS_COLUMN_ARGUMENTS
};

typedef struct ElementsCursor {
  TensorCursor tensor;
  Reader *reader;
  unsigned bits, group; /* bits of an element; how many elements fill whole bytes */
  bool contiguous;
} ElementsCursor;

static int elements_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  ElementsCursor *cursor = (ElementsCursor *)base;
  TensorArgument *argument = &cursor->tensor.argument;
  int code = tensor_cursor_filter(&cursor->tensor, plan, argv);
  if (code != SQLITE_OK || argument->is_null) return code;
  Error error = {0};
  cursor->reader = tensor_cursor_reader(&cursor->tensor, &error);
  if (cursor->reader == NULL) return result_vtab_error(base->pVtab, &error);
  cursor->reader->ahead = ELEMENTS_AHEAD;
  cursor->bits = dtype_bits(argument->dtype);
  cursor->group = dtype_byte_group(cursor->bits);
  cursor->contiguous = view_is_contiguous(&argument->view);
  tensor_cursor_set_range(&cursor->tensor, argument->view.numel, plan, argv);
  return SQLITE_OK;
}

static void elements_result_element(sqlite3_context *context, const ElementsCursor *cursor) {
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

static void elements_result_coordinates(sqlite3_context *context, const TensorCursor *cursor) {
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  text_append_coordinates(out, &cursor->argument.view, tensor_cursor_position(cursor));
  result_string(context, out);
  result_is_json(context);
}

static void elements_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const ElementsCursor *cursor = (const ElementsCursor *)base;
  switch (number) {
    case ELEMENTS_COLUMN_IDX:
      result_uint64(context, tensor_cursor_position(&cursor->tensor));
      break;
    case ELEMENTS_COLUMN_COORD: elements_result_coordinates(context, &cursor->tensor); break;
    case ELEMENTS_COLUMN_VALUE: elements_result_element(context, cursor); break;
    default:
      tensor_cursor_result_argument(&cursor->tensor, context, number - ELEMENTS_COLUMN_ARGUMENTS);
      break;
  }
}

/* ---- The table ---- */

static const TableRows elements_table_rows = {
    TENSOR_TABLE_ROWS, .cursor_size = sizeof(ElementsCursor), .filter = elements_filter,
    .column = elements_column, .clear = tensor_cursor_clear};

static const TensorTable elements_table_template = {
    .name = "tensor_elements",
    .usage = "(ref [, slice]) or (data, dtype [, shape] [, slice])",
    .argument_column = ELEMENTS_COLUMN_ARGUMENTS,
    .argument_count = 4,
    .trailing = TRAILING_SLICE,
    .rows = &elements_table_rows,
};

static int elements_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                            sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return tensor_table_connect(db, session, elements_schema, &elements_table_template, out, message);
}

const sqlite3_module tensor_elements_module = {
    .xConnect = elements_connect,
    .xBestIndex = tensor_table_best_index,
    .xDisconnect = tensor_table_disconnect,
    TABLE_METHODS,
};
