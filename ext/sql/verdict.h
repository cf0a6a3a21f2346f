/*
** What a check says: one row per rule and thing that was looked at, in a table with the columns rule,
** level, file, tensor and message, of which any but rule and level may be NULL.
*/
#ifndef SAFETENSORS_SQL_VERDICT_H
#define SAFETENSORS_SQL_VERDICT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/sqlite.h"

typedef enum VerdictLevel {
  VERDICT_OK,
  VERDICT_WARNING,
  VERDICT_ERROR,
  VERDICT_SKIPPED,
  VERDICT_LEVELS
} VerdictLevel;

/* A text of a row; NULL if the row has none. */
typedef struct VerdictText {
  const char *text;
  int length;
} VerdictText;

typedef struct Verdict {
  VerdictLevel level;
  VerdictText rule, file, tensor, message;
} Verdict;

/* Prepares the rows of a table of the temp schema. NULL after an error. */
sqlite3_stmt *verdict_rows(sqlite3 *db, const char *table, Error *error);

/* Takes the next row, whose texts live until the next call. *more is false behind the last one. */
bool verdict_next(sqlite3_stmt *rows, Verdict *verdict, bool *more, Error *error);

/* Raises the error of a statement that prepared or ran into `code`. Returns false. */
bool verdict_fails(sqlite3 *db, int code, Error *error);

#endif
