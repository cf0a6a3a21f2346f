/*
** Queues of work: results are taken in the order of the items, one at a time, however many threads there are; others work
** on while one is taken; what ends the work ends it on all threads.
*/
#include "base/work_queue.h"

#include <string.h>

#include "program.h"

enum { ITEMS = 1000, AHEAD = 16, WAIT = 100000000, MANY_WAITS = 100 };

typedef struct Seen {
  Monitor *monitor;
  uint64_t results[AHEAD];
  uint64_t taken, sum;
  uint64_t begun;    /* items */
  uint64_t expected; /* to be begun before the first result is taken */
  uint64_t last;     /* the item after which enough was seen */
  uint64_t bad;      /* the item that cannot be worked on */
  unsigned taking;   /* threads that take a result now */
  bool in_order, by_itself, overlapped;
} Seen;

static bool work(WorkQueue *queue, unsigned worker, uint64_t item, Error *error) {
  Seen *seen = queue->context;
  (void)worker;
  monitor_enter(seen->monitor);
  seen->begun++;
  monitor_wake(seen->monitor);
  monitor_leave(seen->monitor);
  seen->results[item % AHEAD] = 3 * item + 1;
  if (item == seen->bad) return error_raise(error, ERROR_IO, "item", "expected another number");
  return true;
}

/* Waits at the first item until others have begun all that may be ahead of it. */
static bool take(void *context, uint64_t item) {
  Seen *seen = context;
  monitor_enter(seen->monitor);
  seen->by_itself = seen->by_itself && seen->taking == 0;
  seen->taking++;
  for (int i = 0; item == 0 && seen->begun < seen->expected && i < MANY_WAITS; i++)
    monitor_wait_for(seen->monitor, WAIT);
  if (item == 0) seen->overlapped = seen->begun >= seen->expected;
  seen->in_order = seen->in_order && item == seen->taken;
  seen->taken++;
  seen->sum += seen->results[item % AHEAD];
  seen->taking--;
  monitor_leave(seen->monitor);
  return item != seen->last;
}

static Seen run(unsigned workers, uint64_t last, uint64_t bad, bool *good, Error *error) {
  Seen seen = {.monitor = monitor_new(),
               .expected = workers > 1 ? AHEAD : 1,
               .last = last,
               .bad = bad,
               .in_order = true,
               .by_itself = true};
  WorkQueue queue = {.count = ITEMS,
                     .worker_count = workers,
                     .turn = 1,
                     .unit = 1,
                     .context = &seen,
                     .work = work,
                     .finish = take,
                     .ahead = AHEAD};
  *good = work_queue_run(&queue, error);
  monitor_free(seen.monitor);
  return seen;
}

static void test_all(unsigned workers) {
  Error error = {0};
  bool good;
  Seen seen = run(workers, ITEMS, ITEMS, &good, &error);
  check(good && seen.taken == ITEMS, "all items are taken");
  check(seen.sum == (uint64_t)3 * ITEMS * (ITEMS - 1) / 2 + ITEMS, "with their own results");
  check(seen.in_order && seen.by_itself, "in their order, one at a time");
  check(seen.overlapped, "while others are worked on");
}

static void test_ends(unsigned workers) {
  Error error = {0};
  bool good;
  Seen seen = run(workers, 500, ITEMS, &good, &error);
  check(good && seen.taken == 501, "enough has been seen");
  check(seen.begun <= 501 + AHEAD + workers, "and few items more are begun");
  seen = run(workers, ITEMS, 500, &good, &error);
  check(!good && error.code == ERROR_IO, "an error ends the work");
  check(seen.taken <= 500 && seen.in_order, "and only items before it are taken");
  error_clear(&error);
}

int main(void) {
  for (unsigned workers = 1; workers <= 4; workers++) {
    test_all(workers);
    test_ends(workers);
  }
  return finish();
}
