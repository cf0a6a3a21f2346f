/*
** What happens to a query when its file changes under it: cut short, extended, rewritten in place,
** replaced by rename, deleted; on every path on which bytes are read; with files mapped and read.
**
** The SQL function change() makes the change, once, at the moment when the query calls it. After
** that the query must go on with what the file was, or fail with a sentence of ours. What the file
** is now may only come from what opens it again.
*/
#include <fcntl.h>
#include <sys/stat.h>

#include "program.h"

enum { TENSORS = 2, TENSOR_SIZE = 8 };

static char path[80], other[80];

/* ---- The changes ---- */

static void cut_short(void) {
  check(truncate(path, 20) == 0, "truncate");
}

static void extend(void) {
  struct stat status;
  check(stat(path, &status) == 0 && truncate(path, status.st_size + 100) == 0, "truncate");
}

/* The same header, other bytes. A file system's clock may stand still between two writes; here its
** time is set to what it would be later. */
static void rewrite(void) {
  struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 2000000000}};
  write_tensors(path, TENSORS, TENSOR_SIZE, 'p');
  check(utimensat(AT_FDCWD, path, times, 0) == 0, "utimensat");
}

static void replace(void) {
  write_tensors(other, TENSORS, TENSOR_SIZE, 'p');
  check(rename(other, path) == 0, "rename");
}

static void delete (void) {
  check(unlink(path) == 0, "unlink");
}

typedef struct Change {
  const char *name;
  void (*make)(void);
  bool keeps_bytes; /* whoever has the file open, or mapped, still has the old bytes */
  bool valid;       /* the path names a good file afterwards, whose bytes are 'p' and 'q' */
} Change;

static const Change changes[] = {
    {"cut short", cut_short, false, false}, {"extended", extend, false, false},
    {"rewritten", rewrite, false, true},    {"replaced", replace, true, true},
    {"deleted", delete, true, false},
};

static const Change *due;

static void function_change(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  if (due != NULL) due->make();
  due = NULL;
  sqlite3_result_int(context, 0);
}

/* ---- The paths ---- */

/* A query of the file :path or its tensor :ref, 'a', which is eight bytes 'a' before the change and
** eight 'p' after it. */
typedef struct Path {
  const char *name, *sql;
  const char *before, *after; /* what it gives if it sees the old file, and the new one */
  enum {
    GOES_ON, /* with the file that it opened */
    REOPENS, /* it looks at the path again after the change */
    POINTS   /* the same; a value from before points into the file, if that is mapped */
  } after_that;
} Path;

/* As xxhsum -H2 has them. */
#define A_HASH "2722195eee22e5276cb4cc6d190a4dc8"
#define P_HASH "3af0d8052e5679fc6ab5d2be0ae67718"

/* The same bytes, computed. */
#define COMPUTED(ref) "tensor_convert(tensor_neg(tensor_neg(" ref ")), 'U8')"

