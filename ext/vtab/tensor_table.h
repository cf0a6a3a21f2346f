/*
** What the tables over one tensor share: the hidden argument columns T and what may follow it,
** constraints on the position (idx, i or bin, always the first column), and the scan over a range of
** positions.
**
** The arguments are EQ constraints on hidden columns, a guard column behind them turns a surplus
** argument into an error, a NULL argument gives no rows. Position constraints narrow the scan and
** are checked again by SQLite, so a constraint that cannot be used costs rows, not results.
*/
#ifndef SAFETENSORS_VTAB_TENSOR_TABLE_H
#define SAFETENSORS_VTAB_TENSOR_TABLE_H

#include "func/host.h"
#include "func/tensor_argument.h"

enum { TENSOR_TABLE_MAX_ARGUMENTS = 6, TENSOR_TABLE_POSITION = 0 };

/* The hidden columns behind the visible ones. */
#define TENSOR_TABLE_3_ARGUMENTS \
  "tensor HIDDEN, argument_2 HIDDEN, argument_3 HIDDEN, surplus_argument HIDDEN"
#define TENSOR_TABLE_4_ARGUMENTS                                                              \
  "tensor HIDDEN, argument_2 HIDDEN, argument_3 HIDDEN, argument_4 HIDDEN, surplus_argument " \
  "HIDDEN"
#define TENSOR_TABLE_6_ARGUMENTS                                                                \
  "tensor HIDDEN, argument_2 HIDDEN, argument_3 HIDDEN, argument_4 HIDDEN, argument_5 HIDDEN, " \
  "argument_6 HIDDEN, surplus_argument HIDDEN"

/* Bits of idxNum. argv has the arguments, then the position constraints in this order. */
typedef enum TensorPlan {
  PLAN_ARGUMENT_COUNT = 7, /* mask */
  PLAN_EQ = 8,
  PLAN_GT = 16,
  PLAN_GE = 32,
  PLAN_LT = 64,
  PLAN_LE = 128,
  PLAN_DESCENDING = 256,
  PLAN_OWN = 512 /* this one, and the higher ones, are for the table's own use */
} TensorPlan;

/* What may follow T; or, TRAILING_OWN, the table opens tensors from the cursor's values itself. */
typedef enum TensorTrailing {
  TRAILING_NOTHING,
  TRAILING_SLICE,
  TRAILING_VALUES,
  TRAILING_OWN
} TensorTrailing;

typedef struct TensorTable {
  sqlite3_vtab base;
  sqlite3 *db;
  Store *store;
  const char *name;    /* of the module, for messages */
  const char *usage;   /* of its arguments */
  int argument_column; /* the first of the hidden ones */
  int argument_count;  /* the most it takes */
  TensorTrailing trailing;
  bool single_row; /* there is no position */
} TensorTable;

/* A cursor of such a table starts with this. */
typedef struct TensorCursor {
  sqlite3_vtab_cursor base;
  int value_count;
  sqlite3_value *values[TENSOR_TABLE_MAX_ARGUMENTS]; /* copies of the arguments */
  TensorArgument argument;                           /* opened from them */
  Source source;                                     /* its bytes, and */
  Reader reader;                                     /* their reader, once it was asked for */
  bool reading;
  bool descending;
  uint64_t begin, end; /* the positions left: the next is begin, or end - 1 when descending */
} TensorCursor;

/* xConnect's work; all texts must be literals. */
int tensor_table_connect(sqlite3 *db, Store *store, const char *schema, const TensorTable *table,
                         sqlite3_vtab **out);
int tensor_table_disconnect(sqlite3_vtab *table);
int tensor_table_best_index(sqlite3_vtab *table, sqlite3_index_info *info);

int tensor_cursor_open(sqlite3_vtab_cursor **out, uint64_t size);
int tensor_cursor_close(sqlite3_vtab_cursor *cursor);

/* xFilter's first half: opens the arguments, or keeps them open when they are the same. A slice is
** applied; other values behind T begin at values[argument.used]. */
int tensor_cursor_filter(TensorCursor *cursor, int plan, sqlite3_value **argv);

/* Its second half: the positions 0..count-1, narrowed by the plan's constraints. */
void tensor_cursor_set_range(TensorCursor *cursor, uint64_t count, int plan, sqlite3_value **argv);

/* The reader of the argument's bytes, opened when first asked for. NULL on error. */
Reader *tensor_cursor_reader(TensorCursor *cursor, Error *error);

/* The host for a pass over the argument's elements: host_open(). */
void tensor_cursor_host(const TensorCursor *cursor, Host *host);

int tensor_cursor_next(sqlite3_vtab_cursor *cursor);
int tensor_cursor_at_end(sqlite3_vtab_cursor *cursor);
int tensor_cursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out);
uint64_t tensor_cursor_position(const TensorCursor *cursor);

/* The hidden argument column `number`. */
void tensor_cursor_result_argument(const TensorCursor *cursor, sqlite3_context *context,
                                   int number);

#endif
