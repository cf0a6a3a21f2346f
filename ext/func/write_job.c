#include "func/write_job.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "format/hub.h"
#include "format/index.h"
#include "format/shards.h"
#include "func/tensor_argument.h"

typedef unsigned long long Big; /* for "%llu" */

WriteJob *write_job_new(WriteKind kind, sqlite3 *db, Store *store, uintptr_t caller) {
  WriteJob *job = memory_zeroed(1, sizeof *job);
  if (job == NULL) return NULL;
  *job = (WriteJob){.kind = kind,
                    .db = db,
                    .store = store_retain(store),
                    .caller = caller,
                    .subject = "safetensors_serialize",
                    .output = {.descriptor = -1},
                    .spool_descriptor = -1,
                    .spool = {.descriptor = -1}};
  return job;
}

void write_job_free(WriteJob *job) {
  if (job == NULL) return;
  for (uint32_t i = 0; i < job->writer.count; i++) {
    memory_free(job->data[i].ref);
    memory_free(job->data[i].bytes);
  }
  memory_free(job->data);
  writer_clear(&job->writer);
  sink_close(&job->spool);
  if (job->spool_descriptor >= 0) platform_close(job->spool_descriptor);
  output_close(&job->output);
  memory_free(job->path);
  store_release(job->store);
  memory_free(job);
}

static bool is_null(sqlite3_value *value) {
  return value == NULL || sqlite3_value_type(value) == SQLITE_NULL;
}

/* A value as UTF-8 text. */
static bool take_text(sqlite3_value *value, const char *what, const TensorName *about,
                      const char **text, uint64_t *length, Error *error) {
  int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL || type == SQLITE_BLOB) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about, "expected %s as TEXT, found %s", what,
                              type == SQLITE_NULL ? "NULL" : "a BLOB");
  }
  *text = (const char *)sqlite3_value_text(value);
  *length = (uint64_t)sqlite3_value_bytes(value);
  return *text != NULL || error_memory(error);
}

/* ---- The target ---- */

static const char *path_problem(const WriteJob *job, const char *path, uint64_t length) {
  bool is_index = shards_is_index_path(path);
  if (length == 0) return "expected the path of a file to write, found an empty one";
  if (memchr(path, '\0', (size_t)length) != NULL) return "expected a path without NUL characters";
  if (strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0) {
    return "expected the path of a file to write, found the Hugging Face cache's, which is only "
           "read";
  }
  if (job->kind == WRITE_FILE && is_index) {
    return "expected the path of one file, found an index's; safetensors_write_sharded writes one";
  }
  if (job->kind == WRITE_SHARDS && !is_index) {
    return "expected the path of an index, NAME" INDEX_SUFFIX;
  }
  return NULL;
}

static bool take_limit(WriteJob *job, sqlite3_value *value, Error *error) {
  sqlite3_int64 limit = sqlite3_value_int64(value);
  if (sqlite3_value_type(value) != SQLITE_INTEGER || limit < 1) {
    return error_raise(error, ERROR_ARGUMENT, job->subject,
                       "expected the most bytes of a shard, a positive INTEGER");
  }
  if (job->limit != 0 && job->limit != (uint64_t)limit) {
    return error_raise(error, ERROR_ARGUMENT, job->subject,
                       "expected one limit for all shards, found %llu and %llu", (Big)job->limit,
                       (Big)limit);
  }
  job->limit = (uint64_t)limit;
  return true;
}

/* A link into the cache leads to a file that is named by its hash, and is shared. */
static bool check_link(const WriteJob *job, Error *error) {
  if (strcmp(job->path, job->output.path) == 0 || !hub_holds(job->output.path)) return true;
  return error_raise(error, ERROR_ARGUMENT, job->path,
                     "expected the path of a file to write, found a link into the Hugging Face "
                     "cache, which is only read");
}

