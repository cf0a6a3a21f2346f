/*
** Every system call fails once.
**
**     system_calls [STRIDE]
**
** The scripts of faults_scripts.c are run with a fault at one call of open(), of stat(), of pread(), and so on; with
** files mapped, and with files read. It is at each STRIDE-th call: each fourth by default, each 16th where runs take
** long (FEW_FAULTS is set); and at each call that is reached by other calls than all before it. The functions of the C
** library that make the calls are replaced here. Each run must
**
**   - give the rows or the message of a run without faults; or its first rows, and then an error
**     that is a sentence of ours or SQLITE_NOMEM; or rows that name the fault or say less
**     (NULL), as safetensors_files and safetensors_check have them;
**   - give the right rows after EINTR, and when less is read or written than was asked for;
**   - leave the connection usable: the same script, run again on it without faults, is right;
**   - leave nothing behind: no memory, no descriptor, no mapping, no temporary file.
*/
#include "call_chains.h"
#include "faults_fixtures.h"
#include "faulty_calls.inc"
#include "short_sleeps.inc"

/* ---- The faults ---- */

static const Fault faults[] = {
    {"an error", EIO, false, false, ~0u},
    {"errors from there on", EIO, true, false, ~0u},
    {"no memory", ENOMEM, false, false, ONE(CALL_OPEN) | ONE(CALL_MMAP) | ONE(CALL_OPENDIR)},
    {"no space", ENOSPC, true, false, ONE(CALL_WRITE) | ONE(CALL_COPY) | ONE(CALL_FSYNC)},
    {"no such function", ENOSYS, true, true,
     ONE(CALL_MADVISE) | ONE(CALL_COPY) | ONE(CALL_CLONE) | ONE(CALL_BEGIN_SYNC) |
         ONE(CALL_NAMELESS) | ONE(CALL_EXCHANGE) | ONE(CALL_LOCK)},
    {"a signal", EINTR, false, true,
     ONE(CALL_OPEN) | ONE(CALL_PREAD) | ONE(CALL_WRITE) | ONE(CALL_FSYNC) | ONE(CALL_LOCK)},
    {"one byte at a time", 0, true, true, ONE(CALL_PREAD) | ONE(CALL_WRITE) | ONE(CALL_COPY)},
};

/* ---- Judging a run ---- */

static struct { uint64_t passed, failed; } total;

typedef struct Run {
  const Script *script;
  const char *mode;
  const Fault *fault;
  Call call;
  uint64_t number; /* of the call that fails */
  Outcome right, outcome;
} Run;

static bool expect(const Run *run, bool good, const char *what, const Outcome *outcome) {
  enum { SHOWN_FAILURES = 20 };
  if (good || total.failed++ >= SHOWN_FAILURES) return good;
  printf("FAILED: script \"%s\", io %s, %s %" PRIu64 ": %s: %s\n", run->script->name, run->mode,
         call_names[run->call], run->number, run->fault->name, what);
  printf("  expected: code %d, %s; rows:\n%s", run->right.code, run->right.message,
         run->right.rows);
  if (outcome != NULL) {
    printf("  found: code %d, %s; rows:\n%s", outcome->code, outcome->message, outcome->rows);
  }
  return good;
}

/* Whether the rows tell what happened: a table that never fails says so in a column. */
static bool names_the_fault(const Run *run) {
  char spelled[64];
  size_t length = 0;
  for (const char *at = strerror(run->fault->number); *at != '\0';
       at++) { /* as put_column() has it */
    length += (size_t)snprintf(spelled + length, sizeof spelled - length,
                               *at == ' ' ? "\\%02x" : "%c", *at);
  }
  return strstr(run->outcome.rows, spelled) != NULL;
}

/* Whether the rows are the right ones, but for values that are NULL: what could not be found out. */
static bool lacks_values(const Run *run) {
  const char *found = run->outcome.rows, *right = run->right.rows;
  while (*found != '\0' && *right != '\0') {
    size_t length = strcspn(found + 1, " \n") + 1, expected = strcspn(right + 1, " \n") + 1;
    bool same = length == expected && memcmp(found, right, length) == 0;
    if (!same && !(length == 2 && found[1] == 'N')) return false;
    found += length;
    right += expected;
  }
  return *found == *right;
}

