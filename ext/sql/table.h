/*
** What all tables share, written once: the life of a cursor, its lease on the files of the
** connection, and late errors (late.h). A table defines what is its own in a TableRows, and its
** module has TABLE_METHODS.
*/
#ifndef SAFETENSORS_SQL_TABLE_H
#define SAFETENSORS_SQL_TABLE_H

#include "base/sqlite.h"
#include "model/session.h"
#include "sql/late.h"

/* The rows of a table, as its cursors return them. The functions are called as SQLite calls the
** methods of the same names, but never at a row that stands for a late error. */
typedef struct TableRows {
  uint64_t cursor_size; /* of a struct that begins with TABLE_CURSOR_MEMBERS; it is zero at first */
  bool late;            /* files that cannot be read are late errors */

  /* Goes to the first row. On error there is none. */
  int (*filter)(sqlite3_vtab_cursor *cursor, int plan, int argc, sqlite3_value **argv);
  int (*next)(sqlite3_vtab_cursor *cursor);
  bool (*at_end)(const sqlite3_vtab_cursor *cursor);
  int (*rowid)(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid);
  void (*column)(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int number);

  /* Releases what the cursor holds, before it is closed. May be NULL. */
  void (*clear)(sqlite3_vtab_cursor *cursor);
} TableRows;

/* How the struct of a table begins, and that of a cursor. */
#define TABLE_MEMBERS                                                                       \
  sqlite3_vtab base;                                                                        \
  const sqlite3_module *kind; /* of a table that CREATE VIRTUAL TABLE made: kind_table.h */ \
  sqlite3 *db;                                                                              \
  Session *session;                                                                         \
  const char *name; /* of the module, for messages */                                       \
  const TableRows *rows;

#define TABLE_CURSOR_MEMBERS \
  sqlite3_vtab_cursor base;  \
  Late late;

typedef struct Table {
  TABLE_MEMBERS
} Table;

/* The methods of a module that are the same for all tables: those of cursors. */
int table_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out);
int table_close(sqlite3_vtab_cursor *cursor);
int table_filter(sqlite3_vtab_cursor *cursor, int plan, const char *plan_text, int argc,
                 sqlite3_value **argv);
int table_next(sqlite3_vtab_cursor *cursor);
int table_at_end(sqlite3_vtab_cursor *cursor);
int table_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context, int number);
int table_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid);

#define TABLE_METHODS                                                                       \
  .xOpen = table_open, .xClose = table_close, .xFilter = table_filter, .xNext = table_next, \
  .xEof = table_at_end, .xColumn = table_column, .xRowid = table_rowid

#endif
