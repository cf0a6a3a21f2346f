/*
** A checkpoint is what a `path` argument names: a list of members, each of which is a safetensors
** file.
**
**   - the path of a file
**   - a *.safetensors.index.json file: its shards, which lie beside it
**   - a directory: its index, if there is exactly one; otherwise every *.safetensors file in it
**   - a glob (*, ?, [...]): every match, each a file on its own
**   - hf://NAME[@REVISION][/FILE], or the web address of a hub: see hub.h
**   - a BLOB: the bytes of a file
**
** Members are in natural order ("-2-" before "-10-"). They are opened one at a time, on demand, so
** a checkpoint of ten thousand files keeps only one of them open.
*/
#ifndef SAFETENSORS_MODEL_CHECKPOINT_H
#define SAFETENSORS_MODEL_CHECKPOINT_H

#include "base/error.h"
#include "format/header.h"
#include "model/session.h"
#include "model/source.h"

typedef struct Checkpoint Checkpoint;

/* An open member. The pointers belong to the Checkpoint, and are valid until the next member is
** opened or the Checkpoint is closed. */
#define MEMBER_SIZE_UNKNOWN UINT64_MAX

typedef struct Member {
  const char *path; /* NULL for a BLOB */
  uint64_t size;    /* of the file, or MEMBER_SIZE_UNKNOWN */
  const Header *header;
  const Salvage *salvage; /* for a file that may be invalid: `header` contains what is intact */
  File *file;             /* NULL for a BLOB */
} Member;

/* Finds out what the path names. If it names nothing valid, that is not a failure of this function,
** but the error of the only member. Returns NULL, with an error, if memory runs out, on an
** interrupt, and if the text is not a path at all. checkpoint_close() releases the result. */
Checkpoint *checkpoint_open_path(Session *session, const char *path, uint64_t length, Error *error);

/* Allows the members to be invalid. Those of their tensors that are intact can then be opened. Must
** be called before a member is opened. */
void checkpoint_allow_damage(Checkpoint *checkpoint);

/* Opens the bytes of a whole file. `blob` must outlive the Checkpoint. Returns NULL if memory runs
** out. */
Checkpoint *checkpoint_open_blob(Session *session, const unsigned char *blob, uint64_t size,
                                 Error *error);

/* The same for the beginning of a file of `file_size` bytes, with its whole header: the bytes of
** tensors behind it must not be read. checkpoint_blob_size() says how many bytes there are. */
Checkpoint *checkpoint_open_beginning(Session *session, const unsigned char *blob, uint64_t size,
                                      uint64_t file_size, Error *error);

/* The bytes of a BLOB; 0 for a path. */
uint64_t checkpoint_blob_size(const Checkpoint *checkpoint);

void checkpoint_close(Checkpoint *checkpoint);

/* Finds out again what the path names, and starts over with no member open. Returns false if memory
** runs out or on an interrupt; a problem with the path is handled as in checkpoint_open_path(). Not
** for a BLOB. */
bool checkpoint_reopen(Checkpoint *checkpoint, Error *error);

/* Whether the path still names the same files; a directory may contain others by now. */
bool checkpoint_names_the_same(const Checkpoint *checkpoint);

/* Whether the open member is still what the path leads to, if a look at the file, and at the index, is enough to
** know that: false for a path that is not that of either, and for one whose files must lie in certain directories. */
bool checkpoint_is_current(const Checkpoint *checkpoint);

/* Whether the path is a directory without an index. */
bool checkpoint_is_directory(const Checkpoint *checkpoint);

/* The directory, or the path as it was resolved. Belongs to the Checkpoint. */
const char *checkpoint_path(const Checkpoint *checkpoint);

/* The session of the connection. */
Session *checkpoint_session(const Checkpoint *checkpoint);

/* Commits the statement to what the path stands for: an address to its snapshot, and a directory to
** its index or to having none. Returns false, with an error, if it stood for something else
** before. */
bool checkpoint_see_place(const Checkpoint *checkpoint, Error *error);

/* While this is on, members that are opened need not be in the state in which the statement saw
** them before. It is for finding out whether they can be. */
void checkpoint_look_only(Checkpoint *checkpoint, bool on);

uint32_t checkpoint_member_count(const Checkpoint *checkpoint);

/* The path of the member, which is not opened. NULL for a BLOB. */
const char *checkpoint_member_path(const Checkpoint *checkpoint, uint32_t number);

/* Looks at the member without reading it. Returns false if it cannot be looked at, or is a BLOB; with an error if memory ran
** out, or on an interrupt. */
bool checkpoint_look_at_member(Checkpoint *checkpoint, uint32_t number, FileIdentity *identity,
                               Error *error);

/* Opens member `number`, or keeps it open. On an error *member still has the path and, if known,
** the size. */
bool checkpoint_open_member(Checkpoint *checkpoint, uint32_t number, Member *member, Error *error);

/* From now on members stay open once they have been opened. This is for callers that alternate
** between them. All their headers are then in memory at the same time. Returns false if memory runs
** out. */
bool checkpoint_keep_open(Checkpoint *checkpoint, Error *error);

/* The member that has the tensor according to the index of the model. Returns false if there is no
** index, or if it does not contain the name: then every member may have it. */
bool checkpoint_member_of(Checkpoint *checkpoint, const char *name, uint64_t length,
                          uint32_t *number);

/* Finds the only tensor of that name, and opens its member. Returns NULL, with an error, if there
** is no such tensor or if there are several. The entry is valid as long as the member is open. */
const TensorEntry *checkpoint_find(Checkpoint *checkpoint, const char *name, uint64_t length,
                                   Member *member, Error *error);

/* The index of the model and its path; NULL if there is no index. */
Index *checkpoint_index(const Checkpoint *checkpoint);
const char *checkpoint_index_path(const Checkpoint *checkpoint);

/* What is wrong with the path as a whole, or NULL. */
const Error *checkpoint_problem(const Checkpoint *checkpoint);

/* Where the bytes of the tensor are. Valid as long as the member is open. */
Source checkpoint_source(const Checkpoint *checkpoint, const Member *member,
                         const TensorEntry *entry);

/* The same for any bytes of the member: `nbytes` from `offset` on. */
Source checkpoint_bytes(const Checkpoint *checkpoint, const Member *member, uint64_t offset,
                        uint64_t nbytes);

#endif
