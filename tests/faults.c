/*
** Every allocation fails once.
**
** SQL scripts that together touch all of the extension are run with a fault at their first, second,
** third, ... allocation, until a run gets through without meeting it. The fault is in SQLite's
** allocator, which the extension uses too, or in jansson's; it strikes once, or from there on. Each
** run must
**
**   - give the rows or the error message of a run without faults, or SQLITE_NOMEM, with no wrong
**   row
**     before it: "out of memory" is the only new thing that a fault may bring;
**   - leave the connection usable: the same script, run again on it without faults, is right;
**   - leave nothing behind: no memory of either allocator, no file descriptor, no mapping, no
**     temporary file.
**
** Lookaside memory is off, so that SQLite asks its allocator for everything. What the C library
** takes for itself (qsort) is out of reach here.
*/
#include <dirent.h>
#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults_fixtures.h"
#include "faults_scripts.h"
#include "safetensors.h"

/* ---- The two allocators ---- */

typedef struct Allocator {
  const char *name;
  uint64_t calls;   /* since arm() */
  uint64_t fail_at; /* the number of the call that fails; 0: none */
  bool forever;     /* and all after it */
  bool struck;
  int64_t live; /* blocks */
} Allocator;

static Allocator of_sqlite = {.name = "SQLite"}, of_jansson = {.name = "jansson"};

static void arm(Allocator *allocator, uint64_t fail_at, bool forever) {
  allocator->calls = 0;
  allocator->fail_at = fail_at;
  allocator->forever = forever;
  allocator->struck = false;
}

static void disarm(Allocator *allocator) {
  allocator->fail_at = 0;
}

/* Above 0 while no fault is of interest. Besides stages, that is while SQLite tries what it can do
** without, such as to copy an error's message to the connection: it reports no failure there. */
static int sheltered;

static void shelter(void) {
  sheltered++;
}

static void expose(void) {
  sheltered--;
}

static bool fails(Allocator *allocator) {
  if (sheltered > 0) return false;
  uint64_t call = ++allocator->calls, at = allocator->fail_at;
  bool now = at != 0 && (call == at || (allocator->forever && call > at));
  allocator->struck = allocator->struck || now;
  return now;
}

static void *sqlite_malloc(int size) {
  if (fails(&of_sqlite)) return NULL;
  void *block = malloc((size_t)size);
  of_sqlite.live += block != NULL;
  return block;
}

static void *sqlite_realloc(void *block, int size) {
  return fails(&of_sqlite) ? NULL : realloc(block, (size_t)size);
}

static void sqlite_free(void *block) {
  of_sqlite.live -= block != NULL;
  free(block);
}

static int sqlite_size(void *block) {
  return (int)malloc_usable_size(block);
}

static int sqlite_roundup(int size) {
  return size;
}

static int sqlite_init(void *unused) {
  (void)unused;
  return SQLITE_OK;
}

static void sqlite_shutdown(void *unused) {
  (void)unused;
}

static void *jansson_malloc(size_t size) {
  if (fails(&of_jansson)) return NULL;
  void *block = malloc(size);
  of_jansson.live += block != NULL;
  return block;
}

static void jansson_free(void *block) {
  of_jansson.live -= block != NULL;
  free(block);
}

static void install_allocators(void) {
  static const sqlite3_mem_methods methods = {
      sqlite_malloc,  sqlite_free, sqlite_realloc,  sqlite_size,
      sqlite_roundup, sqlite_init, sqlite_shutdown, NULL};
  sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 1);
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
  json_set_alloc_funcs(jansson_malloc, jansson_free);
  sqlite3_test_control(SQLITE_TESTCTRL_BENIGN_MALLOC_HOOKS, shelter, expose);
  if (sqlite3_initialize() != SQLITE_OK) stop("sqlite3_initialize");
}

/* ---- Running a script ---- */

/* What a run gave: the rows of all statements as text, then the code and message of the end. */
typedef struct Outcome {
  char rows[16384];
  size_t length;
  int code;
  char message[1024];
} Outcome;

