#include "check/model_digest.h"

#include <string.h>

#include "base/memory.h"
#include "base/sort.h"
#include "format/writer.h"
#include "json/json_string.h"
#include "model/file_digest.h"

/* ---- content ---- */

typedef struct ModelDigestRow {
  char *name;
  uint64_t name_length;
  char *shape;
  Dtype dtype;
  const FileDigest *digest;
} ModelDigestRow;

typedef struct ModelDigest {
  ModelDigestRow *rows;
  FileDigest *digests;
  uint64_t count, row_capacity, digest_capacity;
} ModelDigest;

static bool model_digest_add(ModelDigest *model, const Checkpoint *checkpoint, const Member *member,
                             const TensorEntry *entry, Error *error) {
  const char *text = member->header->text;
  if (!memory_reserve((void **)&model->rows, &model->row_capacity, model->count,
                      sizeof *model->rows) ||
      !memory_reserve((void **)&model->digests, &model->digest_capacity, model->count,
                      sizeof *model->digests))
    return error_memory(error);
  Source source = checkpoint_source(checkpoint, member, entry);
  model->digests[model->count] = (FileDigest){.part = FILE_DIGEST_RANGE,
                                              .kind = DIGEST_SHA256,
                                              .path = source.memory != NULL ? NULL : member->path,
                                              .memory = source.memory,
                                              .memory_size = source.nbytes,
                                              .begin = source.memory != NULL ? 0 : source.offset,
                                              .size = source.nbytes};
  ModelDigestRow *row = &model->rows[model->count++];
  *row =
      (ModelDigestRow){.name = memory_copy_text(text + entry->name.offset, entry->name.length),
                       .name_length = entry->name.length,
                       .shape = memory_copy_text(text + entry->shape.offset, entry->shape.length),
                       .dtype = entry->dtype};
  return (row->name != NULL && row->shape != NULL) || error_memory(error);
}

static bool model_digest_list(ModelDigest *model, Checkpoint *checkpoint, Error *error) {
  Cancel *cancel = session_cancel(checkpoint_session(checkpoint));
  uint32_t count = checkpoint_member_count(checkpoint);
  Member member;
  for (uint32_t m = 0; m < count; m++) {
    if (!checkpoint_open_member(checkpoint, m, &member, error)) return false;
    for (uint32_t t = 0; t < member.header->tensor_count; t++) {
      if (!cancel_go_on_row(cancel, t, "content", error) ||
          !model_digest_add(model, checkpoint, &member, &member.header->tensors[t], error))
        return false;
    }
  }
  return true;
}

/* By the bytes of names; the rest is for several files that have the same name. */
static int model_digest_compare(const void *a, const void *b) {
  const ModelDigestRow *x = a, *y = b;
  uint64_t shorter = x->name_length < y->name_length ? x->name_length : y->name_length;
  int order = memcmp(x->name, y->name, (size_t)shorter);
  if (order == 0) order = (x->name_length > y->name_length) - (x->name_length < y->name_length);
  if (order == 0) order = strcmp(dtype_name(x->dtype), dtype_name(y->dtype));
  if (order == 0) order = strcmp(x->shape, y->shape);
  return order != 0 ? order : memcmp(x->digest->bytes, y->digest->bytes, DIGEST_MAX_SIZE);
}

static bool model_digest_line(const ModelDigestRow *row, Digest *digest, Error *error) {
  char sha256[DIGEST_TEXT_SIZE];
  digest_text(row->digest->bytes, digest_size(DIGEST_SHA256), sha256);
  sqlite3_str *line = sqlite3_str_new(NULL);
  sqlite3_str_appendchar(line, 1, '[');
  json_string_append(line, row->name, row->name_length);
  sqlite3_str_appendf(line, ",\"%s\",%s,\"%s\"]\n", dtype_name(row->dtype), row->shape, sha256);
  uint64_t length = (uint64_t)sqlite3_str_length(line);
  bool whole = sqlite3_str_errcode(line) == SQLITE_OK;
  char *text = sqlite3_str_finish(line);
  if (whole && text != NULL) digest_add(digest, text, length);
  sqlite3_free(text);
  return (whole && text != NULL) || error_memory(error);
}

/* The rows are sorted by order[], since after an error of sorting some are there twice. */
static bool model_digest_lines(const ModelDigest *model, Cancel *cancel, unsigned char *out,
                               Error *error) {
  Digest *digest = digest_new(DIGEST_SHA256, "content", error);
  if (digest == NULL) return false;
  ModelDigestRow *order = memory_zeroed(model->count, sizeof *order);
  bool good = order != NULL || error_memory(error);
  if (good && model->count > 0) memcpy(order, model->rows, model->count * sizeof *order);
  good = good && sort_rows(order, model->count, sizeof *order, model_digest_compare, cancel,
                           "content", error);
  for (uint64_t i = 0; good && i < model->count; i++) {
    good = cancel_go_on_row(cancel, i, "content", error) &&
           model_digest_line(&order[i], digest, error);
  }
  good = good && digest_end(digest, out, error);
  digest_free(digest);
  memory_free(order);
  return good;
}

