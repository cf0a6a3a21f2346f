#include "write/tensor_row.h"

#include <string.h>

#include "base/utf8.h"
#include "format/writer.h"
#include "sql/connection.h"

typedef unsigned long long TensorRowBig; /* for "%llu" */

/* The tensor of a row, while its values are validated. */
typedef struct TensorRowTaking {
  const TensorRowHost *host;
  const TensorRow *row;
  TensorName about;
  PendingTensorParts parts;
  bool has_dtype, has_shape;
  bool is_plain; /* parts.shape is the text of the row, which is already as headers store it */
  View shape;    /* valid if has_shape */
  sqlite3_str *shape_text; /* as headers store it */
} TensorRowTaking;

/* An empty text counts as NULL, because that is how an empty field of a CSV file is imported. */
static bool tensor_row_is_null(sqlite3_value *value) {
  if (value == NULL || sqlite3_value_type(value) == SQLITE_NULL) return true;
  return sqlite3_value_type(value) == SQLITE_TEXT && sqlite3_value_bytes(value) == 0;
}

bool tensor_row_text(sqlite3_value *value, const char *what, const TensorName *about,
                     const char **text, uint64_t *length, Error *error) {
  int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL) {
    return error_raise_tensor(error, ERROR_NOT_NULL, about, "expected %s as TEXT, found NULL",
                              what);
  }
  if (type == SQLITE_BLOB) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about, "expected %s as TEXT, found a BLOB",
                              what);
  }
  *text = (const char *)sqlite3_value_text(value);
  *length = (uint64_t)sqlite3_value_bytes(value);
  return *text != NULL || error_memory(error);
}

/* ---- Name, dtype and shape ---- */

static bool tensor_row_take_name(TensorRowTaking *taking, Error *error) {
  PendingTensorParts *parts = &taking->parts;
  if (!tensor_row_text(taking->row->name, "a tensor's name", &taking->about, &parts->name,
                       &parts->name_length, error)) {
    return false;
  }
  taking->about.name = parts->name;
  taking->about.name_length = utf8_valid_length(parts->name, parts->name_length);
  return writer_check_name(parts->name, parts->name_length, &taking->about, error);
}

static bool tensor_row_take_dtype(TensorRowTaking *taking, Error *error) {
  taking->has_dtype = !tensor_row_is_null(taking->row->dtype);
  return !taking->has_dtype ||
         tensor_argument_dtype(taking->row->dtype, &taking->about, &taking->parts.dtype, error);
}

/* Whether a valid shape is as headers store it, without spaces and leading zeros. */
static bool tensor_row_is_plain_shape(const char *shape, uint64_t length) {
  for (uint64_t i = 0; i + 1 < length; i++) {
    bool is_digit = shape[i] >= '0' && shape[i] <= '9';
    bool is_first = i == 0 || shape[i - 1] < '0' || shape[i - 1] > '9';
    bool next_is_digit = shape[i + 1] >= '0' && shape[i + 1] <= '9';
    if (!is_digit && shape[i] != '[' && shape[i] != ',') return false;
    if (shape[i] == '0' && is_first && next_is_digit) return false;
  }
  return length > 0 && shape[length - 1] == ']';
}

static bool tensor_row_take_shape(TensorRowTaking *taking, Error *error) {
  const char *shape;
  uint64_t length;
  if (tensor_row_is_null(taking->row->shape)) return true;
  if (!tensor_row_text(taking->row->shape, "a shape", &taking->about, &shape, &length, error))
    return false;
  taking->has_shape = view_open(&taking->shape, shape, length, &taking->about, error);
  if (taking->has_shape && tensor_row_is_plain_shape(shape, length)) {
    taking->parts.shape = shape;
    taking->parts.shape_length = length;
    taking->is_plain = true;
  }
  return taking->has_shape;
}

/* Writes the shape of the view as headers store it. */
static bool tensor_row_write_shape(TensorRowTaking *taking, const View *view, Error *error) {
  if (taking->is_plain && view == &taking->shape) return true;
  taking->shape_text = sqlite3_str_new(NULL);
  view_append_shape(view, taking->shape_text);
  taking->parts.shape = sqlite3_str_value(taking->shape_text);
  taking->parts.shape_length = (uint64_t)sqlite3_str_length(taking->shape_text);
  return sqlite3_str_errcode(taking->shape_text) == SQLITE_OK || error_memory(error);
}

static bool tensor_row_size(const TensorRowTaking *taking, const View *shape, uint64_t *nbytes,
                            Error *error) {
  return writer_size(taking->parts.dtype, shape->shape, shape->rank, nbytes, &taking->about, error);
}

