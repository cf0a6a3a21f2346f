/*
** What a connection lends to long work over tensor bytes: see base/host.h.
**
**   threads     as many more as PRAGMA threads (SQLITE_LIMIT_WORKER_THREADS) allows; none if SQLite
**               was built without threads
**   interrupt   sqlite3_interrupt() or a progress handler ends the work with SQLITE_INTERRUPT
**   progress    shown as safetensors_config('progress') says
*/
#ifndef SAFETENSORS_SQL_CONNECTION_H
#define SAFETENSORS_SQL_CONNECTION_H

#include "base/host.h"
#include "model/session.h"

/* Begins the work on a tensor of `numel` elements and `nbytes` bytes. The session, and the texts of
** `tensor`, must outlive it. */
Host connection_begin_work(sqlite3 *db, Session *session, const TensorName *tensor, uint64_t numel,
                           uint64_t nbytes);

/* Ends it, whatever its outcome. */
void connection_end_work(const Host *host);

#endif
