/*
** What SQL scripts cannot see of the bytes that are handed out: that large ones are not copied,
** that they live as long as SQLite may keep them, and that a changed file is seen.
**
** Covers little: of all lines, others reach nearly as many.
*/
#include <fcntl.h>
#include <sys/stat.h>

#include "program.h"

enum { MAPPED = 8192 }; /* bytes of a tensor that is worth mapping */

static char path[64], other[64];

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement = NULL;
  char *text = sqlite3_mprintf(sql, path);
  if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK) {
    printf("%s: %s\n", text, sqlite3_errmsg(db));
    failed++;
  }
  sqlite3_free(text);
  return statement;
}

/* The one value of a query, as text that the caller releases. */
static char *one(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement = prepare(db, sql);
  int code = sqlite3_step(statement);
  char *text = code == SQLITE_ROW ? sqlite3_mprintf("%s", sqlite3_column_text(statement, 0))
                                  : sqlite3_mprintf("%s", sqlite3_errmsg(db));
  sqlite3_finalize(statement);
  return text;
}

static void check_one(sqlite3 *db, const char *sql, const char *expected) {
  char *got = one(db, sql);
  check(strcmp(got, expected) == 0, sql);
  if (strcmp(got, expected) != 0) printf("  expected %s\n  got      %s\n", expected, got);
  sqlite3_free(got);
}

/* The most memory that a query takes on top of what is held before. */
static sqlite3_int64 memory_of(sqlite3 *db, const char *sql, const char *expected) {
  sqlite3_stmt *statement = prepare(db, sql);
  sqlite3_int64 before = sqlite3_memory_used();
  sqlite3_memory_highwater(1);
  const char *got = sqlite3_step(statement) == SQLITE_ROW
                        ? (const char *)sqlite3_column_text(statement, 0)
                        : sqlite3_errmsg(db);
  check(got != NULL && strcmp(got, expected) == 0, got != NULL ? got : sql);
  sqlite3_finalize(statement);
  return sqlite3_memory_highwater(0) - before;
}

static void test_large(void) {
  sqlite3 *db = new_connection();
  write_tensors(path, 1, 900000000, 0);
  check_one(db, "SELECT name FROM safetensors_tensors(%Q)", "a"); /* what is allocated but once */
  sqlite3_int64 large =
      memory_of(db, "SELECT length(data) || hex(substr(data,1,8)) FROM safetensors_tensors(%Q)",
                "9000000000000000000000000");
  check(large < 65536, "length and substr of 900 MB allocate next to nothing");
  large = memory_of(db, "SELECT length(tensor_data(%Q || '#a'))", "900000000");
  check(large < 65536, "length(tensor_data()) of 900 MB allocates next to nothing");
  sqlite3_close(db);
  unlink(path);
}

/* The statement, on the file at `path`, is refused with words that name tensor, limit and this. */
static void check_too_big(sqlite3 *db, const char *sql, const char *found) {
  sqlite3_stmt *statement = prepare(db, sql);
  check(sqlite3_step(statement) == SQLITE_TOOBIG, "above the length limit: SQLITE_TOOBIG");
  const char *message = sqlite3_errmsg(db);
  check(strstr(message, "\"a\"") != NULL && strstr(message, "at most 1000 ") != NULL &&
            strstr(message, found) != NULL,
        message);
  sqlite3_finalize(statement);
}

/* A number of kB from /proc/self/status, in bytes. */
static long long resident(const char *field) {
  char line[256];
  long long kilobytes = -1;
  FILE *status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, field, strlen(field)) == 0) kilobytes = atoll(line + strlen(field));
  }
  if (status != NULL) fclose(status);
  return kilobytes * 1024;
}

