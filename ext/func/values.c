#include <math.h>

#include "base/memory.h"
#include "func/functions.h"
#include "sql/connection.h"
#include "sql/lease.h"
#include "sql/tensor_result.h"
#include "sql/value_result.h"
#include "tensor/decode.h"
#include "tensor/gather.h"
#include "tensor/text.h"

/* ---- tensor_item ---- */

static const char *values_type_in_words(int type) {
  return type == SQLITE_FLOAT ? "a REAL" : type == SQLITE_TEXT ? "TEXT" : "a BLOB";
}

/* Finds the element that the SQL values name. Returns false also if an index is NULL: then there is
** no error, and the result is NULL. */
static bool values_find_item(const TensorArgument *argument, int count, sqlite3_value **indices,
                             uint64_t *element, Error *error) {
  const View *view = &argument->view;
  if ((uint32_t)count != view->rank) {
    return error_raise_tensor(error, ERROR_ARGUMENT, &argument->tensor,
                              "expected as many indices as the tensor has dimensions, %u, found %d",
                              view->rank, count);
  }
  *element = view->offset;
  for (int d = 0; d < count; d++) {
    int type = sqlite3_value_type(indices[d]);
    if (type == SQLITE_NULL) return false;
    if (type != SQLITE_INTEGER) {
      return error_raise_tensor(error, ERROR_ARGUMENT, &argument->tensor,
                                "expected an INTEGER as index of dimension %d, found %s", d,
                                values_type_in_words(type));
    }
    sqlite3_int64 index = sqlite3_value_int64(indices[d]), size = (sqlite3_int64)view->shape[d];
    if (index < -size || index >= size) {
      return error_raise_tensor(error, ERROR_ARGUMENT, &argument->tensor,
                                "expected an index within dimension %d, of size %lld, found %lld",
                                d, (long long)size, (long long)index);
    }
    *element += (uint64_t)(index < 0 ? index + size : index) * view->stride[d];
  }
  return true;
}

static void values_result_element(sqlite3_context *context, const TensorArgument *argument,
                                  uint64_t element, Error *error) {
  Source source = tensor_argument_source(argument);
  Reader reader;
  unsigned bits = dtype_bits(argument->dtype), group = dtype_byte_group(bits);
  uint64_t within = element % group;
  const unsigned char *data = NULL;
  if (argument->expression != NULL) expression_want(argument->expression, 1);
  if (reader_open(&reader, &source, error)) {
    data =
        reader_bytes(&reader, (element - within) * bits / 8, (within * bits + bits + 7) / 8, error);
  }
  if (data != NULL) {
    Value value;
    decode_value(argument->dtype, data, within, &value);
    value_result(context, &value);
  }
  reader_close(&reader);
}

/*
** tensor_item(ref, i, j, ...) -> INTEGER or REAL
** tensor_item(data, dtype [, shape], i, j, ...) -> INTEGER or REAL
**
** One element. There is one index for each dimension; negative ones count from the end, and one out
** of range is an error. BOOL is 0 or 1. C64 is TEXT, the JSON array [re,im]. NaN is NULL, since
** SQLite has no NaN. NULL for NULL.
*/
void function_tensor_item(sqlite3_context *context, int argc, sqlite3_value **argv) {
  TensorArgument argument = {0};
  Error error = {0};
  uint64_t element;
  if (argc == 0) {
    error_fill(&error, ERROR_ARGUMENT, "tensor_item", "expected a tensor, found no argument");
  } else if (tensor_argument_open(&argument, lease_session(context), argc, argv, &error) &&
             !argument.is_null &&
             values_find_item(&argument, argc - argument.used, argv + argument.used, &element,
                              &error)) {
    values_result_element(context, &argument, element, &error);
  }
  if (error.code != ERROR_NONE) tensor_result_error(context, &error);
  tensor_argument_close(&argument);
}

/* ---- tensor_json ---- */

static bool values_json_too_big(const TensorArgument *argument, int limit, Error *error) {
  return error_raise_tensor(error, ERROR_TOO_BIG, &argument->tensor,
                            "expected JSON of at most %d bytes, this connection's length limit "
                            "(SQLITE_LIMIT_LENGTH), found more in %llu elements; take it in parts: "
                            "tensor_json(ref, '0:10')",
                            limit, (unsigned long long)argument->view.numel);
}

