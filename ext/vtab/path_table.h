/*
** What the tables over a `path` share: the hidden argument columns, their plan, and opening what
** the path names. SQLite's rules for table-valued functions are kept here, once:
**
**   - an argument is an EQ constraint on a hidden column, which xBestIndex claims;
**   - a guard column behind the arguments turns a surplus argument into an error;
**   - argv dies with xFilter, so the argument is copied;
**   - a NULL argument gives no rows.
*/
#ifndef SAFETENSORS_VTAB_PATH_TABLE_H
#define SAFETENSORS_VTAB_PATH_TABLE_H

#include "base/error.h"
#include "base/result.h"
#include "base/sqlite.h"
#include "format/checkpoint.h"

/* The hidden columns at the end of each schema's visible ones. */
#define PATH_TABLE_HIDDEN_COLUMNS "path HIDDEN, surplus_argument HIDDEN"

/* Bits of idxNum. */
typedef enum PathPlan {
  PLAN_PATH = 1,        /* argv has the path */
  PLAN_NAME = 2,        /* argv has a tensor's name, after the path */
  PLAN_OFFSET_ORDER = 4 /* rows are to come by offset, over all members */
} PathPlan;

typedef struct PathTable {
  sqlite3_vtab base;
  sqlite3 *db;
  Store *store;
  const char *name; /* of the module, for messages */
  char *fixed_path; /* of a table made by CREATE VIRTUAL TABLE; else NULL */
} PathTable;

/* The scan over one path. Starts as {0}. */
typedef struct PathScan {
  sqlite3_value *argument; /* a copy */
  Checkpoint *checkpoint;  /* NULL when the path is NULL */
  uint32_t member_number;
  Member member;
  bool verified; /* the members are what the model's index says, if there is one */
  bool searched; /* a name was looked up before */
} PathScan;

/* A cursor of such a table starts with this. */
typedef struct PathCursor {
  sqlite3_vtab_cursor base;
  PathScan scan;
} PathCursor;

/* xConnect's work: declares the schema. `name` must be a literal. */
int path_table_connect(sqlite3 *db, Store *store, const char *name, const char *schema,
                       sqlite3_vtab **out);
int path_table_disconnect(sqlite3_vtab *table);

/* Plans the path argument: claims an EQ on `path_column`, refuses a surplus argument. With no path
** at all it makes a plan that fails with a sentence when it is run. *next_argv is 1 or 2 after. */
int path_table_plan(PathTable *table, sqlite3_index_info *info, int path_column, int *next_argv);

/* xFilter's work: opens what the plan's argument, or the fixed path, names; what is open already
** and still wanted is kept. */
int path_scan_open(PathTable *table, PathScan *scan, int plan, sqlite3_value **argv);
void path_scan_close(PathScan *scan);

/* Opens member `number` of the scan. *more is false when there is none; then scan->member is
** empty. A bad file is an error here. */
int path_scan_member(PathTable *table, PathScan *scan, uint32_t number, bool *more);

/* Keeps the members open that are opened from now on: a query goes back and forth between them. */
int path_scan_keep_open(PathTable *table, PathScan *scan);

/* rowid: unique over the whole path, the same under every plan. */
sqlite3_int64 path_scan_rowid(const PathScan *scan, uint32_t row);

/* The columns that these tables have in common. */
void path_scan_result_path(const PathTable *table, const PathScan *scan, sqlite3_context *context);
void path_scan_result_file(const PathScan *scan, sqlite3_context *context);

/* xOpen and xClose for a cursor of `size` bytes that starts with a PathCursor. */
int path_cursor_open(sqlite3_vtab_cursor **out, uint64_t size);
int path_cursor_close(sqlite3_vtab_cursor *cursor);

#endif
