/* Returns elements of a tensor argument as a BLOB. */
#ifndef SAFETENSORS_SQL_TENSOR_RESULT_H
#define SAFETENSORS_SQL_TENSOR_RESULT_H

#include "sql/tensor_argument.h"

/* Sets the result to the bytes of `view`, which is the argument's own view or a narrower one.
** Bytes of a ref that are contiguous in the file are not copied, if the statement is known to
** have a lease: the caller is xColumn of a cursor, or lease_take() has returned true. It is an
** error if there are more bytes than the connection's length limit allows, found before anything
** is read, or if the elements do not start and end on a byte. */
void tensor_result_data(sqlite3_context *context, const TensorArgument *argument, const View *view,
                        bool leased);

/* Whether the elements of `view`, the argument's own view or a narrower one, are whole bytes,
** because only then can they be returned as a BLOB. An error if not. */
bool tensor_result_is_whole_bytes(const TensorArgument *argument, const View *view, Error *error);

/* Sets the result to the argument's elements in another dtype, as tensor_cast() returns them. */
void tensor_result_cast(sqlite3_context *context, const TensorArgument *argument, Dtype dtype,
                        bool leased);

/* The same as tensor_result_data(), in xColumn, for all bytes of a tensor of a checkpoint, which
** messages call `name`. */
void tensor_result_source(sqlite3_context *context, Session *session, const TensorName *name,
                          const Source *source);

/* Moves the error of a function over tensors to its result. If the error is that a file cannot
** be read, and safetensors_config('errors', 'skip') is set, the result is NULL. */
void tensor_result_error(sqlite3_context *context, Error *error);

#endif
