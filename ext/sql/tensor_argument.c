#include "sql/tensor_argument.h"

#include <string.h>

#include "base/memory.h"
#include "expression/identity.h"
#include "expression/node.h"

typedef unsigned long long TensorArgumentBig; /* for "%llu" */

/* A value as UTF-8 text. NULL when memory runs out, and for SQL NULL. */
static const char *tensor_argument_text_of(sqlite3_value *value, uint64_t *length) {
  const char *text = (const char *)sqlite3_value_text(value);
  *length = (uint64_t)sqlite3_value_bytes(value);
  return text;
}

static bool tensor_argument_is_null(sqlite3_value *value) {
  return sqlite3_value_type(value) == SQLITE_NULL;
}

/* ---- A ref, or an expression ---- */

static bool tensor_argument_open_ref(TensorArgument *argument, const char *text, uint64_t length,
                                     Error *error) {
  Leaf *leaf = &argument->leaf;
  bool good = leaf_open(leaf, argument->session, text, length, error);
  argument->tensor = leaf->tensor;
  argument->dtype = leaf->dtype;
  argument->view = leaf->view;
  leaf->view = (View){0};
  return good;
}

static bool tensor_argument_open_expression(TensorArgument *argument, const char *text,
                                            uint64_t length, Error *error) {
  argument->tensor = expression_name;
  argument->expression = expression_open(argument->session, text, length, error);
  if (argument->expression == NULL) return false;
  argument->dtype = expression_dtype(argument->expression);
  return expression_view(argument->expression, &argument->view, error);
}

bool tensor_argument_open_text(TensorArgument *argument, Session *session, const char *text,
                               uint64_t length, Error *error) {
  *argument = (TensorArgument){.session = session, .used = 1};
  return expression_is(text, length)
             ? tensor_argument_open_expression(argument, text, length, error)
             : tensor_argument_open_ref(argument, text, length, error);
}

static bool tensor_argument_open_value(TensorArgument *argument, sqlite3_value *value,
                                       Error *error) {
  uint64_t length;
  const char *text = tensor_argument_text_of(value, &length);
  if (text == NULL) return error_memory(error);
  return tensor_argument_open_text(argument, argument->session, text, length, error);
}

/* ---- Raw data ---- */

bool tensor_argument_dtype(sqlite3_value *value, const TensorName *about, Dtype *dtype,
                           Error *error) {
  uint64_t length;
  const char *name = tensor_argument_text_of(value, &length);
  if (name == NULL) return error_memory(error);
  if (dtype_find(name, length, dtype)) return true;
  return error_raise_tensor(error, ERROR_ARGUMENT, about,
                            "expected a known dtype (F32, BF16, I64, ...), found \"%.*s\"",
                            ERROR_NAME(name, length));
}

/* One dimension with as many elements as the bytes hold. */
static bool tensor_argument_open_flat_shape(TensorArgument *argument, Error *error) {
  uint64_t bits = argument->data_nbytes * 8, element = dtype_bits(argument->dtype);
  if (bits % element != 0) {
    return error_raise(error, ERROR_ARGUMENT, argument->tensor.subject,
                       "expected a whole number of %s elements of %u bits, found %llu bytes",
                       dtype_name(argument->dtype), dtype_bits(argument->dtype),
                       (TensorArgumentBig)argument->data_nbytes);
  }
  char shape[32];
  sqlite3_snprintf((int)sizeof shape, shape, "[%llu]", (TensorArgumentBig)(bits / element));
  return view_open(&argument->view, shape, strlen(shape), &argument->tensor, error);
}

static bool tensor_argument_open_shape(TensorArgument *argument, sqlite3_value *value,
                                       Error *error) {
  uint64_t length, nbytes;
  bool overflow;
  const char *shape = tensor_argument_text_of(value, &length);
  if (shape == NULL) return error_memory(error);
  if (!view_open(&argument->view, shape, length, &argument->tensor, error)) return false;
  bool whole = dtype_nbytes(argument->dtype, argument->view.numel, &nbytes, &overflow);
  if (whole && nbytes == argument->data_nbytes) return true;
  if (!whole) {
    return error_raise(error, ERROR_ARGUMENT, argument->tensor.subject,
                       "expected dtype %s and shape %.*s to take whole bytes, below 2^64 bits",
                       dtype_name(argument->dtype), ERROR_NAME(shape, length));
  }
  return error_raise(error, ERROR_ARGUMENT, argument->tensor.subject,
                     "expected %llu bytes for dtype %s and shape %.*s, found %llu",
                     (TensorArgumentBig)nbytes, dtype_name(argument->dtype),
                     ERROR_NAME(shape, length), (TensorArgumentBig)argument->data_nbytes);
}

bool tensor_argument_open_floats(TensorArgument *argument, Session *session, sqlite3_value *value,
                                 Error *error) {
  *argument = (TensorArgument){.session = session, .used = 1, .dtype = DTYPE_F32};
  argument->tensor.subject = "BLOB";
  argument->data = sqlite3_value_blob(value);
  argument->data_nbytes = (uint64_t)sqlite3_value_bytes(value);
  return tensor_argument_open_flat_shape(argument, error);
}

