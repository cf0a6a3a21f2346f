/*
** The tables that write, and SQLite's order of calls: what is on the disk, and what is read, after each step of a
** transaction. Cases are tables of steps; each is run on a database of its own, in a directory of its own.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "safetensors.h"

static char working_directory[] = "/tmp/transactions.XXXXXX";

/* ---- Steps ---- */

/* Which connection a step is run on. Two is another process, as far as files are concerned. */
enum { ONE, TWO, CONNECTIONS };

typedef struct Step {
  int connection;
  const char *sql;
  int code;           /* extended; SQLITE_OK or SQLITE_ROW are success */
  const char *expect; /* all values, separated by commas; or a part of the message */
} Step;

#define OK(sql) \
  { ONE, sql, SQLITE_OK, NULL }
#define GIVES(sql, value) \
  { ONE, sql, SQLITE_OK, value }
#define FAILS(code, sql, message) \
  { ONE, sql, code, message }
#define OTHER(sql) \
  { TWO, sql, SQLITE_OK, NULL }

/* What the file 'f.safetensors' has on the disk: names, in the order of the file. */
#define DISK(names) \
  GIVES("SELECT group_concat(name) FROM safetensors_tensors('f.safetensors')", names)
#define NO_FILE \
  FAILS(SQLITE_CANTOPEN, "SELECT name FROM safetensors_tensors('f.safetensors')", "no such file")
#define ADD(name) \
  "INSERT INTO safetensors_write VALUES ('f.safetensors', '" name "', 'U8', '[1]', x'01')"
#define PENDING(names) GIVES("SELECT group_concat(name) FROM safetensors_write", names)
#define TABLE                                                  \
  OK(ADD("a") ", ('f.safetensors', 'b', 'U8', '[1]', x'02')"), \
      OK("CREATE VIRTUAL TABLE temp.m USING safetensors('f.safetensors')")
#define M(names) GIVES("SELECT group_concat(name) FROM m", names)

enum { STEPS = 24 };

