/*
** Each system call of a transaction that writes fails once, is cut short, or is the process's last.
**
** Whatever happens, each target is the whole old file or model, or the whole new one: the new one after a
** COMMIT that succeeds, the old one after a failure that is reported. After a crash there may be either. And
** after the next write nothing else is in the directory.
**
**     placing [STRIDE]
**
** Each fourth call fails, by default, or each sixteenth where runs take long (FEW_FAULTS is set); 1: every
** one.
*/
#include <sys/wait.h>

#include "faulty_calls.inc"
#include "scratch.h"
#include "short_sleeps.inc"

enum { TEXT = 4096, NAME = 64, SHOWN = 20 };

/* The bytes of all tensors are a letter that identifies who wrote them. */
typedef struct Case {
  const char *name;
  const char *prepare; /* makes the old state, of 'a'; %1$s is the directory */
  const char *change;  /* to the new one, of 'b' */
  const char *again;   /* and from whatever there is to another, of 'c' */
  const char *files;   /* checkpoints that are to be whole, separated by spaces */
  bool was_there;      /* before the change */
  int shards;          /* in the end; -1: those of the first generation are nobody's for sure */
} Case;

#define INTO                                                                              \
  "INSERT INTO safetensors_write(path, name, dtype, shape, data, max_shard_bytes, mode) " \
  "SELECT '%1$s/"
#define TENSORS "', 't' || value, 'U8', '[3]', "
#define OLD     TENSORS "x'616161', "
#define NEW     TENSORS "x'626262', "
#define LAST    TENSORS "x'636363', "
#define ROWS    ", 'replace' FROM json_each('[1,2,3]');"
#define FILE_F  INTO "f.safetensors"
#define FILE_G  INTO "g.safetensors"
#define MODEL   INTO "m.safetensors.index.json"

static const Case cases[] = {
    {"create", "", FILE_F NEW "NULL" ROWS, FILE_F LAST "NULL" ROWS, "f.safetensors", false, 0},
    {"replace", FILE_F OLD "NULL" ROWS, FILE_F NEW "NULL" ROWS, FILE_F LAST "NULL" ROWS,
     "f.safetensors", true, 0},
    {"edit", FILE_F OLD "NULL" ROWS,
     "CREATE VIRTUAL TABLE temp.m USING safetensors('%1$s/f.safetensors'); "
     "UPDATE m SET data = x'626262', name = 'u' || name",
     FILE_F LAST "NULL" ROWS, "f.safetensors", true, 0},
    {"create a model", "", MODEL NEW "3" ROWS, MODEL LAST "6" ROWS, "m.safetensors.index.json",
     false, -1},
    {"replace a model", MODEL OLD "3" ROWS MODEL OLD "3" ROWS, MODEL NEW "6" ROWS,
     MODEL LAST "6" ROWS, "m.safetensors.index.json", true, 2},
    {"edit a model", MODEL OLD "3" ROWS MODEL OLD "3" ROWS,
     "CREATE VIRTUAL TABLE temp.m USING safetensors('%1$s/m.safetensors.index.json'); "
     "UPDATE m SET data = x'626262'",
     MODEL LAST "6" ROWS, "m.safetensors.index.json", true, 2},
    {"several files", FILE_F OLD "NULL" ROWS FILE_G OLD "NULL" ROWS,
     "BEGIN; " FILE_F NEW "NULL" ROWS FILE_G NEW "NULL" ROWS "COMMIT",
     FILE_F LAST "NULL" ROWS FILE_G LAST "NULL" ROWS, "f.safetensors g.safetensors", true, 0},
};

static const Case *current;
static uint64_t stride; /* of all calls, one in so many fails */
static char title[256];

static void expect(bool good, const char *what, const char *found) {
  char message[TEXT];
  snprintf(message, sizeof message, "%s: %s: found %s", title, what, found);
  if (good || failed < SHOWN) {
    check(good, message);
  } else {
    failed++;
  }
}

