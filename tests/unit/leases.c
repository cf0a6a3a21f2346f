/*
** What is mapped and open while statements run, and that nothing is once none does: whatever way a
** statement ends, and whatever handed out a pointer.
**
**     leases [FILES]      FILES files in one statement; 3000 by default
*/
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "program.h"

enum { MAPPED = 8192 }; /* bytes of a tensor that is worth mapping */

static char path[64], other[64], third[64];

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement = NULL;
  char *text = sqlite3_mprintf(sql, path, path);
  if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK) {
    printf("%s: %s\n", text, sqlite3_errmsg(db));
    failed++;
  }
  sqlite3_free(text);
  return statement;
}

static int mappings(void) {
  char line[8192];
  int count = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) stop("/proc/self/maps");
  while (fgets(line, sizeof line, maps) != NULL) count += strstr(line, directory) != NULL;
  fclose(maps);
  return count;
}

/* Descriptors of files in the directory. */
static int descriptors(void) {
  char name[300], target[300];
  int count = 0;
  DIR *listing = opendir("/proc/self/fd");
  if (listing == NULL) stop("/proc/self/fd");
  for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    snprintf(name, sizeof name, "/proc/self/fd/%.20s", entry->d_name);
    ssize_t length = readlink(name, target, sizeof target - 1);
    if (length > 0) target[length] = '\0';
    count += length > 0 && strstr(target, directory) != NULL;
  }
  closedir(listing);
  return count;
}

static void check_nothing_left(const char *after) {
  if (mappings() == 0 && descriptors() == 0) {
    passed++;
    return;
  }
  failed++;
  printf("FAILED: %d mappings and %d descriptors are left after %s\n", mappings(), descriptors(),
         after);
}

/* Letters that the value has, from its end: "" for NULL. */
static void check_row(sqlite3_stmt *statement, const char *expected) {
  int code = sqlite3_step(statement);
  const char *data = code == SQLITE_ROW ? sqlite3_column_blob(statement, 0) : NULL;
  int size = code == SQLITE_ROW ? sqlite3_column_bytes(statement, 0) : 0,
      length = (int)strlen(expected);
  bool right =
      data != NULL && size >= length && memcmp(data + size - length, expected, (size_t)length) == 0;
  check(right, sqlite3_sql(statement));
  if (!right) {
    printf("  expected %s, found %s %.*s\n", expected, sqlite3_errmsg(sqlite3_db_handle(statement)),
           data != NULL ? 40 : 0, data);
  }
}

/* ---- Statements that hand out, or pass over, and end ---- */

static const struct {
  const char *sql, *answer; /* the last bytes of the first row's value */
  bool maps;                /* while its first row is there */
} statements[] = {
    {"SELECT data FROM safetensors_tensors(%Q)", "aaaa", true},
    {"SELECT max(data) FROM safetensors_tensors(%Q)", "cccc", true},
    {"SELECT data, max(name) FROM safetensors_tensors(%Q)", "cccc", true},
    {"SELECT tensor_data(%Q || '#b')", "bbbb", true},
    {"SELECT tensor_data(ref) FROM safetensors_tensors(%Q)", "aaaa", true},
    {"SELECT tensor_data(ref, ':5000') FROM safetensors_tensors(%Q)", "aaaa", true},
    {"SELECT tensor_cast(ref, 'U8') FROM safetensors_tensors(%Q)", "aaaa", true},
    {"SELECT (SELECT data FROM safetensors_tensors(%Q) u WHERE u.name = t.name) "
     "FROM safetensors_tensors(%Q) t WHERE t.name > 'a'",
     "bbbb", true},
    {"SELECT (SELECT max(tensor_data(u.ref)) FROM safetensors_tensors(%Q) u WHERE u.name <= "
     "t.name) "
     "FROM safetensors_tensors(%Q) t WHERE t.name > 'a'",
     "bbbb", true},
    {"SELECT coalesce((SELECT data FROM safetensors_tensors(%Q) WHERE name = 'c'), 1) "
     "FROM (SELECT count(*) FROM safetensors_tensors(%Q))",
     "cccc", true},
    {"SELECT data FROM (SELECT data, name FROM safetensors_tensors(%Q) UNION ALL "
     "SELECT data, name FROM safetensors_tensors(%Q)) WHERE name = 'b'",
     "bbbb", true},
    {"WITH RECURSIVE r(i, d) AS (SELECT 1, zeroblob(9) UNION ALL SELECT i + 1, data FROM r, "
     "safetensors_tensors(%Q) WHERE name = 'c' AND i < 3) SELECT d FROM r WHERE i = 3",
     "cccc", true},
    {"SELECT a.data || b.data FROM safetensors_tensors(%Q) a, safetensors_tensors(%Q) b "
     "WHERE b.name = 'c'",
     "cccc", true},
    {"SELECT tensor_hash(%Q || '#a')", "", false},
    {"SELECT tensor_item(%Q || '#a', 0)", "97", false},
    {"SELECT tensor_json(%Q || '#a', ':2')", "[97,97]", false},
    {"SELECT tensor_cast(%Q || '#a', 'I64')", "", false},
    {"SELECT max FROM tensor_stats(%Q || '#b')", "98", false},
    {"SELECT count FROM tensor_histogram(%Q || '#b', 1)", "8192", false},
    {"SELECT n_diff FROM tensor_compare(%Q || '#b', %Q || '#a')", "8192", false},
    {"SELECT value FROM tensor_elements(%Q || '#b')", "98", false},
    {"SELECT i FROM tensor_nearest(%Q || '#b', x'62', 'U8')", "0", false},
    {"SELECT name FROM safetensors_tensors(%Q)", "a", false},
};
enum { STATEMENTS = sizeof statements / sizeof statements[0] };

