#include "func/functions.h"
#include "sql/lease.h"
#include "sql/tensor_argument.h"
#include "sql/tensor_result.h"

/* Makes a result of what the header says about a ref. The bytes of the tensor are not read. */
typedef void Describe(sqlite3_context *context, const TensorArgument *argument);

static void describe(sqlite3_context *context, sqlite3_value **argv, Describe *result) {
  TensorArgument argument;
  Error error = {0};
  if (sqlite3_value_type(argv[0]) == SQLITE_BLOB) {
    error_fill(&error, ERROR_ARGUMENT, "tensor", "expected a ref (TEXT), found a BLOB");
    tensor_result_error(context, &error);
    return;
  }
  if (!tensor_argument_open(&argument, lease_session(context), 1, argv, &error)) {
    tensor_result_error(context, &error);
  } else if (!argument.is_null) {
    result(context, &argument);
  }
  tensor_argument_close(&argument);
}

static void describe_dtype(sqlite3_context *context, const TensorArgument *argument) {
  sqlite3_result_text(context, dtype_name(argument->dtype), -1, SQLITE_STATIC);
}

static void describe_shape(sqlite3_context *context, const TensorArgument *argument) {
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  view_append_shape(&argument->view, out);
  result_string(context, out);
  result_is_json(context);
}

static void describe_numel(sqlite3_context *context, const TensorArgument *argument) {
  result_uint64(context, argument->view.numel);
}

/* A slice that does not fill whole bytes counts as if it were packed, rounded up. */
static void describe_nbytes(sqlite3_context *context, const TensorArgument *argument) {
  result_uint64(context, (argument->view.numel * dtype_bits(argument->dtype) + 7) / 8);
}

/* tensor_dtype(ref) -> TEXT, such as 'F32' or 'BF16'. NULL for NULL. */
void function_tensor_dtype(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  describe(context, argv, describe_dtype);
}

/* tensor_shape(ref) -> TEXT, a JSON array: the shape of the slice, if the ref has one. NULL for
** NULL. */
void function_tensor_shape(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  describe(context, argv, describe_shape);
}

/* tensor_numel(ref) -> INTEGER, the number of elements. NULL for NULL. */
void function_tensor_numel(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  describe(context, argv, describe_numel);
}

/* tensor_nbytes(ref) -> INTEGER, the size in bytes as stored. NULL for NULL. */
void function_tensor_nbytes(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  describe(context, argv, describe_nbytes);
}
