/*
** The bytes of a pending tensor. Where they are is known when the row comes; they are read when the
** file is written.
**
**   PENDING_DATA_FILE    in a file: the one that is edited, or one that a ref names
**   PENDING_DATA_SPOOL   in a spool, because they came with the row
**   PENDING_DATA_MEMORY  in memory, for a result that is not a file
**   PENDING_DATA_COMPUTED
**                        nowhere: they are computed from tensors of files
**
** Only pending_data.c distinguishes the kinds. The elements have the dtype of the place where they are. If the tensor has
** another dtype, they are converted when they are read.
*/
#ifndef SAFETENSORS_WRITE_PENDING_DATA_H
#define SAFETENSORS_WRITE_PENDING_DATA_H

#include "base/host.h"
#include "base/sqlite.h"
#include "sql/tensor_argument.h"
#include "write/pending_source.h"
#include "write/spool.h"

typedef enum PendingDataKind {
  PENDING_DATA_FILE,
  PENDING_DATA_SPOOL,
  PENDING_DATA_MEMORY,
  PENDING_DATA_COMPUTED
} PendingDataKind;

/* An expression, and the files that it reads. */
typedef struct PendingExpression {
  Expression *expression;
  PendingSource *sources[]; /* for each leaf */
} PendingExpression;

typedef struct PendingData {
  uint32_t references;
  PendingDataKind kind;
  Dtype dtype; /* of the elements where they are */
  uint64_t numel;
  union { /* by its kind */
    PendingSource *source;
    Spool *spool;
    unsigned char *memory;
    PendingExpression *computed;
  };
  uint64_t offset; /* of the first byte, in the source or the spool */
  uint64_t nbytes; /* of all bytes that the view refers to */
  View *view;      /* of the tensor there; NULL if it is the whole tensor in order */
  char *ref;       /* as the row gave it; NULL if it gave none */
  uint64_t ref_length;
} PendingData;

/* Creates data for the bytes [offset, offset + nbytes) of a file, which must be whole elements.
** Takes over the reference to the source, even on error. Returns NULL if memory runs out. */
PendingData *pending_data_of_file(PendingSource *source, uint64_t offset, uint64_t nbytes,
                                  Dtype dtype, Error *error);

/* Creates data for what an opened ref or expression stands for. `ref` is its text. Keeps the files
** open from now on. May take over the view or the expression of the argument, so the caller must
** only close it afterwards. Returns NULL on error. */
PendingData *pending_data_of_ref(PendingSources *sources, TensorArgument *argument, const char *ref,
                                 uint64_t length, Error *error);

/* Creates data for bytes, and writes them to the spool. Returns NULL on error. */
PendingData *pending_data_of_bytes(Spool *spool, const void *bytes, uint64_t nbytes, Dtype dtype,
                                   Error *error);

/* Creates data with a copy of the bytes in memory. Returns NULL on error. */
PendingData *pending_data_of_memory(const void *bytes, uint64_t nbytes, Dtype dtype, Error *error);

/* Converts the elements of `data` to another dtype, and writes them to the spool. This is for a
** tensor that is converted again. The caller must hold a lease. Returns NULL on error. */
PendingData *pending_data_converted(Spool *spool, PendingData *data, Dtype dtype, const Host *host,
                                    Error *error);

PendingData *pending_data_retain(PendingData *data);
void pending_data_release(PendingData *data); /* may be NULL */

/* A range of a file that can be copied without conversion. */
typedef struct PendingRange {
  int descriptor;
  const char *path;
  uint64_t offset, nbytes;
  PendingSource *source; /* must be checked afterwards; NULL for a spool */
  const Spool *spool;    /* NULL for a file */
} PendingRange;

/* Whether to copy a tensor of that dtype as a range of a file, which pending_data_range() returns. For few
** bytes of a spool pending_data_write() is faster, as it makes no system call. */
bool pending_data_is_range(const PendingData *data, Dtype dtype);
bool pending_data_range(PendingData *data, PendingRange *range, Error *error);

/* Writes the elements to the sink, converted to `dtype` if necessary. The caller must hold a
** lease. Returns false on error. */
bool pending_data_write(PendingData *data, Dtype dtype, Sink *sink, const Host *host, Error *error);

/* Sets *equal to whether the elements, as elements of `dtype`, have the same bytes as `bytes`,
** of which there must be as many. Must be called in a statement of the connection. Returns false
** on error. */
bool pending_data_equals(PendingData *data, Session *session, Dtype dtype, const TensorName *name,
                         const void *bytes, uint64_t nbytes, bool *equal, Error *error);

/* Sets the result of xColumn to the bytes of the tensor `name` with that dtype. */
void pending_data_result(sqlite3_context *context, Session *session, PendingData *data, Dtype dtype,
                         const TensorName *name);

#endif