static void finish_all(sqlite3_stmt *statement) {
  while (sqlite3_step(statement) == SQLITE_ROW) continue;
}

static void finish_by_reset(sqlite3_stmt *statement) {
  sqlite3_reset(statement);
}

static void finish_by_interrupt(sqlite3_stmt *statement) {
  sqlite3_interrupt(sqlite3_db_handle(statement));
  sqlite3_step(statement);
}

static void finish_by_cutting(sqlite3_stmt *statement) {
  if (truncate(path, 100) != 0) stop(path);
  finish_all(statement);
}

static void finish_not(sqlite3_stmt *statement) {
  (void)statement;
}

static void test_endings(void (*finish_statement)(sqlite3_stmt *)) {
  for (int i = 0; i < STATEMENTS; i++) {
    sqlite3 *db = new_connection();
    write_tensors(path, 3, MAPPED, 'a');
    sqlite3_stmt *statement = prepare(db, statements[i].sql);
    check_row(statement, statements[i].answer);
    if (statements[i].maps) check(mappings() > 0, statements[i].sql);
    finish_statement(statement);
    if (finish_statement != finish_not) check_nothing_left(statements[i].sql);
    sqlite3_finalize(statement);
    check_nothing_left(statements[i].sql);
    check(sqlite3_close(db) == SQLITE_OK, "close");
  }
  unlink(path);
}

/* ---- Several statements at a time ---- */

static void test_interleaved(void) {
  sqlite3 *db = new_connection();
  write_tensors(path, 3, MAPPED, 'a');
  sqlite3_stmt *first = prepare(db, "SELECT data FROM safetensors_tensors(%Q)");
  sqlite3_stmt *second = prepare(db, "SELECT tensor_data(ref) FROM safetensors_tensors(%Q)");
  check_row(first, "aaaa");
  const char *kept = sqlite3_column_blob(first, 0);
  check_row(second, "aaaa");
  check_row(second, "bbbb");
  sqlite3_reset(second);
  check(memcmp(kept, "aaaa", 4) == 0, "a statement's end leaves another's values");
  check_row(first, "bbbb");
  check_row(second, "aaaa");
  kept = sqlite3_column_blob(second, 0);
  sqlite3_finalize(first);
  check(memcmp(kept, "aaaa", 4) == 0, "and the other way round");
  check_row(second, "bbbb");
  sqlite3_finalize(second);
  check_nothing_left("two statements");
  sqlite3_close(db);
}