static bool check_outcome(const Run *run) {
  const Outcome *outcome = &run->outcome;
  if (equal(outcome, &run->right)) return true;
  if (run->fault->harmless) return expect(run, false, "another result", outcome);
  if (outcome->code == SQLITE_OK) {
    return expect(run, names_the_fault(run) || lacks_values(run),
                  "rows that do not tell of the fault", outcome);
  }
  bool reported =
      outcome->code == SQLITE_NOMEM || strncmp(outcome->message, "safetensors: ", 13) == 0;
  return expect(run, reported, "no sentence", outcome) &&
         expect(run, is_start(outcome, &run->right) || names_the_fault(run),
                "wrong rows before the error", outcome);
}

static sqlite3 *open_in_mode(const char *mode) {
  sqlite3 *db = open_loaded();
  char sql[64];
  snprintf(sql, sizeof sql, "SELECT safetensors_config('io', '%s')", mode);
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) stop(sqlite3_errmsg(db));
  return db;
}

/* Runs the script with the fault. */
static void run_with_fault(Run *run) {
  sqlite3 *db = open_in_mode(run->mode);
  run->outcome = no_outcome();
  armed.fault = run->fault;
  armed.call = run->call;
  armed.calls = 0;
  armed.fail_at = run->number;
  armed.struck = false;
  run_sql(&run->outcome, db, run->script);
  armed.fault = NULL;
  if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  bool good = check_outcome(run);
  Outcome again = no_outcome();
  run_sql(&again, db, run->script);
  good = expect(run, equal(&again, &run->right), "another result when run again", &again) && good;
  good = expect(run, sqlite3_close(db) == SQLITE_OK, "closing fails", NULL) && good;
  good = expect(run, sqlite3_memory_used() == 0, "memory left", NULL) && good;
  total.passed += good;
}

/* ---- Which calls fail ---- */

static uint64_t stride;

enum { MAX_NEW = 1000 };

/* In a run without faults: how many calls there are, and the numbers of those that are reached in a new way. */
static struct { uint64_t calls, count, numbers[MAX_NEW]; } noted[CALL_COUNT];

static void note(Call call) {
  uint64_t number = ++noted[call].calls;
  if (noted[call].count == MAX_NEW || !call_chain_is_new(call)) return;
  noted[call].numbers[noted[call].count++] = number;
}

/* What the script gives without faults. */
static void run_without_fault(Run *run) {
  memset(noted, 0, sizeof noted);
  sqlite3 *db = open_in_mode(run->mode);
  on_call = note;
  run_sql(&run->right, db, run->script);
  on_call = NULL;
  sqlite3_close(db);
}

static void run_fault(Run *run) {
  static uint64_t offset; /* so that it is not always the first that fails */
  uint64_t failed_before = total.failed;
  uint64_t calls = noted[run->call].calls; /* without a fault */
  for (run->number = 1 + offset++ % stride; run->number <= calls; run->number += stride) {
    run_with_fault(run);
    if (total.failed > failed_before + 2) return;
  }
  for (uint64_t i = 0; i < noted[run->call].count; i++) {
    run->number = noted[run->call].numbers[i];
    run_with_fault(run);
    if (total.failed > failed_before + 2) return;
  }
}

static void run_script(const Script *script) {
  static Run run; /* large */
  static const char *const modes[] = {"map", "pread"};
  for (int mode = 0; mode < 2; mode++) {
    int descriptors = open_descriptors();
    run = (Run){.script = script, .mode = modes[mode], .right = no_outcome()};
    run_without_fault(&run);
    for (size_t fault = 0; fault < sizeof faults / sizeof faults[0]; fault++) {
      for (Call call = 0; call < CALL_COUNT; call++) {
        if ((faults[fault].calls & ONE(call)) == 0) continue;
        run.fault = &faults[fault];
        run.call = call;
        run_fault(&run);
      }
    }
    expect(&run, open_descriptors() == descriptors, "file descriptors left open", NULL);
    expect(&run, !is_mapped(faults_directory), "files left mapped", NULL);
    expect(&run, !has_temporary_file(), "a temporary file left", NULL);
  }
}

int main(int argc, char **argv) {
  stride = argc > 1 ? strtoull(argv[1], NULL, 10) : getenv("FEW_FAULTS") != NULL ? 16 : 4;
  if (stride == 0) stride = 1;
  write_fixtures();
  take_blobs();
  run_all_scripts(run_script);
  free_blobs();
  remove_fixtures();
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", total.passed, total.failed);
  return total.failed > 0;
}
