#include "func/tensor_result.h"

#include "base/memory.h"
#include "tensor/gather.h"

static void refuse_part_of_a_byte(sqlite3_context *context, const TensorArgument *argument) {
  Error error = {0};
  unsigned bits = dtype_bits(argument->dtype), group = gather_byte_group(bits);
  error_fill(
      &error, ERROR_ARGUMENT, argument->subject,
      "tensor \"%.*s\": expected a slice of whole bytes, found one that starts or ends inside "
      "a byte; %u %s elements share %u bytes: slice the last dimension at multiples of %u, or "
      "use tensor_json or tensor_cast",
      ERROR_NAME(argument->name, argument->name_length), group, dtype_name(argument->dtype),
      group * bits / 8, group);
  result_error(context, &error);
}

/* Brings the elements together in a block of the result's size. */
static void result_gathered(sqlite3_context *context, const View *view, unsigned bits,
                            const TensorBytes *bytes) {
  unsigned char *block = memory_alloc(bytes->nbytes);
  if (block == NULL || !gather_bytes(view, bits, bytes->data, block)) {
    memory_free(block);
    sqlite3_result_error_nomem(context);
  } else {
    sqlite3_result_blob64(context, block, bytes->nbytes, memory_free);
  }
}

void tensor_result_data(sqlite3_context *context, TensorArgument *argument, const View *view) {
  unsigned bits = dtype_bits(argument->dtype);
  TensorBytes bytes = {
      .nbytes = (view->numel * bits + 7) / 8,
      .subject = argument->subject,
      .name = argument->name,
      .name_length = argument->name_length,
  };
  Error error = {0};
  if (!result_fits(context, &bytes)) return;
  if (!gather_is_whole_bytes(view, bits)) {
    refuse_part_of_a_byte(context, argument);
    return;
  }
  bytes.data = tensor_argument_bytes(argument, &bytes.lasting, &error);
  if (bytes.data == NULL) {
    result_error(context, &error);
  } else if (view_is_contiguous(view)) {
    bytes.data += view->offset * bits / 8;
    result_bytes(context, &bytes);
  } else {
    result_gathered(context, view, bits, &bytes);
  }
}
