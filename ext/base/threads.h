/*
** Threads of the operating system, and what they need to work together. work_queue.h is built on
** these, and most users should start there.
*/
#ifndef SAFETENSORS_BASE_THREADS_H
#define SAFETENSORS_BASE_THREADS_H

#include <stdint.h>

/* A lock, and a condition that threads can wait for while they hold it. */
typedef struct Monitor Monitor;

/* NULL when memory runs out. */
Monitor *monitor_new(void);
void monitor_free(Monitor *monitor);

void monitor_enter(Monitor *monitor);
void monitor_leave(Monitor *monitor);

/* Leaves the monitor until another thread calls monitor_wake(), and enters it again; with a limit in
** nanoseconds, less than a second, no later than that. Either may return early. */
void monitor_wait(Monitor *monitor);
void monitor_wait_for(Monitor *monitor, int64_t nanoseconds);

/* Wakes all threads that wait. To be called within the monitor. */
void monitor_wake(Monitor *monitor);

/* Threads that were started together. */
typedef struct Threads Threads;

/* Starts up to `count` threads, each of which calls run(context, number), with numbers from 1 on. A
** thread that the system refuses is left out: *started says how many there are. Signals stay with the
** host's own threads. NULL when memory runs out; then there are none. */
Threads *threads_start(unsigned count, void (*run)(void *context, unsigned number), void *context,
                       unsigned *started);

/* Waits until all have returned, and releases `threads`, which may be NULL. */
void threads_join(Threads *threads);

/* One lock for the whole process, for tables that are filled once. Held for a moment only. */
void process_lock_enter(void);
void process_lock_leave(void);

#endif
