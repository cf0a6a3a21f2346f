/*
** What a connection lends to a pass over tensor bytes: threads, and being asked whether to go on.
**
**   threads     as many more as PRAGMA threads (SQLITE_LIMIT_WORKER_THREADS) allows; none if SQLite
**               was built without threads
**   interrupt   sqlite3_interrupt() ends the pass with SQLITE_INTERRUPT
**   progress    told as safetensors_config('progress') says
*/
#ifndef SAFETENSORS_FUNC_HOST_H
#define SAFETENSORS_FUNC_HOST_H

#include "base/result.h"
#include "tensor/pass.h"

typedef struct Host {
  PassHost pass; /* what pass_run() takes */
  sqlite3 *db;
  Store *store;
  TensorName tensor;      /* what the pass is over */
  uint64_t numel, nbytes; /* its */
} Host;

/* The host for one pass over a tensor of `numel` elements and `nbytes` bytes. It must stay where it
** is until host_close(). */
void host_open(Host *host, sqlite3 *db, Store *store, const TensorName *tensor, uint64_t numel,
               uint64_t nbytes);

/* Ends it, whatever the outcome of the pass. */
void host_close(Host *host);

/* Whether sqlite3_interrupt() was called: for long work of other kinds. */
bool host_interrupted(sqlite3 *db);

#endif