__attribute__((format(printf, 2, 3))) static void put(Outcome *outcome, const char *format, ...) {
  size_t left = sizeof outcome->rows - outcome->length;
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(outcome->rows + outcome->length, left, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= left) {
    fprintf(stderr, "the rows of a script do not fit\n");
    exit(1);
  }
  outcome->length += (size_t)length;
}

/* False when memory ran out in the conversion, which SQLite tells only so. */
static bool put_column(Outcome *outcome, sqlite3_stmt *statement, int column) {
  static const char kinds[] = "?IRTBN"; /* by SQLITE_INTEGER ... SQLITE_NULL */
  int type = sqlite3_column_type(statement, column);
  const unsigned char *bytes = type == SQLITE_BLOB ? sqlite3_column_blob(statement, column)
                                                   : sqlite3_column_text(statement, column);
  int size = sqlite3_column_bytes(statement, column);
  if (bytes == NULL && type != SQLITE_NULL && (type != SQLITE_BLOB || size > 0)) return false;
  put(outcome, " %c", kinds[type]);
  for (int i = 0; i < size; i++) {
    bool printable = bytes[i] > 0x20 && bytes[i] < 0x7f;
    put(outcome, printable ? "%c" : "\\%02x", bytes[i]);
  }
  return true;
}

static int put_row(Outcome *outcome, sqlite3_stmt *statement) {
  size_t start = outcome->length;
  for (int i = 0; i < sqlite3_column_count(statement); i++) {
    if (put_column(outcome, statement, i)) continue;
    outcome->length = start;
    return SQLITE_NOMEM;
  }
  put(outcome, "\n");
  return SQLITE_OK;
}

static struct {
  unsigned char *bytes;
  size_t size;
} blob, bad_blob;

static int bind(sqlite3_stmt *statement) {
  int good = sqlite3_bind_parameter_index(statement, ":blob"), code = SQLITE_OK;
  int bad = sqlite3_bind_parameter_index(statement, ":bad_blob");
  if (good > 0) code = sqlite3_bind_blob64(statement, good, blob.bytes, blob.size, SQLITE_STATIC);
  if (code == SQLITE_OK && bad > 0) {
    code = sqlite3_bind_blob64(statement, bad, bad_blob.bytes, bad_blob.size, SQLITE_STATIC);
  }
  return code;
}

static void note_end(Outcome *outcome, sqlite3 *db, int code) {
  outcome->code = code;
  snprintf(outcome->message, sizeof outcome->message, "%s", sqlite3_errmsg(db));
}

static int run_statement(Outcome *outcome, sqlite3 *db, sqlite3_stmt *statement) {
  int code = bind(statement);
  while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    code = put_row(outcome, statement);
  }
  if (code == SQLITE_DONE) code = SQLITE_OK;
  if (code != SQLITE_OK) note_end(outcome, db, code);
  sqlite3_finalize(statement);
  return code;
}

static void run_sql(Outcome *outcome, sqlite3 *db, const Script *script) {
  const char *sql = script->sql;
  int code = SQLITE_OK;
  while (code == SQLITE_OK && *sql != '\0') {
    sqlite3_stmt *statement = NULL;
    if (script->stage == STAGE_STEPS) shelter();
    code = sqlite3_prepare_v2(db, sql, -1, &statement, &sql);
    if (script->stage == STAGE_STEPS) expose();
    if (code != SQLITE_OK) {
      note_end(outcome, db, code);
    } else if (statement != NULL) {
      code = run_statement(outcome, db, statement);
    }
  }
}

static int load(sqlite3 *db) {
  char *message = NULL;
  int code = sqlite3_safetensors_init(db, &message, NULL);
  sqlite3_free(message);
  return code;
}

/* sqlite3_auto_extension() takes functions of every signature as this one. */
typedef void (*AnyFunction)(void);

