/* The part of write_job.h that writes. */
#include <string.h>

#include "base/memory.h"
#include "base/output_set.h"
#include "format/shards.h"
#include "func/host.h"
#include "func/tensor_argument.h"
#include "func/write_job.h"
#include "tensor/emit.h"

enum { ASK_BYTES = 4 << 20, TENSOR_COST = 64 << 10 };

/* Writing the tensors of a job, one after the other. */
typedef struct Writing {
  WriteJob *job;
  Sink *sink;
  Host host;
  uint64_t done;           /* bytes */
  uint64_t busy;           /* what was done since the last question, in bytes' worth of time */
  Dtype emitted;           /* of the tensor that is being converted */
  TensorArgument argument; /* of the last ref, whose file is often the next one's too */
  int descriptor;          /* of argument's file, -1 if it is not open */
} Writing;

static bool go_on(Writing *writing, uint64_t bytes, Error *error) {
  writing->done += bytes;
  writing->busy += bytes + TENSOR_COST;
  if (writing->busy < ASK_BYTES) return true;
  writing->busy = 0;
  return writing->host.pass.go_on(writing->host.pass.context, writing->done, error);
}

static bool copy_range(Writing *writing, int from, const char *path, uint64_t offset, uint64_t size,
                       Error *error) {
  while (size > 0) {
    uint64_t taken = 0;
    if (!sink_copy(writing->sink, from, path, offset, size, &taken, error) ||
        !go_on(writing, taken, error)) {
      return false;
    }
    offset += taken;
    size -= taken;
  }
  return true;
}

/* ---- Tensors that were given as refs ---- */

static void close_ref(Writing *writing) {
  if (writing->descriptor >= 0) platform_close(writing->descriptor);
  writing->descriptor = -1;
  tensor_argument_close(&writing->argument);
  writing->argument = (TensorArgument){0};
}

/* Whether the ref's tensor is what it was in its row: its file may have been rewritten, and given its
** old time again. */
static bool is_as_before(const TensorArgument *argument, const WriterTensor *tensor,
                         const WriteData *data) {
  uint64_t nbytes;
  bool overflow;
  return platform_identity_unchanged(&argument->member.file->identity, &data->identity) &&
         dtype_nbytes(tensor->dtype, argument->view.numel, &nbytes, &overflow) &&
         nbytes == tensor->nbytes;
}

/* Opens the ref; a descriptor that was open for the same file stays. */
static bool open_ref(Writing *writing, const WriterTensor *tensor, const WriteData *data,
                     Error *error) {
  TensorArgument last = writing->argument;
  bool good = tensor_argument_open_ref(&writing->argument, writing->job->store, data->ref,
                                       data->ref_length, error);
  const File *file = good ? writing->argument.member.file : NULL;
  if (file == NULL || file != last.member.file) {
    if (writing->descriptor >= 0) platform_close(writing->descriptor);
    writing->descriptor = -1;
  }
  tensor_argument_close(&last);
  if (!good) return false;
  return is_as_before(&writing->argument, tensor, data) ||
         error_raise(
             error, ERROR_IO, writing->argument.member.path,
             "expected the file as it was when its row was read, found another state of it");
}

static bool copy_ref(Writing *writing, uint64_t nbytes, Error *error) {
  const TensorArgument *argument = &writing->argument;
  const File *file = argument->member.file;
  const char *path = argument->member.path;
  Source source = tensor_argument_source(argument);
  uint64_t begin = argument->view.offset * dtype_bits(argument->dtype) / 8;
  if (writing->descriptor < 0) {
    writing->descriptor = store_open_descriptor(file, path, error);
    if (writing->descriptor < 0) return false;
  }
  return copy_range(writing, writing->descriptor, path, source.offset + begin, nbytes, error) &&
         store_check_descriptor(file, writing->descriptor, path, error);
}

/* Passes a pass's question on: the host counts the file's bytes. */
static bool go_on_emitting(void *context, uint64_t elements, Error *error) {
  const Writing *writing = context;
  uint64_t bytes = elements * dtype_bits(writing->emitted) / 8;
  return writing->host.pass.go_on(writing->host.pass.context, writing->done + bytes, error);
}

