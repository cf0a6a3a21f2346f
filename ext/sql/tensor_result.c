#include "sql/tensor_result.h"

#include "base/memory.h"
#include "sql/connection.h"
#include "tensor/convert.h"
#include "tensor/gather.h"

void tensor_result_error(sqlite3_context *context, Error *error) {
  Session *session = sqlite3_user_data(context);
  if (error_is_of_file(error->code) && session_settings(session)->errors == ERRORS_SKIP) {
    error_clear(error);
  } else {
    result_error(context, error);
  }
}

bool tensor_result_is_whole_bytes(const TensorArgument *argument, const View *view, Error *error) {
  unsigned bits = dtype_bits(argument->dtype), group = dtype_byte_group(bits);
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

/* Converts elements into a block of the size of the result. */
typedef struct TensorResultConversion {
  Session *session;
  const TensorName *name;
  const Source *source;
  const View *view;
  Dtype from, to;
  uint64_t nbytes; /* of the result */
} TensorResultConversion;

static bool tensor_result_fill(sqlite3 *db, const TensorResultConversion *conversion,
                               unsigned char *block, Error *error) {
  Reader reader;
  Host host =
      connection_begin_work(db, conversion->session, conversion->name, conversion->view->numel,
                            conversion->view->numel * dtype_bits(conversion->from) / 8);
  bool good = reader_open(&reader, conversion->source, error) &&
              convert_view(conversion->view, conversion->from, conversion->to, &reader, block,
                           &host, error);
  reader_close(&reader);
  connection_end_work(&host);
  return good;
}

static void tensor_result_result_converted(sqlite3_context *context,
                                           const TensorResultConversion *conversion) {
  Error error = {0};
  uint64_t nbytes = conversion->nbytes;
  /* Elements smaller than a byte are added to bytes that are zero. */
  bool packed = dtype_bits(conversion->to) % 8 != 0;
  unsigned char *block = packed ? memory_zeroed(nbytes, 1) : memory_alloc(nbytes);
  if (block == NULL) {
    error_memory(&error);
    error_within(&error, conversion->name);
    result_error(context, &error);
  } else if (tensor_result_fill(sqlite3_context_db_handle(context), conversion, block, &error)) {
    sqlite3_result_blob64(context, block, nbytes, memory_free);
  } else {
    memory_free(block);
    result_error(context, &error);
  }
}

/* Bytes of a mapped file stay valid until the statement ends; others are copied. Without a
** lease, or if there is no mapping to point into, they are read. */
static void tensor_result_result_bytes(sqlite3_context *context, Session *session,
                                       const TensorName *name, const Source *source, uint64_t begin,
                                       uint64_t nbytes, bool leased) {
  Error error = {0};
  const unsigned char *data = NULL;
  bool may_point = leased || source->memory != NULL || nbytes == 0;
  switch (may_point ? source_hand_out(source, begin, nbytes, &data, &error) : HAND_OUT_READ) {
    case HAND_OUT_POINTER:
      sqlite3_result_blob64(context, data, nbytes,
                            source->memory == NULL ? SQLITE_STATIC : SQLITE_TRANSIENT);
      break;
    case HAND_OUT_READ: {
      uint64_t stride = 1;
      View bytes = {
          .rank = 1, .shape = &nbytes, .stride = &stride, .offset = begin, .numel = nbytes};
      tensor_result_result_converted(
          context,
          &(TensorResultConversion){session, name, source, &bytes, DTYPE_U8, DTYPE_U8, nbytes});
      break;
    }
    case HAND_OUT_ERROR: result_error(context, &error); break;
  }
}

void tensor_result_data(sqlite3_context *context, const TensorArgument *argument, const View *view,
                        bool leased) {
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
  if (view_is_contiguous(view)) {
    tensor_result_result_bytes(context, argument->session, &argument->tensor, &source,
                               view->offset * bits / 8, nbytes, leased);
    return;
  }
  tensor_result_result_converted(
      context, &(TensorResultConversion){argument->session, &argument->tensor, &source, view, dtype,
                                         dtype, nbytes});
}

void tensor_result_cast(sqlite3_context *context, const TensorArgument *argument, Dtype dtype,
                        bool leased) {
  const View *view = &argument->view;
  uint64_t nbytes;
  bool overflow;
  Error error = {0};
  if (dtype == argument->dtype && gather_is_whole_bytes(view, dtype_bits(dtype))) {
    tensor_result_data(context, argument, view, leased); /* nothing to convert */
  } else if (!dtype_nbytes(dtype, view->numel, &nbytes, &overflow)) {
    error_fill_tensor(&error, ERROR_ARGUMENT, &argument->tensor,
                      "expected elements that fill whole bytes, found %llu of %s",
                      (unsigned long long)view->numel, dtype_name(dtype));
    result_error(context, &error);
  } else if (result_fits(context, &argument->tensor, nbytes)) {
    Source source = tensor_argument_source(argument);
    tensor_result_result_converted(
        context, &(TensorResultConversion){argument->session, &argument->tensor, &source, view,
                                           argument->dtype, dtype, nbytes});
  }
}

void tensor_result_source(sqlite3_context *context, Session *session, const TensorName *name,
                          const Source *source) {
  if (!result_fits(context, name, source->nbytes)) return;
  tensor_result_result_bytes(context, session, name, source, 0, source->nbytes, true);
}
