/*
** A module whose tables are of several kinds, according to the arguments that they were created
** with. Each kind has a module of its own, and the methods here pass calls on to that. xCreate and
** xConnect choose the kind and set `kind`.
*/
#ifndef SAFETENSORS_SQL_KIND_TABLE_H
#define SAFETENSORS_SQL_KIND_TABLE_H

#include "base/sqlite.h"

/* A table of such a module starts with this. */
typedef struct KindTable {
  sqlite3_vtab base;
  const sqlite3_module *kind;
} KindTable;

int kind_table_best_index(sqlite3_vtab *table, sqlite3_index_info *info);
int kind_table_disconnect(sqlite3_vtab *table);
int kind_table_destroy(sqlite3_vtab *table);
int kind_table_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out);
int kind_table_close(sqlite3_vtab_cursor *cursor);
int kind_table_filter(sqlite3_vtab_cursor *cursor, int plan, const char *plan_text, int argc,
                      sqlite3_value **argv);
int kind_table_next(sqlite3_vtab_cursor *cursor);
int kind_table_at_end(sqlite3_vtab_cursor *cursor);
int kind_table_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int number);
int kind_table_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out);
int kind_table_update(sqlite3_vtab *table, int argc, sqlite3_value **argv, sqlite3_int64 *rowid);

/* A kind that takes no part in transactions does not have these. */
int kind_table_begin(sqlite3_vtab *table);
int kind_table_sync(sqlite3_vtab *table);
int kind_table_commit(sqlite3_vtab *table);
int kind_table_rollback(sqlite3_vtab *table);
int kind_table_savepoint(sqlite3_vtab *table, int level);
int kind_table_release(sqlite3_vtab *table, int level);
int kind_table_rollback_to(sqlite3_vtab *table, int level);
int kind_table_rename(sqlite3_vtab *table, const char *name);

/* All methods except xCreate and xConnect. */
#define KIND_TABLE_METHODS                                                                  \
  .iVersion = 2, .xBestIndex = kind_table_best_index, .xDisconnect = kind_table_disconnect, \
  .xDestroy = kind_table_destroy, .xOpen = kind_table_open, .xClose = kind_table_close,     \
  .xFilter = kind_table_filter, .xNext = kind_table_next, .xEof = kind_table_at_end,        \
  .xColumn = kind_table_column, .xRowid = kind_table_rowid, .xUpdate = kind_table_update,   \
  .xBegin = kind_table_begin, .xSync = kind_table_sync, .xCommit = kind_table_commit,       \
  .xRollback = kind_table_rollback, .xSavepoint = kind_table_savepoint,                     \
  .xRelease = kind_table_release, .xRollbackTo = kind_table_rollback_to,                    \
  .xRename = kind_table_rename

#endif
