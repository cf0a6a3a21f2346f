/*
** Every allocation fails once.
**
**     allocations [STRIDE [network]]   every STRIDE-th of them alone, and each that is reached by calls by which none
**                              was reached before: each 16th by default, each 100th where runs take long
**                              (FEW_FAULTS or RUN_UNDER is set); with a second word, over addresses alone
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
#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <poll.h>

#include "call_chains.h"
#include "faults_fixtures.h"
#include "faults_network.h"
#include "faults_outcome.h"
#include "program.h"
#include "short_sleeps.inc"

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

enum { MOST_NEW = 1 << 14 };

/* While a script is run without faults: the numbers of the allocations that new chains of calls led to. */
static struct {
  const Allocator *allocator; /* NULL: nothing is noted */
  uint64_t calls[MOST_NEW];
  uint64_t count;
} noted;

static void note(uint64_t call) {
  if (noted.count < MOST_NEW && call_chain_is_new(0)) noted.calls[noted.count++] = call;
}

static bool fails(Allocator *allocator) {
  if (sheltered > 0) return false;
  uint64_t call = ++allocator->calls, at = allocator->fail_at;
  if (noted.allocator == allocator) note(call);
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

/* ---- Running a script from the start ---- */

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

enum { SHOWN_FAILURES = 20, NO_FAULT = 0 };

typedef struct Run {
  const Script *script;
  Allocator *allocator;
  uint64_t fault; /* the number of the allocation, or NO_FAULT */
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

static bool expect(const Run *run, bool good, const char *what, const Outcome *outcome) {
  if (good) return true;
  fail_run(run, what, outcome);
  return false;
}

static bool check_outcome(const Run *run) {
  const Outcome *outcome = &run->outcome;
  if (outcome->code != SQLITE_NOMEM) {
    return expect(run, equal(outcome, &run->right), "another result", outcome);
  }
  return expect(run, run->allocator->struck, "out of memory without a fault", outcome) &&
         expect(run, is_start(outcome, &run->right), "wrong rows before the fault", outcome);
}

/* After the fault: what it left of the connection must do. */
static bool check_again(Run *run, sqlite3 *db) {
  if (db == NULL) return true;
  Outcome again = no_outcome();
  if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  if (!expect(run, load(db) == SQLITE_OK, "loading again fails", NULL)) return false;
  run_sql(&again, db, run->script);
  return expect(run, equal(&again, &run->right), "another result when run again", &again);
}

static bool check_closing(const Run *run, sqlite3 *db, int64_t jansson_before) {
  return expect(run, sqlite3_close(db) == SQLITE_OK, "closing fails", NULL) &&
         expect(run, sqlite3_memory_used() == 0, "memory that is counted as used", NULL) &&
         expect(run, of_sqlite.live == 0, "blocks of SQLite's allocator left", NULL) &&
         expect(run, of_jansson.live == jansson_before, "blocks of jansson's allocator left", NULL);
}

/* Runs the script with the fault, or notes which allocations are new. Returns whether the fault struck. */
static bool run_with_fault(Run *run) {
  int64_t jansson_before = of_jansson.live;
  bool loaded = run->script->stage <= STAGE_SCRIPT;
  sqlite3 *db = loaded ? open_loaded() : NULL;
  run->outcome = no_outcome();
  arm(run->allocator, run->fault, run->forever);
  noted.allocator = run->fault == NO_FAULT ? run->allocator : NULL;
  if (loaded) {
    run_sql(&run->outcome, db, run->script);
  } else {
    db = run_from_start(run->script, &run->outcome);
  }
  noted.allocator = NULL;
  disarm(run->allocator);
  bool opened = db != NULL && sqlite3_exec(db, "SELECT 1", NULL, NULL, NULL) == SQLITE_OK;
  bool good = check_outcome(run) && check_again(run, opened ? db : NULL);
  good = check_closing(run, db, jansson_before) && good;
  total.passed += good;
  return run->allocator->struck;
}

/* How many allocations further each run fails. */
static uint64_t stride = 16;

/* Whether there were so many failures that more would say nothing. */
static bool has_failed_enough(uint64_t failed_before) {
  enum { SHOWN_PER_SCRIPT = 3 };
  return total.failed > failed_before + SHOWN_PER_SCRIPT;
}

static void run_faults(Run *run) {
  enum { TOO_MANY = 100000 };
  static uint64_t offset; /* so that it is not always the first calls */
  uint64_t failed_before = total.failed;
  for (run->fault = 1 + offset++ % stride; run_with_fault(run); run->fault += stride) {
    if (run->fault > TOO_MANY || has_failed_enough(failed_before)) return;
  }
  for (uint64_t i = 0; i < noted.count && !has_failed_enough(failed_before); i++) {
    run->fault = noted.calls[i];
    run_with_fault(run);
  }
}

/* Runs the script without faults, and notes which of its allocations are new. */
static void note_new(Run *run) {
  noted.count = 0;
  run->fault = NO_FAULT;
  run_with_fault(run);
}

/* ---- All runs ---- */

/* Whether there are as many as before; the server on loopback closes its ends a moment later. */
static bool has_descriptors(int expected) {
  enum { TRIES = 200, MILLISECONDS = 10 };
  for (int i = 0; i < TRIES && open_descriptors() != expected; i++) poll(NULL, 0, MILLISECONDS);
  return open_descriptors() == expected;
}

static void run_script(const Script *script) {
  static Run run; /* large */
  Allocator *const allocators[] = {&of_sqlite, &of_jansson};
  int descriptors = open_descriptors();
  run = (Run){.script = script, .allocator = &of_sqlite, .right = no_outcome()};
  int64_t jansson_before = of_jansson.live;
  sqlite3 *db = run_from_start(script, &run.right);
  check_closing(&run, db, jansson_before);
  if (run.right.code == SQLITE_NOMEM) fail_run(&run, "out of memory without a fault", NULL);
  for (int i = 0; i < 4; i++) {
    run.allocator = allocators[i / 2];
    run.forever = i % 2 == 1;
    if (!run.forever) note_new(&run);
    run_faults(&run);
  }
  if (!has_descriptors(descriptors)) fail_run(&run, "file descriptors left open", NULL);
  if (is_mapped(faults_directory)) fail_run(&run, "files left mapped", NULL);
  if (has_temporary_file()) fail_run(&run, "a temporary file left", NULL);
}

/* Computed steps in a temporary file, which takes more than 16 MB of them. */
static const Script kept_in_a_file = {
    "an expression that is kept in a file", STAGE_STEPS,
    "SELECT tensor_item(tensor_transpose(tensor_neg(tensor_full('[3,700000]', 2))), -1, -1)"};

int main(int argc, char **argv) {
  if (getenv("FEW_FAULTS") != NULL || getenv("RUN_UNDER") != NULL) stride = 100;
  if (argc > 1) stride = strtoull(argv[1], NULL, 10);
  install_allocators();
  write_fixtures();
  take_blobs();
  if (argc <= 2) {
    run_all_scripts(run_script);
    run_script(&kept_in_a_file);
  }
  run_network_scripts(run_script);
  free_blobs();
  remove_fixtures();
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", total.passed, total.failed);
  return total.failed > 0;
}
