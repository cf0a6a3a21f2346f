/*
** The result code of each kind of error, as the table in ext/docs/reference.md has it, and that a
** caller's transaction outlives the error: what was written before it, and what is written after it,
** is committed.
*/
#include <pthread.h>
#include <sys/stat.h>

#include "program.h"

/* Files of the test, in its directory. */
static const char *const names[] = {"model",     "large", "cut",    "text",   "secret",
                                    "directory", "empty", "shards", "nobody", "loop"};

enum { NAME_COUNT = sizeof names / sizeof names[0], NOBODY = 65534 };

static char *path_of(const char *name) {
  bool is_directory = strcmp(name, "empty") == 0 || strcmp(name, "nobody") == 0;
  return sqlite3_mprintf("%s/%s%s", directory, name,
                         is_directory                  ? ""
                         : strcmp(name, "shards") == 0 ? ".safetensors.index.json"
                                                       : ".safetensors");
}

static void write_text(const char *name, const char *text) {
  FILE *file = fopen(name, "wb");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) stop(name);
}

static void make_files(void) {
  for (int i = 0; i < NAME_COUNT; i++) {
    char *name = path_of(names[i]);
    if (strcmp(names[i], "text") == 0) {
      write_text(name, "This is a text and no safetensors file.\n");
    } else if (strcmp(names[i], "shards") == 0) {
      write_text(name, "{\"weight_map\": {\"a\": \"no_such_shard.safetensors\"}}");
    } else if (strcmp(names[i], "directory") == 0 || strcmp(names[i], "empty") == 0 ||
               strcmp(names[i], "nobody") == 0) {
      if (mkdir(name, 0555) != 0) stop(name);
    } else if (strcmp(names[i], "loop") == 0) {
      if (symlink(name, name) != 0) stop(name);
    } else {
      write_tensors(name, 2, strcmp(names[i], "large") == 0 ? 100000000 : 1000, 0);
      if (strcmp(names[i], "cut") == 0 && truncate(name, 500) != 0) stop(name);
      if (strcmp(names[i], "secret") == 0 && chmod(name, 0) != 0) stop(name);
    }
    sqlite3_free(name);
  }
}

static void remove_files(void) {
  for (int i = 0; i < NAME_COUNT; i++) {
    char *name = path_of(names[i]);
    if (unlink(name) != 0 && rmdir(name) != 0) perror(name);
    sqlite3_free(name);
  }
}

/* %Q in the SQL is the file's path; the code is an extended one. */
typedef struct Case {
  int code;
  const char *file, *sql, *words;
} Case;

static const Case cases[] = {
    {SQLITE_CANTOPEN, "none", "SELECT * FROM safetensors_tensors(%Q)", "no such file"},
    {SQLITE_CANTOPEN, "none", "SELECT tensor_dtype(%Q || '#a')", "no such file"},
    {SQLITE_CANTOPEN, "none", "SELECT * FROM tensor_stats(%Q || '#a')", "no such file"},
    {SQLITE_CANTOPEN, "none", "SELECT * FROM safetensors_diff('BLOB', %Q)", "no such file"},
    {SQLITE_CANTOPEN, "none", "CREATE VIRTUAL TABLE m USING safetensors(%Q)", "no such file"},
    {SQLITE_CANTOPEN, "empty", "SELECT * FROM safetensors_tensors(%Q)", "expected"},
    {SQLITE_CANTOPEN, "empty", "SELECT * FROM safetensors_tensors(%Q || '/*')", "expected"},
    {SQLITE_CANTOPEN, "shards", "SELECT * FROM safetensors_tensors(%Q)", "no such file"},
    {SQLITE_CANTOPEN, "directory", "SELECT tensor_dtype(%Q || '#a')", "expected"},
    {SQLITE_CANTOPEN, "loop", "SELECT * FROM safetensors_tensors(%Q)", "ymbolic link"},
    {SQLITE_CANTOPEN, "none",
     "INSERT INTO safetensors_write VALUES (%Q || '/x.safetensors', 'a', 'U8', '[1]', x'00')",
     "no directory"},
    {SQLITE_CORRUPT_VTAB, "text", "SELECT * FROM safetensors_tensors(%Q)", "found"},
    {SQLITE_CORRUPT_VTAB, "cut", "SELECT * FROM safetensors_metadata(%Q)", "truncated"},
    {SQLITE_CORRUPT_VTAB, "cut", "SELECT tensor_hash(%Q || '#a')", "truncated"},
    {SQLITE_CORRUPT_VTAB, "cut", "SELECT * FROM tensor_elements(%Q || '#a')", "truncated"},
    {SQLITE_CORRUPT_VTAB, "cut", "SELECT * FROM safetensors_tensors(x'00') WHERE %Q <> ''",
     "8 bytes"},
    {SQLITE_PERM, "secret", "SELECT * FROM safetensors_tensors(%Q)", "ermission"},
    {SQLITE_PERM, "secret", "SELECT tensor_shape(%Q || '#a')", "ermission"},
    {SQLITE_READONLY, "nobody",
     "INSERT INTO safetensors_write VALUES (%Q || '/x.safetensors', 'a', 'U8', '[1]', x'00')",
     "ermission"},
    {SQLITE_TOOBIG, "large", "SELECT tensor_data(%Q || '#a')", "length limit"},
    {SQLITE_TOOBIG, "large", "SELECT data FROM safetensors_tensors(%Q)", "length limit"},
    {SQLITE_TOOBIG, "large", "SELECT tensor_json(%Q || '#a')", "length limit"},
    {SQLITE_TOOBIG, "large", "SELECT tensor_cast(%Q || '#a', 'F64')", "length limit"},
    {SQLITE_TOOBIG, "large", "SELECT safetensors_serialize('a', 'U8', NULL, %Q || '#a')",
     "length limit"},
    {SQLITE_ERROR, "model", "SELECT tensor_hash(%Q || '#b2')", "found none"},
    {SQLITE_ERROR, "model", "SELECT tensor_json(%Q || '#a', '9999')", "slice"},
    {SQLITE_ERROR, "model", "SELECT * FROM safetensors_tensors(%Q, 2)", "behind a path"},
    {SQLITE_ERROR, "model", "SELECT safetensors_config('io', %Q)", "expected map or pread"},
};

