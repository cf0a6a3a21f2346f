/* Writes the elements of a view into a Sink, in the dtype of the view or another one. */
#ifndef SAFETENSORS_TENSOR_EMIT_H
#define SAFETENSORS_TENSOR_EMIT_H

#include "base/sink.h"
#include "format/dtype.h"
#include "tensor/pass.h"

/* Writes the elements of `view`, a view of the tensor in `source` of dtype `from`, in row-major
** order as elements of dtype `to` (see encode.h). They must fill whole bytes. The work is done in
** blocks, so that the memory it needs does not grow with the tensor. `host` may be NULL. Returns
** false on an error of reading or writing. */
bool emit_view(const Source *source, const View *view, Dtype from, Dtype to, Sink *sink,
               const Host *host, Error *error);

#endif
