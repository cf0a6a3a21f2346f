/*
** What the tables over one tensor share: the hidden argument columns for T and what may follow it,
** constraints on the position (idx, i or bin, always the first column), and the scan over a range
** of positions.
**
** The arguments are EQ constraints on hidden columns, a guard column after them turns a surplus
** argument into an error, and a NULL argument gives no rows. Constraints on the position narrow the
** scan exactly, although SQLite checks them again. Where SQLite allows it, OFFSET is a part of the
** scan.
*/
#ifndef SAFETENSORS_SQL_TENSOR_TABLE_H
#define SAFETENSORS_SQL_TENSOR_TABLE_H

#include "base/arithmetic.h"
#include "sql/connection.h"
#include "sql/row_identity.h"
#include "sql/table.h"
#include "sql/tensor_argument.h"

enum { TENSOR_TABLE_MAX_ARGUMENTS = 7, TENSOR_TABLE_POSITION = 0 };

/* The hidden columns after the visible ones. */
#define TENSOR_TABLE_3_ARGUMENTS \
  "argument_1 HIDDEN, argument_2 HIDDEN, argument_3 HIDDEN, surplus_argument HIDDEN"
#define TENSOR_TABLE_4_ARGUMENTS                                                                  \
  "argument_1 HIDDEN, argument_2 HIDDEN, argument_3 HIDDEN, argument_4 HIDDEN, surplus_argument " \
  "HIDDEN"
#define TENSOR_TABLE_5_ARGUMENTS                                                            \
  "argument_1 HIDDEN, argument_2 HIDDEN, argument_3 HIDDEN, argument_4 HIDDEN, argument_5 " \
  "HIDDEN, surplus_argument HIDDEN"
#define TENSOR_TABLE_6_ARGUMENTS                                                            \
  "argument_1 HIDDEN, argument_2 HIDDEN, argument_3 HIDDEN, argument_4 HIDDEN, argument_5 " \
  "HIDDEN, "                                                                                \
  "argument_6 HIDDEN, surplus_argument HIDDEN"
#define TENSOR_TABLE_7_ARGUMENTS                                                            \
  "argument_1 HIDDEN, argument_2 HIDDEN, argument_3 HIDDEN, argument_4 HIDDEN, argument_5 " \
  "HIDDEN, "                                                                                \
  "argument_6 HIDDEN, argument_7 HIDDEN, surplus_argument HIDDEN"

/* Bits of idxNum. argv has the arguments, and then the constraints on the position in this
** order. */
typedef enum TensorPlan {
  TENSOR_PLAN_ARGUMENT_COUNT = 7, /* a mask */
  TENSOR_PLAN_EQ = 8,
  TENSOR_PLAN_GT = 16,
  TENSOR_PLAN_GE = 32,
  TENSOR_PLAN_LT = 64,
  TENSOR_PLAN_LE = 128,
  TENSOR_PLAN_DESCENDING = 256,
  TENSOR_PLAN_OFFSET = 512, /* the last of argv is the number of rows to skip */
  TENSOR_PLAN_OWN = 1024    /* this bit and those above are for the table itself */
} TensorPlan;

/* What may follow T. With TRAILING_OWN the table opens tensors from the values of the cursor
** itself. */
typedef enum TensorTrailing {
  TRAILING_NOTHING,
  TRAILING_SLICE,
  TRAILING_VALUES,
  TRAILING_OWN
} TensorTrailing;

typedef struct TensorTable {
  TABLE_MEMBERS
  const char *usage;   /* the form of its arguments, for messages */
  int argument_column; /* the first of the hidden columns */
  int argument_count;  /* the largest number of arguments */
  TensorTrailing trailing;
  bool single_row; /* it has no position, and one row that takes a pass over the bytes */
  bool passes;     /* it has positions, and a pass over the bytes before the first */
  bool
      ranked; /* it has rows in an order of their own after such a pass, and no column is the position */
} TensorTable;

/* The cursor of such a table begins with this. */
typedef struct TensorCursor {
  TABLE_CURSOR_MEMBERS
  int value_count;
  sqlite3_value *values[TENSOR_TABLE_MAX_ARGUMENTS]; /* copies of the arguments */
  TensorArgument argument;                           /* opened from these copies */
  Source source;                                     /* where its bytes are */
  Reader reader;                                     /* opened when it is first needed */
  bool reading;
  RowIdentity rows;
  uint64_t row_count; /* without the constraints */
  bool descending;
  uint64_t begin, end; /* the positions left: the next is begin, or end - 1 when descending */
} TensorCursor;

/* The work of xConnect. All texts must be literals. On error *message says why. */
int tensor_table_connect(sqlite3 *db, Session *session, const char *schema,
                         const TensorTable *table, sqlite3_vtab **out, char **message);
int tensor_table_disconnect(sqlite3_vtab *table);
int tensor_table_best_index(sqlite3_vtab *table, sqlite3_index_info *info);

/* The first half of xFilter: opens the arguments, or keeps them open if they are the same as
** before, and applies a slice. Other values after T begin at values[argument.used]. */
int tensor_cursor_filter(TensorCursor *cursor, int plan, sqlite3_value **argv);

/* The second half of xFilter: the positions from 0 to count - 1, narrowed by the constraints of
** the plan. */
void tensor_cursor_set_range(TensorCursor *cursor, uint64_t count, int plan, sqlite3_value **argv);

/* The reader for the bytes of the argument, which is opened when it is first needed. NULL on
** error. */
Reader *tensor_cursor_reader(TensorCursor *cursor, Error *error);

/* Begins work on all of the argument's elements; connection_end_work() ends it. */
Host tensor_cursor_begin_work(const TensorCursor *cursor);

/* The functions of a TableRows for cursors that begin with a TensorCursor. */
int tensor_cursor_next(sqlite3_vtab_cursor *cursor);
bool tensor_cursor_at_end(const sqlite3_vtab_cursor *cursor);
int tensor_cursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out);
void tensor_cursor_clear(sqlite3_vtab_cursor *cursor);

#define TENSOR_TABLE_ROWS                                                   \
  .late = true, .next = tensor_cursor_next, .at_end = tensor_cursor_at_end, \
  .rowid = tensor_cursor_rowid

uint64_t tensor_cursor_position(const TensorCursor *cursor);

/* The hidden argument column `number`. */
void tensor_cursor_result_argument(const TensorCursor *cursor, sqlite3_context *context,
                                   int number);

#endif
