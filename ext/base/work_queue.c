#include "base/work_queue.h"

#include "base/float_environment.h"
#include "base/memory.h"

/* How long the caller's thread waits for others until it asks the host again: nanoseconds. */
enum { WORK_QUEUE_WAIT = 10000000 };

static void work_queue_enter(WorkQueue *queue) {
  if (queue->monitor != NULL) monitor_enter(queue->monitor);
}

static void work_queue_leave(WorkQueue *queue) {
  if (queue->monitor != NULL) monitor_leave(queue->monitor);
}

static void work_queue_wake(WorkQueue *queue) {
  if (queue->monitor != NULL) monitor_wake(queue->monitor);
}

/* ---- Under the monitor ---- */

static void work_queue_stop(WorkQueue *queue) {
  queue->stop = true;
  work_queue_wake(queue);
}

/* Waits for other threads to change something. The caller's thread asks the host meanwhile. */
static void work_queue_wait(WorkQueue *queue, unsigned worker) {
  if (worker > 0) {
    monitor_wait(queue->monitor);
    return;
  }
  monitor_wait_for(queue->monitor, WORK_QUEUE_WAIT);
  uint64_t begun = queue->next;
  monitor_leave(queue->monitor);
  bool wanted = host_go_on(queue->host, begun * queue->unit, &queue->errors[0]);
  monitor_enter(queue->monitor);
  if (!wanted) work_queue_stop(queue);
}

static bool work_queue_has_room(const WorkQueue *queue) {
  return queue->finish == NULL || queue->next + queue->turn <= queue->finished + queue->ahead;
}

/* Takes a turn: the number of items, and the first of them. 0 when none are left. */
static uint64_t work_queue_take_turn(WorkQueue *queue, unsigned worker, uint64_t *first) {
  while (!queue->stop && queue->next < queue->count && !work_queue_has_room(queue)) {
    work_queue_wait(queue, worker);
  }
  uint64_t left = queue->stop ? 0 : queue->count - queue->next;
  uint64_t count = left < queue->turn ? left : queue->turn;
  *first = queue->next;
  queue->next += count;
  return count;
}

/* ---- On each thread ---- */

bool work_queue_go_on(WorkQueue *queue, unsigned worker, uint64_t item, Error *error) {
  if (worker == 0) return host_go_on(queue->host, item * queue->unit, error);
  monitor_enter(queue->monitor);
  bool stopped = queue->stop;
  monitor_leave(queue->monitor);
  return !stopped;
}

/* Finishes what is done, as far as it is next in order. The others work on meanwhile, and what they have done by then
** is finished here, too. */
static void work_queue_finish(WorkQueue *queue, unsigned worker) {
  if (queue->finishing) return;
  queue->finishing = true;
  while (!queue->stop && queue->done[queue->finished % queue->ahead]) {
    uint64_t item = queue->finished;
    work_queue_leave(queue);
    bool more = queue->finish(queue->context, item) &&
                (worker > 0 || host_go_on(queue->host, item * queue->unit, &queue->errors[0]));
    work_queue_enter(queue);
    queue->done[item % queue->ahead] = false;
    queue->finished++;
    if (!more) queue->stop = true;
    if (queue->stop || work_queue_has_room(queue)) work_queue_wake(queue);
  }
  queue->finishing = false;
}

static bool work_queue_work_on(WorkQueue *queue, unsigned worker, uint64_t first, uint64_t count) {
  Error *error = &queue->errors[worker];
  for (uint64_t item = first; item < first + count; item++) {
    if (!queue->work(queue, worker, item, error)) return false;
    if (!work_queue_go_on(queue, worker, item, error)) return false;
  }
  return true;
}

static void work_queue_work(WorkQueue *queue, unsigned worker) {
  uint64_t first, count;
  work_queue_enter(queue);
  while ((count = work_queue_take_turn(queue, worker, &first)) > 0) {
    work_queue_leave(queue);
    bool good = work_queue_work_on(queue, worker, first, count);
    work_queue_enter(queue);
    if (!good) {
      work_queue_stop(queue);
    } else if (queue->finish != NULL) {
      for (uint64_t i = 0; i < count; i++) queue->done[(first + i) % queue->ahead] = true;
      work_queue_finish(queue, worker);
    }
  }
  work_queue_leave(queue);
}

static void work_queue_thread(void *context, unsigned number) {
  WorkQueue *queue = context;
  FloatEnvironment inherited; /* ends with the thread */
  float_environment_enter(&inherited);
  work_queue_work(queue, number);
  monitor_enter(queue->monitor);
  queue->working--;
  monitor_wake(queue->monitor);
  monitor_leave(queue->monitor);
}

/* ---- All of it ---- */

static bool work_queue_open(WorkQueue *queue) {
  bool alone = queue->worker_count == 1;
  queue->errors = memory_zeroed(queue->worker_count, sizeof *queue->errors);
  if (queue->finish != NULL) queue->done = memory_zeroed(queue->ahead, sizeof *queue->done);
  if (!alone) queue->monitor = monitor_new();
  return queue->errors != NULL && (queue->finish == NULL || queue->done != NULL) &&
         (alone || queue->monitor != NULL);
}

/* The caller's error comes first: it may be an interrupt. */
static bool work_queue_close(WorkQueue *queue, Error *error) {
  bool good = true;
  for (unsigned w = 0; queue->errors != NULL && w < queue->worker_count; w++) {
    if (good && queue->errors[w].code != ERROR_NONE) {
      *error = queue->errors[w];
      good = false;
    } else {
      error_clear(&queue->errors[w]);
    }
  }
  monitor_free(queue->monitor);
  memory_free(queue->errors);
  memory_free(queue->done);
  return good;
}

/* Works with as many threads as can be had; without memory for them, alone. */
static void work_queue_work_together(WorkQueue *queue) {
  unsigned started;
  monitor_enter(queue->monitor);
  Threads *threads = threads_start(queue->worker_count - 1, work_queue_thread, queue, &started);
  queue->working = started;
  monitor_leave(queue->monitor);
  work_queue_work(queue, 0);
  monitor_enter(queue->monitor);
  while (queue->working > 0 && !queue->stop) work_queue_wait(queue, 0);
  monitor_leave(queue->monitor);
  threads_join(threads);
}

bool work_queue_run(WorkQueue *queue, Error *error) {
  bool good = work_queue_open(queue) || error_memory(error);
  if (good && queue->monitor != NULL) {
    work_queue_work_together(queue);
  } else if (good) {
    work_queue_work(queue, 0);
  }
  return work_queue_close(queue, error) && good;
}
