#include "func/tensor_result.h"

#include "base/memory.h"
#include "tensor/gather.h"

static void refuse_part_of_a_byte(sqlite3_context *context, const TensorArgument *argument,
                                  const View *view) {
  Error error = {0};
  unsigned bits = dtype_bits(argument->dtype), group = gather_byte_group(bits);
  char found[64] = "runs that do not";
  if (view_is_contiguous(view)) {
    sqlite3_snprintf((int)sizeof found, found, "elements %llu to %llu",
                     (unsigned long long)view->offset,
                     (unsigned long long)(view->offset + view->numel - 1));
  }
  error_fill_tensor(&error, ERROR_ARGUMENT, &argument->tensor,
                    "expected a slice that starts and ends on a byte, at a multiple of %u elements "
                    "of the tensor (%u %s elements share %u byte%s), found %s; tensor_json and "
                    "tensor_cast take any slice",
                    group, group, dtype_name(argument->dtype), group * bits / 8,
                    group * bits > 8 ? "s" : "", found);
  result_error(context, &error);
}

/* Brings the elements together in a block of the result's size. */
static void result_gathered(sqlite3_context *context, const Source *source, const View *view,
                            unsigned bits, uint64_t nbytes) {
  Error error = {0};
  Reader reader;
  unsigned char *block = bits % 8 == 0 ? memory_alloc(nbytes) : memory_zeroed(nbytes, 1);
  if (block == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  if (reader_open(&reader, source, &error) && gather_view(view, bits, &reader, block, &error)) {
    sqlite3_result_blob64(context, block, nbytes, memory_free);
  } else {
    memory_free(block);
    result_error(context, &error);
  }
  reader_close(&reader);
}

/* Bytes of a file last until the connection closes; others are copied. */
static void result_pointed_at(sqlite3_context *context, const Source *source, uint64_t begin,
                              uint64_t nbytes) {
  Error error = {0};
  const unsigned char *data = source_address(source, &error);
  if (data == NULL) {
    result_error(context, &error);
  } else {
    sqlite3_result_blob64(context, data + begin, nbytes,
                          source->memory == NULL ? SQLITE_STATIC : SQLITE_TRANSIENT);
  }
}

void tensor_result_data(sqlite3_context *context, const TensorArgument *argument,
                        const View *view) {
  unsigned bits = dtype_bits(argument->dtype);
  uint64_t nbytes = (view->numel * bits + 7) / 8;
  if (!result_fits(context, &argument->tensor, nbytes)) return;
  if (!gather_is_whole_bytes(view, bits)) {
    refuse_part_of_a_byte(context, argument, view);
    return;
  }
  Source source = tensor_argument_source(argument);
  if (view_is_contiguous(view) && source_is_addressable(&source)) {
    result_pointed_at(context, &source, view->offset * bits / 8, nbytes);
  } else {
    result_gathered(context, &source, view, bits, nbytes);
  }
}

void tensor_result_source(sqlite3_context *context, const TensorName *name, const Source *source) {
  if (!result_fits(context, name, source->nbytes)) return;
  if (source_is_addressable(source)) {
    result_pointed_at(context, source, 0, source->nbytes);
  } else {
    uint64_t shape = source->nbytes, stride = 1;
    View bytes = {.rank = 1, .shape = &shape, .stride = &stride, .numel = shape};
    result_gathered(context, source, &bytes, 8, source->nbytes);
  }
}