/* A failed allocation for a small text is a general lack of memory. For a large one, other work can
** still go on, so the error names the tensor. */
static bool values_json_too_large(const TensorArgument *argument, Error *error) {
  if (text_min_length(&argument->view) < MEMORY_LARGE) return error_memory(error);
  return error_raise_tensor(error, ERROR_RESOURCE, &argument->tensor,
                            "expected memory for the JSON of %llu elements, found that it cannot "
                            "be had; take it in parts: tensor_json(ref, '0:10')",
                            (unsigned long long)argument->view.numel);
}

static bool values_append_json(sqlite3_str *out, sqlite3 *db, const TensorArgument *argument,
                               Error *error) {
  int limit = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1);
  Source source = tensor_argument_source(argument);
  Reader reader;
  if (text_min_length(&argument->view) > (uint64_t)limit) {
    return values_json_too_big(argument, limit, error);
  }
  Host host = connection_begin_work(db, argument->session, &argument->tensor, argument->view.numel,
                                    argument->view.numel * dtype_bits(argument->dtype) / 8);
  bool good = reader_open(&reader, &source, error) &&
              text_append_view(out, argument->dtype, &argument->view, &reader, &host, error);
  reader_close(&reader);
  connection_end_work(&host);
  if (!good) return false;
  switch (sqlite3_str_errcode(out)) {
    case SQLITE_TOOBIG: return values_json_too_big(argument, limit, error);
    case SQLITE_NOMEM: return values_json_too_large(argument, error);
    default: return true;
  }
}

static void values_result_json(sqlite3_context *context, const TensorArgument *argument) {
  sqlite3 *db = sqlite3_context_db_handle(context);
  sqlite3_str *out = sqlite3_str_new(db);
  Error error = {0};
  if (values_append_json(out, db, argument, &error)) {
    result_string(context, out);
    result_is_json(context);
  } else {
    sqlite3_free(sqlite3_str_finish(out));
    tensor_result_error(context, &error);
  }
}

/*
** tensor_json(ref [, slice]) -> TEXT
** tensor_json(data, dtype [, shape] [, slice]) -> TEXT
**
** The elements as nested JSON arrays, or the value of a scalar. Reading the numbers gives the
** elements exactly. NULL for NULL.
*/
void function_tensor_json(sqlite3_context *context, int argc, sqlite3_value **argv) {
  TensorArgument argument;
  Error error = {0};
  if (!tensor_argument_open_sliced(&argument, "tensor_json", lease_session(context), argc, argv,
                                   &error)) {
    tensor_result_error(context, &error);
  } else if (!argument.is_null) {
    values_result_json(context, &argument);
  }
  tensor_argument_close(&argument);
}

/* ---- tensor_cast ---- */

static bool values_find_dtype(sqlite3_value *value, Dtype *dtype, Error *error) {
  const char *name = (const char *)sqlite3_value_text(value);
  if (name == NULL) return error_memory(error);
  uint64_t length = (uint64_t)sqlite3_value_bytes(value);
  return dtype_find(name, length, dtype) ||
         error_raise(error, ERROR_ARGUMENT, "tensor_cast",
                     "expected a known dtype (F32, BF16, I64, ...) to cast to, found \"%.*s\"",
                     ERROR_NAME(name, length));
}

/*
** tensor_cast(ref, dtype) -> BLOB
** tensor_cast(data, dtype [, shape], dtype) -> BLOB
**
** The elements converted to another dtype, row-major. Numbers are rounded to nearest, ties to even.
** Overflow and NaN follow the table in tensor/encode.h. NULL for NULL.
*/
void function_tensor_cast(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Session *session = sqlite3_user_data(context);
  bool leased = lease_take(context, session);
  TensorArgument argument;
  Error error = {0};
  Dtype dtype = DTYPE_BOOL;
  if (!tensor_argument_open(&argument, session, argc - 1, argv, &error)) {
    tensor_result_error(context, &error);
  } else if (argument.is_null || sqlite3_value_type(argv[argc - 1]) == SQLITE_NULL) {
    /* the result stays NULL */
  } else if (argument.used != argc - 1) {
    error_fill(&error, ERROR_ARGUMENT, "tensor_cast",
               "expected (ref, dtype) or (data, dtype [, shape], dtype), found %d arguments", argc);
    tensor_result_error(context, &error);
  } else if (!values_find_dtype(argv[argc - 1], &dtype, &error)) {
    tensor_result_error(context, &error);
  } else {
    tensor_result_cast(context, &argument, dtype, leased);
  }
  tensor_argument_close(&argument);
}
