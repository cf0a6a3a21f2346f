/*
** The cursor of a table that edits a list of rows: the tensors, or the metadata, of a checkpoint.
** It keeps the list as it was in xFilter, whatever is changed, committed or rolled back meanwhile.
*/
#ifndef SAFETENSORS_WRITE_EDIT_CURSOR_H
#define SAFETENSORS_WRITE_EDIT_CURSOR_H

#include "sql/table.h"
#include "write/pending_rows.h"

typedef struct EditCursor {
  TABLE_CURSOR_MEMBERS
  PendingRows *rows;
  uint32_t slot, end;
  PendingRow *row; /* a reference to the current row; NULL at the end */
} EditCursor;

/* Starts a scan of the list. One of the next two may narrow it; edit_cursor_settle() must follow. */
void edit_cursor_start(EditCursor *cursor, PendingRows *rows);

/* Narrows the scan to the row with that rowid. A value that is no INTEGER leaves it complete, and
** SQLite filters the rows. */
void edit_cursor_seek_rowid(EditCursor *cursor, sqlite3_value *rowid);

/* Narrows the scan to one slot or, if nothing was found, to none. */
void edit_cursor_narrow(EditCursor *cursor, bool found, uint32_t slot);

/* Moves to the next slot with a row, which may be the current one. */
void edit_cursor_settle(EditCursor *cursor);

/* For the table's TableRows. */
int edit_cursor_next(sqlite3_vtab_cursor *base);
bool edit_cursor_at_end(const sqlite3_vtab_cursor *base);
int edit_cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid);
void edit_cursor_clear(sqlite3_vtab_cursor *base);

#endif