static const struct {
  const char *name;
  Step steps[STEPS];
} cases[] = {
    {"autocommit", {OK(ADD("a")), DISK("a"), PENDING("")}},
    {"autocommit, a statement that fails",
     {FAILS(SQLITE_CONSTRAINT_UNIQUE, ADD("a") ", ('f.safetensors', 'a', 'U8', '[1]', x'01')",
            "twice"),
      NO_FILE, PENDING("")}},
    {"BEGIN and COMMIT",
     {OK("BEGIN"), OK(ADD("a")), NO_FILE, OK(ADD("b")), PENDING("a,b"), OK("COMMIT"), DISK("a,b")}},
    {"BEGIN and ROLLBACK", {OK("BEGIN"), OK(ADD("a")), OK("ROLLBACK"), NO_FILE, PENDING("")}},
    {"a row that fails in a transaction",
     {OK("BEGIN"), OK(ADD("a")), FAILS(SQLITE_CONSTRAINT_UNIQUE, ADD("a"), "twice"), PENDING("a"),
      OK(ADD("b")), OK("COMMIT"), DISK("a,b")}},
    {"a savepoint as the transaction",
     {OK("SAVEPOINT s"), OK(ADD("a")), OK("RELEASE s"), DISK("a")}},
    {"a savepoint as the transaction, rolled back",
     {OK("SAVEPOINT s"), OK(ADD("a")), OK("ROLLBACK TO s"), PENDING(""), OK("RELEASE s"), NO_FILE}},
    {"savepoints: to the inner, to the outer, again",
     {OK("BEGIN"), OK(ADD("a")), OK("SAVEPOINT s"), OK(ADD("b")), OK("SAVEPOINT t"), OK(ADD("c")),
      OK("ROLLBACK TO t"), PENDING("a,b"), OK(ADD("d")), OK("ROLLBACK TO s"), PENDING("a"),
      OK(ADD("e")), OK("ROLLBACK TO s"), OK(ADD("f")), OK("RELEASE s"), OK("COMMIT"), DISK("a,f")}},
    {"savepoints: the inner is released, the outer rolled back",
     {OK("BEGIN"), OK("SAVEPOINT s"), OK(ADD("a")), OK("SAVEPOINT t"), OK(ADD("b")),
      OK("RELEASE t"), PENDING("a,b"), OK("ROLLBACK TO s"), PENDING(""), OK(ADD("c")), OK("COMMIT"),
      DISK("c")}},
    {"savepoints: the first row comes in the innermost",
     {OK("BEGIN"), OK("SAVEPOINT s"), OK("SAVEPOINT t"), OK("SAVEPOINT u"), OK(ADD("a")),
      OK("ROLLBACK TO t"), PENDING(""), OK(ADD("b")), OK("ROLLBACK TO s"), OK(ADD("c")),
      OK("RELEASE s"), OK("COMMIT"), DISK("c")}},
    {"savepoints: a statement fails within one",
     {OK("BEGIN"), OK(ADD("a")), OK("SAVEPOINT s"), OK(ADD("b")),
      FAILS(SQLITE_CONSTRAINT_UNIQUE, ADD("c") ", ('f.safetensors', 'a', 'U8', '[1]', x'01')",
            "twice"),
      PENDING("a,b"), OK("ROLLBACK TO s"), PENDING("a"), OK("COMMIT"), DISK("a")}},
    {"savepoints: a second table joins late",
     {TABLE, OK("CREATE VIRTUAL TABLE temp.meta USING safetensors_metadata('f.safetensors')"),
      OK("BEGIN"), OK("UPDATE m SET name = 'x' WHERE name = 'a'"), OK("SAVEPOINT s"),
      OK("INSERT INTO meta(key, value) VALUES ('k', 'v')"), OK("SAVEPOINT t"),
      OK("UPDATE m SET name = 'y' WHERE name = 'b'"), OK("UPDATE meta SET value = 'w'"),
      OK("ROLLBACK TO t"), M("x,b"), GIVES("SELECT value FROM meta", "v"), OK("ROLLBACK TO s"),
      M("x,b"), GIVES("SELECT count(*) FROM meta", "0"), OK("COMMIT"), DISK("b,x")}},
    {"OR clauses are all or nothing",
     {OK("BEGIN"), OK(ADD("a")),
      FAILS(SQLITE_CONSTRAINT_UNIQUE,
            "INSERT OR FAIL INTO safetensors_write VALUES ('f.safetensors', 'b', 'U8', '[1]', "
            "x'01'), "
            "('f.safetensors', 'a', 'U8', '[1]', x'01')",
            "twice"),
      PENDING("a"),
      FAILS(SQLITE_CONSTRAINT_UNIQUE,
            "INSERT OR IGNORE INTO safetensors_write VALUES ('f.safetensors', 'b', 'U8', '[1]', "
            "x'01'), "
            "('f.safetensors', 'a', 'U8', '[1]', x'01')",
            "twice"),
      PENDING("a"), OK("COMMIT"), DISK("a")}},
    {"COMMIT fails in xSync",
     {TABLE, OK("BEGIN"), OK("UPDATE m SET name = 'same'"), M("same,same"),
      FAILS(SQLITE_CONSTRAINT_UNIQUE, "COMMIT", "expected each name once"), M("a,b"), DISK("a,b"),
      FAILS(SQLITE_ERROR, "COMMIT", "no transaction is active")}},
    {"COMMIT fails for one of several files: none is written",
     {TABLE, OK("BEGIN"),
      OK("INSERT INTO safetensors_write VALUES ('g.safetensors', 'a', 'U8', '[0]', x'')"),
      OK("UPDATE m SET name = 'same'"), FAILS(SQLITE_CONSTRAINT_UNIQUE, "COMMIT", "once"),
      FAILS(SQLITE_CANTOPEN, "SELECT * FROM safetensors_tensors('g.safetensors')",
            "no such file")}},
    {"several files",
     {OK("BEGIN"), OK(ADD("a")),
      OK("INSERT INTO safetensors_write VALUES ('g.safetensors', 'b', 'U8', '[0]', x'')"),
      OK("COMMIT"),
      GIVES("SELECT group_concat(name) FROM safetensors_tensors('?.safetensors')", "a,b")}},
    {"somebody reads the main database at COMMIT, twice",
     {OK("CREATE TABLE t(x)"), OK("INSERT INTO t VALUES (1)"), OTHER("BEGIN"),
      OTHER("SELECT * FROM t"), OK("BEGIN"), OK("INSERT INTO t VALUES (2)"), OK(ADD("a")),
      FAILS(SQLITE_BUSY, "COMMIT", "locked"), FAILS(SQLITE_BUSY, "COMMIT", "locked"), PENDING("a"),
      OTHER("COMMIT"), OK("COMMIT"), DISK("a"), GIVES("SELECT count(*) FROM t", "2")}},
    {"rows after a COMMIT that was busy",
     {OK("CREATE TABLE t(x)"), OK("INSERT INTO t VALUES (1)"), OTHER("BEGIN"),
      OTHER("SELECT * FROM t"), OK("BEGIN"), OK("INSERT INTO t VALUES (2)"), OK(ADD("a")),
      FAILS(SQLITE_BUSY, "COMMIT", "locked"), OK(ADD("b")), NO_FILE,
      FAILS(SQLITE_BUSY, "COMMIT", "locked"), OTHER("COMMIT"), OK("COMMIT"), DISK("a,b")}},
    {"ROLLBACK after a COMMIT that was busy",
     {TABLE, OK("CREATE TABLE t(x)"), OK("INSERT INTO t VALUES (1)"), OTHER("BEGIN"),
      OTHER("SELECT * FROM t"), OK("BEGIN"), OK("INSERT INTO t VALUES (2)"),
      OK("UPDATE m SET name = 'x' WHERE name = 'a'"), FAILS(SQLITE_BUSY, "COMMIT", "locked"),
      OK("ROLLBACK"), DISK("a,b"), M("a,b"), OTHER("COMMIT"),
      OK("UPDATE m SET name = 'y' WHERE name = 'a'"), DISK("b,y")}},
    {"DROP TABLE with changes that are pending",
     {TABLE, OK("BEGIN"), OK("DELETE FROM m WHERE name = 'a'"),
      FAILS(SQLITE_LOCKED, "DROP TABLE m", "locked"), M("b"), OK("COMMIT"), DISK("b"),
      OK("DROP TABLE m")}},
    {"DROP TABLE without any",
     {TABLE, OK("BEGIN"), M("a,b"), OK("DROP TABLE m"), OK("COMMIT"), DISK("a,b")}},
    {"CREATE in the same transaction",
     {OK(ADD("a")), OK("BEGIN"),
      OK("CREATE VIRTUAL TABLE temp.m USING safetensors('f.safetensors')"),
      OK("UPDATE m SET name = 'x'"), M("x"), OK("COMMIT"), DISK("x")}},
    {"CREATE and ROLLBACK",
     {OK(ADD("a")), OK("BEGIN"),
      OK("CREATE VIRTUAL TABLE temp.m USING safetensors('f.safetensors')"),
      OK("UPDATE m SET name = 'x'"), OK("ROLLBACK"), DISK("a"),
      FAILS(SQLITE_ERROR, "SELECT * FROM m", "no such table")}},
    {"two tables on one file",
     {TABLE, OK("CREATE VIRTUAL TABLE temp.m2 USING safetensors('./f.safetensors')"), OK("BEGIN"),
      OK("UPDATE m SET name = 'x' WHERE name = 'a'"),
      OK("INSERT INTO m2(name, data) SELECT name || '2', ref FROM m"), M("x,b,x2,b2"),
      OK("SAVEPOINT s"), OK("DELETE FROM m2"), OK("ROLLBACK TO s"), M("x,b,x2,b2"), OK("COMMIT"),
      DISK("b,b2,x,x2"), GIVES("SELECT group_concat(rowid) FROM m2", "1,2,3,4")}},
    {"two editors: the loser's COMMIT says so",
     {TABLE, OTHER("CREATE VIRTUAL TABLE temp.m USING safetensors('f.safetensors')"), OK("BEGIN"),
      OK("UPDATE m SET name = 'one' WHERE name = 'a'"),
      OTHER("UPDATE m SET name = 'two' WHERE name = 'a'"),
      FAILS(SQLITE_BUSY_SNAPSHOT, "COMMIT", "somebody else has written it"), DISK("b,two"),
      M("b,two"), OK("UPDATE m SET name = 'one' WHERE name = 'two'"), DISK("b,one")}},
    {"two who make one file",
     {OTHER("CREATE VIRTUAL TABLE temp.out USING safetensors_write"), OK("BEGIN"), OK(ADD("a")),
      OTHER("INSERT INTO out VALUES ('f.safetensors', 'b', 'U8', '[1]', x'01')"),
      FAILS(SQLITE_CONSTRAINT, "COMMIT", "expected no file there (mode 'create'), found one"),
      DISK("b")}},
};

