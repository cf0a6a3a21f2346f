/*
** Every system call fails once.
**
** The scripts of faults.c are run with a fault at their first, second, third, ... call of open(), of
** stat(), of pread(), and so on, until a run gets through without meeting it; with files mapped, and
** with files read. The functions of the C library that make the calls are replaced here. Each run
** must
**
**   - give the rows or the message of a run without faults; or its first rows, and then an error
**     that is a sentence of ours or SQLITE_NOMEM; or rows that name the fault or say less
**     (NULL), as safetensors_files and safetensors_check have them;
**   - give the right rows after EINTR, and when less is read or written than was asked for;
**   - leave the connection usable: the same script, run again on it without faults, is right;
**   - leave nothing behind: no memory, no descriptor, no mapping, no temporary file.
*/
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "faults_outcome.h"

/* ---- The faults ---- */

typedef enum Call {
  CALL_OPEN,
  CALL_STAT,
  CALL_LSTAT,
  CALL_FSTAT,
  CALL_ACCESS,
  CALL_MMAP,
  CALL_MADVISE,
  CALL_PREAD,
  CALL_WRITE,
  CALL_COPY,
  CALL_FSYNC,
  CALL_LINK,
  CALL_RENAME,
  CALL_CHMOD,
  CALL_OPENDIR,
  CALL_READDIR,
  CALL_COUNT
} Call;

static const char *const call_names[] = {"open",   "stat",    "lstat",  "fstat",  "access",
                                         "mmap",   "madvise", "pread",  "write",  "copy_file_range",
                                         "fsync",  "linkat",  "rename", "fchmod", "opendir",
                                         "readdir"};

/* `number` is what errno becomes; 0: less is done than was asked for. */
typedef struct Fault {
  const char *name;
  int number;
  bool forever;   /* this call and all after it */
  bool harmless;  /* to be made good */
  unsigned calls; /* which calls can end so */
} Fault;

#define ONE(call) (1u << (call))

static const Fault faults[] = {
    {"an error", EIO, false, false, ~0u},
    {"errors from there on", EIO, true, false, ~0u},
    {"no memory", ENOMEM, false, false, ONE(CALL_OPEN) | ONE(CALL_MMAP) | ONE(CALL_OPENDIR)},
    {"no space", ENOSPC, true, false, ONE(CALL_WRITE) | ONE(CALL_COPY) | ONE(CALL_FSYNC)},
    {"no such function", ENOSYS, true, true, ONE(CALL_MADVISE) | ONE(CALL_COPY)},
    {"a signal", EINTR, false, true,
     ONE(CALL_OPEN) | ONE(CALL_PREAD) | ONE(CALL_WRITE) | ONE(CALL_FSYNC)},
    {"one byte at a time", 0, true, true, ONE(CALL_PREAD) | ONE(CALL_WRITE) | ONE(CALL_COPY)},
};

/* The armed fault: at call number fail_at of `call`. */
static struct {
  const Fault *fault;
  Call call;
  uint64_t calls, fail_at;
  bool struck;
} armed;

static bool strikes(Call call) {
  if (armed.fault == NULL || armed.call != call || sheltered > 0) return false;
  uint64_t number = ++armed.calls;
  bool now = number == armed.fail_at || (armed.fault->forever && number > armed.fail_at);
  armed.struck = armed.struck || now;
  if (now && armed.fault->number != 0) errno = armed.fault->number;
  return now;
}

/* Whether the call fails. If it does not, it may be one for a single byte. */
static bool fails_or_shortens(Call call, size_t *size) {
  if (!strikes(call)) return false;
  if (armed.fault->number == 0 && *size > 1) *size = 1;
  return armed.fault->number != 0;
}

/* ---- The replaced functions ---- */

/* The C library's, by its name for files of any size, or its only one. */
static void *real(const char *large, const char *name) {
  void *function = dlsym(RTLD_NEXT, large);
  if (function == NULL) function = dlsym(RTLD_NEXT, name);
  if (function == NULL) stop(name);
  return function;
}

