/*
** CREATE VIRTUAL TABLE temp.m USING safetensors('model.safetensors'): a table of the tensors of a
** file, or of a model with an index, that can be changed.
*/
#ifndef SAFETENSORS_WRITE_EDIT_TABLE_H
#define SAFETENSORS_WRITE_EDIT_TABLE_H

#include <stdbool.h>

#include "base/sqlite.h"

/* Whether a path can be edited: it must be that of one file or index, and not an address or a
** pattern. */
bool edit_table_can(const char *path);

/* Creates a table with this schema: TENSOR_COLUMNS_SCHEMA with the path columns of a named
** table. Returns an SQLite code, and on error sets *message, which SQLite releases. */
int edit_table_connect(sqlite3 *db, void *session, const char *path, const char *schema,
                       sqlite3_vtab **out, char **message);

/* Checks that the path can be read. Returns an SQLite code, and on error sets the message of the
** table. */
int edit_table_check(sqlite3_vtab *table);

#endif
