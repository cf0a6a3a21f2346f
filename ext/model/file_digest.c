#include "model/file_digest.h"

#include <errno.h>
#include <string.h>

#include "base/file_system.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/work_queue.h"
#include "format/header.h"
#include "model/hub.h"

enum {
  FILE_DIGEST_CHUNK = 1 << 20,
  FILE_DIGEST_BATCH = 16, /* files that are open at a time */
  FILE_DIGEST_MAX_THREADS = 15
};

DigestKind file_digest_kind(const FileDigest *digest) {
  if (digest->part == FILE_DIGEST_GIT) return DIGEST_SHA1;
  bool chosen = digest->part == FILE_DIGEST_WHOLE || digest->part == FILE_DIGEST_RANGE;
  return chosen ? digest->kind : DIGEST_SHA256;
}

static const char *file_digest_subject(const FileDigest *digest) {
  return digest->path != NULL ? digest->path : "BLOB";
}

/* ---- Opening: on the connection's thread ---- */

static bool file_digest_load(const FileDigest *digest, unsigned char *out, uint64_t size,
                             uint64_t offset, Error *error) {
  if (digest->path != NULL)
    return file_read(digest->descriptor, digest->path, out, size, offset, error);
  memcpy(out, digest->memory + offset, (size_t)size);
  return true;
}

/* Finds where the payload begins. */
static bool file_digest_payload(FileDigest *digest, uint64_t file_size, Error *error) {
  unsigned char first[HEADER_PREFIX_SIZE] = {0};
  uint64_t length, size = file_size < sizeof first ? file_size : sizeof first;
  if (!file_digest_load(digest, first, size, 0, error)) return false;
  if (!header_length(first, file_size, &length))
    return error_raise(error, ERROR_INVALID, file_digest_subject(digest),
                       "expected a safetensors file, found none");
  digest->begin = HEADER_PREFIX_SIZE + length;
  digest->size = file_size - digest->begin;
  return true;
}

static bool file_digest_set_range(FileDigest *digest, uint64_t file_size, Error *error) {
  switch (digest->part) {
    case FILE_DIGEST_PAYLOAD: return file_digest_payload(digest, file_size, error);
    case FILE_DIGEST_AUTOV1:
      digest->absent = file_size <= FILE_DIGEST_AUTOV1_BEGIN;
      digest->begin = digest->absent ? file_size : FILE_DIGEST_AUTOV1_BEGIN;
      digest->size = file_size - digest->begin;
      if (digest->size > FILE_DIGEST_AUTOV1_SIZE) digest->size = FILE_DIGEST_AUTOV1_SIZE;
      return true;
    case FILE_DIGEST_RANGE:
      return (digest->begin <= file_size && digest->size <= file_size - digest->begin) ||
             error_raise(error, ERROR_CHANGED, file_digest_subject(digest),
                         "expected all bytes of a tensor, found that the file is shorter now");
    default:
      digest->begin = 0;
      digest->size = file_size;
      return true;
  }
}

static bool file_digest_open(Session *session, FileDigest *digest, Error *error) {
  digest->descriptor = -1;
  if (digest->path == NULL) return file_digest_set_range(digest, digest->memory_size, error);
  digest->descriptor =
      open_files_open(session_open_files(session), digest->path, &digest->identity, error);
  return digest->descriptor >= 0 &&
         (!session_is_leased(session) ||
          session_see(session, digest->path, &digest->identity, error)) &&
         file_digest_set_range(digest, digest->identity.size, error);
}

/* ---- What was published ---- */

static bool file_digest_is_published(const char *text) {
  size_t length = strlen(text);
  return (length == 40 || length == 64) && strspn(text, "0123456789abcdef") == length;
}

/* The list of the hub is asked for if it has not come. */
static bool file_digest_list(Network *network, const char *address, char *text, Error *error) {
  NetworkListed listed;
  PathList ignored = {0};
  bool known = network_listed(network, address, &listed);
  if (!known && network_is_in_hub(address)) {
    bool found = network_find_files(network, address, &ignored, error);
    path_list_clear(&ignored);
    if (!found) return false;
    known = network_listed(network, address, &listed);
  }
  if (known && file_digest_is_published(listed.digest)) {
    memcpy(text, listed.digest, strlen(listed.digest) + 1);
  }
  return true;
}

bool file_digest_published(Session *session, const char *path, char *text, Error *error) {
  char *real;
  text[0] = '\0';
  if (network_has(session_network(session), path))
    return file_digest_list(session_network(session), path, text, error);
  int number = file_system_real_path(path, &real);
  if (number == ENOMEM) return error_memory(error);
  if (number != 0) return true; /* there is no such file */
  const char *name = path_name(real);
  if (hub_is_blob(real) && file_digest_is_published(name)) memcpy(text, name, strlen(name) + 1);
  memory_free(real);
  return true;
}

/* ---- Computing: on any thread ---- */

