/*
** What the tables that write files have in common: their part in the connection's transaction.
*/
#ifndef SAFETENSORS_WRITE_WRITABLE_H
#define SAFETENSORS_WRITE_WRITABLE_H

#include "sql/table.h"
#include "write/transaction.h"

/* A table starts with this. It contains nothing that is pending, because SQLite may disconnect a
** table and connect it again in the middle of a transaction. */
typedef struct Writable {
  TABLE_MEMBERS
  Transaction *transaction;
  char *path;     /* of the target; NULL if each row names its own */
  Target *target; /* a reference; NULL until the target is looked up */
} Writable;

/* Creates a table with the members of `table`, for the target of `path` or, if that is NULL, for
** targets that its rows name. Returns NULL on error. */
Writable *writable_new(const Table *table, const char *path, Error *error);

/* Returns the target of the table's path, or NULL on error, such as that its directory is gone. */
Target *writable_target(Writable *table, Error *error);

/* The same, but first loads the target from the disk, unless that is known or changes are
** pending. */
Target *writable_content(Writable *table, Error *error);

/* Makes the target one that the transaction edits, if it is not yet. Returns false on error. */
bool writable_begin_edit(Writable *table, Error *error);

/* Returns the SQLite code of an xUpdate. If it has failed (not `good`), undoes what it did since
** `position`. If a row was ignored (OR IGNORE), that is no error. */
int writable_end_update(Writable *table, uint32_t position, bool good, bool ignored, Error *error);

/* Methods of the modules. */
int writable_disconnect(sqlite3_vtab *base);
int writable_destroy(sqlite3_vtab *base);
int writable_close(sqlite3_vtab_cursor *cursor);
int writable_begin(sqlite3_vtab *base);
int writable_sync(sqlite3_vtab *base);
int writable_commit(sqlite3_vtab *base);
int writable_rollback(sqlite3_vtab *base);
int writable_savepoint(sqlite3_vtab *base, int level);
int writable_release(sqlite3_vtab *base, int level);
int writable_rollback_to(sqlite3_vtab *base, int level);
int writable_rename(sqlite3_vtab *base, const char *name);

#define WRITABLE_METHODS                                                                       \
  .xOpen = table_open, .xClose = writable_close, .xFilter = table_filter, .xNext = table_next, \
  .xEof = table_at_end, .xColumn = table_column, .xRowid = table_rowid,                        \
  .xDisconnect = writable_disconnect, .xDestroy = writable_destroy, .xBegin = writable_begin,  \
  .xSync = writable_sync, .xCommit = writable_commit, .xRollback = writable_rollback,          \
  .xSavepoint = writable_savepoint, .xRelease = writable_release,                              \
  .xRollbackTo = writable_rollback_to, .xRename = writable_rename

#endif
