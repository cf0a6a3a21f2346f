/*
** A queue of work: items with numbers, which several threads work on, and whose results are taken in
** the order of the numbers. So the outcome depends neither on the number of threads nor on which of
** them was faster.
**
** The caller's thread is worker 0. It works as well, and asks the host whether to go on, also while it
** waits for others. No thread outlives work_queue_run(), and threads other than the caller's call
** nothing but `work` and `finish`. They compute in the default floating-point environment.
**
** A thread takes a turn of several items at a time, so that it reads a range of its own and seldom
** needs the lock.
*/
#ifndef SAFETENSORS_BASE_WORK_QUEUE_H
#define SAFETENSORS_BASE_WORK_QUEUE_H

#include "base/host.h"
#include "base/threads.h"

typedef struct WorkQueue WorkQueue;

struct WorkQueue {
  uint64_t count;        /* items */
  unsigned worker_count; /* threads, the caller's included */
  uint64_t turn;         /* items in a turn */
  uint64_t unit;         /* elements of an item, for the host's progress */
  const Host *host;      /* may be NULL */
  void *context;

  /* Works on an item, on any thread, several at a time. False, with an error or without, ends the
  ** work. */
  bool (*work)(WorkQueue *queue, unsigned worker, uint64_t item, Error *error);

  /* Takes the result of an item: called for one item at a time, in their order, on any thread, while other
  ** threads work on. False when enough has been seen: no further items are wanted. NULL if there is nothing
  ** to be done in order. */
  bool (*finish)(void *context, uint64_t item);

  /* With `finish`: an item is begun only once all items that are so far before it are finished. So
  ** results can be kept in `ahead` places, that of an item at item % ahead. */
  uint64_t ahead;

  /* Private. Under the monitor, except for errors. */
  Monitor *monitor; /* NULL for the caller alone */
  Error *errors;    /* of each worker */
  bool *done;       /* of each place: the item is done, but not finished yet */
  uint64_t next, finished;
  unsigned working; /* threads besides the caller's that have not ended */
  bool finishing;   /* a thread finishes items, outside the monitor */
  bool stop;
};

/* Does all the work. False on error. */
bool work_queue_run(WorkQueue *queue, Error *error);

/* Whether an item is still wanted: to be asked by `work` where an item takes long. False if the work
** has ended, or with an error after an interrupt. */
bool work_queue_go_on(WorkQueue *queue, unsigned worker, uint64_t item, Error *error);

#endif