static bool tensor_row_same_numel(const TensorRowTaking *taking, uint64_t numel, const char *whose,
                                  Error *error) {
  if (!taking->has_shape || taking->shape.numel == numel) return true;
  return error_raise_tensor(error, ERROR_ARGUMENT, &taking->about,
                            "expected a shape of the %s %llu elements, found one of %llu", whose,
                            (TensorRowBig)numel, (TensorRowBig)taking->shape.numel);
}

/* ---- Data ---- */

static bool tensor_row_raise_null(const TensorRowTaking *taking, const char *what, Error *error) {
  return error_raise_tensor(error, ERROR_NOT_NULL, &taking->about,
                            "expected a %s for the bytes, found NULL", what);
}

static Spool *tensor_row_spool(const TensorRowTaking *taking, Error *error) {
  return transaction_spool(taking->host->transaction, taking->host->target, error);
}

static PendingData *tensor_row_keep_bytes(const TensorRowTaking *taking, const void *bytes,
                                          uint64_t size, Error *error) {
  Dtype dtype = taking->parts.dtype;
  if (taking->host->transaction == NULL) return pending_data_of_memory(bytes, size, dtype, error);
  Spool *spool = tensor_row_spool(taking, error);
  return spool != NULL ? pending_data_of_bytes(spool, bytes, size, dtype, error) : NULL;
}

static bool tensor_row_take_bytes(TensorRowTaking *taking, Error *error) {
  PendingTensorParts *parts = &taking->parts;
  const void *bytes = sqlite3_value_blob(taking->row->data);
  uint64_t size = (uint64_t)sqlite3_value_bytes(taking->row->data), nbytes = 0;
  if (bytes == NULL && size > 0) return error_memory(error);
  if (!taking->has_dtype) return tensor_row_raise_null(taking, "dtype", error);
  if (!taking->has_shape) return tensor_row_raise_null(taking, "shape", error);
  if (!tensor_row_size(taking, &taking->shape, &nbytes, error) ||
      !tensor_row_write_shape(taking, &taking->shape, error)) {
    return false;
  }
  if (nbytes != size) {
    return error_raise_tensor(error, ERROR_ARGUMENT, &taking->about,
                              "expected %llu bytes for dtype %s and shape %.*s, found %llu",
                              (TensorRowBig)nbytes, dtype_name(parts->dtype),
                              ERROR_NAME(parts->shape, parts->shape_length), (TensorRowBig)size);
  }
  parts->data = tensor_row_keep_bytes(taking, bytes, size, error);
  if (parts->data == NULL) return false;
  parts->data->numel = taking->shape.numel;
  return true;
}

static bool tensor_row_take_opened_ref(TensorRowTaking *taking, TensorArgument *argument,
                                       const char *ref, uint64_t length, Error *error) {
  uint64_t nbytes = 0, numel = argument->view.numel;
  PendingTensorParts *parts = &taking->parts;
  const View *shape = taking->has_shape ? &taking->shape : &argument->view;
  if (!taking->has_dtype) parts->dtype = argument->dtype;
  if (!tensor_row_same_numel(taking, numel, argument->expression != NULL ? "expression's" : "ref's",
                             error) ||
      !tensor_row_size(taking, shape, &nbytes, error) ||
      !tensor_row_write_shape(taking, taking->has_shape ? &taking->shape : &argument->view,
                              error)) {
    return false;
  }
  parts->data = pending_data_of_ref(taking->host->sources, argument, ref, length, error);
  return parts->data != NULL;
}

static bool tensor_row_take_ref(TensorRowTaking *taking, Error *error) {
  const char *ref;
  uint64_t length;
  TensorArgument argument;
  Session *session = taking->host->sources->session;
  if (!tensor_row_text(taking->row->data, "a ref", &taking->about, &ref, &length, error))
    return false;
  bool good = tensor_argument_open_text(&argument, session, ref, length, error);
  if (good) {
    good = tensor_row_take_opened_ref(taking, &argument, ref, length, error);
  } else {
    error_within(error, &taking->about);
  }
  tensor_argument_close(&argument);
  return good;
}

static bool tensor_row_take_data(TensorRowTaking *taking, Error *error) {
  switch (sqlite3_value_type(taking->row->data)) {
    case SQLITE_TEXT: return tensor_row_take_ref(taking, error);
    case SQLITE_BLOB: return tensor_row_take_bytes(taking, error);
    case SQLITE_NULL:
      return error_raise_tensor(
          error, ERROR_NOT_NULL, &taking->about,
          "expected bytes (BLOB), a ref or an expression (TEXT) as data, found NULL");
    default:
      return error_raise_tensor(
          error, ERROR_ARGUMENT, &taking->about,
          "expected bytes (BLOB), a ref or an expression (TEXT) as data, found a number");
  }
}

/* ---- Rows ---- */

static void tensor_row_end(TensorRowTaking *taking) {
  view_clear(&taking->shape);
  if (taking->shape_text != NULL) sqlite3_free(sqlite3_str_finish(taking->shape_text));
}

