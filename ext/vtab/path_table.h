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

enum { PATH_TABLE_MAX_PATHS = 2 };

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
  bool verified;       /* the members are what the model's index says, if there is one */
  bool searched;       /* a name was looked up before */
  bool found_the_only; /* by the last lookup: no other member can have the name */
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

/* Plans the path arguments: claims an EQ on each of the `path_count` columns from `path_column` on,
** refuses a surplus argument. With too few of them it makes a plan that fails with a sentence when
** it is run. *next_argv is the number of the next argument after. */
int path_table_plan(PathTable *table, sqlite3_index_info *info, int path_column, int path_count,
                    int *next_argv);

/* Plans a lookup by name as argument `next_argv`: PLAN_NAME, if there is an EQ on `name_column`
** under the BINARY collation. SQLite checks again, so a scan in place of the lookup is right too. */
void path_table_plan_name(sqlite3_index_info *info, int name_column, int next_argv);

/* Whether a name can be looked up. A number or BLOB is compared under the affinities of both sides,
** which a hash does not know: then all rows are scanned, and SQLite picks. */
bool path_table_can_look_up(sqlite3_value *name);

/* What a path argument is: a path, or bytes; neither for NULL. Valid as long as the value. */
typedef struct PathArgument {
  const char *path; /* NUL-terminated */
  const unsigned char *blob;
  uint64_t length;
} PathArgument;

bool path_table_read(const PathTable *table, sqlite3_value *value, PathArgument *argument,
                     Error *error);

/* Raises the error of a plan without PLAN_PATH. */
bool path_table_raise_no_path(const PathTable *table, Error *error);

/* xFilter's work: opens what the plan's argument, or the fixed path, names; what is open already
** and still wanted is kept. */
int path_scan_open(PathTable *table, PathScan *scan, int plan, sqlite3_value **argv);
void path_scan_close(PathScan *scan);

/* Opens member `number` of the scan. *more is false when there is none; then scan->member is
** empty. A bad file is an error here. */
int path_scan_member(PathTable *table, PathScan *scan, uint32_t number, bool *more);

/* Checks the members of a model against its index, once; to be done before any row is told. */
int path_scan_verify(PathTable *table, PathScan *scan);

/* Keeps the members open that are opened from now on: a query goes back and forth between them. */
int path_scan_keep_open(PathTable *table, PathScan *scan);

/* Looks a name up: opens members from `number` on until one has it; where an index says which does,
** no other is looked at. From the second lookup on they stay open. *entry is NULL when there is
** none. */
int path_scan_find(PathTable *table, PathScan *scan, uint32_t number, const char *name,
                   uint64_t length, const TensorEntry **entry);

/* rowid: unique over the whole path, the same under every plan. */
sqlite3_int64 path_scan_rowid(const PathScan *scan, uint32_t row);

/* The columns that these tables have in common. */
void path_scan_result_path(const PathTable *table, const PathScan *scan, sqlite3_context *context);
void path_scan_result_file(const PathScan *scan, sqlite3_context *context);

/* xOpen and xClose for a cursor of `size` bytes that starts with a PathCursor. */
int path_cursor_open(sqlite3_vtab_cursor **out, uint64_t size);
int path_cursor_close(sqlite3_vtab_cursor *cursor);

#endif
