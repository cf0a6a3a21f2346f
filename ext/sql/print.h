/* The tables that a script leaves in the temp schema, as one text. */
#ifndef SAFETENSORS_SQL_PRINT_H
#define SAFETENSORS_SQL_PRINT_H

#include <stddef.h>

#include "base/error.h"
#include "sql/rows.h"

typedef struct PrintTable {
  const char *name;
  const char *columns; /* as in a SELECT; NULL: all */
} PrintTable;

/* Whether print_tables() has this format: json, csv, junit, sarif. */
bool print_has_format(const char *format);

/* Appends the tables, at least one, of the temp schema. JSON is an object with an array for each; CSV is
** the first. JUnit and SARIF take one alone, of what a check says (verdict.h). */
bool print_tables(sqlite3 *db, RowsOutput *out, const char *format, const PrintTable *tables,
                  size_t count, Error *error);

/* Appends the rows of one table in a format of rows_print(). */
bool print_rows(sqlite3 *db, RowsOutput *out, const char *format, const PrintTable *table,
                Error *error);

#endif
