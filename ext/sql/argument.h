/*
** The arguments of a table-valued function: EQ constraints on hidden columns when a statement is
** planned, and SQL values when it runs.
*/
#ifndef SAFETENSORS_SQL_ARGUMENT_H
#define SAFETENSORS_SQL_ARGUMENT_H

#include <stdbool.h>

#include "base/sqlite.h"

/* The beginning of every xConnect: declares the schema of the module `name`, and its safety,
** SQLITE_VTAB_DIRECTONLY or SQLITE_VTAB_INNOCUOUS. Returns a result code; on error *message says
** why. */
int table_declare(sqlite3 *db, const char *name, const char *schema, int safety, char **message);

/* The usable EQ constraint on a column, or -1. *unusable is set if there is one that cannot be
** used here. */
int argument_find_eq(const sqlite3_index_info *info, int column, bool *unusable);

/* Advice to add to the error about a missing argument in a running statement, or "": SQLite 3.40
** and 3.41 do not pass the argument for the rows that a RIGHT or FULL JOIN adds in the end. */
const char *argument_missing_advice(sqlite3 *db);

/* The number of arguments that a module gets before those of the user: module, schema and table. */
enum { ARGUMENT_FIRST_OF_MODULE = 3 };

/* A module's argument without its SQL quotes. memory_free() releases it; NULL when memory runs
** out. */
char *argument_unquote(const char *argument);

/* Whether two values have the same type and are equal to the bit. */
bool argument_same(sqlite3_value *a, sqlite3_value *b);

#endif