static int run(sqlite3 *db, const char *sql) {
  char text[TEXT];
  snprintf(text, sizeof text, sql, directory);
  return sqlite3_exec(db, text, NULL, NULL, NULL);
}

/* ---- The directory ---- */

static void list(char names[TEXT]) {
  size_t length = 0;
  DIR *listing = opendir(directory);
  const struct dirent *entry;
  if (listing == NULL) stop(directory);
  names[0] = '\0';
  while ((entry = readdir(listing)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    length += (size_t)snprintf(names + length, TEXT - length, "%s ", entry->d_name);
  }
  closedir(listing);
}

/* Whose a checkpoint is: '-' if it is not there, '!' if it is not whole. */
static char owner(sqlite3 *db, const char *name) {
  char sql[4 * TEXT];
  sqlite3_stmt *statement;
  snprintf(sql, sizeof sql, "%s/%s", directory, name);
  if (access(sql, F_OK) != 0) return '-';
  snprintf(sql, sizeof sql,
           "SELECT CASE WHEN count(*) = 3 AND min(data) = max(data) AND NOT EXISTS (SELECT 1 FROM "
           "safetensors_check('%s/%s') WHERE severity = 'error') THEN substr(max(data), 1, 1) "
           "ELSE '!' END FROM safetensors_tensors('%s/%s')",
           directory, name, directory, name);
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) stop(sqlite3_errmsg(db));
  char found = '!';
  if (sqlite3_step(statement) == SQLITE_ROW) {
    found = ((const char *)sqlite3_column_text(statement, 0))[0];
  }
  sqlite3_finalize(statement);
  return found;
}

/* The owners of all that the case is about, in order. */
static const char *owners(sqlite3 *db) {
  static char found[8];
  size_t count = 0;
  for (const char *at = current->files; *at != '\0'; at += strspn(at, " ")) {
    char name[NAME];
    size_t length = strcspn(at, " ");
    snprintf(name, sizeof name, "%.*s", (int)length, at);
    found[count++] = owner(db, name);
    at += length;
  }
  found[count] = '\0';
  return found;
}

static bool are_all(const char *found, char letter) {
  return strspn(found, (const char[]){letter, '\0'}) == strlen(found);
}

/* Writes once more, by another connection; then only the checkpoints are there. */
static void check_next_write(void) {
  char names[TEXT];
  sqlite3 *db = new_connection();
  expect(run(db, current->again) == SQLITE_OK, "the next write", sqlite3_errmsg(db));
  const char *found = owners(db);
  expect(are_all(found, 'c'), "the next write", found);
  sqlite3_close(db);
  list(names);
  expect(strstr(names, ".tmp") == NULL, "a file is left over", names);
  int shards = 0;
  for (const char *at = names; (at = strstr(at, "-of-")) != NULL; at++) shards++;
  expect(shards == current->shards || current->shards < 0, "a shard is left over", names);
}

static void prepare(void) {
  empty_directory();
  sqlite3 *db = new_connection();
  if (run(db, current->prepare) != SQLITE_OK) stop(sqlite3_errmsg(db));
  sqlite3_close(db);
}

/* ---- Faults ---- */

static const Fault faults[] = {
    {"an error", EIO, false, false, ~0u},
    {"errors from there on", EIO, true, false, ~0u},
    {"no space", ENOSPC, true, false,
     ONE(CALL_WRITE) | ONE(CALL_COPY) | ONE(CALL_FSYNC) | ONE(CALL_OPEN) | ONE(CALL_LINK) |
         ONE(CALL_EXCHANGE)},
    {"no such function", ENOSYS, true, true,
     ONE(CALL_COPY) | ONE(CALL_CLONE) | ONE(CALL_BEGIN_SYNC) | ONE(CALL_NAMELESS) |
         ONE(CALL_EXCHANGE) | ONE(CALL_LOCK) | ONE(CALL_ATTRIBUTE)},
    {"not permitted", EPERM, true, false, ONE(CALL_CHMOD) | ONE(CALL_CHOWN) | ONE(CALL_LINK)},
    {"a signal", EINTR, false, true,
     ONE(CALL_OPEN) | ONE(CALL_PREAD) | ONE(CALL_WRITE) | ONE(CALL_FSYNC) | ONE(CALL_LOCK)},
    {"one byte at a time", 0, true, true, ONE(CALL_PREAD) | ONE(CALL_WRITE) | ONE(CALL_COPY)},
};