static bool emit_ref(Writing *writing, Dtype dtype, uint64_t nbytes, Error *error) {
  const TensorArgument *argument = &writing->argument;
  Source source = tensor_argument_source(argument);
  PassHost host = {writing->host.pass.threads, writing, go_on_emitting};
  writing->emitted = dtype;
  return emit_view(&source, &argument->view, argument->dtype, dtype, writing->sink, &host, error) &&
         go_on(writing, nbytes, error);
}

/* The ref's file has the bytes as they are to be written. */
static bool can_copy(const TensorArgument *argument, Dtype dtype) {
  unsigned bits = dtype_bits(dtype);
  return argument->dtype == dtype && view_is_contiguous(&argument->view) &&
         argument->view.offset * bits % 8 == 0;
}

static bool write_ref(Writing *writing, const WriterTensor *tensor, const WriteData *data,
                      Error *error) {
  if (!open_ref(writing, tensor, data, error)) return false;
  if (tensor->nbytes == 0) return true;
  return can_copy(&writing->argument, tensor->dtype)
             ? copy_ref(writing, tensor->nbytes, error)
             : emit_ref(writing, tensor->dtype, tensor->nbytes, error);
}

/* ---- All of a file ---- */

static bool write_tensor(Writing *writing, const WriterTensor *tensor, Error *error) {
  WriteJob *job = writing->job;
  WriteData *data = &job->data[tensor->number];
  bool good;
  if (data->ref != NULL) {
    good = write_ref(writing, tensor, data, error);
  } else if (data->bytes != NULL) {
    good = sink_write(writing->sink, data->bytes, tensor->nbytes, error);
    memory_free(data->bytes); /* it is in the result now */
    data->bytes = NULL;
  } else {
    good = copy_range(writing, job->spool_descriptor, job->subject, data->offset, tensor->nbytes,
                      error);
  }
  if (good || data->ref == NULL) return good;
  TensorName about = writer_tensor_name(&job->writer, tensor, job->subject);
  return error_within(error, &about);
}

static bool write_tensors(WriteJob *job, const WriterPart *part, Sink *sink, Error *error) {
  TensorName name = {job->subject, job->subject, strlen(job->subject)}; /* for progress, too */
  Writing writing = {.job = job, .sink = sink, .descriptor = -1};
  host_open(&writing.host, job->db, job->store, &name, part->nbytes, part->nbytes);
  bool good = true;
  for (uint32_t i = 0; i < part->count && good; i++) {
    good = write_tensor(&writing, &job->writer.tensors[part->first + i], error);
  }
  close_ref(&writing);
  host_close(&writing.host);
  return good;
}

/* ---- One file ---- */

static bool write_file(WriteJob *job, const WriterPart *part, const Output *output, Error *error) {
  Sink sink;
  uint64_t length;
  unsigned char *header = writer_header(&job->writer, part, job->subject, &length, error);
  if (header == NULL) return false;
  bool good = sink_open_file(&sink, output->descriptor, output->path, error);
  sink.lasting = true;
  good = good && sink_write(&sink, header, length, error) &&
         write_tensors(job, part, &sink, error) && sink_flush(&sink, error);
  memory_free(header);
  sink_close(&sink);
  return good;
}

static bool commit_file(WriteJob *job, Error *error) {
  Shards shards = {0};
  bool good = shards_plan_single(&shards, &job->writer, error) &&
              write_file(job, &shards.parts[0], &job->output, error) &&
              output_commit(&job->output, error);
  shards_clear(&shards);
  return good;
}

/* ---- Memory ---- */

static unsigned char *allocate_result(WriteJob *job, uint64_t size, Error *error) {
  int limit = sqlite3_limit(job->db, SQLITE_LIMIT_LENGTH, -1);
  if (size > (uint64_t)limit) {
    error_fill(error, ERROR_TOO_BIG, job->subject,
               "expected at most %d bytes, this connection's length limit (SQLITE_LIMIT_LENGTH), "
               "found %llu; safetensors_write makes files of any size",
               limit, (unsigned long long)size);
    return NULL;
  }
  unsigned char *block = memory_alloc(size);
  if (block == NULL) error_memory(error);
  return block;
}