/* ---- Running them ---- */

static sqlite3 *connections[CONNECTIONS];

static char *values_of(sqlite3 *db, const char *sql, int *code) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  const char *rest = sql;
  for (*code = SQLITE_OK; *code == SQLITE_OK && *rest != '\0';) {
    sqlite3_stmt *statement = NULL;
    *code = sqlite3_prepare_v2(db, rest, -1, &statement, &rest);
    while (*code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
      for (int i = 0; i < sqlite3_column_count(statement); i++) {
        const char *text = (const char *)sqlite3_column_text(statement, i);
        sqlite3_str_appendf(out, "%s%s", sqlite3_str_length(out) > 0 ? "," : "",
                            text != NULL ? text : "");
      }
    }
    int end = sqlite3_finalize(statement);
    if (*code == SQLITE_OK && end != SQLITE_OK) *code = sqlite3_extended_errcode(db);
  }
  char *text = sqlite3_str_finish(out);
  return text != NULL ? text : sqlite3_mprintf("");
}

static void run_step(const char *name, const Step *step) {
  int code;
  sqlite3 *db = connections[step->connection];
  char *values = values_of(db, step->sql, &code);
  const char *message = sqlite3_errmsg(db);
  bool good = code == step->code;
  if (good && step->expect != NULL) {
    good = code == SQLITE_OK ? strcmp(values, step->expect) == 0
                             : strstr(message, step->expect) != NULL;
  }
  char *title = sqlite3_mprintf("%s: %s: code %d, %s", name, step->sql, code,
                                code == SQLITE_OK ? values : message);
  check(good, title);
  sqlite3_free(title);
  sqlite3_free(values);
}

