#include "func/functions.h"
#include "sql/lease.h"
#include "sql/tensor_result.h"

/*
** tensor_data(ref [, slice]) -> BLOB
** tensor_data(data, dtype [, shape] [, slice]) -> BLOB
**
** The bytes of the elements as stored: little-endian, row-major. For a ref whose bytes are
** contiguous in the file they are not copied. A result above the length limit of the connection is
** an error, which is raised before anything is read. NULL for NULL.
*/
void function_tensor_data(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Session *session = sqlite3_user_data(context);
  bool leased = lease_take(context, session);
  TensorArgument argument;
  Error error = {0};
  if (!tensor_argument_open_sliced(&argument, "tensor_data", session, argc, argv, &error)) {
    tensor_result_error(context, &error);
  } else if (!argument.is_null) {
    tensor_result_data(context, &argument, &argument.view, leased);
  }
  tensor_argument_close(&argument);
}
