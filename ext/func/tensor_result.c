#include "func/tensor_result.h"

#include "base/memory.h"
#include "func/host.h"
#include "tensor/convert.h"
#include "tensor/gather.h"

bool tensor_result_is_whole_bytes(const TensorArgument *argument, const View *view, Error *error) {
  unsigned bits = dtype_bits(argument->dtype), group = gather_byte_group(bits);
  if (gather_is_whole_bytes(view, bits)) return true;
  char found[64] = "runs that do not";
  if (view_is_contiguous(view)) {
    sqlite3_snprintf((int)sizeof found, found, "elements %llu to %llu",
                     (unsigned long long)view->offset,
                     (unsigned long long)(view->offset + view->numel - 1));
  }
  return error_raise_tensor(
      error, ERROR_ARGUMENT, &argument->tensor,
      "expected a slice that starts and ends on a byte, at a multiple of %u elements of the tensor "
      "(%u %s elements share %u byte%s), found %s; tensor_json and tensor_cast take any slice",
      group, group, dtype_name(argument->dtype), group * bits / 8, group * bits > 8 ? "s" : "",
      found);
}

/* Elements on their way into a block of the result's size. */
typedef struct Conversion {
  Store *store;
  const TensorName *name;
  const Source *source;
  const View *view;
  Dtype from, to;
  uint64_t nbytes; /* of the result */
} Conversion;

static bool fill(sqlite3 *db, const Conversion *conversion, unsigned char *block, Error *error) {
  Host host;
  Reader reader;
  host_open(&host, db, conversion->store, conversion->name, conversion->view->numel,
            conversion->view->numel * dtype_bits(conversion->from) / 8);
  bool good = reader_open(&reader, conversion->source, error) &&
              convert_view(conversion->view, conversion->from, conversion->to, &reader, block,
                           &host.pass, error);
  reader_close(&reader);
  host_close(&host);
  return good;
}

static void result_converted(sqlite3_context *context, const Conversion *conversion) {
  Error error = {0};
  uint64_t nbytes = conversion->nbytes;
  /* Elements of less than a byte are put into bytes that are zero. */
  bool packed = dtype_bits(conversion->to) % 8 != 0;
  unsigned char *block = packed ? memory_zeroed(nbytes, 1) : memory_alloc(nbytes);
  if (block == NULL) {
    sqlite3_result_error_nomem(context);
  } else if (fill(sqlite3_context_db_handle(context), conversion, block, &error)) {
    sqlite3_result_blob64(context, block, nbytes, memory_free);
  } else {
    memory_free(block);
    result_error(context, &error);
  }
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
  Dtype dtype = argument->dtype;
  unsigned bits = dtype_bits(dtype);
  uint64_t nbytes = (view->numel * bits + 7) / 8;
  Error error = {0};
  if (!result_fits(context, &argument->tensor, nbytes)) return;
  if (!tensor_result_is_whole_bytes(argument, view, &error)) {
    result_error(context, &error);
    return;
  }
  Source source = tensor_argument_source(argument);
  if (view_is_contiguous(view) && source_is_addressable(&source)) {
    result_pointed_at(context, &source, view->offset * bits / 8, nbytes);
    return;
  }
  result_converted(context, &(Conversion){argument->store, &argument->tensor, &source, view, dtype,
                                          dtype, nbytes});
}

void tensor_result_cast(sqlite3_context *context, const TensorArgument *argument, Dtype dtype) {
  const View *view = &argument->view;
  uint64_t nbytes;
  bool overflow;
  Error error = {0};
  if (dtype == argument->dtype && gather_is_whole_bytes(view, dtype_bits(dtype))) {
    tensor_result_data(context, argument, view); /* nothing to convert */
  } else if (!dtype_nbytes(dtype, view->numel, &nbytes, &overflow)) {
    error_fill_tensor(&error, ERROR_ARGUMENT, &argument->tensor,
                      "expected elements that fill whole bytes, found %llu of %s",
                      (unsigned long long)view->numel, dtype_name(dtype));
    result_error(context, &error);
  } else if (result_fits(context, &argument->tensor, nbytes)) {
    Source source = tensor_argument_source(argument);
    result_converted(context, &(Conversion){argument->store, &argument->tensor, &source, view,
                                            argument->dtype, dtype, nbytes});
  }
}

void tensor_result_source(sqlite3_context *context, Store *store, const TensorName *name,
                          const Source *source) {
  if (!result_fits(context, name, source->nbytes)) return;
  if (source_is_addressable(source)) {
    result_pointed_at(context, source, 0, source->nbytes);
    return;
  }
  uint64_t shape = source->nbytes, stride = 1;
  View bytes = {.rank = 1, .shape = &shape, .stride = &stride, .numel = shape};
  result_converted(context, &(Conversion){store, name, source, &bytes, DTYPE_U8, DTYPE_U8, shape});
}
