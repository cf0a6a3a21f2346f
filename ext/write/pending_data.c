#include "write/pending_data.h"

#include <string.h>

#include "base/memory.h"
#include "sql/connection.h"
#include "sql/tensor_result.h"
#include "tensor/emit.h"

enum {
  PENDING_DATA_MIN_RANGE = 64 << 10
}; /* of a spool; fewer bytes are not worth a system call */

/* ---- Making ---- */

static PendingData *pending_data_new(PendingDataKind kind, Dtype dtype, Error *error) {
  PendingData *data = memory_zeroed(1, sizeof *data);
  if (data == NULL) {
    error_memory(error);
    return NULL;
  }
  data->references = 1;
  data->kind = kind;
  data->dtype = dtype;
  return data;
}

PendingData *pending_data_of_file(PendingSource *source, uint64_t offset, uint64_t nbytes,
                                  Dtype dtype, Error *error) {
  PendingData *data = pending_data_new(PENDING_DATA_FILE, dtype, error);
  if (data == NULL) {
    pending_source_release(source);
    return NULL;
  }
  data->source = source;
  data->offset = offset;
  data->nbytes = nbytes;
  data->numel = nbytes * 8 / dtype_bits(dtype);
  return data;
}

/* A view of contiguous elements that begin and end at whole bytes is not needed. */
static bool pending_data_take_view(PendingData *data, View *view, Error *error) {
  unsigned bits = dtype_bits(data->dtype);
  data->numel = view->numel;
  if (view_is_contiguous(view) && view->offset * bits % 8 == 0 && view->numel * bits % 8 == 0) {
    data->offset += view->offset * bits / 8;
    data->nbytes = view->numel * bits / 8;
    return true;
  }
  data->view = memory_alloc(sizeof *data->view);
  if (data->view == NULL) return error_memory(error);
  *data->view = *view;
  *view = (View){0};
  return true;
}

static bool pending_data_take_ref(PendingData *data, PendingSources *sources,
                                  TensorArgument *argument, const char *ref, uint64_t length,
                                  Error *error) {
  const Member *member = &argument->leaf.member;
  Source source = tensor_argument_source(argument);
  data->offset = source.offset;
  data->nbytes = source.nbytes;
  data->ref_length = length;
  data->ref = memory_copy_text(ref, length);
  if (data->ref == NULL) return error_memory(error);
  data->source = pending_source_find(sources, member->path, member->file, error);
  return data->source != NULL && pending_source_open(data->source, error) &&
         pending_data_take_view(data, &argument->view, error);
}

static bool pending_data_open_leaves(PendingExpression *computed, PendingSources *sources,
                                     Error *error) {
  for (uint32_t i = 0; i < expression_leaf_count(computed->expression); i++) {
    const Member *member = expression_leaf_member(computed->expression, i);
    computed->sources[i] = pending_source_find(sources, member->path, member->file, error);
    if (computed->sources[i] == NULL || !pending_source_open(computed->sources[i], error))
      return false;
  }
  return true;
}

static bool pending_data_take_expression(PendingData *data, PendingSources *sources,
                                         TensorArgument *argument, const char *ref, uint64_t length,
                                         Error *error) {
  uint64_t count = expression_leaf_count(argument->expression);
  PendingExpression *computed =
      memory_zeroed(1, sizeof *computed + count * sizeof(PendingSource *));
  if (computed == NULL) return error_memory(error);
  data->computed = computed;
  computed->expression = argument->expression;
  argument->expression = NULL;
  data->nbytes = expression_source(computed->expression).nbytes;
  data->numel = argument->view.numel;
  data->ref_length = length;
  data->ref = memory_copy_text(ref, length);
  if (data->ref == NULL) return error_memory(error);
  return pending_data_open_leaves(computed, sources, error);
}

static PendingData *pending_data_of_expression(PendingSources *sources, TensorArgument *argument,
                                               const char *ref, uint64_t length, Error *error) {
  PendingData *data = pending_data_new(PENDING_DATA_COMPUTED, argument->dtype, error);
  if (data == NULL || pending_data_take_expression(data, sources, argument, ref, length, error))
    return data;
  pending_data_release(data);
  return NULL;
}

static void pending_data_release_expression(PendingExpression *computed) {
  if (computed == NULL) return;
  for (uint32_t i = 0; i < expression_leaf_count(computed->expression); i++)
    pending_source_release(computed->sources[i]);
  expression_close(computed->expression);
  memory_free(computed);
}

