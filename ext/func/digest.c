/* Digests with which the world compares: of files and models. Those of tensors are in hash.c. */
#include <string.h>

#include "base/memory.h"
#include "check/model_digest.h"
#include "format/shards.h"
#include "func/functions.h"
#include "model/file_digest.h"
#include "sql/connection.h"
#include "sql/lease.h"
#include "sql/tensor_result.h"

static void digest_result(sqlite3_context *context, DigestKind kind, const unsigned char *bytes,
                          int digits) {
  char text[DIGEST_TEXT_SIZE];
  digest_text(bytes, digest_size(kind), text);
  sqlite3_result_text(context, text, digits > 0 ? digits : -1, SQLITE_TRANSIENT);
}

typedef enum DigestName { DIGEST_OF_FILE, DIGEST_OF_LEGACY, DIGEST_OF_CONTENT } DigestName;

static const struct DigestTraits {
  const char *name;
  DigestName of;
  FileDigestPart part;
  int digits; /* 0 for all */
} DIGEST_TRAITS[] = {
    {"sha256", DIGEST_OF_FILE, FILE_DIGEST_WHOLE, 0},
    {"git", DIGEST_OF_FILE, FILE_DIGEST_GIT, 0},
    {"payload", DIGEST_OF_FILE, FILE_DIGEST_PAYLOAD, 0},
    {"autov1", DIGEST_OF_FILE, FILE_DIGEST_AUTOV1, 8},
    {"autov2", DIGEST_OF_FILE, FILE_DIGEST_WHOLE, 10},
    {"autov3", DIGEST_OF_FILE, FILE_DIGEST_PAYLOAD, 12},
    {"legacy", DIGEST_OF_LEGACY, FILE_DIGEST_WHOLE, 8},
    {"content", DIGEST_OF_CONTENT, FILE_DIGEST_WHOLE, 0},
};

static const struct DigestTraits *digest_find_kind(sqlite3_value *value, Error *error) {
  const char *name = (const char *)sqlite3_value_text(value);
  if (name == NULL) {
    error_memory(error);
    return NULL;
  }
  for (size_t i = 0; i < sizeof DIGEST_TRAITS / sizeof DIGEST_TRAITS[0]; i++) {
    if (strcmp(name, DIGEST_TRAITS[i].name) == 0) return &DIGEST_TRAITS[i];
  }
  error_fill(error, ERROR_ARGUMENT, "safetensors_digest",
             "expected sha256, git, payload, autov1, autov2, autov3, legacy or content, found "
             "\"%.*s\"",
             ERROR_NAME(name, (uint64_t)sqlite3_value_bytes(value)));
  return NULL;
}

static Checkpoint *digest_open(Session *session, sqlite3_value *value, Error *error) {
  if (sqlite3_value_type(value) == SQLITE_BLOB) {
    return checkpoint_open_blob(session, sqlite3_value_blob(value),
                                (uint64_t)sqlite3_value_bytes(value), error);
  }
  const char *path = (const char *)sqlite3_value_text(value);
  if (path == NULL) {
    error_memory(error);
    return NULL;
  }
  return checkpoint_open_path(session, path, (uint64_t)sqlite3_value_bytes(value), error);
}

/* Whether the path is that of an index, which is a file, too; its shards are others. */
static bool digest_is_index(const Checkpoint *checkpoint, sqlite3_value *value) {
  if (checkpoint_index_path(checkpoint) == NULL || sqlite3_value_type(value) == SQLITE_BLOB)
    return false;
  const char *path = (const char *)sqlite3_value_text(value);
  return path != NULL && shards_is_index_path(path);
}

/* That there is one file. */
static bool digest_check_alone(Checkpoint *checkpoint, const char *kind, Error *error) {
  const Error *problem = checkpoint_problem(checkpoint);
  if (problem != NULL) return error_repeat(error, problem);
  uint32_t count = checkpoint_member_count(checkpoint);
  return count == 1 || error_raise(error, ERROR_ARGUMENT, checkpoint_path(checkpoint),
                                   "expected one file for %s, found %u; content takes models of "
                                   "several",
                                   kind, count);
}

/* The digest of the only file; *absent is set if that has none. */
static bool digest_of_file(Checkpoint *checkpoint, sqlite3_value *path,
                           const struct DigestTraits *traits, const Host *host, unsigned char *out,
                           bool *absent, Error *error) {
  bool blob = sqlite3_value_type(path) == SQLITE_BLOB;
  bool index = traits->part != FILE_DIGEST_PAYLOAD && digest_is_index(checkpoint, path);
  FileDigest digest = {.part = traits->part, .kind = DIGEST_SHA256};
  if (blob) {
    digest.memory = sqlite3_value_blob(path);
    digest.memory_size = (uint64_t)sqlite3_value_bytes(path);
  } else {
    digest.path = index ? checkpoint_index_path(checkpoint) : checkpoint_member_path(checkpoint, 0);
  }
  Session *session = checkpoint_session(checkpoint);
  bool good = (index || digest_check_alone(checkpoint, traits->name, error)) &&
              file_digests_run(session, &digest, 1, host, error);
  if (good && digest.error.code != ERROR_NONE) good = error_repeat(error, &digest.error);
  *absent = digest.absent;
  memcpy(out, digest.bytes, sizeof digest.bytes);
  error_clear(&digest.error);
  return good;
}

static bool digest_of_legacy(Checkpoint *checkpoint, unsigned char *out, Error *error) {
  Member member;
  return digest_check_alone(checkpoint, "legacy", error) &&
         checkpoint_open_member(checkpoint, 0, &member, error) &&
         model_digest_legacy(checkpoint, &member, session_cancel(checkpoint_session(checkpoint)),
                             out, error);
}

static bool digest_compute(sqlite3_context *context, Session *session, sqlite3_value **argv,
                           Error *error) {
  const struct DigestTraits *traits = digest_find_kind(argv[1], error);
  Checkpoint *checkpoint = traits != NULL ? digest_open(session, argv[0], error) : NULL;
  if (checkpoint == NULL) return false;
  unsigned char bytes[DIGEST_MAX_SIZE] = {0};
  bool absent = false;
  TensorName about = {.subject = checkpoint_path(checkpoint)};
  Host host = connection_begin_work(sqlite3_context_db_handle(context), session, &about, 1, 0);
  bool good = traits->of == DIGEST_OF_CONTENT
                  ? model_digest_content(checkpoint, &host, bytes, error)
              : traits->of == DIGEST_OF_LEGACY
                  ? digest_of_legacy(checkpoint, bytes, error)
                  : digest_of_file(checkpoint, argv[0], traits, &host, bytes, &absent, error);
  connection_end_work(&host);
  checkpoint_close(checkpoint);
  DigestKind kind = traits->part == FILE_DIGEST_GIT ? DIGEST_SHA1 : DIGEST_SHA256;
  if (good && !absent) digest_result(context, kind, bytes, traits->digits);
  return good;
}

/*
** safetensors_digest(path, kind) -> TEXT
**
** kind: sha256, git, payload, autov1, autov2, autov3 and legacy of one file, of which all but payload,
** autov3 and legacy may be of any format; content of a model (file_digest.h, model_digest.h). autov1 and
** autov2 and legacy are the first 8, 10 and 8 digits, autov3 the first 12. NULL for NULL, and for autov1 of
** a file that ends before the bytes that it is of.
*/
void function_safetensors_digest(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Session *session = lease_session(context);
  Error error = {0};
  (void)argc;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL || sqlite3_value_type(argv[1]) == SQLITE_NULL)
    return;
  if (!digest_compute(context, session, argv, &error)) tensor_result_error(context, &error);
}
