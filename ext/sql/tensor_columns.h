/* Columns that tables over tensors derive from the name of a tensor. */
#ifndef SAFETENSORS_SQL_TENSOR_COLUMNS_H
#define SAFETENSORS_SQL_TENSOR_COLUMNS_H

#include "base/sqlite.h"
#include "model/checkpoint.h"

/* The columns of safetensors_tensors and of the tables that CREATE VIRTUAL TABLE makes over a
** path. `arguments` are the three hidden columns for the arguments: TENSOR_COLUMNS_ARGUMENTS or, of a
** table with a path of its own, which takes no argument, TENSOR_COLUMNS_NAMED_ARGUMENTS. */
#define TENSOR_COLUMNS_ARGUMENTS       "checkpoint HIDDEN, size HIDDEN, surplus_argument HIDDEN"
#define TENSOR_COLUMNS_NAMED_ARGUMENTS "surplus_argument HIDDEN, checkpoint HIDDEN, size HIDDEN"
#define TENSOR_COLUMNS_SCHEMA(arguments)                                                \
  "CREATE TABLE x(name TEXT, dtype TEXT, shape TEXT, numel INTEGER, nbytes INTEGER, "   \
  "offset INTEGER, file TEXT, " arguments                                               \
  ", rank INTEGER HIDDEN, layer INTEGER HIDDEN, pattern TEXT HIDDEN, ref TEXT HIDDEN, " \
  "data BLOB HIDDEN, n INTEGER HIDDEN)"

enum TensorColumns {
  TENSOR_COLUMNS_NAME,
  TENSOR_COLUMNS_DTYPE,
  TENSOR_COLUMNS_SHAPE,
  TENSOR_COLUMNS_NUMEL,
  TENSOR_COLUMNS_NBYTES,
  TENSOR_COLUMNS_OFFSET,
  TENSOR_COLUMNS_FILE,
  TENSOR_COLUMNS_PATH,
  TENSOR_COLUMNS_SIZE,
  TENSOR_COLUMNS_SURPLUS_ARGUMENT,
  TENSOR_COLUMNS_NAMED_SURPLUS = TENSOR_COLUMNS_PATH,
  TENSOR_COLUMNS_NAMED_PATH = TENSOR_COLUMNS_SIZE,
  TENSOR_COLUMNS_NAMED_SIZE = TENSOR_COLUMNS_SURPLUS_ARGUMENT,
  TENSOR_COLUMNS_RANK,
  TENSOR_COLUMNS_LAYER,
  TENSOR_COLUMNS_PATTERN,
  TENSOR_COLUMNS_REF,
  TENSOR_COLUMNS_DATA,
  TENSOR_COLUMNS_N
};

/* The name itself. If the header is not UTF-8, the name may not be UTF-8 either, and is reported
** as a path is. */
void column_name(sqlite3_context *context, const char *name, uint64_t length);

/* The number of its layer, as SQLite reads an integer literal: REAL if it does not fit 64 bits.
** NULL if the name has no number. */
void column_layer(sqlite3_context *context, const char *name, uint64_t length);

/* The name with each number written "#". */
void column_pattern(sqlite3_context *context, const char *name, uint64_t length);

/* A ref to the tensor in that member. NULL if the member has no path. */
void column_ref(sqlite3_context *context, const Member *member, const char *name, uint64_t length);

#endif
