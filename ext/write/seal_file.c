#include "write/seal_file.h"

#include <string.h>

#include "base/copy_range.h"
#include "base/file_write.h"
#include "base/memory.h"
#include "format/shards.h"
#include "json/json_string.h"
#include "sql/connection.h"

enum {
  SEAL_FILE_ASK_BYTES = 4 << 20,
  SEAL_FILE_TENSOR_COST = 1 << 10,
  SEAL_FILE_KERNEL_MIN = 64 << 10
};

/* ---- Metadata ---- */

bool seal_file_take_json(SealFile *file, const char *json, Error *error) {
  memory_free(file->writer.metadata);
  file->writer.metadata = NULL;
  if (json == NULL || strcmp(json, "{}") == 0) return true;
  file->writer.metadata = memory_copy_text(json, strlen(json));
  return file->writer.metadata != NULL || error_memory(error);
}

static bool seal_file_check_keys(const SealFile *file, Error *error) {
  PendingRows *pairs = file->pending->pairs;
  if (!pending_rows_know_names(pairs)) return error_memory(error);
  const PendingPair *pair = (const PendingPair *)pending_rows_find_twice(pairs);
  return pair == NULL || error_raise(error, ERROR_UNIQUE, file->subject,
                                     "expected each key of the metadata once, found \"%.*s\" twice",
                                     ERROR_NAME(pair->row.name, pair->key_length));
}

bool seal_file_take_pairs(SealFile *file, uint32_t member, Error *error) {
  const PendingRows *pairs = file->pending->pairs;
  Cancel *cancel = session_cancel(file->session);
  if (!seal_file_check_keys(file, error)) return false;
  bool good = true, first = true;
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendchar(out, 1, '{');
  for (uint32_t i = 0; i < pairs->count && good; i++) {
    const PendingPair *pair = (const PendingPair *)pairs->slots[i].row;
    good = cancel_go_on_row(cancel, i, file->subject, error);
    if (!good || pair == NULL) continue;
    if (pair->member != member && pair->member != PENDING_NO_MEMBER) continue;
    if (!first) sqlite3_str_appendchar(out, 1, ',');
    json_string_append(out, pair->row.name, pair->key_length);
    sqlite3_str_appendchar(out, 1, ':');
    json_string_append(out, pair->value, pair->value_length);
    first = false;
  }
  sqlite3_str_appendchar(out, 1, '}');
  if (good && sqlite3_str_errcode(out) != SQLITE_OK) good = error_memory(error);
  char *json = sqlite3_str_finish(out);
  memory_free(file->writer.metadata);
  file->writer.metadata = NULL;
  if (!good || first) {
    memory_free(json);
  } else {
    file->writer.metadata = json;
  }
  return good;
}

/* ---- Tensors ---- */

static bool seal_file_check_names(const SealFile *file, Error *error) {
  PendingRows *tensors = file->pending->tensors;
  if (!pending_rows_know_names(tensors)) return error_memory(error);
  const PendingTensor *tensor = (const PendingTensor *)pending_rows_find_twice(tensors);
  if (tensor == NULL) return true;
  TensorName about = pending_tensor_name(tensor, file->subject);
  return error_raise_tensor(error, ERROR_UNIQUE, &about, "expected each name once, found it twice");
}

static bool seal_file_add(SealFile *file, PendingTensor *tensor, Error *error) {
  TensorName about = pending_tensor_name(tensor, file->subject);
  if (!memory_reserve((void **)&file->tensors, &file->capacity, file->writer.count,
                      sizeof(PendingTensor *))) {
    return error_memory(error);
  }
  file->tensors[file->writer.count] = tensor;
  return writer_add(&file->writer, tensor->row.name, tensor->row.name_length, tensor->dtype,
                    tensor->shape, tensor->shape_length, tensor->nbytes, &about, error);
}

