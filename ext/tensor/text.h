/*
** Elements as JSON: integers whole, reals as the shortest decimal that reads back to the same
** double (as Python's repr and NumPy's tolist() print them), NaN and infinities as null, BOOL as
** true or false, C64 as [re, im].
*/
#ifndef SAFETENSORS_TENSOR_TEXT_H
#define SAFETENSORS_TENSOR_TEXT_H

#include "format/dtype.h"
#include "tensor/ask.h"
#include "tensor/value.h"
#include "tensor/walk.h"

void text_append_value(sqlite3_str *out, const Value *value);

/* Appends the view's elements, which the reader reads, as nested arrays. A scalar is its value
** alone. `host`, or NULL, is asked on the way; its threads are not used. False with an error of it,
** of reading, or of memory here; sqlite3_str_errcode() tells the rest. */
bool text_append_view(sqlite3_str *out, Dtype dtype, const View *view, Reader *reader,
                      const PassHost *host, Error *error);

/* No fewer bytes than this does text_append_view() append. UINT64_MAX when that overflows. */
uint64_t text_least_length(const View *view);

/* Appends the indices of the view's element number `position`, as a JSON array. */
void text_append_coordinates(sqlite3_str *out, const View *view, uint64_t position);

#endif