static int open_with_auto_extension(sqlite3 **db) {
  AnyFunction init = (AnyFunction)sqlite3_safetensors_init;
  int code = sqlite3_auto_extension(init);
  if (code == SQLITE_OK) code = sqlite3_open(":memory:", db);
  sqlite3_reset_auto_extension();
  return code;
}

static int open_database(const Script *script, sqlite3 **db) {
  *db = NULL;
  return script->stage == STAGE_AUTO ? open_with_auto_extension(db) : sqlite3_open(":memory:", db);
}

/* A connection with the extension, opened without faults before a script that has its own. */
static sqlite3 *open_loaded(void) {
  sqlite3 *db;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK || load(db) != SQLITE_OK) stop(sqlite3_errmsg(db));
  return db;
}

/* The whole of a run whose faults begin with opening or loading. Returns the connection, or NULL.
 */
static sqlite3 *run_from_start(const Script *script, Outcome *outcome) {
  sqlite3 *db;
  int code = open_database(script, &db);
  if (code == SQLITE_OK) code = load(db);
  if (code == SQLITE_OK) code = load(db);
  if (code == SQLITE_OK) {
    run_sql(outcome, db, script);
  } else {
    note_end(outcome, db, code);
  }
  return db;
}

/* ---- Judging a run ---- */

static struct { uint64_t passed, failed; } total;

enum { SHOWN_FAILURES = 20 };

typedef struct Run {
  const Script *script;
  Allocator *allocator;
  uint64_t fault;
  bool forever;
  Outcome right, outcome;
} Run;

static void fail_run(const Run *run, const char *what, const Outcome *outcome) {
  if (total.failed++ >= SHOWN_FAILURES) return;
  printf("FAILED: script \"%s\", %s allocation %" PRIu64 " fails %s: %s\n", run->script->name,
         run->allocator->name, run->fault, run->forever ? "and all after it" : "once", what);
  printf("  expected: code %d, %s; rows:\n%s", run->right.code, run->right.message,
         run->right.rows);
  if (outcome != NULL) {
    printf("  found: code %d, %s; rows:\n%s", outcome->code, outcome->message, outcome->rows);
  }
}

static bool check(const Run *run, bool good, const char *what, const Outcome *outcome) {
  if (good) return true;
  fail_run(run, what, outcome);
  return false;
}

static bool equal(const Outcome *left, const Outcome *right) {
  return left->code == right->code && strcmp(left->message, right->message) == 0 &&
         strcmp(left->rows, right->rows) == 0;
}

static bool is_start(const Outcome *part, const Outcome *whole) {
  return part->length <= whole->length && memcmp(part->rows, whole->rows, part->length) == 0;
}

static bool check_outcome(const Run *run) {
  const Outcome *outcome = &run->outcome;
  if (outcome->code != SQLITE_NOMEM) {
    return check(run, equal(outcome, &run->right), "another result", outcome);
  }
  return check(run, run->allocator->struck, "out of memory without a fault", outcome) &&
         check(run, is_start(outcome, &run->right), "wrong rows before the fault", outcome);
}

static Outcome no_outcome(void) {
  return (Outcome){.code = SQLITE_OK, .message = "not an error"};
}

/* After the fault: what it left of the connection must do. */
static bool check_again(Run *run, sqlite3 *db) {
  if (db == NULL) return true;
  Outcome again = no_outcome();
  if (!check(run, load(db) == SQLITE_OK, "loading again fails", NULL)) return false;
  run_sql(&again, db, run->script);
  return check(run, equal(&again, &run->right), "another result when run again", &again);
}

static bool check_closing(const Run *run, sqlite3 *db, int64_t jansson_before) {
  return check(run, sqlite3_close(db) == SQLITE_OK, "closing fails", NULL) &&
         check(run, sqlite3_memory_used() == 0, "memory that is counted as used", NULL) &&
         check(run, of_sqlite.live == 0, "blocks of SQLite's allocator left", NULL) &&
         check(run, of_jansson.live == jansson_before, "blocks of jansson's allocator left", NULL);
}