bool seal_file_take_tensors(SealFile *file, Error *error) {
  const PendingRows *tensors = file->pending->tensors;
  file->writer.cancel = session_cancel(file->session);
  if (!seal_file_check_names(file, error)) return false;
  for (uint32_t i = 0; i < tensors->count; i++) {
    PendingTensor *tensor = (PendingTensor *)tensors->slots[i].row;
    if (!cancel_go_on_row(file->writer.cancel, i, file->subject, error)) return false;
    if (tensor != NULL && !seal_file_add(file, tensor, error)) return false;
  }
  return true;
}

void seal_file_clear(SealFile *file) {
  writer_clear(&file->writer);
  memory_free(file->tensors);
  file->tensors = NULL;
}

/* ---- Bytes ---- */

typedef struct SealFileWriting {
  SealFile *file;
  Sink *sink;
  Host host;
  uint64_t done;    /* bytes written so far */
  uint64_t busy;    /* the cost since the last check for cancellation, in bytes */
  PendingRange run; /* waits to be copied */
} SealFileWriting;

static bool seal_file_go_on(SealFileWriting *writing, uint64_t bytes, Error *error) {
  writing->done += bytes;
  writing->busy += bytes + SEAL_FILE_TENSOR_COST;
  if (writing->busy < SEAL_FILE_ASK_BYTES) return true;
  writing->busy = 0;
  return host_go_on(&writing->host, writing->done, error);
}

/* Returns a host for a part of the work, which counts its own elements. */
static Host seal_file_host_of_part(const SealFileWriting *writing, uint64_t numel,
                                   uint64_t nbytes) {
  Host host = writing->host;
  host.before = writing->done;
  host.numel = numel;
  host.nbytes = nbytes;
  return host;
}

/* A small run goes through the sink's buffer together with its neighbours; the kernel copies a
** large one. */
static bool seal_file_copy_bytes(SealFileWriting *writing, Error *error) {
  Sink *sink = writing->sink;
  PendingRange *run = &writing->run;
  uint64_t taken = 0;
  if (run->nbytes < SEAL_FILE_KERNEL_MIN || sink->descriptor < 0) {
    bool good = true;
    for (; good && run->nbytes > 0; run->offset += taken, run->nbytes -= taken) {
      good = sink_copy(sink, run->descriptor, run->path, run->offset, run->nbytes, &taken, error);
    }
    return good;
  }
  if (!sink_flush(sink, error)) return false;
  const Host host = seal_file_host_of_part(writing, run->nbytes, run->nbytes);
  const CopyRange range = {.from = run->descriptor,
                           .to = sink->descriptor,
                           .from_path = run->path,
                           .to_path = sink->path,
                           .from_offset = run->offset,
                           .to_offset = sink->written,
                           .size = run->nbytes,
                           .host = &host};
  if (!copy_range(&range, error)) return false;
  writing->done += run->nbytes;
  sink->written += run->nbytes;
  sink->begun = sink->written;
  return file_seek(sink->descriptor, sink->path, sink->written, error);
}

static bool seal_file_copy_run(SealFileWriting *writing, Error *error) {
  if (writing->run.nbytes == 0) return true;
  PendingSource *source = writing->run.source;
  bool good = seal_file_copy_bytes(writing, error) &&
              (source == NULL || pending_source_check(source, error));
  writing->run = (PendingRange){0};
  return good;
}

/* Whether the data is directly behind the run. */
static bool seal_file_follows(const PendingRange *run, const PendingData *data) {
  bool is_same =
      data->kind == PENDING_DATA_FILE ? run->source == data->source : run->spool == data->spool;
  return run->nbytes > 0 && is_same && run->offset + run->nbytes == data->offset;
}

/* Extends the run by the tensor's bytes if they follow it. Otherwise copies the run, and starts
** a new one. */
static bool seal_file_add_range(SealFileWriting *writing, PendingTensor *tensor, Error *error) {
  PendingRange range, *run = &writing->run;
  PendingData *data = tensor->data;
  if (data->nbytes == 0) return true;
  if (seal_file_follows(run, data)) {
    run->nbytes += data->nbytes;
    return true;
  }
  if (!seal_file_copy_run(writing, error) || !pending_data_range(data, &range, error)) return false;
  *run = range;
  return true;
}