PendingData *pending_data_of_ref(PendingSources *sources, TensorArgument *argument, const char *ref,
                                 uint64_t length, Error *error) {
  if (argument->expression != NULL)
    return pending_data_of_expression(sources, argument, ref, length, error);
  PendingData *data = pending_data_new(PENDING_DATA_FILE, argument->dtype, error);
  if (data == NULL || pending_data_take_ref(data, sources, argument, ref, length, error))
    return data;
  pending_data_release(data);
  return NULL;
}

static PendingData *pending_data_of_spool(Spool *spool, Dtype dtype, Error *error) {
  PendingData *data = pending_data_new(PENDING_DATA_SPOOL, dtype, error);
  if (data != NULL) data->spool = spool_retain(spool);
  return data;
}

PendingData *pending_data_of_bytes(Spool *spool, const void *bytes, uint64_t nbytes, Dtype dtype,
                                   Error *error) {
  PendingData *data = pending_data_of_spool(spool, dtype, error);
  if (data == NULL) return NULL;
  data->nbytes = nbytes;
  data->numel = nbytes * 8 / dtype_bits(dtype);
  if (spool_put(spool, bytes, nbytes, &data->offset, error)) return data;
  pending_data_release(data);
  return NULL;
}

PendingData *pending_data_of_memory(const void *bytes, uint64_t nbytes, Dtype dtype, Error *error) {
  PendingData *data = pending_data_new(PENDING_DATA_MEMORY, dtype, error);
  if (data == NULL) return NULL;
  data->memory = memory_alloc(nbytes);
  if (data->memory == NULL) {
    pending_data_release(data);
    error_memory(error);
    return NULL;
  }
  if (nbytes > 0) memcpy(data->memory, bytes, (size_t)nbytes);
  data->nbytes = nbytes;
  data->numel = nbytes * 8 / dtype_bits(dtype);
  return data;
}

PendingData *pending_data_converted(Spool *spool, PendingData *data, Dtype dtype, const Host *host,
                                    Error *error) {
  Sink sink;
  PendingData *converted = pending_data_of_spool(spool, dtype, error);
  if (converted == NULL) return NULL;
  converted->numel = data->numel;
  converted->nbytes = data->numel * dtype_bits(dtype) / 8; /* as for the tensor itself */
  bool good =
      spool_begin(spool, &sink, error) && pending_data_write(data, dtype, &sink, host, error);
  if (spool_end(spool, &sink, good, &converted->offset, error)) return converted;
  pending_data_release(converted);
  return NULL;
}

PendingData *pending_data_retain(PendingData *data) {
  data->references++;
  return data;
}

void pending_data_release(PendingData *data) {
  if (data == NULL || --data->references > 0) return;
  switch (data->kind) {
    case PENDING_DATA_FILE: pending_source_release(data->source); break;
    case PENDING_DATA_SPOOL: spool_release(data->spool); break;
    case PENDING_DATA_MEMORY: memory_free(data->memory); break;
    case PENDING_DATA_COMPUTED: pending_data_release_expression(data->computed); break;
  }
  if (data->view != NULL) view_clear(data->view);
  memory_free(data->view);
  memory_free(data->ref);
  memory_free(data);
}

/* ---- Copying ---- */

bool pending_data_is_range(const PendingData *data, Dtype dtype) {
  if (data->view != NULL || data->dtype != dtype) return false;
  return data->kind == PENDING_DATA_FILE ||
         (data->kind == PENDING_DATA_SPOOL && data->nbytes >= PENDING_DATA_MIN_RANGE);
}

bool pending_data_range(PendingData *data, PendingRange *range, Error *error) {
  *range = (PendingRange){.offset = data->offset, .nbytes = data->nbytes};
  if (data->kind == PENDING_DATA_SPOOL) {
    range->descriptor = data->spool->descriptor;
    range->path = data->spool->path;
    range->spool = data->spool;
    return spool_flush(data->spool, error);
  }
  if (!pending_source_open(data->source, error)) return false;
  range->descriptor = data->source->descriptor;
  range->path = data->source->path;
  range->source = data->source;
  return true;
}

/* ---- Computing ---- */

