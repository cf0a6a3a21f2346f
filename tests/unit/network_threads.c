/* Statements over addresses: of several connections on threads of their own, each with threads of its passes, and in a child
** that was forked while requests of its parent were under way. All have the same rows. */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

#include "faults_fixtures.h"
#include "loopback_server.h"
#include "program.h"

enum { THREADS = 4, TURNS = 10 };

static const char *const questions[] = {
    "SELECT group_concat(tensor_hash(ref)) FROM safetensors_tensors('hf://o/r')",
    "SELECT group_concat(tensor_hash(ref)) FROM safetensors_tensors('s3://b/run/*/x.safetensors')",
    "SELECT group_concat(name) FROM safetensors_weights('hf://o/r')",
};

enum { QUESTIONS = sizeof questions / sizeof questions[0] };

static char answers[QUESTIONS][512];

static bool ask(sqlite3 *db, const char *sql, char *answer) {
  sqlite3_stmt *statement = NULL;
  bool good = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;
  const char *text = good ? (const char *)sqlite3_column_text(statement, 0) : sqlite3_errmsg(db);
  snprintf(answer, 512, "%s", text != NULL ? text : "NULL");
  sqlite3_finalize(statement);
  return good;
}

static void *ask_all(void *unused) {
  char answer[512];
  sqlite3 *db = new_connection();
  (void)unused;
  sqlite3_exec(db, "PRAGMA threads = 3", NULL, NULL, NULL);
  for (int i = 0; i < TURNS * QUESTIONS; i++) {
    bool good = ask(db, questions[i % QUESTIONS], answer);
    check(good && strcmp(answer, answers[i % QUESTIONS]) == 0, answer);
  }
  check(sqlite3_close(db) == SQLITE_OK, "closing");
  return NULL;
}

/* The child goes on with a connection whose statement has requests under way, and with a new one. */
static void check_fork(void) {
  static const char rows[] = "SELECT tensor_hash(ref) FROM safetensors_tensors('hf://o/r')";
  char answer[512];
  sqlite3 *db = new_connection();
  sqlite3_stmt *statement = NULL;
  int status = 1, count = 0;
  check(sqlite3_prepare_v2(db, rows, -1, &statement, NULL) == SQLITE_OK &&
            sqlite3_step(statement) == SQLITE_ROW,
        "the first row");
  pid_t child = fork();
  if (child == 0) {
    while (sqlite3_step(statement) == SQLITE_ROW) count++;
    bool good = count > 0 && sqlite3_finalize(statement) == SQLITE_OK;
    good = good && ask(db, questions[1], answer) && strcmp(answer, answers[1]) == 0;
    sqlite3 *other = new_connection();
    good = good && ask(other, questions[0], answer) && strcmp(answer, answers[0]) == 0;
    sqlite3_close(other);
    _exit(good ? 0 : 1);
  }
  check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "the child");
  while (sqlite3_step(statement) == SQLITE_ROW) count++;
  check(count > 0 && sqlite3_finalize(statement) == SQLITE_OK, "its parent goes on");
  check(ask(db, questions[1], answer) && strcmp(answer, answers[1]) == 0, answer);
  check(sqlite3_close(db) == SQLITE_OK, "closing");
}

int main(void) {
  char store[128];
  pthread_t threads[THREADS];
  if (dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL) == NULL) {
    printf("skipped: threads over addresses (no libcurl)\n");
    return finish();
  }
  write_fixtures();
  const char *address = loopback_server_start();
  snprintf(store, sizeof store, "%s/store", address);
  setenv("SAFETENSORS_NETWORK", "on", 1);
  setenv("SAFETENSORS_HEADER_CACHE", "off", 1);
  setenv("HF_ENDPOINT", address, 1);
  setenv("AWS_ENDPOINT_URL", store, 1);
  sqlite3 *db = new_connection();
  for (int i = 0; i < QUESTIONS; i++) check(ask(db, questions[i], answers[i]), answers[i]);
  check(sqlite3_close(db) == SQLITE_OK, "closing");
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, ask_all, NULL);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  check_fork();
  remove_fixtures();
  return finish();
}
