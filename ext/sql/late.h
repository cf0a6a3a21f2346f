/*
** Errors that are raised late enough for a condition to be evaluated first:
**
**     FROM safetensors_files('models') f
**     LEFT JOIN safetensors_metadata(f.file) m ON f.status = 'ok'
**
** SQLite opens the right table of a LEFT JOIN before it evaluates the ON clause, even if that
** depends only on the left table. If opening a bad file were an error there, it would end a query
** that asks only for the good ones. So a file that cannot be read is a row there, and each column
** of it is the error. If the condition holds, the row is read, and the statement fails as it
** should. If not, SQLite continues without having read the row.
**
** When nothing is read from the row, as for count(*), nobody can know whether it was wanted. Then
** it counts as unwanted if any column of safetensors_files was read while the row existed, as in
** the condition above; otherwise it is an error. Without a LEFT JOIN, SQLite evaluates the
** condition first, and there is no such row. With safetensors_config('errors', 'skip') there is
** neither an error nor a row.
*/
#ifndef SAFETENSORS_SQL_LATE_H
#define SAFETENSORS_SQL_LATE_H

#include "model/session.h"
#include "sql/result.h"

/* A bit of idxNum, above those of the tables: the statement uses no columns except arguments. */
enum { LATE_PLAN_NO_COLUMNS = 1 << 24 };

/* The part of a cursor. Starts as {0}; late_clear() releases it. */
typedef struct Late {
  bool at_row; /* the cursor is at the row that stands for the file */
  bool unused; /* none of its columns is used */
  int code;    /* the result code of the error */
  char *message;
  uint64_t asked; /* session_asked() when the row was reached */
} Late;

/* For xBestIndex. The `count` columns from `argument_column` on are arguments. */
void late_plan(sqlite3_index_info *info, int argument_column, int count);

/* For xFilter: takes the result code of opening the file; on error the cursor has no rows. */
int late_filter(Late *late, sqlite3_vtab *table, sqlite3 *db, Session *session, int plan, int code);

/* For xNext, xColumn and xRowid at that row. xEof is false there. */
int late_next(Late *late, sqlite3_vtab *table, Session *session);
int late_column(const Late *late, sqlite3_context *context);
int late_rowid(const Late *late, sqlite3_vtab *table);

void late_clear(Late *late);

#endif
