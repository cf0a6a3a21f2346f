/*
** A checkpoint: what a `path` argument names, as a list of members, each one safetensors file.
**
**   - the path of a file
**   - a *.safetensors.index.json file: its shards, beside it
**   - a folder: its one index, if there is exactly one; else every *.safetensors in it
**   - a glob (*, ?, [...]): every match, each a file on its own
**   - hf://ORG/NAME[@REVISION][/FILE]: see hub.h
**   - a BLOB: the bytes of a file
**
** Members come in natural order ("-2-" before "-10-"). They are opened one at a time, when asked
** for, so a checkpoint of ten thousand files holds no more than one open.
*/
#ifndef SAFETENSORS_FORMAT_CHECKPOINT_H
#define SAFETENSORS_FORMAT_CHECKPOINT_H

#include "base/error.h"
#include "format/header.h"
#include "format/source.h"
#include "format/store.h"

typedef struct Checkpoint Checkpoint;

/* An opened member. The pointers are the Checkpoint's, and valid until the next member is opened or
** the Checkpoint is closed. */
#define MEMBER_SIZE_UNKNOWN UINT64_MAX

typedef struct Member {
  const char *path; /* NULL for a BLOB */
  uint64_t size;    /* of the file, or MEMBER_SIZE_UNKNOWN */
  const Header *header;
  File *file; /* NULL for a BLOB */
} Member;

/* Finds out what the path names. That it names nothing good is no failure here, but the error of
** the one member: NULL is for want of memory and for no path at all. */
Checkpoint *checkpoint_open_path(Store *store, const char *path, uint64_t length, Error *error);

/* `blob`, the bytes of a whole file, must outlive the Checkpoint. */
Checkpoint *checkpoint_open_blob(Store *store, const unsigned char *blob, uint64_t size,
                                 Error *error);

void checkpoint_close(Checkpoint *checkpoint);

uint32_t checkpoint_member_count(const Checkpoint *checkpoint);

/* The member's path, without opening it; NULL for a BLOB. */
const char *checkpoint_member_path(const Checkpoint *checkpoint, uint32_t number);

/* Opens member `number`, or keeps it open. On error *member still has path and, if it is known,
** size. */
bool checkpoint_open_member(Checkpoint *checkpoint, uint32_t number, Member *member, Error *error);

/* From here on members that were opened stay so: for who goes back and forth between them. Their
** headers are then all in memory. */
bool checkpoint_keep_open(Checkpoint *checkpoint, Error *error);

/* The member that has the tensor by the model's index. False when there is no index, or it does not
** know the name: then every member may have it. */
bool checkpoint_member_of(const Checkpoint *checkpoint, const char *name, uint64_t length,
                          uint32_t *number);

/* Finds the one tensor of that name, and opens its member. No tensor, or several, are an error. */
const TensorEntry *checkpoint_find(Checkpoint *checkpoint, const char *name, uint64_t length,
                                   Member *member, Error *error);

/* The model's index, and its path; NULL when there is none. */
Index *checkpoint_index(const Checkpoint *checkpoint);
const char *checkpoint_index_path(const Checkpoint *checkpoint);

/* What is wrong with the path as a whole, or NULL. */
const Error *checkpoint_problem(const Checkpoint *checkpoint);

/* Where the tensor's bytes are. Valid as long as the member is open. */
Source checkpoint_source(const Checkpoint *checkpoint, const Member *member,
                         const TensorEntry *entry);

#endif
