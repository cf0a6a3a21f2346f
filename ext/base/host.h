/*
** What a connection lends to long work: threads, cancellation and the progress line. It is passed
** down to the work at every layer, which asks host_go_on() now and then.
*/
#ifndef SAFETENSORS_BASE_HOST_H
#define SAFETENSORS_BASE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/progress.h"

/* Everything may be zero. Then there are no other threads, and the work always goes on. */
typedef struct Host {
  unsigned threads;       /* how many may be used besides the caller's */
  Cancel *cancel;         /* NULL: the work cannot be cancelled */
  Progress *progress;     /* NULL: it is not shown */
  const char *subject;    /* what the work is about, for the message of an interrupt */
  uint64_t numel, nbytes; /* elements of this work, and the bytes that they count as */
  uint64_t before;        /* bytes that were done before, if this is a part of more work */
} Host;

/* How many threads PRAGMA threads (SQLITE_LIMIT_WORKER_THREADS) of a connection allows besides the
** caller's; none if SQLite was built without threads. */
unsigned host_threads(sqlite3 *db);

/* How work on any thread asks whether to go on. Without a function it always does. */
typedef struct Asking {
  bool (*go_on)(void *context, Error *error); /* false to end the work, with an error or without */
  void *context;
} Asking;

/* Asks. `asking` may be NULL, for one that always goes on. */
static inline bool asking_go_on(const Asking *asking, Error *error) {
  return asking == NULL || asking->go_on == NULL || asking->go_on(asking->context, error);
}

/* Shows that `done` elements are done, and asks whether to go on. False with an error once the
** connection was interrupted. To be called on the connection's thread, at least every few
** milliseconds; it is cheap enough to be called ten thousand times a second. `host` may be NULL. */
bool host_go_on(const Host *host, uint64_t done, Error *error);

#endif
