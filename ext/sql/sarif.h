/* What a check says as SARIF 2.1.0, which code hosts and editors read: a result for each row. */
#ifndef SAFETENSORS_SQL_SARIF_H
#define SAFETENSORS_SQL_SARIF_H

#include "sql/verdict.h"

/* Appends the log for the rows of a table of the temp schema. What is ok is of the kind "pass", and what
** was skipped "notApplicable". A file is a location whose URI is the path, with the bytes that a URI may
** not have percent-encoded; an absolute path is a file:// URI. */
bool sarif_print(sqlite3 *db, sqlite3_str *out, const char *table, Error *error);

#endif
