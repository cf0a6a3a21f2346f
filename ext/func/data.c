#include "func/functions.h"
#include "func/tensor_result.h"

/*
** tensor_data(ref [, slice]) -> BLOB
** tensor_data(data, dtype [, shape] [, slice]) -> BLOB
**
** The elements' bytes as stored, little-endian, row-major. A ref's bytes that lie together in the
** file are not copied, and stay valid until the connection closes. Above the connection's length
** limit it is an error that says so before anything is read.
*/
void function_tensor_data(sqlite3_context *context, int argc, sqlite3_value **argv) {
  TensorArgument argument;
  Error error = {0};
  if (!tensor_argument_open_sliced(&argument, "tensor_data", sqlite3_user_data(context), argc, argv,
                                   &error)) {
    result_error(context, &error);
  } else if (!argument.is_null) {
    tensor_result_data(context, &argument, &argument.view);
  }
  tensor_argument_close(&argument);
}
