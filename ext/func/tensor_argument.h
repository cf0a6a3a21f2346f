/*
** A tensor argument of a function or table, in either of its forms:
**
**     ref                        TEXT: PATH#NAME or PATH?slice=SLICE#NAME
**     data, dtype [, shape]      BLOB, TEXT, JSON array; without a shape, one dimension
**
** The first value's type tells them apart; after a BLOB and a dtype, a text that begins with '[', and
** has no '#' as a ref has, is the shape. NULL for the ref, the data, the dtype or the shape makes the whole argument NULL.
*/
#ifndef SAFETENSORS_FUNC_TENSOR_ARGUMENT_H
#define SAFETENSORS_FUNC_TENSOR_ARGUMENT_H

#include "base/result.h"
#include "base/sqlite.h"
#include "format/checkpoint.h"
#include "format/ref.h"
#include "tensor/view.h"

typedef struct TensorArgument {
  bool is_null;
  int used; /* how many SQL values it took */
  Dtype dtype;
  View view;         /* the ref's slice is applied */
  TensorName tensor; /* for messages: the ref's path and name, or "BLOB" */
  /* of a ref */
  Ref ref;
  Store *store;
  Checkpoint *checkpoint;
  Member member;
  const TensorEntry *entry;
  /* of raw data, as long as the SQL value lives */
  const unsigned char *data;
  uint64_t data_nbytes;
} TensorArgument;

/* Opens the argument that starts at argv[0]. Bytes of a ref are not touched yet. Whatever the
** outcome, tensor_argument_close() releases it. `argv` must outlive it. */
bool tensor_argument_open(TensorArgument *argument, Store *store, int argc, sqlite3_value **argv,
                          Error *error);

/* The same for a ref that is at hand as text, which must outlive it. */
bool tensor_argument_open_ref(TensorArgument *argument, Store *store, const char *text,
                              uint64_t length, Error *error);

void tensor_argument_close(TensorArgument *argument);

/* The same for a function, called `caller`, that takes a tensor and nothing after. */
bool tensor_argument_open_alone(TensorArgument *argument, const char *caller, Store *store,
                                int argc, sqlite3_value **argv, Error *error);

/* Whether a value is a shape and not a ref: a text that begins with '[' and has no '#'. */
bool tensor_argument_is_shape(sqlite3_value *value);

/* The same for a function, called `caller`, that takes a tensor and then, perhaps, a slice: T [,
** slice], and nothing after. A NULL slice makes the argument NULL. */
bool tensor_argument_open_sliced(TensorArgument *argument, const char *caller, Store *store,
                                 int argc, sqlite3_value **argv, Error *error);

/* Where the tensor's bytes are, all of them: view.offset counts from there. Valid as long as the
** argument is open, and raw bytes as long as the SQL value. Not for one that is NULL. */
Source tensor_argument_source(const TensorArgument *argument);

/* The dtype that a value names. */
bool tensor_argument_dtype(sqlite3_value *value, const TensorName *about, Dtype *dtype,
                           Error *error);

#endif
