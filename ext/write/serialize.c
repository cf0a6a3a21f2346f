#include "write/serialize.h"

#include <string.h>

#include "base/memory.h"
#include "write/seal_file.h"
#include "write/tensor_row.h"

/* The arguments in order. The metadata can be omitted. */
enum { SERIALIZE_NAME, SERIALIZE_DTYPE, SERIALIZE_SHAPE, SERIALIZE_DATA, SERIALIZE_METADATA };

static const char serialize_subject[] = "safetensors_serialize";

/* The rows of a group. */
typedef struct Serialize {
  PendingSources sources;
  Pending pending;
  char *metadata; /* as headers store it */
  bool has_metadata;
} Serialize;

static Serialize *serialize_new(Session *session) {
  Error error = {0};
  Serialize *group = memory_zeroed(1, sizeof *group);
  if (group == NULL) return NULL;
  group->sources.session = session;
  if (!pending_start(&group->pending, &error)) {
    error_clear(&error);
    memory_free(group);
    return NULL;
  }
  session_retain(session);
  session_lease(session);
  return group;
}

static void serialize_free(Serialize *group) {
  Session *session = group->sources.session;
  pending_clear(&group->pending);
  memory_free(group->metadata);
  memory_free(group);
  session_end_lease(session);
  session_release(session);
}

static bool serialize_is_null(sqlite3_value *value) {
  return sqlite3_value_type(value) == SQLITE_NULL;
}

/* Takes the metadata of the first row that has any. */
static bool serialize_take_metadata(Serialize *group, sqlite3_value *value, Error *error) {
  const char *json;
  uint64_t length;
  const TensorName about = {.subject = serialize_subject};
  Writer writer = {.cancel = session_cancel(group->sources.session)};
  if (group->has_metadata || serialize_is_null(value)) return true;
  group->has_metadata = true;
  bool good = tensor_row_text(value, "metadata, a JSON object of strings,", &about, &json, &length,
                              error) &&
              writer_set_metadata(&writer, json, length, &about, error);
  group->metadata = writer.metadata;
  writer.metadata = NULL;
  writer_clear(&writer);
  return good;
}

static bool serialize_add(Serialize *group, sqlite3_value **argv, Error *error) {
  const TensorRowHost host = {.subject = serialize_subject, .sources = &group->sources};
  const TensorRow row = {argv[SERIALIZE_NAME], argv[SERIALIZE_DTYPE], argv[SERIALIZE_SHAPE],
                         argv[SERIALIZE_DATA]};
  PendingRows *tensors = group->pending.tensors;
  PendingTensor *tensor = tensor_row_insert(&host, &row, error);
  if (tensor == NULL) return false;
  if (pending_rows_append(tensors, pending_rows_last_rowid(tensors) + 1, &tensor->row)) return true;
  pending_row_release(&tensor->row);
  return error_memory(error);
}

static bool serialize_take(Serialize *group, int argc, sqlite3_value **argv, Error *error) {
  if (argc > SERIALIZE_METADATA &&
      !serialize_take_metadata(group, argv[SERIALIZE_METADATA], error)) {
    return false;
  }
  if (!serialize_is_null(argv[SERIALIZE_NAME])) return serialize_add(group, argv, error);
  return serialize_is_null(argv[SERIALIZE_DATA]) ||
         error_raise(
             error, ERROR_ARGUMENT, serialize_subject,
             "expected a name for the tensor, found NULL; only a row whose data is NULL too "
             "adds none");
}

/*
** safetensors_serialize(name, dtype, shape, data [, metadata]) -> BLOB
**
** Returns the bytes of the file that INSERT INTO safetensors_write would write. Without rows, that
** is a file without tensors.
*/
void aggregate_serialize_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Serialize **group = sqlite3_aggregate_context(context, (int)sizeof(void *));
  Error error = {0};
  if (group != NULL && *group == NULL) *group = serialize_new(sqlite3_user_data(context));
  if (group == NULL || *group == NULL) {
    sqlite3_result_error_nomem(context);
  } else if (!serialize_take(*group, argc, argv, &error)) {
    result_error(context, &error);
  }
}

static unsigned char *serialize_write(Serialize *group, uint64_t max, uint64_t *size,
                                      Error *error) {
  SealFile file = {
      .session = group->sources.session, .pending = &group->pending, .subject = serialize_subject};
  unsigned char *bytes = NULL;
  if (seal_file_take_json(&file, group->metadata, error) && seal_file_take_tensors(&file, error))
    bytes = seal_file_serialize(&file, max, size, error);
  seal_file_clear(&file);
  return bytes;
}

/* SQLite also calls this to clean up after a failed statement, and then ignores the result. */
void aggregate_serialize_final(sqlite3_context *context) {
  Serialize **slot = sqlite3_aggregate_context(context, 0);
  Serialize *group = slot != NULL ? *slot : serialize_new(sqlite3_user_data(context));
  Error error = {0};
  uint64_t size = 0;
  if (group == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  int limit = sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1);
  unsigned char *bytes = serialize_write(group, (uint64_t)limit, &size, &error);
  if (bytes != NULL) {
    sqlite3_result_blob64(context, bytes, size, memory_free);
  } else {
    result_error(context, &error);
  }
  serialize_free(group);
  if (slot != NULL) *slot = NULL;
}

/* ---- What wrote files once ---- */

void function_safetensors_write(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  Error error = {0};
  error_fill(
      &error, ERROR_ARGUMENT, "safetensors_write",
      "expected the table of this name, found a function, which writes no file: INSERT INTO "
      "safetensors_write(path, name, dtype, shape, data) SELECT 'out.safetensors', name, dtype, "
      "shape, ref FROM safetensors_tensors('model.safetensors')");
  result_error(context, &error);
}

void function_safetensors_write_sharded(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  Error error = {0};
  error_fill(
      &error, ERROR_ARGUMENT, "safetensors_write_sharded",
      "expected the table safetensors_write, found a function, which writes no file: INSERT INTO "
      "safetensors_write(path, name, dtype, shape, data, max_shard_bytes) SELECT "
      "'out/model.safetensors.index.json', name, dtype, shape, ref, 5000000000 FROM "
      "safetensors_tensors('model.safetensors')");
  result_error(context, &error);
}
