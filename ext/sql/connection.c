#include "sql/connection.h"

Host connection_begin_work(sqlite3 *db, Session *session, const TensorName *tensor, uint64_t numel,
                           uint64_t nbytes) {
  int threads = sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, -1);
  if (sqlite3_threadsafe() == 0 || threads < 0) threads = 0;
  Progress *progress = &session_settings(session)->progress;
  progress_begin(progress, tensor->name == NULL ? "data" : tensor->name,
                 tensor->name == NULL ? 4 : tensor->name_length, nbytes);
  return (Host){.threads = (unsigned)threads,
                .cancel = session_cancel(session),
                .progress = progress,
                .subject = tensor->subject,
                .numel = numel,
                .nbytes = nbytes};
}

void connection_end_work(const Host *host) {
  progress_end(host->progress);
}