static void model_digest_clear(ModelDigest *model) {
  for (uint64_t i = 0; i < model->count; i++) {
    memory_free(model->rows[i].name);
    memory_free(model->rows[i].shape);
    error_clear(&model->digests[i].error);
  }
  memory_free(model->rows);
  memory_free(model->digests);
}

bool model_digest_content(Checkpoint *checkpoint, const Host *host, unsigned char *out,
                          Error *error) {
  ModelDigest model = {0};
  Session *session = checkpoint_session(checkpoint);
  bool good = model_digest_list(&model, checkpoint, error) &&
              file_digests_run(session, model.digests, model.count, host, error);
  for (uint64_t i = 0; good && i < model.count; i++) {
    model.rows[i].digest = &model.digests[i];
    if (model.digests[i].error.code != ERROR_NONE)
      good = error_repeat(error, &model.digests[i].error);
  }
  good = good && model_digest_lines(&model, session_cancel(session), out, error);
  model_digest_clear(&model);
  return good;
}

/* ---- legacy ---- */

/* The object of the metadata whose keys begin with "ss_", which may be empty. */
static char *model_digest_metadata(const Header *header) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendchar(out, 1, '{');
  for (uint32_t i = 0; i < header->metadata_count; i++) {
    const MetadataEntry *entry = &header->metadata[i];
    const char *key = header->text + entry->key.offset;
    if (entry->key.length < 3 || memcmp(key, "ss_", 3) != 0) continue;
    if (sqlite3_str_length(out) > 1) sqlite3_str_appendchar(out, 1, ',');
    json_string_append(out, key, entry->key.length);
    sqlite3_str_appendchar(out, 1, ':');
    json_string_append(out, header->text + entry->value.offset, entry->value.length);
  }
  sqlite3_str_appendchar(out, 1, '}');
  return sqlite3_str_finish(out);
}

static bool model_digest_fill(Writer *writer, const Header *header, const char *subject,
                              Error *error) {
  writer->metadata = model_digest_metadata(header);
  if (writer->metadata == NULL) return error_memory(error);
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const TensorEntry *entry = &header->tensors[i];
    const char *name = header->text + entry->name.offset;
    TensorName about = {subject, name, entry->name.length};
    if (!cancel_go_on_row(writer->cancel, i, subject, error) ||
        !writer_add(writer, name, entry->name.length, entry->dtype,
                    header->text + entry->shape.offset, entry->shape.length,
                    tensor_entry_nbytes(entry), &about, error))
      return false;
  }
  return writer_sort(writer, error);
}

/* A piece of the file that is not written: `size` bytes from *at on, of which those from autov1's begin to
** its end are added. Returns whether the end has not been reached. */
typedef struct ModelDigestLegacy {
  Digest *digest;
  uint64_t at;
} ModelDigestLegacy;

/* The part of the next `size` bytes that counts: returns how many, from *skipped on. */
static uint64_t model_digest_part(ModelDigestLegacy *legacy, uint64_t size, uint64_t *skipped) {
  const uint64_t begin = FILE_DIGEST_AUTOV1_BEGIN, end = begin + FILE_DIGEST_AUTOV1_SIZE;
  uint64_t first = legacy->at, last = first + size;
  legacy->at = last;
  if (last <= begin || first >= end) return 0;
  *skipped = first < begin ? begin - first : 0;
  return (last < end ? last : end) - (first + *skipped);
}

static bool model_digest_tensor(ModelDigestLegacy *legacy, const Source *source, Error *error) {
  uint64_t skipped, size = model_digest_part(legacy, source->nbytes, &skipped);
  Reader reader;
  if (size == 0) return true;
  bool good = reader_open(&reader, source, error);
  const unsigned char *bytes = good ? reader_bytes(&reader, skipped, size, error) : NULL;
  if (bytes != NULL) digest_add(legacy->digest, bytes, size);
  reader_close(&reader);
  return bytes != NULL;
}

static bool model_digest_written(const Checkpoint *checkpoint, const Member *member,
                                 const Writer *writer, Digest *digest, Error *error) {
  ModelDigestLegacy legacy = {.digest = digest};
  WriterPart part = {0, writer->count, writer->nbytes};
  uint64_t length, skipped;
  unsigned char *header = writer_header(writer, &part, checkpoint_path(checkpoint), &length, error);
  if (header == NULL) return false;
  uint64_t size = model_digest_part(&legacy, length, &skipped);
  if (size > 0) digest_add(digest, header + skipped, size);
  memory_free(header);
  for (uint32_t i = 0; i < writer->count; i++) {
    const TensorEntry *entry = &member->header->tensors[writer->tensors[i].number];
    Source source = checkpoint_source(checkpoint, member, entry);
    if (!model_digest_tensor(&legacy, &source, error)) return false;
  }
  return true;
}

bool model_digest_legacy(const Checkpoint *checkpoint, const Member *member, Cancel *cancel,
                         unsigned char *out, Error *error) {
  const char *subject = member->path != NULL ? member->path : "BLOB";
  Writer writer = {.cancel = cancel};
  Digest *digest = digest_new(DIGEST_SHA256, subject, error);
  bool good = digest != NULL && model_digest_fill(&writer, member->header, subject, error) &&
              model_digest_written(checkpoint, member, &writer, digest, error) &&
              digest_end(digest, out, error);
  digest_free(digest);
  writer_clear(&writer);
  return good;
}