bool tensor_argument_is_shape(sqlite3_value *value) {
  uint64_t length;
  if (sqlite3_value_type(value) != SQLITE_TEXT) return false;
  const char *text = tensor_argument_text_of(value, &length);
  return text != NULL && length > 0 && text[0] == '[' && memchr(text, '#', (size_t)length) == NULL;
}

static bool tensor_argument_open_raw(TensorArgument *argument, int argc, sqlite3_value **argv,
                                     Error *error) {
  argument->tensor.subject = "BLOB";
  if (argc < 2) {
    return error_raise(error, ERROR_ARGUMENT, argument->tensor.subject,
                       "expected a dtype after the bytes, found none");
  }
  argument->used = 2;
  if (tensor_argument_is_null(argv[1])) {
    argument->is_null = true;
    if (argc > 2 && (tensor_argument_is_null(argv[2]) || tensor_argument_is_shape(argv[2])))
      argument->used = 3;
    return true;
  }
  argument->data = sqlite3_value_blob(argv[0]);
  argument->data_nbytes = (uint64_t)sqlite3_value_bytes(argv[0]);
  if (!tensor_argument_dtype(argv[1], &argument->tensor, &argument->dtype, error)) return false;
  if (argc < 3 || (!tensor_argument_is_shape(argv[2]) && !tensor_argument_is_null(argv[2]))) {
    return tensor_argument_open_flat_shape(argument, error);
  }
  argument->used = 3;
  if (tensor_argument_is_null(argv[2])) {
    argument->is_null = true;
    return true;
  }
  return tensor_argument_open_shape(argument, argv[2], error);
}

/* ---- Any of them ---- */

bool tensor_argument_open(TensorArgument *argument, Session *session, int argc,
                          sqlite3_value **argv, Error *error) {
  *argument = (TensorArgument){.session = session, .used = 1};
  switch (sqlite3_value_type(argv[0])) {
    case SQLITE_NULL: argument->is_null = true; return true;
    case SQLITE_TEXT: return tensor_argument_open_value(argument, argv[0], error);
    case SQLITE_BLOB: return tensor_argument_open_raw(argument, argc, argv, error);
    default:
      return error_raise(error, ERROR_ARGUMENT, "tensor",
                         "expected a ref or an expression (TEXT), or bytes (BLOB), found a number");
  }
}

void tensor_argument_close(TensorArgument *argument) {
  view_clear(&argument->view);
  expression_close(argument->expression);
  leaf_close(&argument->leaf);
}

static bool tensor_argument_apply_slice(TensorArgument *argument, sqlite3_value *slice,
                                        Error *error) {
  uint64_t length;
  if (tensor_argument_is_null(slice)) argument->is_null = true;
  if (argument->is_null) return true;
  const char *text = tensor_argument_text_of(slice, &length);
  if (text == NULL) return error_memory(error);
  return view_slice(&argument->view, text, length, &argument->tensor, error);
}

bool tensor_argument_open_alone(TensorArgument *argument, const char *caller, Session *session,
                                int argc, sqlite3_value **argv, Error *error) {
  if (!tensor_argument_open(argument, session, argc, argv, error)) return false;
  return argument->is_null || argument->used == argc ||
         error_raise(error, ERROR_ARGUMENT, caller,
                     "expected (ref) or (data, dtype [, shape]), found %d arguments", argc);
}

bool tensor_argument_open_sliced(TensorArgument *argument, const char *caller, Session *session,
                                 int argc, sqlite3_value **argv, Error *error) {
  if (!tensor_argument_open(argument, session, argc, argv, error)) return false;
  int left = argc - argument->used;
  if (left == 1) return tensor_argument_apply_slice(argument, argv[argument->used], error);
  return left == 0 || argument->is_null ||
         error_raise(error, ERROR_ARGUMENT, caller,
                     "expected (ref [, slice]) or (data, dtype [, shape] [, slice]), found %d "
                     "arguments",
                     argc);
}

bool tensor_argument_identify(const TensorArgument *argument, Key *key) {
  if (!identity_put_view(key, &argument->view, argument->dtype)) return false;
  if (argument->expression != NULL) return expression_identify(argument->expression, key);
  return argument->leaf.entry != NULL && identity_put_leaf(key, argument->session, &argument->leaf);
}

Source tensor_argument_source(const TensorArgument *argument) {
  static const unsigned char nothing[1] = {0};
  if (argument->expression != NULL) {
    expression_want(argument->expression, argument->view.numel);
    return expression_source(argument->expression);
  }
  if (argument->leaf.entry != NULL) return leaf_source(&argument->leaf);
  return (Source){.memory = argument->data != NULL ? argument->data : nothing,
                  .nbytes = argument->data_nbytes};
}