/* A function that fails by returning `failure`. */
#define REPLACE(call, type, name, parameters, arguments, failure) \
  type name parameters {                                          \
    static type(*function) parameters;                            \
    if (function == NULL) {                                       \
      void *found = real(#name "64", #name);                      \
      memcpy(&function, &found, sizeof found);                    \
    }                                                             \
    return strikes(call) ? failure : function arguments;          \
  }

/* The same for one that may do less than it was asked for. */
#define REPLACE_SIZED(call, type, name, parameters, arguments)       \
  type name parameters {                                             \
    static type(*function) parameters;                               \
    if (function == NULL) {                                          \
      void *found = real(#name "64", #name);                         \
      memcpy(&function, &found, sizeof found);                       \
    }                                                                \
    return fails_or_shortens(call, &size) ? -1 : function arguments; \
  }

REPLACE(CALL_STAT, int, stat, (const char *restrict path, struct stat *restrict out), (path, out),
        -1)
REPLACE(CALL_LSTAT, int, lstat, (const char *restrict path, struct stat *restrict out), (path, out),
        -1)
REPLACE(CALL_FSTAT, int, fstat, (int descriptor, struct stat *out), (descriptor, out), -1)
REPLACE(CALL_ACCESS, int, access, (const char *path, int mode), (path, mode), -1)
REPLACE(CALL_MMAP, void *, mmap,
        (void *at, size_t size, int protection, int flags, int descriptor, off_t offset),
        (at, size, protection, flags, descriptor, offset), MAP_FAILED)
REPLACE(CALL_MADVISE, int, madvise, (void *at, size_t size, int advice), (at, size, advice), -1)
REPLACE(CALL_FSYNC, int, fsync, (int descriptor), (descriptor), -1)
REPLACE(CALL_LINK, int, linkat, (int from, const char *old, int to, const char *new, int flags),
        (from, old, to, new, flags), -1)
REPLACE(CALL_RENAME, int, rename, (const char *from, const char *to), (from, to), -1)
REPLACE(CALL_CHMOD, int, fchmod, (int descriptor, mode_t mode), (descriptor, mode), -1)
REPLACE(CALL_OPENDIR, DIR *, opendir, (const char *path), (path), NULL)
REPLACE(CALL_READDIR, struct dirent *, readdir, (DIR * stream), (stream), NULL)
REPLACE_SIZED(CALL_PREAD, ssize_t, pread, (int descriptor, void *out, size_t size, off_t offset),
              (descriptor, out, size, offset))
REPLACE_SIZED(CALL_WRITE, ssize_t, write, (int descriptor, const void *bytes, size_t size),
              (descriptor, bytes, size))
REPLACE_SIZED(CALL_COPY, ssize_t, copy_file_range,
              (int from, off_t *from_at, int to, off_t *to_at, size_t size, unsigned flags),
              (from, from_at, to, to_at, size, flags))

int open(const char *path, int flags, ...) {
  static int (*function)(const char *, int, ...);
  if (function == NULL) {
    void *found = real("open64", "open");
    memcpy(&function, &found, sizeof found);
  }
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  return strikes(CALL_OPEN) ? -1 : function(path, flags, mode);
}

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

static bool check(const Run *run, bool good, const char *what, const Outcome *outcome) {
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
  if (run->fault->harmless) return check(run, false, "another result", outcome);
  if (outcome->code == SQLITE_OK) {
    return check(run, names_the_fault(run) || lacks_values(run),
                 "rows that do not tell of the fault", outcome);
  }
  bool told = outcome->code == SQLITE_NOMEM || strncmp(outcome->message, "safetensors: ", 13) == 0;
  return check(run, told, "no sentence", outcome) &&
         check(run, is_start(outcome, &run->right) || names_the_fault(run),
               "wrong rows before the error", outcome);
}

static sqlite3 *open_in_mode(const char *mode) {
  sqlite3 *db = open_loaded();
  char sql[64];
  snprintf(sql, sizeof sql, "SELECT safetensors_config('io', '%s')", mode);
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) stop(sqlite3_errmsg(db));
  return db;
}

/* Runs the script with the fault. Returns whether it struck. */
static bool run_with_fault(Run *run) {
  sqlite3 *db = open_in_mode(run->mode);
  run->outcome = no_outcome();
  armed.fault = run->fault;
  armed.call = run->call;
  armed.calls = 0;
  armed.fail_at = run->number;
  armed.struck = false;
  run_sql(&run->outcome, db, run->script);
  armed.fault = NULL;
  bool good = check_outcome(run);
  Outcome again = no_outcome();
  run_sql(&again, db, run->script);
  good = check(run, equal(&again, &run->right), "another result when run again", &again) && good;
  good = check(run, sqlite3_close(db) == SQLITE_OK, "closing fails", NULL) && good;
  good = check(run, sqlite3_memory_used() == 0, "memory left", NULL) && good;
  total.passed += good;
  return armed.struck;
}

static void run_fault(Run *run) {
  uint64_t failed_before = total.failed;
  for (run->number = 1; run_with_fault(run); run->number++) {
    if (total.failed > failed_before + 2) return;
  }
}

static void run_script(const Script *script) {
  static Run run; /* large */
  static const char *const modes[] = {"map", "pread"};
  for (int mode = 0; mode < 2; mode++) {
    int descriptors = count_descriptors();
    run = (Run){.script = script, .mode = modes[mode], .right = no_outcome()};
    sqlite3 *db = open_in_mode(run.mode);
    run_sql(&run.right, db, script);
    sqlite3_close(db);
    for (size_t fault = 0; fault < sizeof faults / sizeof faults[0]; fault++) {
      for (Call call = 0; call < CALL_COUNT; call++) {
        if ((faults[fault].calls & ONE(call)) == 0) continue;
        run.fault = &faults[fault];
        run.call = call;
        run_fault(&run);
      }
    }
    check(&run, count_descriptors() == descriptors, "file descriptors left open", NULL);
    check(&run, !has_mapping(), "files left mapped", NULL);
    check(&run, !has_temporary_file(), "a temporary file left", NULL);
  }
}

int main(void) {
  write_fixtures();
  take_blobs();
  run_all_scripts(run_script);
  free_blobs();
  remove_fixtures();
  printf("%" PRIu64 " passed, %" PRIu64 " failed\n", total.passed, total.failed);
  return total.failed > 0;
}
