/* The aggregates that write: one row in, one tensor out. */
#include "base/call_stack.h"
#include "base/memory.h"
#include "base/result.h"
#include "func/functions.h"
#include "func/write_job.h"

/* The arguments of each, in order; metadata may be left out. */
enum { FILE_PATH, FILE_NAME, FILE_DTYPE, FILE_SHAPE, FILE_DATA, FILE_METADATA };
enum {
  SHARDS_PATH,
  SHARDS_LIMIT,
  SHARDS_NAME,
  SHARDS_DTYPE,
  SHARDS_SHAPE,
  SHARDS_DATA,
  SHARDS_METADATA
};
enum { BLOB_NAME, BLOB_DTYPE, BLOB_SHAPE, BLOB_DATA, BLOB_METADATA };

/* ---- The aggregate's state ---- */

/* Where the group's job is kept. NULL when memory runs out or, with `create` false, no row came. */
static WriteJob **job_slot(sqlite3_context *context, bool create) {
  return sqlite3_aggregate_context(context, create ? (int)sizeof(WriteJob *) : 0);
}

static WriteJob *new_job(sqlite3_context *context, WriteKind kind, uintptr_t caller) {
  return write_job_new(kind, sqlite3_context_db_handle(context), sqlite3_user_data(context),
                       caller);
}

static void step(sqlite3_context *context, WriteJob **job, const WriteRow *row) {
  Error error = {0};
  if (job == NULL || *job == NULL) {
    sqlite3_result_error_nomem(context);
  } else if (!write_job_add(*job, row, &error)) {
    (*job)->failed = true;
    result_error(context, &error);
  }
}

/* What an aggregate does at its end. */
typedef bool Finish(sqlite3_context *context, WriteJob *job, Error *error);

/* The end of an aggregate. `complete` is false when SQLite only cleans up after a statement that
** failed: then nothing may be written, and nobody looks at the result. */
static void finish(sqlite3_context *context, WriteJob **slot, bool complete, Finish *write) {
  WriteJob *job = *slot;
  Error error = {0};
  *slot = NULL;
  if (job == NULL) {
    error_memory(&error);
  } else if (job->failed || !complete) {
    error_fill(&error, ERROR_IO, job->subject,
               "not written: expected the statement to come to its end, found that it failed, or "
               "that its stack cannot be read (SQLite without unwind tables)");
  } else {
    write(context, job, &error);
  }
  if (error.code != ERROR_NONE) result_error(context, &error);
  write_job_free(job);
}

static uintptr_t frame_of_rows(WriteJob **slot) {
  return *slot != NULL ? (*slot)->caller : 0;
}

/* The path comes with the rows: without one, nobody can tell what was to be written. */
static void refuse_no_rows(sqlite3_context *context) {
  Error error = {0};
  error_fill(&error, ERROR_ARGUMENT, "safetensors_write",
             "expected at least one row, which names the path, found none; a row with NULL as name "
             "and data writes a file without tensors");
  result_error(context, &error);
}

static bool finish_files(sqlite3_context *context, WriteJob *job, Error *error) {
  if (!write_job_commit(job, error)) return false;
  sqlite3_result_int64(context, job->writer.count);
  return true;
}

static bool finish_blob(sqlite3_context *context, WriteJob *job, Error *error) {
  uint64_t size;
  unsigned char *bytes = write_job_serialize(job, &size, error);
  if (bytes == NULL) return false;
  sqlite3_result_blob64(context, bytes, size, memory_free);
  return true;
}

static sqlite3_value *argument(int argc, sqlite3_value **argv, int number) {
  return number < argc ? argv[number] : NULL;
}

/*
** safetensors_write(path, name, dtype, shape, data [, metadata]) -> INTEGER
**
** Writes the file `path`, with a tensor for each row, and returns how many they are. `data` is a
** BLOB, which `dtype` and `shape` describe, or a ref, whose own dtype and shape NULL stands for;
** another dtype casts, as tensor_cast does, and another shape must have as many elements. A row
** whose name and data are NULL adds no tensor. `metadata` is a JSON object of strings; the first one
** that is not NULL counts. The path must be the same in all rows of a group.
**
** The file appears when all rows are there, and in one step; on any error before that, there or
** elsewhere in the statement, all is as it was. An error after that, or a ROLLBACK, does not undo
** it. A file that is replaced keeps its mode; a symbolic link is followed.
*/
void aggregate_write_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
  WriteJob **job = job_slot(context, true);
  WriteRow row = {.path = argv[FILE_PATH],
                  .name = argv[FILE_NAME],
                  .dtype = argv[FILE_DTYPE],
                  .shape = argv[FILE_SHAPE],
                  .data = argv[FILE_DATA],
                  .metadata = argument(argc, argv, FILE_METADATA)};
  if (job != NULL && *job == NULL) *job = new_job(context, WRITE_FILE, call_stack_caller());
  step(context, job, &row);
}

/*
** safetensors_write_sharded(index_path, max_shard_bytes, name, dtype, shape, data [, metadata])
** -> INTEGER
**
** The same for a model in shards, which format/shards.h tells of: NAME.safetensors.index.json and,
** beside it, NAME-00001-of-0000N.safetensors. `metadata` goes into each shard. Shards that the
** replaced index named, and the new one does not, are removed. Links are replaced, not followed.
*/
void aggregate_write_sharded_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
  WriteJob **job = job_slot(context, true);
  WriteRow row = {.path = argv[SHARDS_PATH],
                  .limit = argv[SHARDS_LIMIT],
                  .name = argv[SHARDS_NAME],
                  .dtype = argv[SHARDS_DTYPE],
                  .shape = argv[SHARDS_SHAPE],
                  .data = argv[SHARDS_DATA],
                  .metadata = argument(argc, argv, SHARDS_METADATA)};
  if (job != NULL && *job == NULL) *job = new_job(context, WRITE_SHARDS, call_stack_caller());
  step(context, job, &row);
}

void aggregate_write_final(sqlite3_context *context) {
  WriteJob **job = job_slot(context, false);
  if (job == NULL) {
    refuse_no_rows(context);
  } else {
    finish(context, job, call_stack_is_near(frame_of_rows(job)), finish_files);
  }
}

/*
** safetensors_serialize(name, dtype, shape, data [, metadata]) -> BLOB
**
** The bytes of the file that safetensors_write would write. Without rows, of one without tensors.
*/
void aggregate_serialize_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
  WriteJob **job = job_slot(context, true);
  WriteRow row = {.name = argv[BLOB_NAME],
                  .dtype = argv[BLOB_DTYPE],
                  .shape = argv[BLOB_SHAPE],
                  .data = argv[BLOB_DATA],
                  .metadata = argument(argc, argv, BLOB_METADATA)};
  if (job != NULL && *job == NULL) *job = new_job(context, WRITE_BLOB, call_stack_caller());
  step(context, job, &row);
}

void aggregate_serialize_final(sqlite3_context *context) {
  WriteJob **job = job_slot(context, false);
  if (job == NULL) {
    WriteJob *empty = new_job(context, WRITE_BLOB, 0);
    finish(context, &empty, true, finish_blob);
  } else {
    finish(context, job, call_stack_is_near(frame_of_rows(job)), finish_blob);
  }
}