/* The first row opens the target; all others must name it too. */
static bool take_target(WriteJob *job, const WriteRow *row, Error *error) {
  const char *path;
  uint64_t length;
  if (job->kind == WRITE_BLOB) return true;
  const char *function =
      job->kind == WRITE_SHARDS ? "safetensors_write_sharded" : "safetensors_write";
  if (!take_text(row->path, "a path", &(TensorName){.subject = function}, &path, &length, error)) {
    return false;
  }
  if (job->path != NULL) {
    if (strlen(job->path) == length && memcmp(job->path, path, (size_t)length) == 0) {
      return job->kind == WRITE_FILE || take_limit(job, row->limit, error);
    }
    return error_raise(error, ERROR_ARGUMENT, job->subject,
                       "expected one path in all rows, found %.*s too; GROUP BY the path to write "
                       "several files",
                       ERROR_NAME(path, length));
  }
  const char *problem = path_problem(job, path, length);
  if (problem != NULL) {
    return error_raise(error, ERROR_ARGUMENT, length > 0 ? path : function, "%s", problem);
  }
  job->path = memory_copy_text(path, length);
  if (job->path == NULL) return error_memory(error);
  job->subject = job->path;
  if (job->kind == WRITE_SHARDS) {
    return take_limit(job, row->limit, error) &&
           output_open(&job->output, job->path, OUTPUT_REPLACE_LINK, error);
  }
  return output_open(&job->output, job->path, OUTPUT_FOLLOW_LINK, error) && check_link(job, error);
}

/* ---- A row's tensor ---- */

/* The row's values, as far as they have been looked at. */
typedef struct Taken {
  TensorName about;
  const char *name;
  uint64_t name_length;
  Dtype dtype;
  View shape; /* by the shape argument, if there is one */
  bool shaped;
  WriteData data;
} Taken;

static bool take_shape(Taken *taken, sqlite3_value *value, Error *error) {
  const char *shape;
  uint64_t length;
  if (!take_text(value, "a shape", &taken->about, &shape, &length, error)) return false;
  taken->shaped = view_open(&taken->shape, shape, length, &taken->about, error);
  return taken->shaped;
}

static bool add_tensor(WriteJob *job, const Taken *taken, const View *shape, Error *error) {
  if (job->writer.count == job->data_capacity) {
    uint64_t capacity = job->data_capacity + job->data_capacity / 2 + 16;
    WriteData *grown = memory_resize(job->data, capacity, sizeof *grown);
    if (grown == NULL) return error_memory(error);
    job->data = grown;
    job->data_capacity = capacity;
  }
  return writer_add(&job->writer, taken->name, taken->name_length, taken->dtype, shape->shape,
                    shape->rank, &taken->about, error);
}

/* Puts the bytes aside. */
static bool keep_bytes(WriteJob *job, Taken *taken, const void *bytes, uint64_t size,
                       Error *error) {
  if (job->kind == WRITE_BLOB) {
    taken->data.bytes = memory_alloc(size);
    if (taken->data.bytes == NULL) return error_memory(error);
    if (size > 0) memcpy(taken->data.bytes, bytes, (size_t)size);
    return true;
  }
  if (job->spool_descriptor < 0) {
    job->spool_descriptor = output_scratch(&job->output, error);
    if (job->spool_descriptor < 0) return false;
    if (!sink_open_file(&job->spool, job->spool_descriptor, job->subject, error)) return false;
  }
  taken->data.offset = job->spooled;
  job->spooled += size;
  return sink_write(&job->spool, bytes, size, error);
}

static bool add_bytes(WriteJob *job, const WriteRow *row, Taken *taken, Error *error) {
  const void *bytes = sqlite3_value_blob(row->data);
  uint64_t size = (uint64_t)sqlite3_value_bytes(row->data);
  if (bytes == NULL && size > 0) return error_memory(error);
  if (is_null(row->dtype) || is_null(row->shape)) {
    return error_raise_tensor(error, ERROR_ARGUMENT, &taken->about,
                              "expected a %s for the bytes, found NULL",
                              is_null(row->dtype) ? "dtype" : "shape");
  }
  if (!tensor_argument_dtype(row->dtype, &taken->about, &taken->dtype, error) ||
      !take_shape(taken, row->shape, error) || !add_tensor(job, taken, &taken->shape, error)) {
    return false;
  }
  const WriterTensor *tensor = &job->writer.tensors[job->writer.count - 1];
  if (tensor->nbytes != size) {
    return error_raise_tensor(
        error, ERROR_ARGUMENT, &taken->about,
        "expected %llu bytes for dtype %s and shape %.*s, found %llu", (Big)tensor->nbytes,
        dtype_name(taken->dtype),
        ERROR_NAME(job->writer.text + tensor->shape.offset, tensor->shape.length), (Big)size);
  }
  return keep_bytes(job, taken, bytes, size, error);
}