static const Path table[] = {
    {"list", "SELECT group_concat(name || (nbytes + change())) FROM safetensors_tensors(:path)",
     "a8,b8", "a8,b8", GOES_ON},
    {"metadata", "SELECT change() + count(*) FROM safetensors_metadata(:path)", "0", "0", GOES_ON},
    {"data", "SELECT group_concat(data, change()) FROM safetensors_tensors(:path)",
     "aaaaaaaa0bbbbbbbb", "pppppppp0qqqqqqqq", GOES_ON},
    {"elements", "SELECT sum(value + change()) FROM tensor_elements(:ref)", "776", "896", GOES_ON},
    {"rows", "SELECT group_concat(data, change()) FROM tensor_rows(:ref)", "a0a0a0a0a0a0a0a",
     "p0p0p0p0p0p0p0p", GOES_ON},
    {"stats", "SELECT change() + min + max FROM tensor_stats(:ref)", "194", "224", GOES_ON},
    {"histogram", "SELECT group_concat(change() + count) FROM tensor_histogram(:ref, 2)", "0,8",
     "0,8", GOES_ON},
    {"tensor_data", "SELECT tensor_data(:ref) || change() || tensor_data(:ref)",
     "aaaaaaaa0aaaaaaaa", "aaaaaaaa0pppppppp", POINTS},
    {"tensor_json", "SELECT tensor_json(:ref, ':2') || change() || tensor_json(:ref, ':2')",
     "[97,97]0[97,97]", "[97,97]0[112,112]", REOPENS},
    {"tensor_item", "SELECT tensor_item(:ref, 0) || change() || tensor_item(:ref, 1)", "97097",
     "970112", REOPENS},
    {"tensor_cast", "SELECT tensor_cast(:ref, 'I8') || change() || tensor_cast(:ref, 'I8')",
     "aaaaaaaa0aaaaaaaa", "aaaaaaaa0pppppppp", REOPENS},
    {"tensor_hash", "SELECT tensor_hash(:ref) || change() || tensor_hash(:ref)", A_HASH "0" A_HASH,
     A_HASH "0" P_HASH, REOPENS},
    {"check", "SELECT count(*) + change() FROM safetensors_check(:path) WHERE severity = 'error'",
     "0", "0", GOES_ON},
    {"compare", "SELECT change() + n_diff FROM tensor_compare(:ref, x'6161616161616161', 'U8')",
     "0", "8", GOES_ON},
    {"diff", "SELECT sum(n_diff + change()) FROM safetensors_diff(:path, :path)", "0", "0",
     GOES_ON},
    {"status", "SELECT group_concat(status || change()) FROM safetensors_diff(:path, :path)",
     "same0,same0", "same0,same0", GOES_ON},
    {"tensor_equal", "SELECT tensor_equal(:ref, :ref) + change() + tensor_equal(:ref, :ref)", "2",
     "2", REOPENS},
    {"serialize",
     "SELECT CAST(substr(safetensors_serialize(name, dtype, shape, data), -16) AS TEXT) "
     "FROM safetensors_tensors(:path) WHERE change() = 0",
     "aaaaaaaabbbbbbbb", "ppppppppqqqqqqqq", GOES_ON},
    {"stats, computed", "SELECT change() + min + max FROM tensor_stats(" COMPUTED(":ref") ")",
     "194", "224", GOES_ON},
    {"elements, computed",
     "SELECT sum(value + change()) FROM tensor_elements(" COMPUTED(":ref") ")", "776", "896",
     GOES_ON},
    {"rows, computed", "SELECT group_concat(data, change()) FROM tensor_rows(" COMPUTED(":ref") ")",
     "a0a0a0a0a0a0a0a", "p0p0p0p0p0p0p0p", GOES_ON},
    {"rows, kept",
     "SELECT group_concat(data, change()) FROM tensor_rows(tensor_transpose(" COMPUTED(":ref") "))",
     "a0a0a0a0a0a0a0a", "p0p0p0p0p0p0p0p", GOES_ON},
    {"compare, computed",
     "SELECT change() + n_diff FROM tensor_compare(" COMPUTED(":ref") ", x'6161616161616161', "
                                                                      "'U8')",
     "0", "8", GOES_ON},
    {"tensor_item, computed",
     "SELECT tensor_item(" COMPUTED(":ref") ", 0) || change() || tensor_item(" COMPUTED(
         ":ref") ", "
                 "1)",
     "97097", "970112", REOPENS},
    {"tensor_hash, computed",
     "SELECT tensor_hash(" COMPUTED(":ref") ") || change() || tensor_hash(" COMPUTED(":ref") ")",
     A_HASH "0" A_HASH, A_HASH "0" P_HASH, REOPENS},
    {"serialize, computed",
     "SELECT CAST(substr(safetensors_serialize(name, dtype, shape, " COMPUTED(
         "ref") "), -16) AS "
                "TEXT) FROM safetensors_tensors(:path) WHERE change() = 0",
     "aaaaaaaabbbbbbbb", "ppppppppqqqqqqqq", GOES_ON},
};
enum { PATHS = sizeof table / sizeof table[0], CHANGES = sizeof changes / sizeof changes[0] };

/* ---- One of each ---- */

static void bind_text(sqlite3_stmt *statement, const char *name, const char *format,
                      const char *text) {
  int number = sqlite3_bind_parameter_index(statement, name);
  if (number == 0) return;
  char *value = sqlite3_mprintf(format, text);
  sqlite3_bind_text(statement, number, value, -1, sqlite3_free);
}

/* What the query gives, which the caller releases; *code is SQLITE_ROW or an error's. */
static char *ask(sqlite3 *db, const char *sql, int *code) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
    printf("%s: %s\n", sql, sqlite3_errmsg(db));
    exit(1);
  }
  bind_text(statement, ":path", "%s", path);
  bind_text(statement, ":ref", "%s#a", path);
  *code = sqlite3_step(statement);
  char *text =
      sqlite3_mprintf("%s", *code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0)
                                                : sqlite3_errmsg(db));
  sqlite3_finalize(statement);
  return text;
}

