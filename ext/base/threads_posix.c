#include "base/memory.h"

#include "base/threads.h"

#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

/* ---- Monitors ---- */

struct Monitor {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
};

Monitor *monitor_new(void) {
  Monitor *monitor = memory_alloc(sizeof *monitor);
  if (monitor == NULL) return NULL;
  pthread_mutex_init(&monitor->mutex, NULL);
  pthread_cond_init(&monitor->changed, NULL);
  return monitor;
}

void monitor_free(Monitor *monitor) {
  if (monitor == NULL) return;
  pthread_cond_destroy(&monitor->changed);
  pthread_mutex_destroy(&monitor->mutex);
  memory_free(monitor);
}

void monitor_enter(Monitor *monitor) {
  pthread_mutex_lock(&monitor->mutex);
}

void monitor_leave(Monitor *monitor) {
  pthread_mutex_unlock(&monitor->mutex);
}

void monitor_wait(Monitor *monitor) {
  pthread_cond_wait(&monitor->changed, &monitor->mutex);
}

void monitor_wait_for(Monitor *monitor, int64_t nanoseconds) {
  struct timespec until;
  timespec_get(&until, TIME_UTC);
  until.tv_nsec += (long)nanoseconds;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_cond_timedwait(&monitor->changed, &monitor->mutex, &until);
}

void monitor_wake(Monitor *monitor) {
  pthread_cond_broadcast(&monitor->changed);
}

/* ---- Threads ---- */

typedef struct ThreadsThread {
  Threads *threads;
  unsigned number;
  bool started;
  pthread_t handle;
} ThreadsThread;

struct Threads {
  void (*run)(void *context, unsigned number);
  void *context;
  unsigned count;
  ThreadsThread list[];
};

static void *threads_posix_main(void *argument) {
  const ThreadsThread *thread = argument;
  thread->threads->run(thread->threads->context, thread->number);
  return NULL;
}

Threads *threads_start(unsigned count, void (*run)(void *context, unsigned number), void *context,
                       unsigned *started) {
  sigset_t all, before;
  Threads *threads = memory_alloc(sizeof *threads + count * sizeof threads->list[0]);
  *started = 0;
  if (threads == NULL) return NULL;
  *threads = (Threads){.run = run, .context = context, .count = count};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* which new threads inherit */
  for (unsigned i = 0; i < count; i++) {
    ThreadsThread *thread = &threads->list[i];
    *thread = (ThreadsThread){.threads = threads, .number = i + 1};
    thread->started = pthread_create(&thread->handle, NULL, threads_posix_main, thread) == 0;
    *started += thread->started;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return threads;
}

void threads_join(Threads *threads) {
  for (unsigned i = 0; threads != NULL && i < threads->count; i++) {
    if (threads->list[i].started) pthread_join(threads->list[i].handle, NULL);
  }
  memory_free(threads);
}

/* ---- The process's lock ---- */

static pthread_mutex_t threads_posix_lock = PTHREAD_MUTEX_INITIALIZER;

void process_lock_enter(void) {
  pthread_mutex_lock(&threads_posix_lock);
}

void process_lock_leave(void) {
  pthread_mutex_unlock(&threads_posix_lock);
}

#endif