/* A scan of 64 MB keeps a small part of it in the process, mapped or read. */
static void test_scan(const char *mode) {
  sqlite3 *db = new_connection();
  write_tensors(path, 1, 64 << 20, 0);
  char *sql = sqlite3_mprintf("SELECT safetensors_config('io', %Q) || substr(%%Q, 1, 0)", mode);
  check_one(db, sql, mode);
  sqlite3_free(sql);
  FILE *reset = fopen("/proc/self/clear_refs", "w"); /* sets the peak to what is now */
  bool possible = reset != NULL && fputs("5", reset) >= 0 && fclose(reset) == 0;
  long long before = resident("VmRSS:");
  check_one(db, "SELECT sum(value) FROM tensor_elements(%Q || '#a')", "0");
  check_one(db, "SELECT length(tensor_cast(%Q || '?slice=::64#a', 'BF16'))", "2097152");
  long long growth = resident("VmHWM:") - before;
  if (!possible) {
    printf("skipped: the peak memory of a scan (/proc/self/clear_refs)\n");
  } else if (growth > 16 << 20) {
    failed++;
    printf("FAILED: io=%s: a scan of 64 MB took %lld bytes of memory\n", mode, growth);
  } else {
    passed++;
  }
  sqlite3_close(db);
  unlink(path);
}

static void test_limit(void) {
  sqlite3 *db = new_connection();
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000);
  write_tensors(path, 1, 2000, 'x');
  check_too_big(db, "SELECT data FROM safetensors_tensors(%Q)", "found 2000");
  check_too_big(db, "SELECT tensor_data(%Q || '#a')", "found 2000");
  check_too_big(db, "SELECT tensor_json(%Q || '#a')", "2000 elements");
  /* 400 elements could be 801 bytes of JSON, but each is 120. */
  check_too_big(db, "SELECT tensor_json(%Q || '?slice=:400#a')", "400 elements");
  check_too_big(db, "SELECT tensor_cast(%Q || '?slice=:300#a', 'F32')", "found 1200");
  check_one(db, "SELECT length(tensor_json(%Q || '?slice=:249#a'))", "997");
  check_one(db, "SELECT length(tensor_cast(%Q || '?slice=:250#a', 'F32'))", "1000");
  char *got = one(db,
                  "SELECT safetensors_serialize(name, 'F64', shape, ref) "
                  "FROM safetensors_tensors(%Q)");
  check(strstr(got, "INSERT INTO safetensors_write makes files of any size") != NULL, got);
  sqlite3_free(got);
  sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 100);
  check(sqlite3_exec(db, "SELECT tensor_ref(printf('%060d', 1), printf('%060d', 1))", NULL, NULL,
                     NULL) == SQLITE_TOOBIG,
        sqlite3_errmsg(db));
  unlink(path);
  sqlite3_close(db);
}

static void test_kept_values(void) {
  sqlite3 *db = new_connection();
  write_tensors(path, 3, 8, 'a');
  check_one(db, "SELECT max(data) FROM safetensors_tensors(%Q)", "cccccccc");
  check_one(db, "SELECT data || min(name) FROM safetensors_tensors(%Q)", "aaaaaaaaa");
  check_one(db,
            "SELECT group_concat((SELECT data FROM safetensors_tensors(t.file) u WHERE u.name = "
            "t.name), '') FROM safetensors_tensors(%Q) t",
            "aaaaaaaabbbbbbbbcccccccc");
  check_one(db, "SELECT (SELECT max(data) FROM safetensors_tensors(%Q)) || 'x'", "ccccccccx");
  write_tensors(path, 3, MAPPED, 'a');
  sqlite3_stmt *statement = prepare(db, "SELECT data FROM safetensors_tensors(%Q)");
  check(sqlite3_step(statement) == SQLITE_ROW, "first row");
  const void *data = sqlite3_column_blob(statement, 0);
  write_tensors(other, 3, MAPPED, 'p');
  rename(other, path);
  check(memcmp(data, "aaaaaaaa", 8) == 0, "a value outlives its file's replacement");
  check(sqlite3_step(statement) == SQLITE_ROW, "second row");
  check(memcmp(sqlite3_column_blob(statement, 0), "bbbbbbbb", 8) == 0,
        "a statement goes on with the file it began with");
  unlink(path);
  check(sqlite3_step(statement) == SQLITE_ROW, "third row");
  check(memcmp(sqlite3_column_blob(statement, 0), "cccccccc", 8) == 0, "also when it is deleted");
  check(memcmp(data, "aaaaaaaa", 8) == 0, "the mapping stays");
  sqlite3_finalize(statement);
  check(sqlite3_close(db) == SQLITE_OK, "close");
}