/* A host's function that runs a statement of its own on the connection. */
static void run_nested(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  sqlite3_stmt *statement =
      prepare(sqlite3_context_db_handle(context), "SELECT tensor_data(%Q || '#c')");
  check_row(statement, "cccc");
  sqlite3_finalize(statement);
  const char *data = sqlite3_value_blob(argv[0]);
  sqlite3_result_text(context, data, 4, SQLITE_TRANSIENT);
}

static void test_nested(void) {
  sqlite3 *db = new_connection();
  write_tensors(path, 3, MAPPED, 'a');
  sqlite3_create_function(db, "nested", 1, SQLITE_UTF8, NULL, run_nested, NULL, NULL);
  sqlite3_stmt *statement = prepare(db, "SELECT nested(tensor_data(%Q || '#a'))");
  check_row(statement, "aaaa");
  sqlite3_finalize(statement);
  statement = prepare(db, "SELECT nested(data) FROM safetensors_tensors(%Q)");
  check_row(statement, "aaaa");
  check_row(statement, "bbbb");
  sqlite3_finalize(statement);
  check_nothing_left("nested statements");
  sqlite3_close(db);
}

/* A trigger's program has cursors and functions of its own. */
static void test_trigger(void) {
  sqlite3 *db = new_connection();
  write_tensors(path, 3, MAPPED, 'a');
  char *sql = sqlite3_mprintf(
      "CREATE TABLE t(x); CREATE TABLE u(y);"
      "CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO u SELECT "
      "tensor_data(ref) FROM safetensors_tensors(%Q); END;"
      "INSERT INTO t SELECT data FROM safetensors_tensors(%Q)",
      path, path);
  check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
  sqlite3_free(sql);
  check_nothing_left("a trigger");
  sqlite3_stmt *statement = prepare(db,
                                    "SELECT (SELECT group_concat(substr(x, -2), '') FROM t) || "
                                    "(SELECT group_concat(substr(y, -2), '') FROM u)");
  check_row(statement, "aabbccaabbccaabbccaabbcc");
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

/* ---- The disk ---- */

static void test_space(void) {
  sqlite3 *db = new_connection();
  write_tensors(path, 1, MAPPED, 'a');
  sqlite3_stmt *statement = prepare(db, "SELECT data FROM safetensors_tensors(%Q)");
  check_row(statement, "aaaa");
  unlink(path);
  sqlite3_reset(statement);
  check_nothing_left("a deleted file's statement, which is not finalized");
  sqlite3_finalize(statement);
  sqlite3_close(db);
}

/* ---- Files that are cut short between two rows, also where no path leads to them any more ---- */

enum { LARGE = 3000000 };

static void cut_in_place(void) {
  if (truncate(path, 5000) != 0) stop(path);
}

static void move_away_and_cut(void) {
  if (rename(path, other) != 0) stop(path);
  write_tensors(path, 3, LARGE, 'p');
  if (truncate(other, 5000) != 0) stop(other);
}

static void replace_and_cut(void) {
  if (link(path, other) != 0) stop(other);
  write_tensors(third, 1, 100, 'p');
  if (rename(third, path) != 0) stop(path);
  if (truncate(other, 5000) != 0) stop(other);
}

static void cut_by_another_name(void) {
  if (link(path, other) != 0 || truncate(other, 5000) != 0) stop(other);
}

static void delete_and_cut(void) {
  if (link(path, other) != 0 || unlink(path) != 0 || truncate(other, 5000) != 0) stop(other);
}

static void (*const cuts[])(void) = {cut_in_place, move_away_and_cut, replace_and_cut,
                                     cut_by_another_name, delete_and_cut};

/* Each value's last letter says which tensor it is from. */
static const char *const scans[] = {
    "SELECT data FROM safetensors_tensors(%Q)",
    "SELECT tensor_data(ref, '1000000:') FROM safetensors_tensors(%Q)",
    "SELECT tensor_data(ref, '::2') FROM safetensors_tensors(%Q)",
    "SELECT r.data FROM tensor_rows(%Q || '#a') r",
    "SELECT char(value) FROM tensor_elements(%Q || '#a') WHERE idx %% 999999 = 0",
    "SELECT char(value) FROM tensor_elements(%Q || '#a', '::3') WHERE idx %% 99999 = 0",
    "SELECT char(value) FROM tensor_elements(%Q || '#a') WHERE idx IN (0, 1, 2999999)",
    "SELECT char(tensor_item(ref, 2999999)) FROM safetensors_tensors(%Q)",
    "SELECT char(max) FROM safetensors_tensors(%Q) t, tensor_stats(t.ref)",
    ("SELECT (SELECT max(data) FROM tensor_rows(t.ref || '') WHERE i IN (5, 2999999)) "
     "FROM safetensors_tensors(%Q) t"),
};

static void test_cut(void (*cut)(void), const char *sql, const char *mode) {
  sqlite3 *db = new_connection();
  char *setting = sqlite3_mprintf("SELECT safetensors_config('io', %Q)", mode);
  sqlite3_exec(db, setting, NULL, NULL, NULL);
  sqlite3_free(setting);
  write_tensors(path, 3, LARGE, 'a');
  sqlite3_stmt *statement = prepare(db, sql);
  int code = sqlite3_step(statement);
  check(code == SQLITE_ROW, sqlite3_errmsg(db));
  cut();
  bool right = true;
  while (right && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    const char *data = sqlite3_column_blob(statement, 0);
    int size = sqlite3_column_bytes(statement, 0);
    right = size > 0 && data[size - 1] >= 'a' && data[size - 1] <= 'c';
  }
  check(right, sql);
  check(code == SQLITE_DONE || strncmp(sqlite3_errmsg(db), "safetensors: ", 13) == 0,
        sqlite3_errmsg(db));
  sqlite3_finalize(statement);
  check_nothing_left(sql);
  sqlite3_close(db);
  unlink(path);
  unlink(other);
}

/* Rows of the file as it was, or an error; never the end of the process. */
static void test_cuts(void) {
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    for (size_t j = 0; j < sizeof scans / sizeof scans[0]; j++) {
      test_cut(cuts[i], scans[j], "map");
      test_cut(cuts[i], scans[j], "pread");
    }
  }
}

