/*
** The rowid of a row of a table-valued function. It is unique over all rows that the connection's
** table returns, for any arguments, and the same whichever way the row is found. See
** model/row_numbers.h.
**
** The rows for one set of arguments come in parts, such as the files of a checkpoint, and the
** rowids of a part are in the order of its rows. Nothing is computed before SQLite asks for a
** rowid, which it seldom does.
*/
#ifndef SAFETENSORS_SQL_ROW_IDENTITY_H
#define SAFETENSORS_SQL_ROW_IDENTITY_H

#include "base/sqlite.h"
#include "model/session.h"

/* What a cursor knows about the rowids for its arguments. Starts as {0}, also when the arguments
** change. */
typedef struct RowIdentity {
  bool has_key, has_part;
  RowKey key; /* of the arguments */
  uint64_t part, count;
  int64_t first; /* first rowid of the part */
} RowIdentity;

/* The arguments of the table called `table` that a row depends on. */
typedef struct RowArguments {
  sqlite3_vtab *vtab;
  Session *session;
  const char *table;
  int count;
  sqlite3_value *const *values;
} RowArguments;

/* The rowid of row `row` of the `count` rows in the part. Returns a result code. */
int row_identity_rowid(RowIdentity *identity, const RowArguments *arguments, uint64_t part,
                       uint64_t count, uint64_t row, sqlite3_int64 *out);

#endif
