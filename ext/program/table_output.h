/* The tables that a script leaves, and the rows of queries, in the format of --format. */
#ifndef SAFETENSORS_PROGRAM_TABLE_OUTPUT_H
#define SAFETENSORS_PROGRAM_TABLE_OUTPUT_H

#include <sqlite3.h>
#include <stdbool.h>

#include "program/script_header.h"

/* Prints the columns that the header promises of all tables, or of one if `table` is not NULL. JSON is an
** object with an array for each table, or one array; CSV is one table, the first; the other formats
** have a heading before each. Returns false after a message. */
bool table_output_print(sqlite3 *db, const ScriptHeader *verb, const char *table,
                        const char *format);

/* Runs statements, and prints their rows. Returns NULL, or a message from sqlite3_malloc(). */
char *table_output_query(sqlite3 *db, const char *sql, const char *format);

#endif