/* ---- Many files ---- */

static void make_files(int count, long long size) {
  char name[96];
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "%s/many%06d.safetensors", directory, i);
    write_tensors(name, 1, size, 'a' + i % 26);
  }
}

static void remove_files(int count) {
  char name[96];
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "%s/many%06d.safetensors", directory, i);
    unlink(name);
  }
}

static int most_mapped, most_open;

/* Called for each row: what is mapped and open now. */
static void watch(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  int mapped = mappings(), open = descriptors();
  if (mapped > most_mapped) most_mapped = mapped;
  if (open > most_open) most_open = open;
  sqlite3_result_value(context, argv[0]);
}

static void *nothing(void *unused) {
  return unused;
}

static void check_many(sqlite3 *db, const char *sql, const char *answer, int watched) {
  char *text = sqlite3_mprintf(sql, directory, directory);
  sqlite3_stmt *statement = NULL;
  most_mapped = most_open = 0;
  int code = sqlite3_prepare_v2(db, text, -1, &statement, NULL);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  const char *got = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
  check(got != NULL && strcmp(got, answer) == 0, text);
  if (got == NULL || strcmp(got, answer) != 0) {
    printf("  expected %s, found %s\n", answer, got != NULL ? got : sqlite3_errmsg(db));
  }
  check(most_open <= watched, "few descriptors are kept");
  pthread_t thread;
  check(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0,
        "the host can start a thread");
  sqlite3_finalize(statement);
  sqlite3_free(text);
  check_nothing_left("many files");
}