/* Runs the script with the fault. Returns whether it struck. */
static bool run_with_fault(Run *run) {
  int64_t jansson_before = of_jansson.live;
  bool loaded = run->script->stage <= STAGE_SCRIPT;
  sqlite3 *db = loaded ? open_loaded() : NULL;
  run->outcome = no_outcome();
  arm(run->allocator, run->fault, run->forever);
  if (loaded) {
    run_sql(&run->outcome, db, run->script);
  } else {
    db = run_from_start(run->script, &run->outcome);
  }
  disarm(run->allocator);
  bool opened = db != NULL && sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL) == SQLITE_OK;
  bool good = check_outcome(run) && check_again(run, opened ? db : NULL);
  good = check_closing(run, db, jansson_before) && good;
  total.passed += good;
  return run->allocator->struck;
}

static void run_faults(Run *run) {
  enum { TOO_MANY = 100000, SHOWN_PER_SCRIPT = 3 };
  uint64_t failed_before = total.failed;
  for (run->fault = 1; run_with_fault(run); run->fault++) {
    if (run->fault > TOO_MANY || total.failed > failed_before + SHOWN_PER_SCRIPT) return;
  }
}

/* ---- What a process has open ---- */

static int count_descriptors(void) {
  int count = 0;
  DIR *directory = opendir("/proc/self/fd");
  if (directory == NULL) stop("/proc/self/fd");
  while (readdir(directory) != NULL) count++;
  closedir(directory);
  return count;
}

static bool has_mapping(void) {
  char line[8192];
  bool found = false;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (maps == NULL) stop("/proc/self/maps");
  while (fgets(line, sizeof line, maps) != NULL) found = found || strstr(line, folder) != NULL;
  fclose(maps);
  return found;
}

/* ---- All runs ---- */

/* Whether a file that was to be temporary is still there. */
static bool has_temporary_file(void) {
  bool found = false;
  DIR *directory = opendir("w");
  if (directory == NULL) stop("w");
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    found = found || strncmp(entry->d_name, ".safetensors-", 13) == 0;
  }
  closedir(directory);
  return found;
}

static void run_script(const Script *script) {
  static Run run; /* large */
  Allocator *const allocators[] = {&of_sqlite, &of_jansson};
  int descriptors = count_descriptors();
  run = (Run){.script = script, .allocator = &of_sqlite, .right = no_outcome()};
  sqlite3 *db = run_from_start(script, &run.right);
  check_closing(&run, db, of_jansson.live);
  if (run.right.code == SQLITE_NOMEM) fail_run(&run, "out of memory without a fault", NULL);
  for (int i = 0; i < 4; i++) {
    run.allocator = allocators[i / 2];
    run.forever = i % 2 == 1;
    run_faults(&run);
  }
  if (count_descriptors() != descriptors) fail_run(&run, "file descriptors left open", NULL);
  if (has_mapping()) fail_run(&run, "files left mapped", NULL);
  if (has_temporary_file()) fail_run(&run, "a temporary file left", NULL);
}

static void list_file(const char *file) {
  static const char *const tables[] = {"safetensors_tensors", "safetensors_check"};
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    char sql[200];
    Script script = {file, STAGE_STEPS, sql};
    snprintf(sql, sizeof sql, "SELECT * FROM %s('%s') t", tables[i], file);
    run_script(&script);
  }
}

static void take_blobs(void) {
  for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
    if (strcmp(fixtures[i].name, "tricky") == 0) {
      blob.bytes = fixture_bytes(&fixtures[i], &blob.size);
    } else if (strcmp(fixtures[i].name, "bad_entry") == 0) {
      bad_blob.bytes = fixture_bytes(&fixtures[i], &bad_blob.size);
    }
  }
}

int main(void) {
  install_allocators();
  write_fixtures();
  take_blobs();
  for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) run_script(&scripts[i]);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) list_file(files[i]);
  free(blob.bytes);
  free(bad_blob.bytes);
  remove_fixtures();
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", total.passed, total.failed);
  return total.failed > 0;
}
