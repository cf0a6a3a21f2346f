/*
** What the tables over a `path` share: the hidden argument columns, planning, and opening what the
** path names. SQLite's rules for table-valued functions are followed here, once:
**
**   - an argument is an EQ constraint on a hidden column, which xBestIndex claims;
**   - a guard column after the arguments turns a surplus argument into an error;
**   - argv dies with xFilter, so the argument is copied;
**   - a NULL argument gives no rows.
*/
#ifndef SAFETENSORS_SQL_PATH_TABLE_H
#define SAFETENSORS_SQL_PATH_TABLE_H

#include "base/error.h"
#include "base/sqlite.h"
#include "model/checkpoint.h"
#include "sql/result.h"
#include "sql/row_identity.h"
#include "sql/table.h"

/* The hidden columns after the visible ones of each schema. */
#define PATH_TABLE_HIDDEN_COLUMNS "checkpoint HIDDEN, surplus_argument HIDDEN"

/* The same for a table made by CREATE VIRTUAL TABLE, which takes no argument: NAME('path') is an
** error. */
#define PATH_TABLE_NAMED_HIDDEN_COLUMNS "surplus_argument HIDDEN, checkpoint HIDDEN"

enum { PATH_TABLE_MAX_PATHS = 2 };

/* Bits of idxNum. */
typedef enum PathPlan {
  PATH_PLAN_PATH = 1,         /* argv has the path */
  PATH_PLAN_NAME = 2,         /* argv has a tensor's name, after the path */
  PATH_PLAN_OFFSET_ORDER = 4, /* rows must be in the order of their offsets, over all members */
  PATH_PLAN_SIZE = 1 << 20    /* argv has the size of a file, after the BLOB that it begins with */
} PathPlan;

typedef struct PathTable {
  TABLE_MEMBERS
  char *fixed_path; /* of a table made by CREATE VIRTUAL TABLE; else NULL */
  bool in_temp;     /* it was made in the temp schema */
} PathTable;

/* The scan over one path. Starts as {0}. */
typedef struct PathScan {
  sqlite3_value *argument; /* a copy */
  sqlite3_value *size;     /* a copy of the second argument (PATH_PLAN_SIZE); NULL without one */
  RowIdentity rows;
  Checkpoint *checkpoint; /* NULL when the path is NULL */
  uint32_t member_number;
  Member member;
  bool skips;          /* files that cannot be read give no rows and no error */
  bool verified;       /* the members match the model's index, if there is one */
  bool searched;       /* a name was looked up before */
  bool found_the_only; /* says the last lookup: no other member can have the name */
  uint32_t next_row;   /* of the member in which the last lookup found a name: the row behind it */
  uint64_t opened;     /* the number of members that were asked for */
} PathScan;

/* A cursor of such a table starts with this. */
typedef struct PathCursor {
  TABLE_CURSOR_MEMBERS
  PathScan scan;
} PathCursor;

/* The work of xConnect. `name` must be a literal. On error *message says why. */
int path_table_connect(sqlite3 *db, Session *session, const char *name, const char *schema,
                       const TableRows *rows, sqlite3_vtab **out, char **message);
int path_table_disconnect(sqlite3_vtab *table);

/* Plans the path arguments: claims an EQ constraint on each of the `path_count` columns from
** `path_column` on, and refuses a surplus argument. If arguments are missing, the plan fails
** with a message when it runs. *next_argv is the number of the next argument. */
int path_table_plan(PathTable *table, sqlite3_index_info *info, int path_column, int path_count,
                    int *next_argv);

/* The same for the arguments alone: the guard column is the caller's. */
int path_table_plan_paths(sqlite3_index_info *info, int path_column, int path_count,
                          int *next_argv);

/* The error of an argument to a table made by CREATE VIRTUAL TABLE. */
int path_table_refuse_named_call(sqlite3_vtab *table, const char *path);

/* Plans a lookup by name as argument `next_argv`, PATH_PLAN_NAME, if there is an EQ constraint
** on `name_column` under the BINARY collation. SQLite checks each row again, so scanning instead
** of looking up is correct, too. */
void path_table_plan_name(sqlite3_index_info *info, int name_column, int next_argv);

/* Whether a name can be looked up. SQLite compares a number or BLOB under the affinities of both
** sides, which a hash table does not know. Then all rows are scanned, and SQLite selects. */
bool path_table_can_look_up(sqlite3_value *name);

/* A path argument: a path or bytes, or neither for NULL. Valid as long as the value. */
typedef struct PathArgument {
  const char *path; /* NUL-terminated */
  const unsigned char *blob;
  uint64_t length;
} PathArgument;

bool path_table_read(const PathTable *table, sqlite3_value *value, PathArgument *argument,
                     Error *error);

/* Raises the error of a plan without PATH_PLAN_PATH. Returns false. */
bool path_table_raise_no_path(const PathTable *table, Error *error);

/* The work of xFilter: opens what the argument of the plan, or the fixed path, names. If it is
** open already and still wanted, it stays open. */
int path_scan_open(PathTable *table, PathScan *scan, int plan, sqlite3_value **argv);
void path_scan_close(PathScan *scan);

/* Asks in a loop, at its row `row`, whether to go on: SQLITE_OK or an error. */
int path_table_go_on(PathTable *table, uint64_t row);

/* Opens member `number` of the scan. *more is false if there is none; then scan->member is
** empty. A bad file is an error, unless the scan skips such files: then scan->member_number is
** the member that was opened. */
int path_scan_member(PathTable *table, PathScan *scan, uint32_t number, bool *more);

/* Checks the members of a model against its index, once, before any row is returned. If only
** rows of the name `name` are wanted (it may be NULL), a shard that cannot be read is no error
** if the index has the tensor in another one. */
int path_scan_verify(PathTable *table, PathScan *scan, sqlite3_value *name);

/* Whether there is a member that cannot be read. */
bool path_scan_has_unreadable(PathScan *scan);

/* Keeps the members open that are opened from now on, for a query that goes back and forth
** between them. */
int path_scan_keep_open(PathTable *table, PathScan *scan);

/* Looks a name up: opens members from `number` on until one has it. If an index says which one
** has it, no other is opened. From the second lookup on they stay open. *entry is NULL if there
** is none. */
int path_scan_find(PathTable *table, PathScan *scan, uint32_t number, const char *name,
                   uint64_t length, const TensorEntry **entry);

/* The rowid of row `row` of the `count` rows in part `part` of the path. It is unique over all
** paths, and the same under every plan. In a table made by CREATE VIRTUAL TABLE, which has one
** path, it is also the same in every connection. */
int path_scan_rowid(PathTable *table, PathScan *scan, uint32_t part, uint32_t count, uint32_t row,
                    sqlite3_int64 *out);

/* The columns that all these tables have. */
void path_scan_result_path(const PathTable *table, const PathScan *scan, sqlite3_context *context);
void path_scan_result_file(const PathScan *scan, sqlite3_context *context);

/* The `clear` of a cursor that is a PathCursor, or starts with one. */
void path_cursor_clear(sqlite3_vtab_cursor *cursor);

#endif