static bool same_numel(const TensorArgument *argument, const Taken *taken, Error *error) {
  if (!taken->shaped || taken->shape.numel == argument->view.numel) return true;
  return error_raise_tensor(error, ERROR_ARGUMENT, &taken->about,
                            "expected a shape of the ref's %llu elements, found one of %llu",
                            (Big)argument->view.numel, (Big)taken->shape.numel);
}

static bool add_opened_ref(WriteJob *job, const TensorArgument *argument, const WriteRow *row,
                           Taken *taken, Error *error) {
  taken->dtype = argument->dtype;
  if (!is_null(row->dtype) &&
      !tensor_argument_dtype(row->dtype, &taken->about, &taken->dtype, error)) {
    return false;
  }
  if (!is_null(row->shape) && !take_shape(taken, row->shape, error)) return false;
  taken->data.identity = argument->member.file->identity;
  return same_numel(argument, taken, error) &&
         add_tensor(job, taken, taken->shaped ? &taken->shape : &argument->view, error);
}

static bool add_ref(WriteJob *job, const WriteRow *row, Taken *taken, Error *error) {
  const char *ref;
  uint64_t length;
  if (!take_text(row->data, "a ref", &taken->about, &ref, &length, error)) return false;
  taken->data.ref = memory_copy_text(ref, length);
  taken->data.ref_length = length;
  if (taken->data.ref == NULL) return error_memory(error);
  TensorArgument argument;
  bool good = tensor_argument_open_ref(&argument, job->store, taken->data.ref, length, error);
  if (good) {
    good = add_opened_ref(job, &argument, row, taken, error);
  } else {
    error_within(error, &taken->about);
  }
  tensor_argument_close(&argument);
  return good;
}

static bool add_data(WriteJob *job, const WriteRow *row, Taken *taken, Error *error) {
  uint32_t count = job->writer.count;
  bool good;
  switch (sqlite3_value_type(row->data)) {
    case SQLITE_TEXT: good = add_ref(job, row, taken, error); break;
    case SQLITE_BLOB: good = add_bytes(job, row, taken, error); break;
    default:
      return error_raise_tensor(error, ERROR_ARGUMENT, &taken->about,
                                "expected bytes (BLOB) or a ref (TEXT) as data, found %s",
                                is_null(row->data) ? "NULL" : "a number");
  }
  if (job->writer.count > count) {
    job->data[count] = taken->data; /* the job's from here on */
  } else {
    memory_free(taken->data.ref);
    memory_free(taken->data.bytes);
  }
  return good;
}

/* ---- A row ---- */

/* Metadata comes from the first row that has some. */
static bool take_metadata(WriteJob *job, const WriteRow *row, const TensorName *about,
                          Error *error) {
  const char *json;
  uint64_t length;
  if (is_null(row->metadata) || job->has_metadata) return true;
  job->has_metadata = true;
  return take_text(row->metadata, "metadata, a JSON object of strings,", about, &json, &length,
                   error) &&
         writer_set_metadata(&job->writer, json, length, about, error);
}

static bool add_named(WriteJob *job, const WriteRow *row, Error *error) {
  Taken taken = {.about = {.subject = job->subject}};
  if (!take_text(row->name, "a tensor's name", &taken.about, &taken.name, &taken.name_length,
                 error)) {
    return false;
  }
  taken.about.name = taken.name;
  taken.about.name_length = utf8_valid_length(taken.name, taken.name_length);
  bool good = take_metadata(job, row, &taken.about, error) && add_data(job, row, &taken, error);
  view_clear(&taken.shape);
  return good;
}

bool write_job_add(WriteJob *job, const WriteRow *row, Error *error) {
  if (!take_target(job, row, error)) return false;
  if (!is_null(row->name)) return add_named(job, row, error);
  if (is_null(row->data)) {
    return take_metadata(job, row, &(TensorName){.subject = job->subject}, error);
  }
  return error_raise(
      error, ERROR_ARGUMENT, job->subject,
      "expected a name for the tensor, found NULL; only a row whose data is NULL too "
      "adds none");
}
