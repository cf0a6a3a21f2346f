/*
** Many connections in many threads on the same files, one connection used from several threads, load
** and close in a loop, and fork: right results everywhere, and nothing left behind.
**
**     threads [ROUNDS]
**
** `make threads` runs it under ThreadSanitizer, with more rounds.
*/
#include <pthread.h>
#include <sys/wait.h>

#include "program.h"

enum { THREADS = 6, TENSORS = 4, TENSOR_SIZE = 300000, FILES = 2 };

static int rounds = 10;
static char paths[FILES][64];

/* ---- Queries with known answers ---- */

/* Tensor a of either file is 300,000 bytes 'a', b as many 'b', and so on. */
static const Question questions[] = {
    {"SELECT group_concat(name || nbytes) FROM safetensors_tensors(%Q)",
     "a300000,b300000,c300000,d300000"},
    {"SELECT status || tensors FROM safetensors_files(%Q)", "ok4"},
    {"SELECT count(*) FROM safetensors_metadata(%Q)", "0"},
    {"SELECT hex(substr(data, -2)) FROM safetensors_tensors(%Q) WHERE name = 'c'", "6363"},
    {"SELECT tensor_item(%Q || '#d', -1) || tensor_shape(%Q || '#d')", "100[300000]"},
    {"SELECT tensor_json(%Q || '#b', '::100000')", "[98,98,98]"},
    {"SELECT sum(value) FROM tensor_elements(%Q || '#a', ':1000')", "97000"},
    {"SELECT length(tensor_cast(%Q || '#a', 'F32'))", "1200000"},
    {"SELECT min || ' ' || mean || ' ' || std FROM tensor_stats(%Q || '#b')", "98 98.0 0.0"},
    {"SELECT group_concat(count) FROM tensor_histogram(%Q || '#c', 2)", "0,300000"},
    {"SELECT equal || n_diff || max_abs_diff FROM tensor_compare(%Q || '#a', %Q || '#b')",
     "03000001.0"},
    {"SELECT tensor_hash(%Q || '#a') = tensor_hash(%Q || '#b')", "0"},
    {"SELECT group_concat(status) FROM safetensors_diff(%Q, %Q)", "same,same,same,same"},
    {"SELECT count(*) FROM safetensors_check(%Q) WHERE severity = 'error'", "0"},
    {"SELECT length(safetensors_serialize(name, NULL, NULL, ref)) > 1200000 "
     "FROM safetensors_tensors(%Q)",
     "1"},
    {"SELECT group_concat(i) FROM tensor_rows(%Q || '?slice=:3#a')", "0,1,2"},
    {"SELECT tensor_quantile(%Q || '#a', 0.5)", "97.0"},
    {"SELECT group_concat(i) FROM tensor_nearest(tensor_reshape(%Q || '#c', '[3000,100]'), "
     "tensor_slice(%Q || '#c', ':100'), 3)",
     "0,1,2"},
    {"SELECT group_concat(round(value)) FROM tensor_svd(tensor_reshape(%Q || '#c', '[3000,100]'), "
     "1)",
     "54225.0"},
    {"SELECT min || ' ' || max FROM tensor_stats(tensor_add(%Q || '#a', %Q || '#b'))",
     "195.0 195.0"},
    {"SELECT min || ' ' || max FROM tensor_stats(tensor_matmul("
     "tensor_transpose(tensor_reshape(%Q || '#a', '[30000,10]')), "
     "tensor_reshape(%Q || '#b', '[30000,10]')))",
     "285180000.0 285180000.0"},
    {"SELECT length(tensor_data(tensor_transpose(tensor_convert(tensor_reshape(%Q || '#c', "
     "'[300,1000]'), 'F32'))))",
     "1200000"},
};
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

static void ask(sqlite3 *db, const Question *question, const char *path) {
  char *sql = sqlite3_mprintf(question->sql, path, path);
  sqlite3_stmt *statement = NULL;
  bool right = false;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    right = text != NULL && strcmp(text, question->answer) == 0;
    if (!right) printf("found %s, expected %s\n", text != NULL ? text : "NULL", question->answer);
  }
  check(right, sql);
  sqlite3_finalize(statement);
  sqlite3_free(sql);
}

static void ask_all(sqlite3 *db, int start) {
  for (int i = 0; i < QUESTIONS; i++) {
    ask(db, &questions[(start + i) % QUESTIONS], paths[(start + i) % FILES]);
  }
}

