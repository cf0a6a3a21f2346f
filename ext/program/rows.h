/*
** The rows of a query as text, for machines and documents. Numbers stand as they are: integers with all
** digits, reals with the fewest digits that read back as the same number.
*/
#ifndef SAFETENSORS_PROGRAM_ROWS_H
#define SAFETENSORS_PROGRAM_ROWS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>

/* Whether rows_print() has this format: json, csv, markdown, html. */
bool rows_has_format(const char *format);

/* Steps through a statement, and prints its rows. Returns the result code.
**
** JSON is an array of objects, one in a line; infinities are 9e999 and -9e999, bytes that are not UTF-8
** are U+FFFD. CSV (RFC 4180, but lines end in LF) begins with the names of the columns; NULL is an
** empty field, an empty text "". Markdown and HTML are one table. Blobs are in hexadecimal. */
int rows_print(FILE *file, sqlite3_stmt *statement, const char *format);

#endif
