/*
** pass: every element once, in order, whatever the threads, the view and the way of reading.
**
** The state of a block is a polynomial hash of its elements, and merging is not commutative, so a
** block that is lost, doubled, or out of order changes the result. The expected value is that of a
** plain loop over the view.
**
** Covers little: of all lines, others reach nearly as many.
*/
#include "tensor/pass.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "safetensors.h"
#include "tensor/gather.h"
#include "tensor/value.h"

static int passed, failed;

static void check(bool good, const char *what) {
  if (good) {
    passed++;
  } else {
    failed++;
    printf("FAIL %s\n", what);
  }
}

enum { SCRATCH = 100 };

typedef struct Sum {
  uint64_t hash, count;
} Sum;

typedef struct Task {
  unsigned bits, inputs;
  Sum sum;
  uint64_t stop_after;
} Task;

static void block(const void *task, const PassElements *elements, uint64_t position, uint64_t count,
                  void *scratch, void *state) {
  const Task *what = task;
  Sum *sum = state;
  (void)position;
  memcpy(scratch, &position, sizeof position); /* no other thread's, and aligned */
  memcpy((unsigned char *)scratch + SCRATCH - sizeof position, &position, sizeof position);
  sum->hash += (uintptr_t)scratch % PASS_ALIGNMENT;
  for (uint64_t i = 0; i < count; i++) {
    for (unsigned n = 0; n < what->inputs; n++) {
      sum->hash =
          sum->hash * 31 + element_load(elements[n].data, what->bits, elements[n].first + i);
    }
  }
  sum->count += count;
  if (memcmp(scratch, &position, sizeof position) != 0) sum->hash++;
}

static bool merge(void *task, const void *state) {
  Task *what = task;
  const Sum *sum = state;
  what->sum.hash = what->sum.hash * 1000003 + sum->hash;
  what->sum.count += sum->count;
  return what->stop_after == 0 || what->sum.count < what->stop_after;
}

static Sum expected(const unsigned char *data, const View *view, unsigned bits, unsigned inputs) {
  Task task = {.bits = bits, .inputs = inputs};
  Sum one = {0};
  for (uint64_t i = 0; i < view->numel; i++) {
    for (unsigned n = 0; n < inputs; n++) {
      one.hash = one.hash * 31 + element_load(data, bits, view_element(view, i));
    }
    one.count++;
    if (one.count == PASS_BLOCK || i + 1 == view->numel) {
      merge(&task, &one);
      one = (Sum){0};
    }
  }
  return task.sum;
}

/* ---- Cases ---- */

static const struct {
  const char *shape, *slice;
} views[] = {
    {"[1000,1000]", "..."},        {"[1000,1000]", "1:999, 3:-5"}, {"[1000,1000]", "::3, ::7"},
    {"[1000,1000]", ":, 4"},       {"[1000000]", "5:777777"},      {"[1000000]", "::4096"},
    {"[100,100,100]", ":, 1::2"},  {"[1000000]", "8:16"},          {"[1000,1000]", "0:0"},
    {"[100,10000]", "::2, 1:2:1"},
};
static const unsigned widths[] = {4, 6, 8, 16, 32, 64};

static void run(const Source *source, const View *view, const unsigned char *data, unsigned bits,
                unsigned threads, const char *what) {
  for (unsigned inputs = 1; inputs <= 2; inputs++) {
    Task task = {.bits = bits, .inputs = inputs};
    PassInput input = {source, view, bits};
    Host host = {.threads = threads};
    Pass pass = {.input_count = inputs,
                 .inputs = {input, input},
                 .task = &task,
                 .state_size = sizeof(Sum),
                 .scratch_size = SCRATCH,
                 .block = block,
                 .merge = merge};
    Error error = {0};
    bool good = pass_run(&pass, &host, &error);
    Sum sum = expected(data, view, bits, inputs);
    check(good && task.sum.hash == sum.hash && task.sum.count == sum.count, what);
    error_clear(&error);
  }
}

static void run_any_order(const Source *source, const View *view, unsigned threads) {
  Task task = {.bits = 8, .inputs = 1};
  Host host = {.threads = threads};
  Pass pass = {.input_count = 1,
               .inputs = {{source, view, 8}},
               .task = &task,
               .any_order = true,
               .state_size = sizeof(Sum),
               .scratch_size = SCRATCH,
               .block = block,
               .merge = merge};
  Error error = {0};
  check(pass_run(&pass, &host, &error) && task.sum.count == view->numel, "any order");
  task.sum = (Sum){0};
  task.stop_after = 1;
  pass.any_order = false;
  check(
      pass_run(&pass, &host, &error) && (task.sum.count == PASS_BLOCK || view->numel < PASS_BLOCK),
      "merge ends a pass");
  error_clear(&error);
}

/* ---- Waiting ---- */

static pthread_t caller;
static atomic_uint questions, unasked;

