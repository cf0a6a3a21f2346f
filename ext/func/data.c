#include "base/memory.h"
#include "func/functions.h"
#include "func/tensor_argument.h"
#include "tensor/gather.h"

/* A slice whose elements lie together in the file, at whole bytes: no copy. */
static void result_together(sqlite3_context *context, TensorArgument *argument,
                            TensorBytes *bytes) {
  Error error = {0};
  bytes->data = tensor_argument_bytes(argument, &bytes->lasting, &error);
  if (bytes->data == NULL) {
    result_error(context, &error);
    return;
  }
  bytes->data += argument->view.offset * dtype_bits(argument->dtype) / 8;
  result_bytes(context, bytes);
}

/* Any other: the elements are brought together in a block of the result's size. */
static void result_gathered(sqlite3_context *context, TensorArgument *argument,
                            const TensorBytes *bytes) {
  Error error = {0};
  bool lasting;
  const unsigned char *source = tensor_argument_bytes(argument, &lasting, &error);
  unsigned char *block = source != NULL ? memory_alloc(bytes->nbytes) : NULL;
  if (source == NULL) {
    result_error(context, &error);
  } else if (block == NULL ||
             !gather_bytes(&argument->view, dtype_bits(argument->dtype), source, block)) {
    memory_free(block);
    sqlite3_result_error_nomem(context);
  } else {
    sqlite3_result_blob64(context, block, bytes->nbytes, memory_free);
  }
}

static void result_data(sqlite3_context *context, TensorArgument *argument) {
  TensorBytes bytes = {
      .nbytes = (argument->view.numel * dtype_bits(argument->dtype) + 7) / 8,
      .subject = argument->subject,
      .name = argument->name,
      .name_length = argument->name_length,
  };
  Error error = {0};
  if (!result_fits(context, &bytes)) return;
  if (!gather_is_whole_bytes(&argument->view, dtype_bits(argument->dtype))) {
    unsigned group = gather_byte_group(dtype_bits(argument->dtype));
    error_fill(
        &error, ERROR_ARGUMENT, argument->subject,
        "tensor \"%.*s\": expected a slice of whole bytes, found one that starts or ends "
        "inside a byte; %u %s elements share %u bytes: slice the last dimension at multiples "
        "of %u, or use tensor_json or tensor_cast",
        ERROR_NAME(argument->name, argument->name_length), group, dtype_name(argument->dtype),
        group * dtype_bits(argument->dtype) / 8, group);
    result_error(context, &error);
  } else if (view_is_contiguous(&argument->view)) {
    result_together(context, argument, &bytes);
  } else {
    result_gathered(context, argument, &bytes);
  }
}

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
  bool opened = tensor_argument_open(&argument, sqlite3_user_data(context), argc, argv, &error);
  int left = argc - argument.used;
  if (opened && left == 1) {
    opened = tensor_argument_slice(&argument, argv[argument.used], &error);
  } else if (opened && left > 1 && !argument.is_null) {
    opened = error_raise(&error, ERROR_ARGUMENT, "tensor_data",
                         "expected (ref [, slice]) or (data, dtype [, shape] [, slice]), found %d "
                         "arguments",
                         argc);
  }
  if (!opened) {
    result_error(context, &error);
  } else if (!argument.is_null) {
    result_data(context, &argument);
  }
  tensor_argument_close(&argument);
}
