/* Converts values and errors to results of SQLite. */
#ifndef SAFETENSORS_SQL_RESULT_H
#define SAFETENSORS_SQL_RESULT_H

#include <stdint.h>

#include "base/error.h"
#include "base/sqlite.h"

/* The result code for the kind of an Error, as SQLite's documentation uses it. Only SQLITE_NOMEM
** and SQLITE_INTERRUPT make SQLite roll back the transaction of the caller or keep it from being
** committed. */
int result_code(ErrorCode code);

/* Moves an Error to the result of a function or column. */
void result_error(sqlite3_context *context, Error *error);

/* Moves an Error to the virtual table, and returns its result code. */
int result_vtab_error(sqlite3_vtab *table, Error *error);

/* The same for the error that memory_alloc() or one of its kind has failed. */
int result_vtab_memory(sqlite3_vtab *table);

void result_uint64(sqlite3_context *context, uint64_t value);

/* Set the result to a path, as path_text.h reports it, and to an argument; its text is escaped
** likewise if it is not UTF-8. */
void result_path(sqlite3_context *context, const char *path);
void result_argument(sqlite3_context *context, sqlite3_value *argument);

/* Sets the result to the text built in `out`, and releases `out`. */
void result_string(sqlite3_context *context, sqlite3_str *out);

/* The same if `code` is SQLITE_OK; else the result is that error, SQLITE_TOOBIG or that memory ran out. */
void result_string_or(sqlite3_context *context, sqlite3_str *out, int code);

/* Marks the result, a text, as JSON in the way of SQLite's own JSON functions, so that
** json_object() and the like nest it. A function that does this needs SQLITE_RESULT_SUBTYPE. */
void result_is_json(sqlite3_context *context);

/* Sets the result to a copy of a text that ends with a NUL, and marks it as JSON. */
void result_json_text(sqlite3_context *context, const char *text);

/* Whether a BLOB of this size can be the result. If not, the result is an error that names the
** tensor, the size, the limit and a way out. */
bool result_fits(sqlite3_context *context, const TensorName *tensor, uint64_t nbytes);

#endif
