/*
** Elements as JSON: integers in full, reals as the shortest decimal that reads back as the same
** double (like Python's repr() and NumPy's tolist()), NaN and infinities as null, BOOL as true or
** false, and C64 as [re,im]. None of this uses floating-point arithmetic, so it neither depends on
** the floating-point environment nor changes its flags.
*/
#ifndef SAFETENSORS_TENSOR_TEXT_H
#define SAFETENSORS_TENSOR_TEXT_H

#include "base/host.h"
#include "format/dtype.h"
#include "tensor/value.h"
#include "tensor/walk.h"

/* Appends one value. */
void text_append_value(sqlite3_str *out, const Value *value);

/* Appends the elements of a view, read through `reader`, as nested arrays. A scalar is just its
** value. `host` may be NULL; its progress handler is called, but its threads are not used. Returns
** false on an error of reading, of the handler, or of an allocation here. Errors of `out` itself
** are only reported by sqlite3_str_errcode(). */
bool text_append_view(sqlite3_str *out, Dtype dtype, const View *view, Reader *reader,
                      const Host *host, Error *error);

/* A lower bound for the number of bytes that text_append_view() appends. UINT64_MAX on overflow. */
uint64_t text_min_length(const View *view);

/* Appends the indices of element number `position` of the view, as a JSON array. */
void text_append_coordinates(sqlite3_str *out, const View *view, uint64_t position);

#endif