/* Returns the bytes of data that is in the spool or in memory. Returns NULL on error. */
static const unsigned char *pending_data_bytes(const PendingData *data, Error *error) {
  if (data->kind == PENDING_DATA_MEMORY) return data->memory;
  return spool_bytes(data->spool, data->offset, data->nbytes, error);
}

/* The bytes of an expression in a dtype, read from the files as they were when the row came. */
static bool pending_data_computed_source(PendingExpression *computed, Dtype dtype, Source *source,
                                         Error *error) {
  for (uint32_t i = 0; i < expression_leaf_count(computed->expression); i++) {
    Source leaf = expression_leaf_source(computed->expression, i), held = leaf;
    if (leaf.nbytes > 0 &&
        !pending_source_range(computed->sources[i], leaf.offset, leaf.nbytes, &held, error))
      return false;
    expression_set_leaf_source(computed->expression, i, &held);
  }
  expression_read_as(computed->expression, dtype);
  *source = expression_source(computed->expression);
  return true;
}

/* Where the bytes are that become elements of `dtype`. */
static bool pending_data_source(PendingData *data, Dtype dtype, Source *source, Error *error) {
  static const unsigned char nothing[1] = {0};
  *source = (Source){.memory = nothing};
  if (data->nbytes == 0) return true;
  if (data->kind == PENDING_DATA_FILE)
    return pending_source_range(data->source, data->offset, data->nbytes, source, error);
  if (data->kind == PENDING_DATA_COMPUTED)
    return pending_data_computed_source(data->computed, dtype, source, error);
  *source = (Source){.memory = pending_data_bytes(data, error), .nbytes = data->nbytes};
  return source->memory != NULL;
}

bool pending_data_write(PendingData *data, Dtype dtype, Sink *sink, const Host *host,
                        Error *error) {
  Source source;
  uint64_t stride = 1;
  View all = {.rank = 1, .shape = &data->numel, .stride = &stride, .numel = data->numel};
  bool has_bytes = data->kind == PENDING_DATA_SPOOL || data->kind == PENDING_DATA_MEMORY;
  if (has_bytes && data->dtype == dtype) {
    const unsigned char *bytes = pending_data_bytes(data, error);
    return bytes != NULL && sink_write(sink, bytes, data->nbytes, error);
  }
  Dtype from = data->kind == PENDING_DATA_COMPUTED ? dtype : data->dtype;
  return pending_data_source(data, dtype, &source, error) &&
         emit_view(&source, data->view != NULL ? data->view : &all, from, dtype, sink, host, error);
}

/* ---- Reading a row ---- */

static unsigned char *pending_data_compute(Session *session, PendingData *data, Dtype dtype,
                                           uint64_t nbytes, const TensorName *name, Error *error) {
  Sink sink;
  unsigned char *block = memory_alloc(nbytes);
  if (block == NULL) {
    error_memory(error);
    return NULL;
  }
  sink_open_memory(&sink, block, nbytes);
  Host host = connection_begin_work(session_db(session), session, name, data->numel, data->nbytes);
  bool good = pending_data_write(data, dtype, &sink, &host, error);
  connection_end_work(&host);
  if (good) return block;
  memory_free(block);
  return NULL;
}

bool pending_data_equals(PendingData *data, Session *session, Dtype dtype, const TensorName *name,
                         const void *bytes, uint64_t nbytes, bool *equal, Error *error) {
  session_lease(session);
  unsigned char *block = pending_data_compute(session, data, dtype, nbytes, name, error);
  session_end_lease(session);
  if (block == NULL) return false;
  *equal = nbytes == 0 || memcmp(block, bytes, (size_t)nbytes) == 0;
  memory_free(block);
  return true;
}

void pending_data_result(sqlite3_context *context, Session *session, PendingData *data, Dtype dtype,
                         const TensorName *name) {
  Error error = {0};
  Source source;
  uint64_t nbytes = data->numel * dtype_bits(dtype) / 8;
  if (!result_fits(context, name, nbytes)) return;
  if (data->kind == PENDING_DATA_FILE && pending_data_is_range(data, dtype)) {
    if (pending_source_range(data->source, data->offset, data->nbytes, &source, &error)) {
      tensor_result_source(context, session, name, &source);
    } else {
      result_error(context, &error);
    }
    return;
  }
  unsigned char *block = pending_data_compute(session, data, dtype, nbytes, name, &error);
  if (block != NULL) {
    sqlite3_result_blob64(context, block, nbytes, memory_free);
  } else {
    result_error(context, &error);
  }
}