TensorRowHost tensor_row_host(Transaction *transaction, Target *target) {
  return (TensorRowHost){target->path, transaction_sources(transaction), transaction, target};
}

PendingTensor *tensor_row_insert(const TensorRowHost *host, const TensorRow *row, Error *error) {
  TensorRowTaking taking = {.host = host,
                            .row = row,
                            .about = {.subject = host->subject},
                            .parts = {.member = PENDING_NO_MEMBER}};
  bool good = tensor_row_take_name(&taking, error) && tensor_row_take_dtype(&taking, error) &&
              tensor_row_take_shape(&taking, error) && tensor_row_take_data(&taking, error);
  PendingTensor *tensor = good ? pending_tensor_new(&taking.parts, error) : NULL;
  tensor_row_end(&taking);
  return tensor;
}

/* A second conversion must start from the elements as the first one has made them, which may
** have rounded. */
static bool tensor_row_convert(TensorRowTaking *taking, PendingTensor *old, Error *error) {
  PendingTensorParts *parts = &taking->parts;
  Session *session = taking->host->sources->session;
  if (parts->dtype == old->dtype || old->data->dtype == old->dtype) return true;
  Spool *spool = tensor_row_spool(taking, error);
  if (spool == NULL) return false;
  session_lease(session);
  Host host =
      connection_begin_work(session_db(session), session, &taking->about, old->numel, old->nbytes);
  PendingData *data = pending_data_converted(spool, old->data, old->dtype, &host, error);
  connection_end_work(&host);
  session_end_lease(session);
  if (data == NULL) return false;
  pending_data_release(parts->data);
  parts->data = data;
  return true;
}

/* Keeps the old data, possibly with another dtype or shape. */
static bool tensor_row_keep_data(TensorRowTaking *taking, PendingTensor *old, Error *error) {
  uint64_t nbytes = 0, numel = old->numel;
  const View all = {.rank = 1, .shape = &numel, .numel = numel};
  const TensorRow *row = taking->row;
  if ((row->dtype != NULL && !taking->has_dtype) || (row->shape != NULL && !taking->has_shape)) {
    return error_raise_tensor(error, ERROR_NOT_NULL, &taking->about, "expected a %s, found NULL",
                              taking->has_dtype || row->dtype == NULL ? "shape" : "dtype");
  }
  return tensor_row_same_numel(taking, old->numel, "tensor's", error) &&
         tensor_row_size(taking, taking->has_shape ? &taking->shape : &all, &nbytes, error) &&
         (!taking->has_shape || tensor_row_write_shape(taking, &taking->shape, error)) &&
         tensor_row_convert(taking, old, error);
}

/* Takes other data. The old dtype and shape apply unless the row sets them. */
static bool tensor_row_replace_data(TensorRowTaking *taking, PendingTensor *old, Error *error) {
  const TensorRow *row = taking->row;
  if (row->dtype == NULL) {
    taking->parts.dtype = old->dtype;
    taking->has_dtype = true;
  }
  if (row->shape == NULL) {
    taking->has_shape =
        view_open(&taking->shape, old->shape, old->shape_length, &taking->about, error);
    if (!taking->has_shape) return false;
  }
  pending_data_release(taking->parts.data);
  taking->parts.data = NULL;
  taking->parts.origin = NULL;
  return tensor_row_take_data(taking, error);
}

static bool tensor_row_is_same(const PendingTensorParts *parts, const PendingTensor *old) {
  return parts->data == old->data && parts->dtype == old->dtype &&
         parts->name_length == old->row.name_length &&
         memcmp(parts->name, old->row.name, (size_t)parts->name_length) == 0 &&
         parts->shape_length == old->shape_length &&
         memcmp(parts->shape, old->shape, (size_t)parts->shape_length) == 0;
}

PendingTensor *tensor_row_update(const TensorRowHost *host, PendingTensor *old,
                                 const TensorRow *row, Error *error) {
  TensorRowTaking taking = {.host = host,
                            .row = row,
                            .about = pending_tensor_name(old, host->subject),
                            .parts = pending_tensor_parts(old)};
  PendingTensorParts *parts = &taking.parts;
  bool good = (row->name == NULL || tensor_row_take_name(&taking, error)) &&
              tensor_row_take_dtype(&taking, error) && tensor_row_take_shape(&taking, error) &&
              (row->data == NULL ? tensor_row_keep_data(&taking, old, error)
                                 : tensor_row_replace_data(&taking, old, error));
  PendingTensor *tensor = NULL;
  if (good && tensor_row_is_same(parts, old)) {
    pending_data_release(parts->data);
    tensor = (PendingTensor *)pending_row_retain(&old->row);
  } else if (good) {
    tensor = pending_tensor_new(parts, error);
  } else {
    pending_data_release(parts->data);
  }
  tensor_row_end(&taking);
  return tensor;
}
