/* What a check says as JUnit's XML, which servers of continuous integration read: a test for each row. */
#ifndef SAFETENSORS_SQL_JUNIT_H
#define SAFETENSORS_SQL_JUNIT_H

#include "sql/verdict.h"

/* Appends the document for the rows of a table of the temp schema. An error is a failure, what was
** skipped is so, and a warning is a test that passes and prints it. Texts have the escapes of
** base/label.h, for XML has no way to write most control characters. */
bool junit_print(sqlite3 *db, sqlite3_str *out, const char *table, Error *error);

#endif
