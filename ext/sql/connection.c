#include "sql/connection.h"

Host connection_begin_work(sqlite3 *db, Session *session, const TensorName *tensor, uint64_t numel,
                           uint64_t nbytes) {
  Progress *progress = &session_settings(session)->progress;
  progress_begin(progress, tensor->name == NULL ? "data" : tensor->name,
                 tensor->name == NULL ? 4 : tensor->name_length, nbytes);
  return (Host){.threads = host_threads(db),
                .cancel = session_cancel(session),
                .progress = progress,
                .subject = tensor->subject,
                .numel = numel,
                .nbytes = nbytes};
}

void connection_end_work(const Host *host) {
  progress_end(host->progress);
}
