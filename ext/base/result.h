/* Turning values and errors into what SQLite takes. */
#ifndef SAFETENSORS_BASE_RESULT_H
#define SAFETENSORS_BASE_RESULT_H

#include <stdint.h>

#include "base/error.h"
#include "base/sqlite.h"

/* The SQLite code that goes with an Error's. */
int result_code(ErrorCode code);

/* Moves an Error into a function's or column's result. */
void result_error(sqlite3_context *context, Error *error);

/* Moves an Error into the virtual table; returns its SQLite code. */
int result_vtab_error(sqlite3_vtab *table, Error *error);

void result_uint64(sqlite3_context *context, uint64_t value);

/* The text built in `out`, at least a character; this releases it. */
void result_string(sqlite3_context *context, sqlite3_str *out);

/* Whether a blob of this size may be a result. If not, the result is the error that names tensor,
** size, limit and the way out. */
bool result_fits(sqlite3_context *context, const TensorName *tensor, uint64_t nbytes);

#endif
