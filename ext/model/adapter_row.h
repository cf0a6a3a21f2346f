/* The rows of one module of an adapter: what changes its weight, and what changes its bias. */
#ifndef SAFETENSORS_MODEL_ADAPTER_ROW_H
#define SAFETENSORS_MODEL_ADAPTER_ROW_H

#include "model/adapter_draft.h"

/* Appends the rows of a module. Returns false with an error. */
bool adapter_row_make(AdapterContext *context, AdapterGroup *group, Error *error);

/* Appends the row of a file in which nothing is known: `status` says what was expected. */
bool adapter_row_make_unknown(AdapterList *list, uint32_t tensors, Error *error);

#endif