/* A progress handler: SQLite calls it in each statement by which the connection is asked. */
static int count_question(void *context) {
  (void)context;
  questions++;
  return 0;
}

/* On another thread than the caller's, a block that lasts until the connection has been asked; or counts that it was not, in
** 10 seconds. */
static void slow_block(const void *task, const PassElements *elements, uint64_t position,
                       uint64_t count, void *scratch, void *state) {
  unsigned before = questions;
  block(task, elements, position, count, scratch, state);
  if (pthread_equal(pthread_self(), caller)) return;
  for (int i = 0; questions == before && unasked == 0 && i < 10000; i++) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  unasked += questions == before;
}

/* The connection is asked, too, while the caller's thread has nothing to do but to wait for others. */
static void run_waiting(sqlite3 *db, const Source *source, bool any_order) {
  View view = {0};
  Task task = {.bits = 8, .inputs = 1};
  Cancel cancel = {.db = db};
  Host host = {.threads = 2, .cancel = &cancel, .subject = "test"};
  Pass pass = {.input_count = 1,
               .inputs = {{source, &view, 8}},
               .task = &task,
               .any_order = any_order,
               .state_size = sizeof(Sum),
               .scratch_size = SCRATCH,
               .block = slow_block,
               .merge = merge};
  Error error = {0};
  caller = pthread_self();
  unasked = 0;
  bool good = view_open(&view, "[1000000]", 9, &(TensorName){.subject = "test"}, &error) &&
              pass_run(&pass, &host, &error);
  check(good && task.sum.count == view.numel, "a pass with slow threads");
  check(unasked == 0, "asked while waiting");
  error_clear(&error);
  view_clear(&view);
}

static void run_views(const Source *source, const unsigned char *data, const char *how) {
  for (size_t v = 0; v < sizeof views / sizeof views[0]; v++) {
    for (size_t b = 0; b < sizeof widths / sizeof widths[0]; b++) {
      View view = {0};
      Error error = {0};
      char what[200];
      if (!view_open(&view, views[v].shape, strlen(views[v].shape),
                     &(TensorName){.subject = "test"}, &error) ||
          !view_slice(&view, views[v].slice, strlen(views[v].slice),
                      &(TensorName){.subject = "test"}, &error)) {
        check(false, error.message);
        error_clear(&error);
        continue;
      }
      for (unsigned threads = 0; threads < 4; threads++) {
        snprintf(what, sizeof what, "%s, %s of %s, %u bits, %u threads", how, views[v].slice,
                 views[v].shape, widths[b], threads);
        run(source, &view, data, widths[b], threads, what);
      }
      if (widths[b] == 8 && view.numel > 0) run_any_order(source, &view, 2);
      view_clear(&view);
    }
  }
}

/* A million elements of 64 bits: enough for every width. */
enum { NBYTES = 8000000 };

static void write_file(const char *path, const unsigned char *data) {
  char header[200];
  int length =
      snprintf(header, sizeof header,
               "{\"x\":{\"dtype\":\"U64\",\"shape\":[1000000],\"data_offsets\":[0,%d]}}", NBYTES);
  unsigned char prefix[8] = {(unsigned char)length};
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(prefix, 1, 8, file) != 8 ||
      fwrite(header, 1, (size_t)length, file) != (size_t)length ||
      fwrite(data, 1, NBYTES, file) != NBYTES || fclose(file) != 0) {
    printf("FAIL cannot write %s\n", path);
    exit(1);
  }
}

static void run_file(const unsigned char *data, IoMode mode) {
  char path[] = "/tmp/pass_test_XXXXXX";
  int descriptor = mkstemp(path);
  close(descriptor);
  write_file(path, data);
  Session *session = session_new(NULL);
  Error error = {0};
  session_lease(session); /* else nothing is mapped */
  File *file = session_open(session, path, &error);
  if (file == NULL) {
    check(false, error.message);
  } else {
    Source source = {.session = session,
                     .file = file,
                     .path = path,
                     .offset = header_data_offset(file->header),
                     .nbytes = NBYTES,
                     .mode = mode};
    run_views(&source, data, mode == IO_MAP ? "mapped" : "read");
    session_unpin(session, file);
  }
  session_end_lease(session);
  session_release(session);
  unlink(path);
}

int main(void) {
  sqlite3_initialize();
  unsigned char *data = malloc(NBYTES);
  uint64_t random = 1;
  for (size_t i = 0; data != NULL && i < NBYTES; i++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    data[i] = (unsigned char)(random >> 56);
  }
  Source memory = {.memory = data, .nbytes = NBYTES};
  run_views(&memory, data, "memory");
  sqlite3 *db = NULL;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) abort();
  sqlite3_progress_handler(db, 1, count_question, NULL);
  run_waiting(db, &memory, false);
  run_waiting(db, &memory, true);
  sqlite3_close(db);
  run_file(data, IO_MAP);
  run_file(data, IO_PREAD);
  free(data);
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
