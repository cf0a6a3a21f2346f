#include "fuzz_sql.h"

/* Bounds on one statement: what a user would set to live with strangers' files. */
enum { LENGTH_LIMIT = 1 << 20, STEPS_BETWEEN_CALLS = 1000, CALL_LIMIT = 50, ROW_LIMIT = 100 };

static int calls;

static int stop_when_long(void *unused) {
  (void)unused;
  return ++calls > CALL_LIMIT;
}

void start_statement(void) {
  calls = 0;
}

sqlite3 *fuzz_connect(void) {
  sqlite3 *db;
  REQUIRE(sqlite3_open(":memory:", &db) == SQLITE_OK);
  REQUIRE(sqlite3_safetensors_init(db, NULL, NULL) == SQLITE_OK);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_LIMIT);
  sqlite3_progress_handler(db, STEPS_BETWEEN_CALLS, stop_when_long, NULL);
  return db;
}

sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement;
  REQUIRE(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK);
  return statement;
}

void bind_text(sqlite3_stmt *statement, int number, Part part) {
  sqlite3_bind_text64(statement, number, part.text, part.length, SQLITE_STATIC, SQLITE_UTF8);
}

void bind_blob(sqlite3_stmt *statement, int number, Part part) {
  sqlite3_bind_blob64(statement, number, part.text, part.length, SQLITE_STATIC);
}

void bind_dtype(sqlite3_stmt *statement, int number, Dtype dtype) {
  sqlite3_bind_text(statement, number, dtype_name(dtype), -1, SQLITE_STATIC);
}

void disconnect(sqlite3 *db) {
  REQUIRE(sqlite3_close(db) == SQLITE_OK);
  REQUIRE(sqlite3_memory_used() == 0);
}

/* Reads a column's bytes, so that a sanitizer sees one that is not there. */
static void touch(sqlite3_stmt *statement, int column) {
  static volatile unsigned char sink;
  const unsigned char *bytes = sqlite3_column_blob(statement, column);
  for (int i = sqlite3_column_bytes(statement, column); i-- > 0;)
    sink = (unsigned char)(sink ^ bytes[i]);
}

/* What a statement over strangers' bytes may end with. SQLITE_IOERR, SQLITE_FULL and SQLITE_NOMEM are
** not among these, because they roll back the caller's transaction; of SQLITE_CORRUPT it must be the
** form for virtual tables, because the plain one ends all writing to the database. */
static bool is_allowed(int code, int extended) {
  switch (code) {
    case SQLITE_ROW:
    case SQLITE_DONE:
    case SQLITE_ERROR:
    case SQLITE_TOOBIG:
    case SQLITE_INTERRUPT:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: return true;
    case SQLITE_CORRUPT: return extended == SQLITE_CORRUPT_VTAB;
    default: return false;
  }
}

int run_to_end(sqlite3 *db, sqlite3_stmt *statement) {
  int code, rows = 0;
  start_statement();
  while ((code = sqlite3_step(statement)) == SQLITE_ROW && ++rows < ROW_LIMIT) {
    for (int i = 0; i < sqlite3_column_count(statement); i++) touch(statement, i);
  }
  REQUIRE(is_allowed(code, sqlite3_extended_errcode(db)));
  if (code != SQLITE_ROW && code != SQLITE_DONE) {
    for (const char *at = sqlite3_errmsg(db); *at != '\0'; at++)
      REQUIRE((unsigned char)*at >= 0x20);
  }
  return code;
}