static int count_rows(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  int rows = -1;
  if (sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    rows = sqlite3_column_int(statement, 0);
  }
  sqlite3_finalize(statement);
  return rows;
}

static void begin(sqlite3 *db) {
  int code =
      sqlite3_exec(db, "CREATE TABLE t(x); BEGIN; INSERT INTO t VALUES (1)", NULL, NULL, NULL);
  check(code == SQLITE_OK, sqlite3_errmsg(db));
}

/* Goes on with the transaction after the error. */
static void go_on(sqlite3 *db, const char *sql) {
  check(sqlite3_get_autocommit(db) == 0, sql);
  int code = sqlite3_exec(db, "INSERT INTO t VALUES (2); COMMIT", NULL, NULL, NULL);
  check(code == SQLITE_OK, sqlite3_errmsg(db));
  check(count_rows(db) == 2, sql);
}

/* Runs the statement to its end or error, which it returns as an extended code. */
static int run(sqlite3 *db, const char *sql, const char *words) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  while (code == SQLITE_OK || code == SQLITE_ROW) code = sqlite3_step(statement);
  if (words != NULL) check(strstr(sqlite3_errmsg(db), words) != NULL, sqlite3_errmsg(db));
  sqlite3_finalize(statement);
  return sqlite3_extended_errcode(db);
}

static void test_case(const Case *one) {
  sqlite3 *db = new_connection();
  char *name = path_of(one->file), *sql = sqlite3_mprintf(one->sql, name);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000);
  begin(db);
  int code = run(db, sql, one->words);
  check(code == one->code, sql);
  if (code != one->code) printf("  expected %d, found %d\n", one->code, code);
  go_on(db, sql);
  sqlite3_free(sql);
  sqlite3_free(name);
  check(sqlite3_close(db) == SQLITE_OK, "close");
}

/* A block that is too large for the memory at hand is an error of its statement alone. */
static void test_memory(const char *sql_format) {
  sqlite3 *db = new_connection();
  char *name = path_of("large"), *sql = sqlite3_mprintf(sql_format, name);
  begin(db);
  sqlite3_hard_heap_limit64(32 << 20);
  int code = run(db, sql, "cannot be had");
  if (code != SQLITE_ERROR) printf("  found %d\n", code);
  check(code == SQLITE_ERROR, sql);
  sqlite3_hard_heap_limit64(0);
  go_on(db, sql);
  sqlite3_free(sql);
  sqlite3_free(name);
  sqlite3_close(db);
}

static void *interrupt(void *db) {
  usleep(200000);
  sqlite3_interrupt(db);
  return NULL;
}

static void test_interrupt(void) {
  sqlite3 *db = new_connection_with(SQLITE_OPEN_FULLMUTEX);
  char *name = path_of("large");
  pthread_t thread;
  char *sql = sqlite3_mprintf("SELECT sum(value) FROM tensor_elements(%Q || '#a')", name);
  if (pthread_create(&thread, NULL, interrupt, db) != 0) stop("pthread_create");
  int code = run(db, sql, NULL);
  check(code == SQLITE_INTERRUPT, sqlite3_errmsg(db));
  pthread_join(thread, NULL);
  sqlite3_free(sql);
  sqlite3_free(name);
  sqlite3_close(db);
}

int main(void) {
  unsetenv("SAFETENSORS_ERRORS");
  make_directory();
  make_files();
  if (chmod(directory, 0755) != 0) stop(directory);
  bool is_root = geteuid() == 0; /* who may read and write everything */
  if (is_root && seteuid(NOBODY) != 0) stop("seteuid");
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) test_case(&cases[i]);
  test_memory("SELECT tensor_cast(%Q || '#a', 'U16')");
  test_memory("SELECT tensor_json(%Q || '#a')");
  test_memory("SELECT safetensors_serialize('a', 'U16', NULL, %Q || '#a')");
  test_interrupt();
  if (is_root && seteuid(0) != 0) stop("seteuid");
  remove_files();
  rmdir(directory);
  return finish();
}