static bool is_allowed(const Path *way, const Change *change, bool mapped, int code,
                       const char *text) {
  if (code == SQLITE_NOMEM || code == SQLITE_IOERR) return false;
  if (code != SQLITE_ROW) return strncmp(text, "safetensors: ", 13) == 0;
  if (strcmp(text, way->before) == 0) return true;
  if (mapped && way->after_that == POINTS && strspn(text, "p0") == strlen(text)) {
    return change->valid;
  }
  return strcmp(text, way->after) == 0 && change->valid &&
         (way->after_that != GOES_ON || change->keeps_bytes);
}

static void test(const Path *way, const Change *change, const char *mode) {
  int code;
  sqlite3 *db = new_connection();
  sqlite3_create_function(db, "change", 0, SQLITE_UTF8, NULL, function_change, NULL, NULL);
  sqlite3_free(ask(db, mode, &code));
  write_tensors(path, TENSORS, TENSOR_SIZE, 'a');
  due = change;
  char *text = ask(db, way->sql, &code);
  bool good = is_allowed(way, change, strstr(mode, "map") != NULL, code, text) && due == NULL;
  check(good, way->name);
  if (!good) printf("  %s, %s: found %s\n", change->name, mode, text);
  sqlite3_free(text);
  due = NULL;
  write_tensors(path, TENSORS, TENSOR_SIZE, 'a');
  text = ask(db, way->sql, &code);
  check(code == SQLITE_ROW && strcmp(text, way->before) == 0, "the connection is good afterwards");
  sqlite3_free(text);
  check(sqlite3_close(db) == SQLITE_OK, "close");
}

/* ---- Between a row and COMMIT ---- */

/* The row's bytes are those that the file had when the row came, or the transaction fails. */
static void test_commit(const Change *change, const char *mode, const char *data) {
  int code;
  char out[96];
  snprintf(out, sizeof out, "%s/out.safetensors", directory);
  sqlite3 *db = new_connection();
  sqlite3_free(ask(db, mode, &code));
  write_tensors(path, TENSORS, TENSOR_SIZE, 'a');
  char *sql = sqlite3_mprintf(
      "BEGIN; INSERT INTO safetensors_write(path, name, data) SELECT %Q, name, %s FROM "
      "safetensors_tensors(%Q)",
      out, data, path);
  check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sqlite3_errmsg(db));
  sqlite3_free(sql);
  change->make();
  code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
  if (code == SQLITE_OK) {
    sql = sqlite3_mprintf("SELECT group_concat(data, '') FROM safetensors_tensors(%Q)", out);
    char *text = ask(db, sql, &code);
    check(change->keeps_bytes && strcmp(text, "aaaaaaaabbbbbbbb") == 0, change->name);
    sqlite3_free(text);
    sqlite3_free(sql);
    unlink(out);
  } else {
    check(!change->keeps_bytes && strncmp(sqlite3_errmsg(db), "safetensors: ", 13) == 0,
          change->name);
    check(access(out, F_OK) != 0, "no file is left");
  }
  if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  check(sqlite3_close(db) == SQLITE_OK, "close");
}

static void test_commits(const char *mode) {
  static const char *const rows[] = {COMPUTED("ref"), "tensor_transpose(" COMPUTED("ref") ")",
                                     "tensor_reshape(ref, '[8]')"};
  for (int i = 0; i < CHANGES * 3; i++) test_commit(&changes[i / 3], mode, rows[i % 3]);
}

/* ---- Out of sight ---- */

enum { LARGE = 1000000 };

/* Who has the file open has no name for it any more. */
static void replace_and_cut_short(void) {
  check(rename(path, other) == 0, "rename");
  write_tensors(path, 1, LARGE, 'p');
  check(truncate(other, 20) == 0, "truncate");
}

static void test_cut_short_out_of_sight(void) {
  static const Change change = {"replaced and cut short", replace_and_cut_short, 0, 0};
  int code;
  sqlite3 *db = new_connection();
  sqlite3_exec(db, "SELECT safetensors_config('io', 'map')", NULL, NULL, NULL);
  sqlite3_create_function(db, "change", 0, SQLITE_UTF8, NULL, function_change, NULL, NULL);
  write_tensors(path, 1, LARGE, 'a');
  due = &change;
  char *text =
      ask(db, "SELECT sum(value + change()) FROM tensor_elements(:ref) WHERE idx IN (0, 999999)",
          &code);
  check(code == SQLITE_ERROR && strstr(text, "cut short") != NULL, text);
  check(due == NULL, "the file was cut short");
  sqlite3_free(text);
  check(sqlite3_close(db) == SQLITE_OK, "close");
  unlink(other);
}

/* ---- Times that are not what they seem ---- */

static void write_text(const char *name, const char *header, const char *data) {
  size_t length = strlen(header);
  FILE *file = fopen(name, "wb");
  if (file == NULL) stop(name);
  for (int i = 0; i < 8; i++) fputc((int)((uint64_t)length >> (8 * i) & 0xff), file);
  fprintf(file, "%s%s", header, data);
  if (fclose(file) != 0) stop(name);
}