static sqlite3 *open_one(const char *path) {
  sqlite3 *db;
  check(
      sqlite3_open(path, &db) == SQLITE_OK && sqlite3_safetensors_init(db, NULL, NULL) == SQLITE_OK,
      "open");
  return db;
}

static void open_all(void) {
  for (int i = 0; i < CONNECTIONS; i++) connections[i] = open_one("db");
}

/* Whether there was no temporary file in the directory, which is empty now. */
static bool empty_working_directory(void) {
  bool good = true;
  const struct dirent *entry;
  DIR *listing = opendir(".");
  if (listing == NULL) return false;
  while ((entry = readdir(listing)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    good = entry->d_name[0] != '.' && remove(entry->d_name) == 0 && good;
  }
  closedir(listing);
  return good;
}

/* Closes them, and empties the directory. */
static void close_all(const char *name) {
  for (int i = 0; i < CONNECTIONS; i++) check(sqlite3_close(connections[i]) == SQLITE_OK, name);
  check(empty_working_directory(), name);
}

static void run_cases(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    open_all();
    for (int step = 0; step < STEPS && cases[i].steps[step].sql != NULL; step++)
      run_step(cases[i].name, &cases[i].steps[step]);
    close_all(cases[i].name);
  }
}

/* ---- Cursors over the end of a transaction ---- */

