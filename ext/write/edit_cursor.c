#include "write/edit_cursor.h"

static void edit_cursor_leave_row(EditCursor *cursor) {
  pending_row_release(cursor->row);
  cursor->row = NULL;
}

void edit_cursor_clear(sqlite3_vtab_cursor *base) {
  EditCursor *cursor = (EditCursor *)base;
  edit_cursor_leave_row(cursor);
  pending_rows_release(cursor->rows);
  cursor->rows = NULL;
  cursor->slot = cursor->end = 0;
}

void edit_cursor_start(EditCursor *cursor, PendingRows *rows) {
  cursor->rows = pending_rows_retain(rows);
  cursor->end = rows->count;
}

void edit_cursor_seek_rowid(EditCursor *cursor, sqlite3_value *rowid) {
  uint32_t slot = 0;
  if (sqlite3_value_type(rowid) != SQLITE_INTEGER) return;
  bool found = pending_rows_find_rowid(cursor->rows, sqlite3_value_int64(rowid), &slot);
  edit_cursor_narrow(cursor, found, slot);
}

void edit_cursor_narrow(EditCursor *cursor, bool found, uint32_t slot) {
  cursor->slot = found ? slot : 0;
  cursor->end = found ? slot + 1 : 0;
}

void edit_cursor_settle(EditCursor *cursor) {
  const PendingRows *rows = cursor->rows;
  edit_cursor_leave_row(cursor);
  if (cursor->end > rows->count) cursor->end = rows->count;
  while (cursor->slot < cursor->end && rows->slots[cursor->slot].row == NULL) cursor->slot++;
  if (cursor->slot < cursor->end) cursor->row = pending_row_retain(rows->slots[cursor->slot].row);
}

int edit_cursor_next(sqlite3_vtab_cursor *base) {
  EditCursor *cursor = (EditCursor *)base;
  cursor->slot++;
  edit_cursor_settle(cursor);
  return SQLITE_OK;
}

bool edit_cursor_at_end(const sqlite3_vtab_cursor *base) {
  return ((const EditCursor *)base)->row == NULL;
}

int edit_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid) {
  const EditCursor *cursor = (const EditCursor *)base;
  *rowid = cursor->rows->slots[cursor->slot].rowid;
  return SQLITE_OK;
}