static void set_time(const struct timespec *modified) {
  struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, *modified};
  check(utimensat(AT_FDCWD, path, times, 0) == 0, "utimensat");
}

#define OF(a, b)                                                        \
  "{\"a\":{\"dtype\":\"U8\",\"shape\":[" #a "],\"data_offsets\":[0," #a \
  "]},\"b\":{\"dtype\":\"U8\",\"shape\":[" #b "],\"data_offsets\":[" #a ",16]}}"

/* A file of the same size, with the old file's time, but where a had 9 of 16 bytes it has 7. */
static void rewrite_at_the_same_time(void) {
  struct stat before;
  check(stat(path, &before) == 0, "stat");
  write_text(path, OF(7, 9), "pppppppqqqqqqqqq");
  set_time(&before.st_mtim);
}

/* A ref whose tensor has another size than in its row, in a file that seems to be the same. */
static void test_same_time(const char *mode, const char *dtype) {
  static const Change change = {"rewritten at the same time", rewrite_at_the_same_time, 0, 0};
  int code;
  sqlite3 *db = new_connection();
  sqlite3_create_function(db, "change", 0, SQLITE_UTF8, NULL, function_change, NULL, NULL);
  sqlite3_free(ask(db, mode, &code));
  write_text(path, OF(9, 7), "aaaaaaaaabbbbbbb");
  due = &change;
  char *sql = sqlite3_mprintf(
      "SELECT safetensors_serialize(name, dtype, shape, data) FROM (SELECT name, %Q AS dtype, "
      "shape, ref AS data FROM safetensors_tensors(:path) UNION ALL SELECT 'c', 'U8', '[0]', x'' "
      "WHERE change() = 0)",
      dtype);
  char *text = ask(db, sql, &code);
  check(code == SQLITE_ERROR && strstr(text, "found another state of it") != NULL, text);
  check(due == NULL, "the file was rewritten between row and writing");
  sqlite3_free(text);
  sqlite3_free(sql);
  check(sqlite3_close(db) == SQLITE_OK, "close");
}

/* Bytes that this process has read; 0 if the system does not report it. */
static long long bytes_read(void) {
  long long bytes = 0;
  FILE *file = fopen("/proc/self/io", "r");
  if (file == NULL || fscanf(file, "rchar: %lld", &bytes) != 1) bytes = 0;
  if (file != NULL) fclose(file);
  return bytes;
}

/* A file from the future: its header is not read again for each tensor. */
static void test_future(void) {
  enum { REFS = 100, LENGTH = 500000 };
  static char header[LENGTH];
  int length = snprintf(header, sizeof header, "%s", OF(9, 7));
  memset(header + length, ' ', LENGTH - 1 - (size_t)length);
  write_text(path, header, "aaaaaaaaabbbbbbb");
  set_time(&(struct timespec){.tv_sec = 4000000000});
  usleep(100000);
  int code;
  sqlite3 *db = new_connection();
  sqlite3_free(ask(db, "SELECT count(*) FROM safetensors_tensors(:path)", &code));
  long long before = bytes_read();
  char *text = ask(db,
                   "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
                   "SELECT sum(tensor_item(:ref, i % 9)) FROM n",
                   &code);
  check(code == SQLITE_ROW && strcmp(text, "9700") == 0, text);
  check(bytes_read() - before < REFS * LENGTH / 10, "the header was not read again");
  sqlite3_free(text);
  check(sqlite3_close(db) == SQLITE_OK, "close");
}

int main(void) {
  static const char *const modes[] = {"SELECT safetensors_config('io', 'map')",
                                      "SELECT safetensors_config('io', 'pread')"};
  make_directory();
  snprintf(path, sizeof path, "%s/model.safetensors", directory);
  snprintf(other, sizeof other, "%s/other.safetensors", directory);
  int descriptors = open_descriptors();
  for (int i = 0; i < PATHS * CHANGES * 2; i++) {
    test(&table[i / 2 / CHANGES], &changes[i / 2 % CHANGES], modes[i % 2]);
  }
  for (int i = 0; i < 2; i++) {
    test_same_time(modes[i], "U8");
    test_same_time(modes[i], "F32");
  }
  for (int i = 0; i < 2; i++) test_commits(modes[i]);
  test_future();
  test_cut_short_out_of_sight();
  check(open_descriptors() == descriptors, "no descriptor is left");
  check(!is_mapped(directory), "no file is left mapped");
  unlink(path);
  rmdir(directory);
  return finish();
}
