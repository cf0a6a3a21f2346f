/* The elements of a tensor argument, or of a part of it, as a BLOB. */
#ifndef SAFETENSORS_FUNC_TENSOR_RESULT_H
#define SAFETENSORS_FUNC_TENSOR_RESULT_H

#include "func/tensor_argument.h"

/* Sets the result to the bytes of `view`, which is the argument's own or narrower. Bytes of a ref
** that lie together in the file are not copied. An error if they are more than the connection's
** length limit, before anything is read, or do not start and end on a byte. */
void tensor_result_data(sqlite3_context *context, const TensorArgument *argument, const View *view);

/* Whether the elements of `view`, the argument's own or narrower, are whole bytes: only then can
** they be had as such. An error if not. */
bool tensor_result_is_whole_bytes(const TensorArgument *argument, const View *view, Error *error);

/* Sets the result to the argument's elements in another dtype, as tensor_cast() gives them. */
void tensor_result_cast(sqlite3_context *context, const TensorArgument *argument, Dtype dtype);

/* Sets the result to all bytes of a tensor of a checkpoint, which messages call `name`: as
** tensor_result_data(). */
void tensor_result_source(sqlite3_context *context, Store *store, const TensorName *name,
                          const Source *source);

#endif