typedef struct FileDigestWork {
  WorkQueue queue;
  FileDigest *digests;
  unsigned char *chunks; /* one for each worker */
} FileDigestWork;

static bool file_digest_add(FileDigestWork *work, unsigned worker, uint64_t item, Digest *digest,
                            Error *error) {
  const FileDigest *file = &work->digests[item];
  unsigned char *chunk = work->chunks + (uint64_t)worker * FILE_DIGEST_CHUNK;
  for (uint64_t done = 0, size; done < file->size; done += size) {
    size = file->size - done < FILE_DIGEST_CHUNK ? file->size - done : FILE_DIGEST_CHUNK;
    if (!work_queue_go_on(&work->queue, worker, item, error) ||
        !file_digest_load(file, chunk, size, file->begin + done, error))
      return false;
    digest_add(digest, chunk, size);
  }
  return true;
}

static bool file_digest_compute(FileDigestWork *work, unsigned worker, uint64_t item,
                                Error *error) {
  FileDigest *file = &work->digests[item];
  char before[32];
  Digest *digest = digest_new(file_digest_kind(file), file_digest_subject(file), error);
  if (digest == NULL) return false;
  sqlite3_snprintf((int)sizeof before, before, "blob %llu", (unsigned long long)file->size);
  if (file->part == FILE_DIGEST_GIT) digest_add(digest, before, strlen(before) + 1);
  bool good =
      file_digest_add(work, worker, item, digest, error) && digest_end(digest, file->bytes, error);
  digest_free(digest);
  return good;
}

/* A file's own error stays with it. */
static bool file_digest_take(WorkQueue *queue, unsigned worker, uint64_t item, Error *error) {
  FileDigestWork *work = queue->context;
  FileDigest *file = &work->digests[item];
  if (file->done || file->error.code != ERROR_NONE) return true;
  Error found = {0};
  if (file_digest_compute(work, worker, item, &found)) return true;
  bool goes_on =
      found.code != ERROR_NONE && !error_is_fatal(found.code) && found.code != ERROR_RESOURCE;
  if (goes_on) {
    file->error = found;
  } else {
    *error = found;
  }
  return goes_on;
}

/* ---- All of them ---- */

/* Whether what was read is still what the path leads to, in the same state. */
static bool file_digest_check(Session *session, FileDigest *digest) {
  FileIdentity read, there;
  if (!file_identify_descriptor(digest->descriptor, digest->path, &read, &digest->error) ||
      !open_files_identify(session_open_files(session), digest->path, &there, &digest->error))
    return false;
  return (file_identity_unchanged(&read, &digest->identity) &&
          file_identity_unchanged(&there, &digest->identity)) ||
         error_raise(&digest->error, ERROR_CHANGED, digest->path,
                     "expected a file that does not change while it is read, found that it has");
}

static void file_digest_close(Session *session, FileDigest *digest) {
  if (digest->descriptor < 0) return;
  if (digest->error.code == ERROR_NONE) file_digest_check(session, digest);
  file_close(digest->descriptor);
  digest->descriptor = -1;
}

static bool file_digest_batch(Session *session, FileDigest *digests, uint64_t count,
                              const Host *host, unsigned char *chunks, unsigned workers,
                              Error *error) {
  FileDigestWork work = {.digests = digests, .chunks = chunks};
  for (uint64_t i = 0; i < count; i++) {
    if (digests[i].done) continue;
    file_digest_open(session, &digests[i], &digests[i].error);
  }
  work.queue = (WorkQueue){.count = count,
                           .worker_count = workers < count ? workers : (unsigned)count,
                           .turn = 1,
                           .unit = 1,
                           .host = host,
                           .context = &work,
                           .work = file_digest_take};
  bool good = work_queue_run(&work.queue, error);
  for (uint64_t i = 0; i < count; i++) {
    if (digests[i].done) continue;
    file_digest_close(session, &digests[i]);
    digests[i].done = good;
    if (error_is_fatal(digests[i].error.code)) good = error_repeat(error, &digests[i].error);
    if (!good) error_clear(&digests[i].error);
  }
  return good;
}

bool file_digests_run(Session *session, FileDigest *digests, uint64_t count, const Host *host,
                      Error *error) {
  uint64_t threads = host != NULL ? host->threads : 0;
  if (threads > FILE_DIGEST_MAX_THREADS) threads = FILE_DIGEST_MAX_THREADS;
  if (threads + 1 > count) threads = count > 0 ? count - 1 : 0;
  unsigned char *chunks = memory_alloc((threads + 1) * FILE_DIGEST_CHUNK);
  if (chunks == NULL) return error_memory(error);
  bool good = true;
  for (uint64_t i = 0; good && i < count; i += FILE_DIGEST_BATCH) {
    uint64_t some = count - i < FILE_DIGEST_BATCH ? count - i : FILE_DIGEST_BATCH;
    good =
        file_digest_batch(session, digests + i, some, host, chunks, (unsigned)threads + 1, error);
  }
  memory_free(chunks);
  return good;
}
