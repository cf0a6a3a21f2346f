/*
** What one aggregate that writes is about to write: the rows it has been given, and where their
** bytes are.
**
** A row's tensor comes as bytes or as a ref. Bytes are put aside at once, into a file without a
** name in the target's folder (or, for a result in memory, into memory), since their place in the
** file is known only when all rows are. Of a ref, what it names is looked up and checked; its bytes
** are taken when the file is written, and it is an error if their file has changed by then.
*/
#ifndef SAFETENSORS_FUNC_WRITE_JOB_H
#define SAFETENSORS_FUNC_WRITE_JOB_H

#include "base/output.h"
#include "base/sink.h"
#include "base/sqlite.h"
#include "format/store.h"
#include "format/writer.h"

typedef enum WriteKind { WRITE_FILE, WRITE_SHARDS, WRITE_BLOB } WriteKind;

/* The values of a row; those that the function has not are NULL. */
typedef struct WriteRow {
  sqlite3_value *path, *limit, *name, *dtype, *shape, *data, *metadata;
} WriteRow;

/* Where a tensor's bytes are: one of the three. */
typedef struct WriteData {
  char *ref; /* its text */
  uint64_t ref_length;
  FileIdentity identity; /* of the file that the ref led to */
  unsigned char *bytes;
  uint64_t offset; /* in the spool */
} WriteData;

typedef struct WriteJob {
  WriteKind kind;
  sqlite3 *db;
  Store *store;
  uintptr_t caller;    /* the frame of call_stack.h from which rows come */
  const char *subject; /* of messages: the path, or the function */
  char *path;          /* as the rows give it */
  uint64_t limit;      /* bytes of a shard */
  Output output;       /* the file, or the index */
  int spool_descriptor;
  Sink spool;
  uint64_t spooled;
  Writer writer;
  WriteData *data; /* one for each tensor, by its number */
  uint64_t data_capacity;
  bool has_metadata; /* a row had some, perhaps an empty object */
  bool failed;       /* a row was wrong */
} WriteJob;

/* A job without rows; write_job_free() releases it. NULL when memory runs out. */
WriteJob *write_job_new(WriteKind kind, sqlite3 *db, Store *store, uintptr_t caller);

/* Takes a row. */
bool write_job_add(WriteJob *job, const WriteRow *row, Error *error);

/* Writes file or shards, and puts them in place: all, or nothing is changed. */
bool write_job_commit(WriteJob *job, Error *error);

/* The bytes of a file, `size` of them, for a job of kind WRITE_BLOB: none that the connection does
** not allow. memory_free() releases them. NULL on error. */
unsigned char *write_job_serialize(WriteJob *job, uint64_t *size, Error *error);

/* Releases the job. What it wrote and did not put in place is gone. */
void write_job_free(WriteJob *job);

#endif
