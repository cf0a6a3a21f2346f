/*
** A checkpoint: what a `path` argument names, as a list of members, each one safetensors file.
**
** Two forms so far: the path of a file, and the bytes of a file (an adapter kept in a database).
** A member is opened when it is asked for, so a checkpoint of many files holds few at a time.
*/
#ifndef SAFETENSORS_FORMAT_CHECKPOINT_H
#define SAFETENSORS_FORMAT_CHECKPOINT_H

#include "base/error.h"
#include "format/header.h"
#include "format/store.h"

typedef struct Checkpoint Checkpoint;

/* An opened member. The pointers are the Checkpoint's, and valid until the next member is opened or
** the Checkpoint is closed. */
typedef struct Member {
  const char *path; /* NULL for a BLOB */
  uint64_t size;    /* of the file; 0 when it is missing */
  const Header *header;
  File *file; /* NULL for a BLOB */
} Member;

/* Does not look at the file system: that is checkpoint_open_member()'s part. `path` is copied. */
Checkpoint *checkpoint_open_path(Store *store, const char *path, uint64_t length, Error *error);

/* `blob`, the bytes of a whole file, must outlive the Checkpoint. */
Checkpoint *checkpoint_open_blob(Store *store, const unsigned char *blob, uint64_t size,
                                 Error *error);

void checkpoint_close(Checkpoint *checkpoint);

uint32_t checkpoint_member_count(const Checkpoint *checkpoint);

/* Opens member `number`, or keeps it open. On error *member still has path and, if it is known,
** size. */
bool checkpoint_open_member(Checkpoint *checkpoint, uint32_t number, Member *member, Error *error);

/* The tensor's bytes; empty ones are a non-NULL pointer too. For a file they stay valid until the
** connection closes, for a BLOB as long as that. NULL on error. */
const unsigned char *checkpoint_tensor_data(const Checkpoint *checkpoint, const Member *member,
                                            const TensorEntry *entry, Error *error);

#endif
