/*
** What the name of a tensor says about its place in the model. Components of a name are separated
** by '.', '_' or '/'. A component that consists only of ASCII digits is numeric.
*/
#ifndef SAFETENSORS_MODEL_TENSOR_NAME_H
#define SAFETENSORS_MODEL_TENSOR_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"

/* The first numeric component: model.layers.12.mlp -> "12", which points into `name`. False if
** there is none. */
bool tensor_name_layer(const char *name, uint64_t length, const char **digits,
                       uint64_t *digits_length);

/* Writes the name with each numeric component replaced by '#', and sets *out_length to its length.
** `out` has room for `length` bytes. A name may be as long as a header, so the work can be
** cancelled: then returns false, with an error. */
bool tensor_name_pattern(const char *name, uint64_t length, char *out, uint64_t *out_length,
                         Cancel *cancel, Error *error);

#endif