static void step_to(sqlite3_stmt *statement, const char *expect, const char *title) {
  bool good = sqlite3_step(statement) == (expect != NULL ? SQLITE_ROW : SQLITE_DONE);
  if (good && expect != NULL)
    good = strcmp((const char *)sqlite3_column_text(statement, 0), expect) == 0;
  check(good, title);
}

/* A cursor has what was there when its statement began, bytes included, whatever `end` does. */
static void test_cursor(const char *end) {
  static const Step begin[] = {TABLE, OK("BEGIN"), OK("UPDATE m SET name = 'x' WHERE name = 'a'")};
  open_all();
  for (size_t i = 0; i < sizeof begin / sizeof begin[0]; i++) run_step("cursor", &begin[i]);
  sqlite3_stmt *statement;
  sqlite3_prepare_v2(connections[ONE], "SELECT name || hex(data) FROM m", -1, &statement, NULL);
  step_to(statement, "x01", end);
  run_step("cursor", &(Step)OK("UPDATE m SET name = 'y', data = x'07' WHERE name = 'b'"));
  run_step("cursor", &(Step){ONE, end, SQLITE_OK, NULL});
  step_to(statement, "b02", end);
  step_to(statement, NULL, end);
  sqlite3_finalize(statement);
  close_all(end);
}

/* RETURNING, read in part: the rows are there, and the file. */
static void test_returning(void) {
  sqlite3_stmt *statement;
  open_all();
  sqlite3_prepare_v2(connections[ONE],
                     ADD("a") ", ('f.safetensors', 'b', 'U8', '[1]', x'02') RETURNING name", -1,
                     &statement, NULL);
  step_to(statement, "a", "RETURNING");
  check(sqlite3_finalize(statement) == SQLITE_OK, "RETURNING, read in part");
  run_step("RETURNING", &(Step)DISK("a,b"));
  close_all("RETURNING");
}

/* After a transaction nothing of it is open: not the spool of what came with rows, nor a file that a ref named. */
static void test_open_files(const char *end) {
  static const Step steps[] = {
      TABLE,
      OK("BEGIN"),
      OK("UPDATE m SET data = x'07' WHERE name = 'a'"),
      OK("UPDATE m SET data = 'f.safetensors#b' WHERE name = 'b'"),
      OK("INSERT INTO m(name, dtype, shape, data) VALUES ('i', 'I16', '[1]', x'0809')"),
      OK("UPDATE m SET dtype = 'F32' WHERE name = 'i'")};
  open_all();
  int before = open_descriptors();
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) run_step("open files", &steps[i]);
  check(open_descriptors() > before, "a spool is open");
  run_step("open files", &(Step){ONE, end, SQLITE_OK, NULL});
  check(open_descriptors() == before, end);
  run_step("open files", &(Step)GIVES("SELECT group_concat(name) FROM m",
                                      strcmp(end, "COMMIT") == 0 ? "a,b,i" : "a,b"));
  close_all(end);
}

/* A connection that is closed in the middle of a transaction writes nothing. */
static void test_close(void) {
  static const Step begin[] = {
      TABLE, OK("BEGIN"), OK("UPDATE m SET name = 'x'  WHERE name = 'a'"),
      OK("INSERT INTO safetensors_write VALUES ('g.safetensors', 'a', 'U8', '[0]', x'')")};
  open_all();
  for (size_t i = 0; i < sizeof begin / sizeof begin[0]; i++) run_step("close", &begin[i]);
  close_all("close"); /* which looks for files that begin with a dot */
  open_all();
  run_step("close", &(Step)NO_FILE);
  close_all("close");
}

/* ---- Who may write ---- */

static int deny_insert(void *unused, int action, const char *table, const char *b, const char *c,
                       const char *d) {
  (void)unused, (void)b, (void)c, (void)d;
  bool ours = table != NULL && strncmp(table, "safetensors", 11) == 0;
  return action == SQLITE_INSERT && ours ? SQLITE_DENY : SQLITE_OK;
}

