/*
** Files that are cut short at random moments, while threads of another process query them.
**
**     truncation [COUNT]     COUNT truncations in each mode, 100 by default; `make truncation` has 1,000
**
** Every answer must be the right one, or an error of ours. Reading (io = pread), no process may
** crash. With mapped files one may, and the test prints how many of the truncations killed it.
**
** Each truncation is of a file of its own, put in place by rename: the bytes that an open file had
** never come back, so an answer can be judged by itself.
*/
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "program.h"

enum { THREADS = 3, TENSORS = 3, TENSOR_SIZE = 2000000, FILE_SIZE = TENSORS * TENSOR_SIZE + 1000 };

static char path[80], next[80], copy[80];

/* Of AddressSanitizer, where it is: SIGBUS is no failure here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "handle_sigbus=0";
}

/* ---- The process that asks ---- */

static const Question questions[] = {
    {"SELECT group_concat(name || nbytes) FROM safetensors_tensors(%Q)",
     "a2000000,b2000000,c2000000"},
    {"SELECT tensor_item(%Q || '#c', -1)", "99"},
    {"SELECT tensor_json(%Q || '#b', '::400000')", "[98,98,98,98,98]"},
    {"SELECT sum(value) FROM tensor_elements(%Q || '#a', '::50')", "3880000"},
    {"SELECT hex(substr(data, -1)) FROM safetensors_tensors(%Q) WHERE name = 'b'", "62"},
    {"SELECT hex(substr(tensor_cast(%Q || '#a', 'U16'), -2))", "6100"},
    {"SELECT hex(tensor_data(%Q || '#c', '::1000000'))", "6363"},
    {"SELECT sum(length(data)) FROM tensor_rows(%Q || '#a') WHERE i < 1000", "1000"},
    {"SELECT min || ' ' || max || ' ' || mean FROM tensor_stats(%Q || '#c')", "99 99 99.0"},
    {"SELECT sum(count) FROM tensor_histogram(%Q || '#b', 4)", "2000000"},
    {"SELECT equal || n_diff FROM tensor_compare(%Q || '#a', %Q || '#b')", "02000000"},
    {"SELECT group_concat(status || coalesce(n_diff, '-')) FROM safetensors_diff(%Q, %Q)",
     "same0,same0,same0"},
    {"SELECT length(safetensors_serialize(name, dtype, NULL, ref)) > 6000000 "
     "FROM safetensors_tensors(%Q)",
     "1"},
    {"INSERT INTO safetensors_write(path, name, dtype, shape, data, mode) "
     "SELECT %Q || '.written.safetensors', name, dtype, NULL, ref, 'replace' "
     "FROM safetensors_tensors(%Q) RETURNING 1",
     "1"},
    {"INSERT INTO safetensors_write(path, name, dtype, shape, data, mode) "
     "VALUES (%Q || '.cast.safetensors', 'a', 'F16', NULL, %Q || '#a', 'replace') RETURNING 1",
     "1"},
    {"SELECT tensor_hash(%Q || '#a') = tensor_hash(%Q || '#a')", "1"},
};
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

/* What the child reports to the parent when it ends: nothing, if all answers were right or errors. */
static void complain(const char *sql, const char *answer, const char *found) {
  printf("FAILED: %s: expected %s, found %s\n", sql, answer, found);
  fflush(stdout);
  _exit(2);
}

static void ask(sqlite3 *db, const Question *question) {
  char *sql = sqlite3_mprintf(question->sql, path, path);
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
    complain(sql, "a statement", sqlite3_errmsg(db));
  }
  int code = sqlite3_step(statement);
  const char *text = "";
  if (code == SQLITE_ROW) {
    text = (const char *)sqlite3_column_text(statement, 0);
    if (text == NULL || strcmp(text, question->answer) != 0) {
      complain(sql, question->answer, text != NULL ? text : "NULL");
    }
  } else if (strncmp(sqlite3_errmsg(db), "safetensors: ", 13) != 0) {
    complain(sql, "a sentence", sqlite3_errmsg(db));
  }
  sqlite3_finalize(statement);
  sqlite3_free(sql);
}

static void *ask_on(void *mode) {
  for (unsigned i = 0;; i++) {
    sqlite3 *db = new_connection();
    char *sql = sqlite3_mprintf("SELECT safetensors_config('io', %Q)", mode);
    sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 1);
    for (unsigned j = 0; j < 2 * QUESTIONS; j++) ask(db, &questions[(i + j) % QUESTIONS]);
    sqlite3_close(db);
  }
  return NULL;
}

static pid_t start_asking(const char *mode) {
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) stop("fork");
  if (child > 0) return child;
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, ask_on, (void *)(size_t)mode);
  pthread_join(threads[0], NULL);
  _exit(0);
}

/* ---- The process that cuts ---- */

static uint64_t random_state = 1;

static uint64_t below(uint64_t limit) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (random_state >> 33) % limit;
}

/* The file again, whole, as a new one in the old one's place. */
static void put_in_place(void) {
  static char bytes[1 << 20];
  FILE *from = fopen(copy, "rb"), *to = fopen(next, "wb");
  if (from == NULL || to == NULL) stop(next);
  for (size_t size; (size = fread(bytes, 1, sizeof bytes, from)) > 0;) fwrite(bytes, 1, size, to);
  fclose(from);
  if (fclose(to) != 0 || rename(next, path) != 0) stop(path);
}

static void sleep_up_to(uint64_t nanoseconds) {
  struct timespec time = {.tv_nsec = (long)below(nanoseconds)};
  nanosleep(&time, NULL);
}

/* Whether the process is still there. If not, a SIGBUS is counted, and anything else is a failure. */
static bool is_alive(pid_t child, int *killed) {
  int status = 0;
  if (waitpid(child, &status, WNOHANG) == 0) return true;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) {
    ++*killed;
  } else {
    check(false, "the process that asks ended");
    printf("  its status was %d\n", status);
  }
  return false;
}

/* Returns by how many of the truncations the process that asks was killed. */
static int cut_short(const char *mode, int count) {
  int killed = 0;
  put_in_place();
  pid_t child = start_asking(mode);
  for (int i = 0; i < count && failed == 0; i++) {
    sleep_up_to(8000000);
    if (truncate(path, (off_t)below(FILE_SIZE)) != 0) stop(path);
    sleep_up_to(4000000);
    if (!is_alive(child, &killed)) child = start_asking(mode);
    put_in_place();
  }
  if (is_alive(child, &killed)) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  return killed;
}

/* With what killed writers left there. */
static void remove_directory(void) {
  DIR *listing = opendir(directory);
  if (listing == NULL) stop(directory);
  for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
    unlinkat(dirfd(listing), entry->d_name, 0);
  }
  closedir(listing);
  rmdir(directory);
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 100;
  make_directory();
  snprintf(path, sizeof path, "%s/model.safetensors", directory);
  snprintf(next, sizeof next, "%s/next", directory);
  snprintf(copy, sizeof copy, "%s/copy", directory);
  write_tensors(copy, TENSORS, TENSOR_SIZE, 'a');
  check(cut_short("pread", count) == 0, "reading, no process was killed");
  int killed = cut_short("map", count);
  printf("of %d truncations in each mode, %d killed a process that had mapped the file\n", count,
         killed);
  remove_directory();
  return finish();
}
