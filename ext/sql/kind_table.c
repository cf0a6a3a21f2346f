#include "sql/kind_table.h"

#include <stddef.h>

static const sqlite3_module *kind_table_of(const sqlite3_vtab *table) {
  return ((const KindTable *)table)->kind;
}

int kind_table_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  return kind_table_of(table)->xBestIndex(table, info);
}

int kind_table_disconnect(sqlite3_vtab *table) {
  return kind_table_of(table)->xDisconnect(table);
}

int kind_table_destroy(sqlite3_vtab *table) {
  return kind_table_of(table)->xDestroy(table);
}

int kind_table_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out) {
  return kind_table_of(table)->xOpen(table, out);
}

int kind_table_close(sqlite3_vtab_cursor *cursor) {
  return kind_table_of(cursor->pVtab)->xClose(cursor);
}

int kind_table_filter(sqlite3_vtab_cursor *cursor, int plan, const char *plan_text, int argc,
                      sqlite3_value **argv) {
  return kind_table_of(cursor->pVtab)->xFilter(cursor, plan, plan_text, argc, argv);
}

int kind_table_next(sqlite3_vtab_cursor *cursor) {
  return kind_table_of(cursor->pVtab)->xNext(cursor);
}

int kind_table_at_end(sqlite3_vtab_cursor *cursor) {
  return kind_table_of(cursor->pVtab)->xEof(cursor);
}

int kind_table_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int number) {
  return kind_table_of(cursor->pVtab)->xColumn(cursor, context, number);
}

int kind_table_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out) {
  return kind_table_of(cursor->pVtab)->xRowid(cursor, out);
}

int kind_table_update(sqlite3_vtab *table, int argc, sqlite3_value **argv, sqlite3_int64 *rowid) {
  return kind_table_of(table)->xUpdate(table, argc, argv, rowid);
}

/* ---- Transactions ---- */

int kind_table_begin(sqlite3_vtab *table) {
  const sqlite3_module *kind = kind_table_of(table);
  return kind->xBegin != NULL ? kind->xBegin(table) : SQLITE_OK;
}

int kind_table_sync(sqlite3_vtab *table) {
  const sqlite3_module *kind = kind_table_of(table);
  return kind->xSync != NULL ? kind->xSync(table) : SQLITE_OK;
}

int kind_table_commit(sqlite3_vtab *table) {
  const sqlite3_module *kind = kind_table_of(table);
  return kind->xCommit != NULL ? kind->xCommit(table) : SQLITE_OK;
}

int kind_table_rollback(sqlite3_vtab *table) {
  const sqlite3_module *kind = kind_table_of(table);
  return kind->xRollback != NULL ? kind->xRollback(table) : SQLITE_OK;
}

int kind_table_savepoint(sqlite3_vtab *table, int level) {
  const sqlite3_module *kind = kind_table_of(table);
  return kind->xSavepoint != NULL ? kind->xSavepoint(table, level) : SQLITE_OK;
}

int kind_table_release(sqlite3_vtab *table, int level) {
  const sqlite3_module *kind = kind_table_of(table);
  return kind->xRelease != NULL ? kind->xRelease(table, level) : SQLITE_OK;
}

int kind_table_rollback_to(sqlite3_vtab *table, int level) {
  const sqlite3_module *kind = kind_table_of(table);
  return kind->xRollbackTo != NULL ? kind->xRollbackTo(table, level) : SQLITE_OK;
}

/* ALTER TABLE ... RENAME: no kind stores anything under the name of the table. */
int kind_table_rename(sqlite3_vtab *table, const char *name) {
  (void)table, (void)name;
  return SQLITE_OK;
}