/* A change between two runs of one prepared statement is seen by the second. */
static void test_changes(const char *sql) {
  sqlite3 *db = new_connection();
  write_tensors(path, 1, 8, 'a');
  sqlite3_stmt *statement = prepare(db, sql);
  check(sqlite3_step(statement) == SQLITE_ROW, "before");
  check(memcmp(sqlite3_column_blob(statement, 0), "aaaaaaaa", 8) == 0, "before");
  sqlite3_reset(statement);
  write_tensors(other, 1, 8, 'b');
  rename(other, path);
  check(sqlite3_step(statement) == SQLITE_ROW, "replaced");
  check(memcmp(sqlite3_column_blob(statement, 0), "bbbbbbbb", 8) == 0, "replaced: seen");
  sqlite3_reset(statement);
  write_tensors(path, 1, 8, 'c');
  check(sqlite3_step(statement) == SQLITE_ROW, "overwritten");
  check(memcmp(sqlite3_column_blob(statement, 0), "cccccccc", 8) == 0, "overwritten: seen");
  sqlite3_reset(statement);
  write_tensors(path, 1, 16, 'd');
  check(sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_bytes(statement, 0) == 16,
        "overwritten in another size: seen");
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

static void test_cut_short(void) {
  sqlite3 *db = new_connection();
  write_tensors(path, 2, 8, 'a');
  sqlite3_stmt *statement = prepare(db, "SELECT name, data FROM safetensors_tensors(%Q)");
  check(sqlite3_step(statement) == SQLITE_ROW, "before it is cut short");
  check(truncate(path, 20) == 0, "truncate");
  check(sqlite3_step(statement) == SQLITE_ERROR, "cut short: an error");
  check(strstr(sqlite3_errmsg(db), "cut short") != NULL, sqlite3_errmsg(db));
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

static void test_resources(void) {
  int before = open_descriptors();
  sqlite3 *db = new_connection();
  char *message = NULL;
  write_tensors(path, 2, 8, 'a');
  sqlite3_stmt *statement = prepare(db,
                                    "SELECT name, dtype, shape, numel, nbytes, offset FROM "
                                    "safetensors_tensors(%Q)");
  check(sqlite3_step(statement) == SQLITE_ROW, "listing");
  check(!is_mapped(directory), "listing maps nothing");
  check(sqlite3_safetensors_init(db, &message, NULL) == SQLITE_OK,
        "loading again while a statement runs");
  sqlite3_finalize(statement);
  check(open_descriptors() == before, "no descriptor stays open");
  check_one(db, "SELECT max(data) FROM safetensors_tensors(%Q)", "bbbbbbbb");
  check(sqlite3_close(db) == SQLITE_OK, "close");
  check(sqlite3_memory_used() == 0, "no memory is left");
}

/* ---- io = pread: bytes are read, never mapped ---- */

static sqlite3 *connect_reading(void) {
  sqlite3 *db = new_connection();
  check_one(db, "SELECT safetensors_config('io', 'pread') || substr(%Q, 1, 0)", "pread");
  return db;
}

/* What is handed out are copies; nothing is mapped, and no descriptor stays open. */
static void test_reading(void) {
  int before = open_descriptors();
  sqlite3 *db = connect_reading();
  write_tensors(path, 2, 8, 'a');
  check_one(db, "SELECT max(data) || min(data) FROM safetensors_tensors(%Q)", "bbbbbbbbaaaaaaaa");
  check_one(db, "SELECT tensor_json(%Q || '#b', '0:2')", "[98,98]");
  check_one(db, "SELECT tensor_item(%Q || '#b', 7)", "98");
  check_one(db, "SELECT tensor_cast(%Q || '#a', 'I8')", "aaaaaaaa");
  check_one(db, "SELECT group_concat(value) FROM tensor_elements(%Q || '#b', '::3')", "98,98,98");
  check_one(db, "SELECT group_concat(data, '') FROM tensor_rows(%Q || '#a')", "aaaaaaaa");
  check(!is_mapped(directory), "nothing was mapped");
  check(open_descriptors() == before, "no descriptor is left open");
  sqlite3_stmt *statement = prepare(db, "SELECT data FROM safetensors_tensors(%Q)");
  check(sqlite3_step(statement) == SQLITE_ROW, "a row");
  const void *data = sqlite3_column_blob(statement, 0);
  write_tensors(path, 2, 8, 'p');
  check(memcmp(data, "aaaaaaaa", 8) == 0, "a value is its own copy");
  sqlite3_finalize(statement);
  write_tensors(path, 1, 30000000, 0);
  check(memory_of(db, "SELECT sum(value) FROM tensor_elements(%Q || '#a')", "0") < 2 << 20,
        "elements take a buffer, not the tensor");
  check(memory_of(db, "SELECT tensor_json(%Q || '#a', '29999990::5')", "[0,0]") < 2 << 20,
        "a slice is read alone");
  sqlite3_close(db);
}

typedef void Change(void);

static void change_delete(void) {
  unlink(path);
}

static void change_replace(void) {
  write_tensors(other, 2, 8, 'p');
  rename(other, path);
}

/* In place; the time is set, for the clock of a file system may stand still for a while. */
static void change_overwrite(void) {
  struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
  write_tensors(path, 2, 8, 'p');
  check(utimensat(AT_FDCWD, path, times, 0) == 0, "utimensat");
}

static void change_cut_short(void) {
  check(truncate(path, 20) == 0, "truncate");
}

/* What was replaced or deleted goes on as it was: the statement has the file open. */
static void test_old_state_while_reading(Change *change) {
  sqlite3 *db = connect_reading();
  write_tensors(path, 2, 8, 'a');
  sqlite3_stmt *statement = prepare(db, "SELECT data FROM safetensors_tensors(%Q)");
  check(sqlite3_step(statement) == SQLITE_ROW, "before the change");
  change();
  check(sqlite3_step(statement) == SQLITE_ROW, sqlite3_errmsg(db));
  check(memcmp(sqlite3_column_blob(statement, 0), "bbbbbbbb", 8) == 0, "the old bytes");
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

/* A statement never mixes the bytes of two states of a file. */
static void test_changes_while_reading(Change *change, int code, const char *words) {
  sqlite3 *db = connect_reading();
  write_tensors(path, 2, 8, 'a');
  sqlite3_stmt *statement = prepare(db, "SELECT data FROM safetensors_tensors(%Q)");
  check(sqlite3_step(statement) == SQLITE_ROW, "before the change");
  change();
  check(sqlite3_step(statement) == code, words);
  check(strstr(sqlite3_errmsg(db), words) != NULL, sqlite3_errmsg(db));
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

static void test_utf16(void) {
  sqlite3 *db = new_connection();
  sqlite3_exec(db, "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(x)", NULL, NULL, NULL);
  write_tensors(path, 2, 8, 'a');
  check_one(db, "SELECT dtype FROM safetensors_tensors(%Q) WHERE name = 'b'", "U8");
  check_one(db, "SELECT hex(tensor_data(ref)) FROM safetensors_tensors(%Q) WHERE name = 'b'",
            "6262626262626262");
  sqlite3_close(db);
}

static void test_strangers(void) {
  sqlite3 *db = new_connection();
  unlink(path);
  check(mkfifo(path, 0600) == 0, "mkfifo");
  char *got = one(db, "SELECT name FROM safetensors_tensors(%Q)");
  check(strstr(got, "expected a regular file") != NULL, got);
  sqlite3_free(got);
  sqlite3_close(db);
}

/* A database's own tables do not tell whether the extension is loaded. */
static void test_loading_into_strange_schema(void) {
  sqlite3 *db = NULL;
  sqlite3_open(":memory:", &db);
  sqlite3_exec(db,
               "CREATE TABLE pragma_module_list(name);"
               "INSERT INTO pragma_module_list VALUES ('safetensors_write')",
               NULL, NULL, NULL);
  check(sqlite3_safetensors_init(db, NULL, NULL) == SQLITE_OK, "load");
  check(sqlite3_safetensors_init(db, NULL, NULL) == SQLITE_OK, "load again");
  int code = sqlite3_exec(db, "SELECT safetensors_version()", NULL, NULL, NULL);
  check(code == SQLITE_OK, sqlite3_errmsg(db));
  sqlite3_close(db);
}

/* A setting in the environment that is none: the extension does not load, and says why. */
static void test_environment(const char *variable, const char *words) {
  sqlite3 *db = NULL;
  char *message = NULL;
  sqlite3_open(":memory:", &db);
  setenv(variable, "x", 1);
  check(sqlite3_safetensors_init(db, &message, NULL) == SQLITE_ERROR, variable);
  check(message != NULL && strstr(message, words) != NULL, message);
  check(sqlite3_safetensors_init(db, NULL, NULL) == SQLITE_ERROR, variable);
  unsetenv(variable);
  sqlite3_free(message);
  check(sqlite3_safetensors_init(db, NULL, NULL) == SQLITE_OK, "load");
  sqlite3_close(db);
}

/* A connection that is locked from the start, with what else the environment says. */
static void test_locked_by_environment(void) {
  setenv("SAFETENSORS_LOCKED", "on", 1);
  setenv("SAFETENSORS_IO", "pread", 1);
  sqlite3 *db = new_connection();
  check_one(db, "SELECT safetensors_config('locked') || substr(%Q, 1, 0)", "on");
  check_one(db, "SELECT safetensors_config('io') || substr(%Q, 1, 0)", "pread");
  const char *sql = "SELECT safetensors_config('io', 'map')";
  check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_ERROR, sqlite3_errmsg(db));
  check(strstr(sqlite3_errmsg(db), "locked") != NULL, sqlite3_errmsg(db));
  sqlite3_close(db);
  unsetenv("SAFETENSORS_LOCKED");
  unsetenv("SAFETENSORS_IO");
}

int main(void) {
  unsetenv("SAFETENSORS_IO"); /* the tests set it themselves */
  make_directory();
  snprintf(path, sizeof path, "%s/model.safetensors", directory);
  snprintf(other, sizeof other, "%s/other.safetensors", directory);
  test_large();
  test_scan("map");
  test_scan("pread");
  test_limit();
  test_kept_values();
  test_changes("SELECT data FROM safetensors_tensors(%Q)");
  test_changes("SELECT tensor_data(%Q || '#a')");
  test_cut_short();
  test_resources();
  test_reading();
  test_changes_while_reading(change_overwrite, SQLITE_ERROR, "overwritten");
  test_changes_while_reading(change_cut_short, SQLITE_ERROR, "cut short");
  test_old_state_while_reading(change_delete);
  test_old_state_while_reading(change_replace);
  test_utf16();
  test_strangers();
  test_loading_into_strange_schema();
  test_environment("SAFETENSORS_KERNELS", "safetensors: SAFETENSORS_KERNELS: expected portable");
  test_environment("SAFETENSORS_IO", "safetensors: SAFETENSORS_IO: expected");
  test_environment("SAFETENSORS_LOCKED", "safetensors: SAFETENSORS_LOCKED: expected off or on");
  test_locked_by_environment();
  unlink(path);
  rmdir(directory);
  return finish();
}
