/* The rows of a file that is being written: a tensor, or a pair of its metadata. */
#ifndef SAFETENSORS_WRITE_PENDING_TENSOR_H
#define SAFETENSORS_WRITE_PENDING_TENSOR_H

#include "write/pending_data.h"
#include "write/pending_rows.h"

/* The member that a row belongs to: the number of a shard, or 0 if there is one file. */
#define PENDING_NO_MEMBER UINT32_MAX

typedef struct PendingTensor {
  PendingRow row;
  Dtype dtype;
  uint32_t member; /* PENDING_NO_MEMBER if it has none yet */
  uint64_t numel, nbytes;
  const char *shape; /* JSON, as headers store it */
  uint32_t shape_length;
  uint32_t rank;
  uint32_t number; /* in its file, if it is on the disk */
  PendingData *data;
  struct PendingTensor *origin; /* the version that is on the disk; NULL if none other is */
  bool on_disk;                 /* this is the version that is on the disk */
} PendingTensor;

/* The parts of a new tensor, which copies the texts and takes over the reference to `data`. */
typedef struct PendingTensorParts {
  const char *name, *shape;
  uint64_t name_length, shape_length;
  Dtype dtype;
  uint32_t member;
  PendingData *data;
  PendingTensor *origin; /* its reference is not taken over */
} PendingTensorParts;

/* Creates a tensor. Dtype and shape must take whole bytes, and have as many elements as the
** data. Releases `data` even on error. Returns NULL on error. */
PendingTensor *pending_tensor_new(const PendingTensorParts *parts, Error *error);

/* The parts of a tensor, for creating another version of it. The caller gets a reference to the
** data. */
PendingTensorParts pending_tensor_parts(PendingTensor *tensor);

/* The tensor's name for messages about `subject`. */
TensorName pending_tensor_name(const PendingTensor *tensor, const char *subject);

/* The version that is on the disk, or NULL. */
const PendingTensor *pending_tensor_origin(const PendingTensor *tensor);

/* Appends a ref that returns the tensor's bytes now: the one that the row gave, or one to its
** place on the disk under its name there. Returns false if there is none. */
bool pending_tensor_append_ref(const PendingTensor *tensor, sqlite3_str *out);

/* A pair of the metadata. For the table of names, its name is the key and the member, because
** each file has a key only once. */
typedef struct PendingPair {
  PendingRow row;
  const char *value; /* NUL-terminated, but may contain NUL characters */
  uint64_t value_length;
  uint32_t key_length;
  uint32_t member; /* PENDING_NO_MEMBER for all files of the model */
  bool on_disk;
} PendingPair;

/* Creates a pair, and copies both texts. Returns NULL if memory runs out. */
PendingPair *pending_pair_new(const char *key, uint64_t key_length, const char *value,
                              uint64_t value_length, uint32_t member);

/* Finds a pair with this key and member. Skips slot `but`. The names must be known. Returns
** false if there is none. */
bool pending_pair_find(const PendingRows *rows, const char *key, uint64_t length, uint32_t member,
                       uint32_t but, uint32_t *slot);

#endif