/* Returns whether the fault struck. */
static bool run_with_fault(const Fault *fault, Call call, uint64_t number) {
  snprintf(title, sizeof title, "%s, %s %llu, %s", current->name, call_names[call],
           (unsigned long long)number, fault->name);
  prepare();
  sqlite3 *db = new_connection(), *reader = new_connection();
  armed.fault = fault;
  armed.call = call;
  armed.calls = 0;
  armed.fail_at = number;
  armed.struck = false;
  int code = run(db, current->change);
  char message[TEXT];
  snprintf(message, sizeof message, "%s", sqlite3_errmsg(db));
  if (code != SQLITE_OK) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
  sqlite3_close(db);
  armed.fault = NULL;
  const char *found = owners(reader);
  char old = current->was_there ? 'a' : '-';
  bool may_be_either = fault->forever && (call == CALL_EXCHANGE || call == CALL_RENAME);
  if (code == SQLITE_OK) {
    expect(are_all(found, 'b'), "COMMIT succeeds", found);
  } else {
    expect(strncmp(message, "safetensors: ", 13) == 0 || code == SQLITE_NOMEM, "no sentence",
           message);
    expect(!fault->harmless, "it could be made good", message);
    expect(are_all(found, old) || (may_be_either && strchr(found, '!') == NULL), message, found);
  }
  sqlite3_close(reader);
  check_next_write();
  return armed.struck;
}

static void run_faults(void) {
  static uint64_t offset; /* so that it is not always the first calls */
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    for (Call call = 0; call < CALL_COUNT; call++) {
      if ((faults[i].calls & ONE(call)) == 0) continue;
      uint64_t first = 1 + offset++ % stride;
      for (uint64_t number = first; run_with_fault(&faults[i], call, number); number += stride)
        continue;
    }
  }
}

/* ---- Kills ---- */

/* Returns whether the process came that far. */
static bool run_killed(uint64_t number) {
  snprintf(title, sizeof title, "%s, killed at call %llu", current->name,
           (unsigned long long)number);
  prepare();
  pid_t child = fork();
  if (child == 0) {
    sqlite3 *db = new_connection();
    all_calls = 0;
    last_call = number;
    run(db, current->change);
    _exit(0);
  }
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child) stop("fork");
  sqlite3 *reader = new_connection();
  const char *found = owners(reader);
  char old = current->was_there ? 'a' : '-';
  bool whole = true;
  for (const char *at = found; *at != '\0'; at++) whole = whole && (*at == old || *at == 'b');
  expect(whole, "the whole old file or the whole new one", found);
  sqlite3_close(reader);
  check_next_write();
  return WIFSIGNALED(status);
}

int main(int argc, char **argv) {
  uint64_t kills = 0;
  stride = argc > 1 ? strtoull(argv[1], NULL, 10) : getenv("FEW_FAULTS") != NULL ? 16 : 4;
  if (stride == 0) stride = 1;
  make_directory();
  int descriptors = open_descriptors();
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    current = &cases[i];
    run_faults();
    for (uint64_t number = 1; run_killed(number); number += stride) kills++;
  }
  empty_directory();
  snprintf(title, sizeof title, "in the end");
  expect(open_descriptors() == descriptors, "descriptors are left open", "more");
  expect(sqlite3_memory_used() == 0, "memory is left", "some");
  printf("%llu processes were killed\n", (unsigned long long)kills);
  rmdir(directory);
  return finish();
}
