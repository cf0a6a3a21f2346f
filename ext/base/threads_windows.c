#include "base/threads.h"

#include "base/memory.h"
#include "base/wide_windows.h"

#if defined(_WIN32)

static const DWORD threads_windows_forever = 0xffffffff; /* INFINITE */

/* ---- Monitors ---- */

struct Monitor {
  SRWLOCK lock;
  CONDITION_VARIABLE changed;
};

Monitor *monitor_new(void) {
  Monitor *monitor = memory_alloc(sizeof *monitor);
  if (monitor == NULL) return NULL;
  InitializeSRWLock(&monitor->lock);
  InitializeConditionVariable(&monitor->changed);
  return monitor;
}

void monitor_free(Monitor *monitor) {
  memory_free(monitor); /* there is nothing else to release */
}

void monitor_enter(Monitor *monitor) {
  AcquireSRWLockExclusive(&monitor->lock);
}

void monitor_leave(Monitor *monitor) {
  ReleaseSRWLockExclusive(&monitor->lock);
}

void monitor_wait(Monitor *monitor) {
  SleepConditionVariableSRW(&monitor->changed, &monitor->lock, threads_windows_forever, 0);
}

void monitor_wait_for(Monitor *monitor, int64_t nanoseconds) {
  DWORD milliseconds = (DWORD)((nanoseconds + 999999) / 1000000);
  SleepConditionVariableSRW(&monitor->changed, &monitor->lock, milliseconds, 0);
}

void monitor_wake(Monitor *monitor) {
  WakeAllConditionVariable(&monitor->changed);
}

/* ---- Threads ---- */

typedef struct ThreadsThread {
  Threads *threads;
  unsigned number;
  HANDLE handle; /* NULL if it was not started */
} ThreadsThread;

struct Threads {
  void (*run)(void *context, unsigned number);
  void *context;
  unsigned count;
  ThreadsThread list[];
};

static DWORD WINAPI threads_windows_main(void *argument) {
  const ThreadsThread *thread = argument;
  thread->threads->run(thread->threads->context, thread->number);
  return 0;
}

Threads *threads_start(unsigned count, void (*run)(void *context, unsigned number), void *context,
                       unsigned *started) {
  Threads *threads = memory_alloc(sizeof *threads + count * sizeof threads->list[0]);
  *started = 0;
  if (threads == NULL) return NULL;
  *threads = (Threads){.run = run, .context = context, .count = count};
  for (unsigned i = 0; i < count; i++) {
    ThreadsThread *thread = &threads->list[i];
    *thread = (ThreadsThread){.threads = threads, .number = i + 1};
    thread->handle = CreateThread(NULL, 0, threads_windows_main, thread, 0, NULL);
    *started += thread->handle != NULL;
  }
  return threads;
}

void threads_join(Threads *threads) {
  for (unsigned i = 0; threads != NULL && i < threads->count; i++) {
    if (threads->list[i].handle == NULL) continue;
    WaitForSingleObject(threads->list[i].handle, threads_windows_forever);
    CloseHandle(threads->list[i].handle);
  }
  memory_free(threads);
}

/* ---- The process's lock ---- */

static SRWLOCK threads_windows_lock = SRWLOCK_INIT;

void process_lock_enter(void) {
  AcquireSRWLockExclusive(&threads_windows_lock);
}

void process_lock_leave(void) {
  ReleaseSRWLockExclusive(&threads_windows_lock);
}

#endif