/* ---- Threads ---- */

static void run_threads(void *(*main)(void *), void *argument) {
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) {
    if (pthread_create(&threads[i], NULL, main, argument) != 0) stop("pthread_create");
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static void *use_own_connections(void *unused) {
  (void)unused;
  for (int i = 0; i < rounds; i++) {
    sqlite3 *db = new_connection_with(i % 2 == 0 ? SQLITE_OPEN_NOMUTEX : SQLITE_OPEN_FULLMUTEX);
    sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 2);
    sqlite3_exec(db, i % 3 == 0 ? "SELECT safetensors_config('io', 'pread')" : "", 0, 0, 0);
    ask_all(db, i);
    check(sqlite3_close(db) == SQLITE_OK, "close");
  }
  return NULL;
}

static void *use_one_connection(void *db) {
  for (int i = 0; i < rounds; i++) ask_all(db, i);
  return NULL;
}

static void test_threads(void) {
  run_threads(use_own_connections, NULL);
  sqlite3 *db = new_connection_with(SQLITE_OPEN_FULLMUTEX);
  run_threads(use_one_connection, db);
  check(sqlite3_close(db) == SQLITE_OK, "close");
}

/* ---- Load and close ---- */

static void load_and_close(const char *library) {
  sqlite3 *db;
  char *message = NULL;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) stop("sqlite3_open");
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  check(sqlite3_load_extension(db, library, NULL, &message) == SQLITE_OK, "load");
  if (message != NULL) printf("%s\n", message);
  sqlite3_free(message);
  ask_all(db, 0);
  check(sqlite3_close(db) == SQLITE_OK, "close");
}

static void *load_in_thread(void *library) {
  for (int i = 0; i < rounds; i++) load_and_close(library);
  return NULL;
}

static void test_loading(void) {
  const char *build = getenv("BUILD");
  char library[4096];
  snprintf(library, sizeof library, "%s/safetensors.so", build != NULL ? build : "build");
  if (access(library, R_OK) != 0) stop(library);
  load_and_close(library);
  int descriptors = open_descriptors();
  for (int i = 0; i < 3 * rounds; i++) load_and_close(library);
  run_threads(load_in_thread, library);
  check(open_descriptors() == descriptors, "no descriptor is left");
  check(!is_mapped(directory), "no file is left mapped");
#if defined(__GLIBC__) /* musl unloads nothing */
  check(!is_mapped("/safetensors.so"), "the library is not left mapped");
#endif
  check(sqlite3_memory_used() == 0, "no memory is left");
}

/* ---- fork ---- */

/* Returns whether all went well there. */
static bool in_child(void) {
  int before = failed;
  sqlite3 *db = new_connection();
  ask_all(db, 0);
  return sqlite3_close(db) == SQLITE_OK && failed == before;
}

/* A child makes its own connection, while the parent's, with files mapped, stays good in both. */
static void test_fork(void) {
  sqlite3 *db = new_connection();
  sqlite3_stmt *statement = NULL;
  char *sql = sqlite3_mprintf("SELECT data FROM safetensors_tensors(%Q)", paths[0]);
  check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK, sql);
  check(sqlite3_step(statement) == SQLITE_ROW, sql);
  const char *data = sqlite3_column_blob(statement, 0);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    bool good = data[TENSOR_SIZE - 1] == 'a' && in_child();
    fflush(stdout);
    _exit(good ? 0 : 1);
  }
  int status = -1;
  check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "the child");
  check(data[TENSOR_SIZE - 1] == 'a', "the parent's bytes");
  check(sqlite3_step(statement) == SQLITE_ROW, "the parent's statement");
  ask_all(db, 0);
  sqlite3_finalize(statement);
  sqlite3_free(sql);
  check(sqlite3_close(db) == SQLITE_OK, "close");
}

int main(int argc, char **argv) {
  if (argc > 1) rounds = atoi(argv[1]);
  make_directory();
  for (int i = 0; i < FILES; i++) {
    snprintf(paths[i], sizeof paths[i], "%s/%d.safetensors", directory, i);
    write_tensors(paths[i], TENSORS, TENSOR_SIZE, 'a');
  }
  test_threads();
  test_loading();
  test_fork();
  for (int i = 0; i < FILES; i++) unlink(paths[i]);
  rmdir(directory);
  return finish();
}
