/*
** A tensor argument of a function or table, in one of its forms:
**
**     ref                        TEXT: PATH#NAME or PATH?slice=SLICE#NAME
**     expression                 TEXT that begins with '{': a computed tensor (expression.h)
**     data, dtype [, shape]      BLOB, TEXT, JSON array; without a shape, one dimension
**
** The type of the first value distinguishes them. After a BLOB and a dtype, a text is the shape if
** it begins with '[' and has no '#', which every ref has. If ref, data, dtype or shape is NULL, the
** whole argument is NULL.
*/
#ifndef SAFETENSORS_SQL_TENSOR_ARGUMENT_H
#define SAFETENSORS_SQL_TENSOR_ARGUMENT_H

#include "base/key.h"
#include "base/sqlite.h"
#include "expression/expression.h"
#include "expression/leaf.h"
#include "sql/result.h"
#include "tensor/view.h"

typedef struct TensorArgument {
  bool is_null;
  int used; /* how many SQL values it consists of */
  Dtype dtype;
  View view;         /* the ref's slice has been applied */
  TensorName tensor; /* for messages: the ref's path and name, "expression", or "BLOB" */
  Session *session;
  /* if it is a ref: leaf.entry is not NULL; its view is the one above */
  Leaf leaf;
  /* if it is an expression, else NULL: */
  Expression *expression;
  /* if it is raw data, valid as long as the SQL value: */
  const unsigned char *data;
  uint64_t data_nbytes;
} TensorArgument;

/* Opens the argument that starts at argv[0], without reading the bytes of a tensor.
** tensor_argument_close() releases it, also after an error. `argv` must outlive it. */
bool tensor_argument_open(TensorArgument *argument, Session *session, int argc,
                          sqlite3_value **argv, Error *error);

/* The same for a ref or an expression given as text, which must outlive it. */
bool tensor_argument_open_text(TensorArgument *argument, Session *session, const char *text,
                               uint64_t length, Error *error);

/* The same for a BLOB of native floats: F32, one dimension. */
bool tensor_argument_open_floats(TensorArgument *argument, Session *session, sqlite3_value *value,
                                 Error *error);

void tensor_argument_close(TensorArgument *argument);

/* The same for a function, called `caller`, that takes a tensor and nothing else. */
bool tensor_argument_open_alone(TensorArgument *argument, const char *caller, Session *session,
                                int argc, sqlite3_value **argv, Error *error);

/* Whether a value is a shape and not a ref: a text that begins with '[' and has no '#'. */
bool tensor_argument_is_shape(sqlite3_value *value);

/* The same for a function, called `caller`, that takes T [, slice] and nothing else. A NULL
** slice makes the argument NULL. */
bool tensor_argument_open_sliced(TensorArgument *argument, const char *caller, Session *session,
                                 int argc, sqlite3_value **argv, Error *error);

/* Where all bytes of the tensor are; view.offset counts from there. Valid as long as the
** argument is open, and for raw data as long as the SQL value. Not for a NULL argument. */
Source tensor_argument_source(const TensorArgument *argument);

/* Adds to a key what its elements depend on. False if it cannot be remembered, as raw data. */
bool tensor_argument_identify(const TensorArgument *argument, Key *key);

/* The dtype that a value names. */
bool tensor_argument_dtype(sqlite3_value *value, const TensorName *about, Dtype *dtype,
                           Error *error);

#endif
