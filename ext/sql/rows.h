/*
** The rows of a query as text, for machines and documents. Numbers stand as they are: integers with all
** digits, reals with the fewest digits that read back as the same number. In every format a byte that is
** not UTF-8, or is 0, is U+FFFD.
*/
#ifndef SAFETENSORS_SQL_ROWS_H
#define SAFETENSORS_SQL_ROWS_H

#include <stdbool.h>

#include "base/sqlite.h"

/* Where text goes. `flush` is NULL, or is called when a row is complete, and may take what `text` has. */
typedef struct RowsOutput {
  sqlite3_str *text;
  void (*flush)(sqlite3_str *text);
} RowsOutput;

/* Whether rows_print() has this format: json, csv, markdown, html. */
bool rows_has_format(const char *format);

/* Steps through a statement, and appends its rows. Returns the result code, that of the output, too.
**
** JSON is an array of objects, one in a line; infinities are 9e999 and -9e999. CSV (RFC 4180, but lines
** end in LF) begins with the names of the columns; NULL is an empty field, an empty text "". Markdown and
** HTML are one table. Blobs are in hexadecimal. */
int rows_print(RowsOutput *out, sqlite3_stmt *statement, const char *format);

/* Appends a text as a string of JSON. What could control a terminal is escaped. */
void rows_append_json(sqlite3_str *out, const char *text, int length);

/* To be called when a row is complete: flushes, and returns the code of the output. */
int rows_end(RowsOutput *out);

#endif