static bool seal_file_write_data(SealFileWriting *writing, PendingTensor *tensor, Error *error) {
  Host host = seal_file_host_of_part(writing, tensor->data->numel, tensor->nbytes);
  if (!seal_file_copy_run(writing, error)) return false;
  return pending_data_write(tensor->data, tensor->dtype, writing->sink, &host, error) &&
         seal_file_go_on(writing, tensor->nbytes, error);
}

static bool seal_file_write_tensors(SealFileWriting *writing, const WriterPart *part,
                                    Error *error) {
  SealFile *file = writing->file;
  for (uint32_t i = 0; i < part->count; i++) {
    const WriterTensor *place = &file->writer.tensors[part->first + i];
    PendingTensor *tensor = file->tensors[place->number];
    bool good = pending_data_is_range(tensor->data, tensor->dtype)
                    ? seal_file_add_range(writing, tensor, error)
                    : seal_file_write_data(writing, tensor, error);
    if (good) good = seal_file_go_on(writing, 0, error);
    if (good) continue;
    TensorName about = pending_tensor_name(tensor, file->subject);
    return error_within(error, &about);
  }
  return seal_file_copy_run(writing, error) && sink_flush(writing->sink, error);
}

static bool seal_file_write_to(SealFile *file, const WriterPart *part, const unsigned char *header,
                               uint64_t length, Sink *sink, Error *error) {
  SealFileWriting writing = {.file = file, .sink = sink};
  TensorName name = {file->subject, file->subject,
                     strlen(file->subject)}; /* progress shows it, too */
  writing.host = connection_begin_work(session_db(file->session), file->session, &name,
                                       part->nbytes, part->nbytes);
  bool good =
      sink_write(sink, header, length, error) && seal_file_write_tensors(&writing, part, error);
  connection_end_work(&writing.host);
  return good;
}

bool seal_file_write_part(SealFile *file, const WriterPart *part, int descriptor, Error *error) {
  Sink sink;
  uint64_t length;
  unsigned char *header = writer_header(&file->writer, part, file->subject, &length, error);
  if (header == NULL) return false;
  bool good = sink_open_file(&sink, descriptor, file->subject, error);
  sink.lasting = true;
  good = good && seal_file_write_to(file, part, header, length, &sink, error);
  memory_free(header);
  sink_close(&sink);
  return good;
}

bool seal_file_write(SealFile *file, int descriptor, Error *error) {
  Shards shards = {0};
  bool good = shards_plan_single(&shards, &file->writer, error) &&
              seal_file_write_part(file, &shards.parts[0], descriptor, error);
  shards_clear(&shards);
  return good;
}

static unsigned char *seal_file_allocate(const SealFile *file, uint64_t size, uint64_t max,
                                         Error *error) {
  if (size > max) {
    error_fill(error, ERROR_TOO_BIG, file->subject,
               "expected at most %llu bytes, this connection's length limit (SQLITE_LIMIT_LENGTH), "
               "found %llu; INSERT INTO safetensors_write makes files of any size",
               (unsigned long long)max, (unsigned long long)size);
    return NULL;
  }
  unsigned char *block = memory_alloc(size);
  if (block == NULL) error_memory(error);
  return block;
}

unsigned char *seal_file_serialize(SealFile *file, uint64_t max, uint64_t *size, Error *error) {
  Sink sink;
  Shards shards = {0};
  uint64_t length;
  unsigned char *header = NULL, *block = NULL;
  if (shards_plan_single(&shards, &file->writer, error))
    header = writer_header(&file->writer, &shards.parts[0], file->subject, &length, error);
  if (header != NULL) {
    *size = length + file->writer.nbytes;
    block = seal_file_allocate(file, *size, max, error);
  }
  if (block != NULL) {
    sink_open_memory(&sink, block, *size);
    if (!seal_file_write_to(file, &shards.parts[0], header, length, &sink, error)) {
      memory_free(block);
      block = NULL;
    }
  }
  memory_free(header);
  shards_clear(&shards);
  return block;
}
