#include "sql/tensor_pair.h"

#include <string.h>

typedef unsigned long long TensorPairBig; /* for "%llu" */

/* ---- Opening ---- */

static bool tensor_pair_open_reshaped(View *shape, const TensorArgument *argument,
                                      sqlite3_value *value, Error *error) {
  const char *text = (const char *)sqlite3_value_text(value);
  uint64_t length = (uint64_t)sqlite3_value_bytes(value);
  if (text == NULL) return error_memory(error);
  if (!view_open(shape, text, length, &argument->tensor, error)) return false;
  return shape->numel == argument->view.numel ||
         error_raise_tensor(error, ERROR_ARGUMENT, &argument->tensor,
                            "expected a shape of %llu elements, found %.*s",
                            (TensorPairBig)argument->view.numel, ERROR_NAME(text, length));
}

/* Opens one tensor, and the shape that may follow a ref. */
static bool tensor_pair_open_one(TensorPair *pair, TensorArgument *argument, View *shape,
                                 Session *session, int argc, sqlite3_value **argv, Error *error) {
  bool good = tensor_argument_open(argument, session, argc, argv, error);
  pair->used += argument->used;
  if (!good || argument->is_null) {
    pair->is_null = good;
    return good;
  }
  bool is_text = argument->leaf.entry != NULL || argument->expression != NULL;
  if (!is_text || argc < 2 || !tensor_argument_is_shape(argv[1])) return true;
  pair->used++;
  return tensor_pair_open_reshaped(shape, argument, argv[1], error);
}

bool tensor_pair_open(TensorPair *pair, const char *caller, Session *session, int argc,
                      sqlite3_value **argv, Error *error) {
  *pair = (TensorPair){0};
  if (argc == 0) {
    return error_raise(error, ERROR_ARGUMENT, caller, "expected %s, found no argument",
                       TENSOR_PAIR_USAGE);
  }
  if (!tensor_pair_open_one(pair, &pair->a, &pair->a_shape, session, argc, argv, error))
    return false;
  if (pair->is_null) return true;
  if (pair->used == argc) {
    return error_raise(error, ERROR_ARGUMENT, caller, "expected %s, found one tensor",
                       TENSOR_PAIR_USAGE);
  }
  int used = pair->used;
  if (!tensor_pair_open_one(pair, &pair->b, &pair->b_shape, session, argc - used, argv + used,
                            error)) {
    return false;
  }
  return pair->is_null || pair->a.view.numel == pair->b.view.numel ||
         error_raise(error, ERROR_ARGUMENT, caller,
                     "expected tensors with as many elements each, found %llu and %llu",
                     (TensorPairBig)pair->a.view.numel, (TensorPairBig)pair->b.view.numel);
}

void tensor_pair_close(TensorPair *pair) {
  tensor_argument_close(&pair->a);
  tensor_argument_close(&pair->b);
  view_clear(&pair->a_shape);
  view_clear(&pair->b_shape);
}

/* ---- Shapes ---- */

static const View *tensor_pair_shape_of(const View *reshaped, const TensorArgument *argument) {
  return reshaped->shape != NULL ? reshaped : &argument->view;
}

bool tensor_pair_check_shapes(const TensorPair *pair, const char *caller, Error *error) {
  const View *a = tensor_pair_shape_of(&pair->a_shape, &pair->a),
             *b = tensor_pair_shape_of(&pair->b_shape, &pair->b);
  if (view_same_shape(a, b)) return true;
  sqlite3_str *out = sqlite3_str_new(NULL);
  view_append_shape(a, out);
  sqlite3_str_appendall(out, ", found ");
  view_append_shape(b, out);
  sqlite3_str_appendf(out,
                      "; to compare the elements in row-major order all the same, write that shape "
                      "behind the second tensor: %s(A, B, '",
                      caller);
  view_append_shape(a, out);
  sqlite3_str_appendall(out, "')");
  char *text = sqlite3_str_finish(out);
  if (text == NULL) return error_memory(error);
  error_fill_tensor(error, ERROR_ARGUMENT, &pair->b.tensor,
                    "expected the shape of the first tensor, %s", text);
  sqlite3_free(text);
  return false;
}

/* ---- Comparing ---- */

static ComparisonSide tensor_pair_side_of(const TensorArgument *argument) {
  return (ComparisonSide){.dtype = argument->dtype,
                          .source = tensor_argument_source(argument),
                          .view = &argument->view,
                          .tensor = argument->tensor};
}

bool tensor_pair_compare(const TensorPair *pair, sqlite3 *db, CompareTask *task, Error *error) {
  ComparisonSide a = tensor_pair_side_of(&pair->a), b = tensor_pair_side_of(&pair->b);
  return comparison_run(db, pair->a.session, &a, &b, task, error);
}
