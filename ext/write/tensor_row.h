/*
** Creates a tensor from the values of a row: of an INSERT, or of an UPDATE of another tensor.
*/
#ifndef SAFETENSORS_WRITE_TENSOR_ROW_H
#define SAFETENSORS_WRITE_TENSOR_ROW_H

#include "write/transaction.h"

/* The values of the columns. In an UPDATE, a column that is not set is a NULL pointer. */
typedef struct TensorRow {
  sqlite3_value *name, *dtype, *shape, *data;
} TensorRow;

/* Takes a value as UTF-8 text. Messages about `about` call it `what`. The text is valid as long
** as the value. Returns false on error, which includes NULL and a BLOB. */
bool tensor_row_text(sqlite3_value *value, const char *what, const TensorName *about,
                     const char **text, uint64_t *length, Error *error);

/* Where the tensor of a row goes. */
typedef struct TensorRowHost {
  const char *subject;      /* for messages */
  PendingSources *sources;  /* where the files of refs are found */
  Transaction *transaction; /* its spool takes bytes; if NULL, they stay in memory */
  Target *target;
} TensorRowHost;

/* Returns the host for rows of a target. */
TensorRowHost tensor_row_host(Transaction *transaction, Target *target);

/* Returns the tensor that an INSERT describes. `data` is a BLOB, which dtype and shape describe,
** or a ref; with a ref, NULL for dtype or shape means those of the ref. A ref is looked up on
** the disk, and not in what is pending. Returns NULL on error. */
PendingTensor *tensor_row_insert(const TensorRowHost *host, const TensorRow *row, Error *error);

/* Returns the tensor that results from an UPDATE. A new dtype converts the elements; a new shape
** must have as many elements; new data replaces the old. Returns the same tensor, with a new
** reference, if nothing changes. Returns NULL on error. */
PendingTensor *tensor_row_update(const TensorRowHost *host, PendingTensor *old,
                                 const TensorRow *row, Error *error);

#endif
