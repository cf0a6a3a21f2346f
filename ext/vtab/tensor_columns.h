/* What the tables over tensors tell of a tensor's name. */
#ifndef SAFETENSORS_VTAB_TENSOR_COLUMNS_H
#define SAFETENSORS_VTAB_TENSOR_COLUMNS_H

#include "base/sqlite.h"
#include "format/checkpoint.h"

/* The number of its layer, as SQLite reads an integer literal: REAL when it does not fit 64 bits.
** NULL when the name has no number. */
void column_layer(sqlite3_context *context, const char *name, uint64_t length);

/* The name with its numbers written "#". */
void column_pattern(sqlite3_context *context, const char *name, uint64_t length);

/* A ref to the tensor in that member. NULL when it has no path. */
void column_ref(sqlite3_context *context, const Member *member, const char *name, uint64_t length);

#endif