static void test_writers(void) {
  static const Step steps[] = {
      TABLE,
      OK("CREATE TABLE t(x)"),
      OK("CREATE TRIGGER tr AFTER INSERT ON t BEGIN " ADD("x") "; END"),
      FAILS(SQLITE_ERROR, "INSERT INTO t VALUES (1)", "unsafe use of virtual table"),
      OK("CREATE VIEW v AS SELECT * FROM safetensors_write"),
      OK("CREATE TRIGGER vt INSTEAD OF INSERT ON v BEGIN " ADD("x") "; END"),
      FAILS(SQLITE_ERROR, "INSERT INTO v(path) VALUES (1)", "unsafe use of virtual table"),
      OK("CREATE VIRTUAL TABLE main.r USING safetensors('f.safetensors')"),
      FAILS(SQLITE_READONLY, "DELETE FROM r", "expected a table of the temp schema"),
      FAILS(SQLITE_READONLY, "UPDATE main.r SET name = 'x'", "expected a table of the temp schema"),
      FAILS(SQLITE_READONLY, "INSERT INTO r(name, data) VALUES ('x', 'f.safetensors#a')",
            "temp schema"),
      FAILS(SQLITE_ERROR, "CREATE VIRTUAL TABLE main.o USING safetensors_write", "temp schema"),
      FAILS(SQLITE_ERROR, "CREATE VIRTUAL TABLE main.o USING safetensors_metadata('f.safetensors')",
            "temp schema"),
      OK("PRAGMA query_only = 1"),
      FAILS(SQLITE_READONLY, ADD("x"), "readonly"),
      OK("PRAGMA query_only = 0"),
      DISK("a,b"),
      GIVES("SELECT safetensors_config('writing', 'off')", "off"),
      FAILS(SQLITE_READONLY, "DELETE FROM m", "safetensors_config('writing', 'off')"),
      FAILS(SQLITE_READONLY, "INSERT INTO safetensors_write(path) VALUES ('g.safetensors')",
            "writing"),
      DISK("a,b")};
  static const Step denied = FAILS(SQLITE_AUTH, ADD("x"), "not authorized");
  static const Step read_only[] = {
      FAILS(SQLITE_READONLY, "INSERT INTO safetensors_write(path) VALUES ('g.safetensors')",
            "readonly"),
      FAILS(SQLITE_READONLY, "DELETE FROM r", "readonly"),
      OK("CREATE VIRTUAL TABLE temp.out USING safetensors_write"),
      OK("INSERT INTO out VALUES ('g.safetensors', 'a', 'U8', '[0]', x'')"),
      OK("CREATE VIRTUAL TABLE temp.m USING safetensors('f.safetensors')"),
      OK("UPDATE m SET name = 'x' WHERE name = 'a'"),
      DISK("b,x")};
  open_all();
  sqlite3_set_authorizer(connections[ONE], deny_insert, NULL);
  run_step("authorizer", &denied);
  sqlite3_set_authorizer(connections[ONE], NULL, NULL);
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) run_step("who may write", &steps[i]);
  sqlite3_close(connections[ONE]);
  connections[ONE] = open_one("file:db?mode=ro");
  for (size_t i = 0; i < sizeof read_only / sizeof read_only[0]; i++)
    run_step("a database that is only read", &read_only[i]);
  close_all("who may write");
}

/* SQLite 3.39 does not keep a trigger from writing. */
static void test_refused(void) {
  static const Step step =
      FAILS(SQLITE_READONLY, ADD("a"), "expected SQLite 3.40.0 or newer for writing files");
  open_all();
  run_step("an old SQLite", &step);
  close_all("an old SQLite");
}

int main(void) {
  sqlite3_config(SQLITE_CONFIG_URI, 1);
  if (mkdtemp(working_directory) == NULL || chdir(working_directory) != 0) return 1;
  if (sqlite3_libversion_number() < 3040000) {
    test_refused();
  } else {
    run_cases();
    test_cursor("COMMIT");
    test_cursor("ROLLBACK");
    test_returning();
    test_open_files("COMMIT");
    test_open_files("ROLLBACK");
    test_close();
    test_writers();
  }
  check(chdir("/") == 0 && rmdir(working_directory) == 0, "nothing is left");
  return finish();
}
