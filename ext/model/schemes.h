/*
** Recognises packed and scaled weights: which tensors of a model belong together, by their names,
** dtypes and shapes, and what its configuration says. What the numbers stand for is the business
** of the operator `dequantize`.
*/
#ifndef SAFETENSORS_MODEL_SCHEMES_H
#define SAFETENSORS_MODEL_SCHEMES_H

#include "model/scheme_row.h"

/* Appends the rows of the model's weights to the list. Returns false, with an error, if memory runs
** out, a file changes, or on an interrupt. */
bool schemes_recognise(const SchemeModel *model, Error *error);

#endif
