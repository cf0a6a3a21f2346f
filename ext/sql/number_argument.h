/*
** An SQL value that must be a number.
**
** TEXT counts as the number that it spells, as under SQLite's numeric affinity.
** sqlite3_value_numeric_type() cannot be used: it requires that the value has a connection, which a
** copy by sqlite3_value_dup() does not, and it changes the value.
*/
#ifndef SAFETENSORS_SQL_NUMBER_ARGUMENT_H
#define SAFETENSORS_SQL_NUMBER_ARGUMENT_H

#include "base/arithmetic.h"
#include "base/sqlite.h"

typedef struct NumberArgument {
  int type; /* SQLITE_INTEGER or SQLITE_FLOAT; if it is no number, the value's own type */
  sqlite3_int64 integer; /* of an SQLITE_INTEGER */
  double real;           /* of both types */
} NumberArgument;

/* Reads a value, which may be a copy. Text that is no number stays SQLITE_TEXT, and so does text
** when memory runs out. */
NumberArgument number_argument_read(sqlite3_value *value);

#endif
