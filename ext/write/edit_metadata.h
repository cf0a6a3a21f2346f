/*
** CREATE VIRTUAL TABLE temp.meta USING safetensors_metadata('model.safetensors'): a table of the
** metadata of a file, or of a model with an index, that can be changed.
*/
#ifndef SAFETENSORS_WRITE_EDIT_METADATA_H
#define SAFETENSORS_WRITE_EDIT_METADATA_H

#include "base/sqlite.h"

/* Creates a table from the arguments of xConnect, and checks that the path can be read. Returns
** an SQLite code, and on error sets *message, which SQLite releases. */
int edit_metadata_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                          sqlite3_vtab **out, char **message);

#endif