unsigned char *write_job_serialize(WriteJob *job, uint64_t *size, Error *error) {
  Shards shards = {0};
  Sink sink = {.descriptor = -1};
  uint64_t length;
  unsigned char *header = NULL, *block = NULL;
  if (writer_check_names(&job->writer, job->subject, error) &&
      shards_plan_single(&shards, &job->writer, error)) {
    header = writer_header(&job->writer, &shards.parts[0], job->subject, &length, error);
  }
  if (header != NULL) {
    *size = length + job->writer.nbytes;
    block = allocate_result(job, *size, error);
  }
  if (block != NULL) {
    sink_open_memory(&sink, block, *size);
    if (!sink_write(&sink, header, length, error) ||
        !write_tensors(job, &shards.parts[0], &sink, error)) {
      memory_free(block);
      block = NULL;
    }
  }
  memory_free(header);
  shards_clear(&shards);
  return block;
}

/* ---- Shards ---- */

/* The shards that the index which is to be replaced names. One that cannot be read names none. */
static bool list_old_shards(WriteJob *job, PathList *old, Error *error) {
  Error unreadable = {0};
  if (!job->output.exists) return true;
  File *file = store_open_index(job->store, job->path, &unreadable);
  bool out_of_memory = unreadable.code == ERROR_MEMORY;
  error_clear(&unreadable);
  if (file == NULL) return !out_of_memory || error_memory(error);
  for (uint32_t i = 0; i < file->index->shards.count && !out_of_memory; i++) {
    out_of_memory = !path_list_add(old, NULL, file->index->shards.paths[i]);
  }
  store_unpin(job->store, file);
  return !out_of_memory || error_memory(error);
}

/* Removes those that no longer belong to the model. That one cannot be removed changes nothing for
** the model: its index does not name it. */
static void remove_old_shards(const WriteJob *job, const Shards *shards, const PathList *old) {
  for (uint32_t i = 0; i < old->count; i++) {
    if (!shards_is_left_over(shards, job->path, old->paths[i])) continue;
    char *path = path_join(job->output.folder, old->paths[i]);
    if (path != NULL) platform_remove(path);
    memory_free(path);
  }
}

static bool write_shard(WriteJob *job, const WriterPart *part, const char *name, Output *output,
                        Error *error) {
  char *path = path_join(job->output.folder, name);
  if (path == NULL) return error_memory(error);
  bool good = output_open(output, path, OUTPUT_REPLACE_LINK, error) &&
              write_file(job, part, output, error) && output_seal(output, error);
  memory_free(path);
  return good;
}

static bool write_index(WriteJob *job, const Shards *shards, Error *error) {
  Sink sink = {.descriptor = -1};
  uint64_t length;
  char *text = shards_index(shards, &job->writer, job->subject, &length, error);
  bool good = text != NULL &&
              sink_open_file(&sink, job->output.descriptor, job->output.path, error) &&
              sink_write(&sink, text, length, error) && sink_flush(&sink, error) &&
              output_seal(&job->output, error);
  memory_free(text);
  sink_close(&sink);
  return good;
}

static bool commit_outputs(WriteJob *job, const Shards *shards, Output *outputs, Error *error) {
  PathList old = {0};
  bool good = list_old_shards(job, &old, error);
  for (uint32_t i = 0; i < shards->count && good; i++) {
    good = write_shard(job, &shards->parts[i], shards->names.paths[i], &outputs[i], error);
  }
  good = good && write_index(job, shards, error) &&
         output_set_commit(outputs, shards->count, &job->output, error);
  if (good) remove_old_shards(job, shards, &old);
  path_list_clear(&old);
  return good;
}

static bool commit_shards(WriteJob *job, Error *error) {
  Shards shards = {0};
  if (job->writer.count == 0) {
    return error_raise(error, ERROR_ARGUMENT, job->subject,
                       "expected tensors for the index to name, found none");
  }
  bool good = shards_plan(&shards, &job->writer, job->limit, job->path, error);
  Output *outputs = good ? memory_zeroed(shards.count, sizeof *outputs) : NULL;
  if (outputs != NULL) {
    for (uint32_t i = 0; i < shards.count; i++) outputs[i].descriptor = -1;
    good = commit_outputs(job, &shards, outputs, error);
    for (uint32_t i = 0; i < shards.count; i++) output_close(&outputs[i]);
  } else if (good) {
    good = error_memory(error);
  }
  memory_free(outputs);
  shards_clear(&shards);
  return good;
}

bool write_job_commit(WriteJob *job, Error *error) {
  if (!writer_check_names(&job->writer, job->subject, error) ||
      (job->spool_descriptor >= 0 && !sink_flush(&job->spool, error))) {
    return false;
  }
  return job->kind == WRITE_SHARDS ? commit_shards(job, error) : commit_file(job, error);
}
