#include "base/host.h"

/* An estimate in integers: some callers may not use floating-point numbers, and elements may be
** smaller than a byte. */
static uint64_t host_bytes(const Host *host, uint64_t done) {
  uint64_t per_8 = host->numel > 0 ? host->nbytes / ((host->numel + 7) / 8) : 0;
  if (done > host->numel) done = host->numel;
  return host->before + done / 8 * per_8;
}

unsigned host_threads(sqlite3 *db) {
  int threads = sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, -1);
  return sqlite3_threadsafe() == 0 || threads < 0 ? 0 : (unsigned)threads;
}

bool host_go_on(const Host *host, uint64_t done, Error *error) {
  if (host == NULL) return true;
  if (host->progress != NULL) progress_step(host->progress, host_bytes(host, done));
  return cancel_go_on(host->cancel, host->subject, error);
}
