#include "func/host.h"

/* 3.39 has no function that tells, but a statement that is prepared, or stepped, does: it takes
** about 2 microseconds and resets nothing. */
bool host_interrupted(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(db, "SELECT 1", -1, &statement, NULL);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  sqlite3_finalize(statement);
  return code == SQLITE_INTERRUPT;
}

static bool go_on(void *context, uint64_t done, Error *error) {
  Host *host = context;
  double share = host->numel > 0 ? (double)done / (double)host->numel : 0;
  uint64_t bytes = (uint64_t)((double)host->nbytes * share);
  progress_step(&store_settings(host->store)->progress, bytes);
  return !host_interrupted(host->db) ||
         error_raise(error, ERROR_INTERRUPT, host->tensor.subject, "interrupted");
}

void host_open(Host *host, sqlite3 *db, Store *store, const TensorName *tensor, uint64_t numel,
               uint64_t nbytes) {
  int threads = sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, -1);
  if (sqlite3_threadsafe() == 0 || threads < 0) threads = 0;
  *host = (Host){.pass = {.threads = (unsigned)threads, .context = host, .go_on = go_on},
                 .db = db,
                 .store = store,
                 .tensor = *tensor,
                 .numel = numel,
                 .nbytes = nbytes};
  progress_begin(&store_settings(store)->progress, tensor->name == NULL ? "data" : tensor->name,
                 tensor->name == NULL ? 4 : tensor->name_length, nbytes);
}

void host_close(Host *host) {
  progress_end(&store_settings(host->store)->progress);
}
