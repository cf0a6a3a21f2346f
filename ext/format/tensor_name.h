/*
** What a tensor's name says about its place in the model. The name's components are separated by
** '.', '_' or '/'; a component of ASCII digits alone is numeric.
*/
#ifndef SAFETENSORS_FORMAT_TENSOR_NAME_H
#define SAFETENSORS_FORMAT_TENSOR_NAME_H

#include <stdbool.h>
#include <stdint.h>

/* The first numeric component: model.layers.12.mlp -> "12". False when there is none. */
bool tensor_name_layer(const char *name, uint64_t length, const char **digits,
                       uint64_t *digits_length);

/* Writes the name with each numeric component replaced by '#'; `out` has room for `length` bytes.
** Returns the number written. */
uint64_t tensor_name_pattern(const char *name, uint64_t length, char *out);

#endif
