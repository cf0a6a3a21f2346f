/* What the fuzz targets share that run SQL. */
#ifndef SAFETENSORS_FUZZ_SQL_H
#define SAFETENSORS_FUZZ_SQL_H

#include "fuzz.h"
#include "safetensors.h"

/* Bounds on one statement: what a user would set to live with strangers' files. */
enum { LENGTH_LIMIT = 1 << 20, STEPS_BETWEEN_CALLS = 1000, CALL_LIMIT = 50, ROW_LIMIT = 100 };

static int calls;

static int stop_when_long(void *unused) {
  (void)unused;
  return ++calls > CALL_LIMIT;
}

static inline sqlite3 *connect(void) {
  sqlite3 *db;
  REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
  REQUIRE(sqlite3_safetensors_init(db, NULL, NULL) == SQLITE_OK);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_LIMIT);
  sqlite3_progress_handler(db, STEPS_BETWEEN_CALLS, stop_when_long, NULL);
  return db;
}

static inline sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement;
  REQUIRE(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
  return statement;
}

static inline void bind_text(sqlite3_stmt *statement, int number, Part part) {
  sqlite3_bind_text64(statement, number, part.text, part.length, SQLITE_STATIC, SQLITE_UTF8);
}

static inline void bind_blob(sqlite3_stmt *statement, int number, Part part) {
  sqlite3_bind_blob64(statement, number, part.text, part.length, SQLITE_STATIC);
}

static inline void bind_dtype(sqlite3_stmt *statement, int number, Dtype dtype) {
  sqlite3_bind_text(statement, number, dtype_name(dtype), -1, SQLITE_STATIC);
}

static inline void disconnect(sqlite3 *db) {
  REQUIRE(sqlite3_close(db) == SQLITE_OK);
  REQUIRE(sqlite3_memory_used() == 0);
}

/* Reads a column's bytes, so that a sanitizer sees one that is not there. */
static inline void touch(sqlite3_stmt *statement, int column) {
  static volatile unsigned char sink;
  const unsigned char *bytes = sqlite3_column_blob(statement, column);
  for (int i = sqlite3_column_bytes(statement, column); i-- > 0;)
    sink = (unsigned char)(sink ^ bytes[i]);
}

/* Steps through all rows. Returns SQLITE_DONE, or the error's code, which may be no sign of damage.
 */
static inline int run_to_end(sqlite3 *db, sqlite3_stmt *statement) {
  int code, rows = 0;
  calls = 0;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW && ++rows < ROW_LIMIT) {
    for (int i = 0; i < sqlite3_column_count(statement); i++) touch(statement, i);
  }
  if (code == SQLITE_ERROR) {
    const char *message = sqlite3_errmsg(db);
    for (const char *at = message; *at != '\0'; at++) REQUIRE((unsigned char)*at >= 0x20);
  } else {
    REQUIRE(code == SQLITE_ROW || code == SQLITE_DONE || code == SQLITE_TOOBIG ||
            code == SQLITE_INTERRUPT);
  }
  return code;
}

#endif