/* With as few descriptors as this, of which the program has some. */
static void test_many(int count, rlim_t limit) {
  struct rlimit before, few;
  char answer[32];
  getrlimit(RLIMIT_NOFILE, &before);
  few = before;
  few.rlim_cur = limit;
  sqlite3 *db = new_connection();
  sqlite3_create_function(db, "watch", 1, SQLITE_UTF8, NULL, watch, NULL, NULL);
  make_files(count, MAPPED);
  setrlimit(RLIMIT_NOFILE, &few);
  snprintf(answer, sizeof answer, "%lld", (long long)count * MAPPED);
  check_many(db, "SELECT sum(length(data)) FROM safetensors_tensors('%q/many*.safetensors')",
             answer, 64);
  check_many(db, "SELECT sum(length(tensor_data(ref))) FROM safetensors_tensors('%q/many*')",
             answer, 64);
  check_many(
      db,
      "SELECT sum(watch(length(data))) FROM safetensors_tensors('%q/many*') WHERE name = 'a' "
      "AND file LIKE '%%many0001%%'",
      "819200", 64);
  snprintf(answer, sizeof answer, "%d", count < 26 ? count : 26);
  check_many(db, "SELECT count(DISTINCT tensor_hash(ref)) FROM safetensors_tensors('%q/many*')",
             answer, 64);
  check_many(
      db, "SELECT count(DISTINCT max) FROM safetensors_tensors('%q/many*') t, tensor_stats(t.ref)",
      answer, 64);
  check_many(db,
             "SELECT hex(substr(max(data), -1)) FROM safetensors_tensors('%q/many*') "
             "WHERE file GLOB '*many00*'",
             "7A", 64);
  sqlite3_close(db);
  setrlimit(RLIMIT_NOFILE, &before);
  remove_files(count);
}

/* What the process has mapped, in bytes. */
static long long address_space(void) {
  long long pages = 0;
  FILE *sizes = fopen("/proc/self/statm", "r");
  if (sizes == NULL || fscanf(sizes, "%lld", &pages) != 1) stop("/proc/self/statm");
  fclose(sizes);
  return pages * sysconf(_SC_PAGESIZE);
}

/* Where nothing more can be mapped, what would be mapped is read. */
static void test_no_address_space(void) {
  struct rlimit before, little;
  sqlite3 *db = new_connection();
  write_tensors(path, 1, (long long)600 << 20, 0);
  getrlimit(RLIMIT_AS, &before);
  little = before;
  little.rlim_cur = (rlim_t)address_space() + ((rlim_t)300 << 20);
  setrlimit(RLIMIT_AS, &little);
  sqlite3_stmt *statement = prepare(db, "SELECT substr(tensor_data(%Q || '#a', ':100000'), -3)");
  check_row(statement, "\0\0\0");
  sqlite3_finalize(statement);
  statement = prepare(db, "SELECT max FROM tensor_stats(%Q || '?slice=:1000000#a')");
  check_row(statement, "0");
  sqlite3_finalize(statement);
  setrlimit(RLIMIT_AS, &before);
  sqlite3_close(db);
  unlink(path);
}

/* Threads of a pass share their file's descriptor. */
static void test_threads_without_descriptors(const char *mode) {
  struct rlimit before, few;
  write_tensors(path, 1, 16000000, 'a');
  sqlite3 *db = new_connection();
  char *sql = sqlite3_mprintf("PRAGMA threads = 8; SELECT safetensors_config('io', %Q)", mode);
  sqlite3_exec(db, sql, NULL, NULL, NULL);
  sqlite3_free(sql);
  getrlimit(RLIMIT_NOFILE, &before);
  few = before;
  few.rlim_cur = (rlim_t)open_descriptors() - 2; /* what there is, and one more */
  setrlimit(RLIMIT_NOFILE, &few);
  sqlite3_stmt *statement = prepare(db, "SELECT mean FROM tensor_stats(%Q || '#a')");
  check_row(statement, "97.0");
  sqlite3_finalize(statement);
  setrlimit(RLIMIT_NOFILE, &before);
  sqlite3_close(db);
  unlink(path);
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 3000;
  unsetenv("SAFETENSORS_IO");
  make_directory();
  snprintf(path, sizeof path, "%s/model.safetensors", directory);
  snprintf(other, sizeof other, "%s/other.safetensors", directory);
  snprintf(third, sizeof third, "%s/third.safetensors", directory);
  test_endings(finish_all);
  test_endings(finish_by_reset);
  test_endings(finish_by_interrupt);
  test_endings(finish_by_cutting);
  test_endings(finish_not);
  test_interleaved();
  test_nested();
  test_trigger();
  test_space();
  test_cuts();
  test_many(count, 1024);
  test_many(200, 32);
  test_no_address_space();
  test_threads_without_descriptors("map");
  test_threads_without_descriptors("pread");
  unlink(path);
  rmdir(directory);
  return finish();
}
