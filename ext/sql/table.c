#include "sql/table.h"

#include "base/memory.h"

typedef struct TableCursor {
  TABLE_CURSOR_MEMBERS
} TableCursor;

static Table *table_of(const sqlite3_vtab_cursor *cursor) {
  return (Table *)cursor->pVtab;
}

static Late *table_late(sqlite3_vtab_cursor *cursor) {
  return &((TableCursor *)cursor)->late;
}

int table_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  const Table *table = (const Table *)base;
  *out = memory_zeroed(1, table->rows->cursor_size);
  if (*out == NULL) return SQLITE_NOMEM;
  session_lease(table->session);
  return SQLITE_OK;
}

int table_close(sqlite3_vtab_cursor *cursor) {
  const Table *table = table_of(cursor);
  if (table->rows->clear != NULL) table->rows->clear(cursor);
  late_clear(table_late(cursor));
  memory_free(cursor);
  session_end_lease(table->session);
  return SQLITE_OK;
}

int table_filter(sqlite3_vtab_cursor *cursor, int plan, const char *plan_text, int argc,
                 sqlite3_value **argv) {
  (void)plan_text;
  Table *table = table_of(cursor);
  int code = table->rows->filter(cursor, plan, argc, argv);
  if (!table->rows->late) return code;
  return late_filter(table_late(cursor), &table->base, table->db, table->session, plan, code);
}

int table_next(sqlite3_vtab_cursor *cursor) {
  Late *late = table_late(cursor);
  const Table *table = table_of(cursor);
  if (late->at_row) return late_next(late, cursor->pVtab, table->session);
  return table->rows->next(cursor);
}

int table_at_end(sqlite3_vtab_cursor *cursor) {
  return !table_late(cursor)->at_row && table_of(cursor)->rows->at_end(cursor);
}

int table_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int number) {
  const Late *late = table_late(cursor);
  if (late->at_row) return late_column(late, context);
  table_of(cursor)->rows->column(cursor, context, number);
  return SQLITE_OK;
}

int table_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid) {
  const Late *late = table_late(cursor);
  if (late->at_row) return late_rowid(late, cursor->pVtab);
  return table_of(cursor)->rows->rowid(cursor, rowid);
}
