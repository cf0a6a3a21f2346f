/* What the fuzz targets share that run SQL. */
#ifndef SAFETENSORS_FUZZ_SQL_H
#define SAFETENSORS_FUZZ_SQL_H

#include "fuzz.h"
#include "safetensors.h"

/* A connection with the extension and with bounds on its statements. */
sqlite3 *fuzz_connect(void);

sqlite3_stmt *prepare(sqlite3 *db, const char *sql);

void bind_text(sqlite3_stmt *statement, int number, Part part);

void bind_blob(sqlite3_stmt *statement, int number, Part part);

void bind_dtype(sqlite3_stmt *statement, int number, Dtype dtype);

void disconnect(sqlite3 *db);

/* Gives the next steps the time that one statement may take. */
void start_statement(void);

/* Steps through all rows. Returns SQLITE_DONE, or the error's code, which may be no sign of damage. */
int run_to_end(sqlite3 *db, sqlite3_stmt *statement);

#endif
