/* The columns that tables of rows of a tensor share. The argument of the cursor is open, and has the row. */
#ifndef SAFETENSORS_SQL_ROW_RESULT_H
#define SAFETENSORS_SQL_ROW_RESULT_H

#include "sql/tensor_table.h"

/* `ref`: the row as a slice, an expression for a row of one. NULL for a tensor given as bytes. */
void row_result_ref(sqlite3_context *context, const TensorCursor *cursor, uint64_t row);

/* `data`: the bytes of the row, in xColumn. */
void row_result_data(sqlite3_context *context, TensorCursor *cursor, uint64_t row);

#endif
