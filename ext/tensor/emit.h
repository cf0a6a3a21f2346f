/* The elements of a view into a Sink, in the view's dtype or another. */
#ifndef SAFETENSORS_TENSOR_EMIT_H
#define SAFETENSORS_TENSOR_EMIT_H

#include "base/sink.h"
#include "format/dtype.h"
#include "tensor/pass.h"

/* Writes the elements of `view` on the tensor `source`, whose dtype is `from`, row-major, as
** elements of `to` (see encode.h): they fill whole bytes. In blocks, so memory does not grow with
** the tensor. */
bool emit_view(const Source *source, const View *view, Dtype from, Dtype to, Sink *sink,
               const PassHost *host, Error *error);

#endif
