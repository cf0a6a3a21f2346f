#include <math.h>

#include "func/functions.h"
#include "func/host.h"
#include "func/tensor_result.h"
#include "func/value_result.h"
#include "tensor/decode.h"
#include "tensor/gather.h"
#include "tensor/text.h"

enum { JSON_SUBTYPE = 'J' }; /* as SQLite's own JSON functions mark their results */

void value_result(sqlite3_context *context, const Value *value) {
  switch (value->kind) {
    case VALUE_INTEGER:
    case VALUE_BOOLEAN: sqlite3_result_int64(context, value->integer); break;
    case VALUE_REAL: sqlite3_result_double(context, value->real); break;
    case VALUE_COMPLEX: {
      sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
      text_append_value(out, value);
      result_string(context, out);
      break;
    }
  }
}

/* ---- tensor_item ---- */

static const char *type_in_words(int type) {
  return type == SQLITE_FLOAT ? "a REAL" : type == SQLITE_TEXT ? "TEXT" : "a BLOB";
}

/* The place of the element that the SQL values name. False also when an index is NULL: then there
** is no error, and the result is NULL. */
static bool find_item(const TensorArgument *argument, int count, sqlite3_value **indices,
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
                                type_in_words(type));
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

static void result_element(sqlite3_context *context, const TensorArgument *argument,
                           uint64_t element, Error *error) {
  Source source = tensor_argument_source(argument);
  Reader reader;
  unsigned bits = dtype_bits(argument->dtype), group = gather_byte_group(bits);
  uint64_t within = element % group;
  const unsigned char *data = NULL;
  if (reader_open(&reader, &source, error)) {
    data =
        reader_bytes(&reader, (element - within) * bits / 8, (within * bits + bits + 7) / 8, error);
  }
  if (data != NULL) {
    Value value;
    decode_value(argument->dtype, data, within, &value);
    value_result(context, &value);
    if (value.kind == VALUE_COMPLEX) sqlite3_result_subtype(context, JSON_SUBTYPE);
  }
  reader_close(&reader);
}

/*
** tensor_item(ref, i, j, ...) -> INTEGER or REAL
** tensor_item(data, dtype [, shape], i, j, ...) -> INTEGER or REAL
**
** One element; an index for each dimension, negative ones counted from the end. BOOL is 0 or 1; C64
** is TEXT, the JSON array [re,im]; NaN is NULL, which is how SQLite has it.
*/
void function_tensor_item(sqlite3_context *context, int argc, sqlite3_value **argv) {
  TensorArgument argument = {0};
  Error error = {0};
  uint64_t element;
  if (argc == 0) {
    error_fill(&error, ERROR_ARGUMENT, "tensor_item", "expected a tensor, found no argument");
  } else if (tensor_argument_open(&argument, sqlite3_user_data(context), argc, argv, &error) &&
             !argument.is_null &&
             find_item(&argument, argc - argument.used, argv + argument.used, &element, &error)) {
    result_element(context, &argument, element, &error);
  }
  if (error.code != ERROR_NONE) result_error(context, &error);
  tensor_argument_close(&argument);
}

/* ---- tensor_json ---- */

static bool json_too_big(const TensorArgument *argument, int limit, Error *error) {
  return error_raise_tensor(error, ERROR_TOO_BIG, &argument->tensor,
                            "expected JSON of at most %d bytes, this connection's length limit "
                            "(SQLITE_LIMIT_LENGTH), found more in %llu elements; take it in parts: "
                            "tensor_json(ref, '0:10')",
                            limit, (unsigned long long)argument->view.numel);
}

static bool append_json(sqlite3_str *out, sqlite3 *db, const TensorArgument *argument,
                        Error *error) {
  int limit = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1);
  Source source = tensor_argument_source(argument);
  Reader reader;
  Host host;
  if (text_least_length(&argument->view) > (uint64_t)limit) {
    return json_too_big(argument, limit, error);
  }
  host_open(&host, db, argument->store, &argument->tensor, argument->view.numel,
            argument->view.numel * dtype_bits(argument->dtype) / 8);
  bool good = reader_open(&reader, &source, error) &&
              text_append_view(out, argument->dtype, &argument->view, &reader, &host.pass, error);
  reader_close(&reader);
  host_close(&host);
  return good &&
         (sqlite3_str_errcode(out) != SQLITE_TOOBIG || json_too_big(argument, limit, error));
}

static void result_json(sqlite3_context *context, const TensorArgument *argument) {
  sqlite3 *db = sqlite3_context_db_handle(context);
  sqlite3_str *out = sqlite3_str_new(db);
  Error error = {0};
  if (append_json(out, db, argument, &error)) {
    result_string(context, out);
    sqlite3_result_subtype(context, JSON_SUBTYPE);
  } else {
    sqlite3_free(sqlite3_str_finish(out));
    result_error(context, &error);
  }
}

/*
** tensor_json(ref [, slice]) -> TEXT
** tensor_json(data, dtype [, shape] [, slice]) -> TEXT
**
** The elements as nested JSON arrays; a scalar as its value. Numbers read back exactly.
*/
void function_tensor_json(sqlite3_context *context, int argc, sqlite3_value **argv) {
  TensorArgument argument;
  Error error = {0};
  if (!tensor_argument_open_sliced(&argument, "tensor_json", sqlite3_user_data(context), argc, argv,
                                   &error)) {
    result_error(context, &error);
  } else if (!argument.is_null) {
    result_json(context, &argument);
  }
  tensor_argument_close(&argument);
}

/* ---- tensor_cast ---- */

static bool find_dtype(sqlite3_value *value, Dtype *dtype, Error *error) {
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
** The elements in another dtype, row-major: round-to-nearest-even; overflow and NaN as the table in
** tensor/encode.h says.
*/
void function_tensor_cast(sqlite3_context *context, int argc, sqlite3_value **argv) {
  TensorArgument argument;
  Error error = {0};
  Dtype dtype = DTYPE_BOOL;
  if (!tensor_argument_open(&argument, sqlite3_user_data(context), argc - 1, argv, &error)) {
    result_error(context, &error);
  } else if (argument.is_null || sqlite3_value_type(argv[argc - 1]) == SQLITE_NULL) {
    /* NULL in, NULL out */
  } else if (argument.used != argc - 1) {
    error_fill(&error, ERROR_ARGUMENT, "tensor_cast",
               "expected (ref, dtype) or (data, dtype [, shape], dtype), found %d arguments", argc);
    result_error(context, &error);
  } else if (!find_dtype(argv[argc - 1], &dtype, &error)) {
    result_error(context, &error);
  } else {
    tensor_result_cast(context, &argument, dtype);
  }
  tensor_argument_close(&argument);
}
