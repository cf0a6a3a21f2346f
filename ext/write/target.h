/*
** A target is a file, or a model with its index, that tables of a connection write: where it is,
** whether it may be written, and what is pending for it. Two spellings of a path, or a link and the
** file that it leads to, are one target.
*/
#ifndef SAFETENSORS_WRITE_TARGET_H
#define SAFETENSORS_WRITE_TARGET_H

#include "base/file_system.h"
#include "base/place.h"
#include "write/pending.h"

/* How the open transaction uses a target. */
typedef enum TargetUse {
  TARGET_UNUSED,
  TARGET_NEW,   /* rows of safetensors_write create it */
  TARGET_EDITED /* its rows are changed */
} TargetUse;

/* Options in rows of safetensors_write. Each is unset until the first row sets it. */
typedef struct TargetOptions {
  char *given;    /* metadata, as the row has it; NULL if unset */
  char *metadata; /* the same as headers store it; NULL if it is empty */
  uint64_t limit; /* the maximum size of a shard, in bytes; 0 if unset */
  PlaceMode mode;
  bool has_mode;
} TargetOptions;

typedef struct Target {
  struct Target *next;
  uint32_t references; /* from tables and from the transaction */
  uint32_t number;     /* unique in the connection */
  char *path;          /* as the first table or row gave it */
  FileLocation location;
  bool is_index;
  TargetUse use;
  Pending pending;    /* the rows that tables read and change */
  Pending before;     /* TARGET_NEW: the rows that an edit table had before */
  bool is_stale;      /* the transaction has written the target since it was loaded */
  uint64_t looked_at; /* the period of the session in which it was last found unchanged */
  TargetOptions options;
  Spool *spool;
  FileIdentity expected; /* the old file, if has_expected */
  bool has_expected;
  struct Sealed *sealed; /* see seal.h; NULL if not sealed */
} Target;

/* Returns what is wrong with a path as the path of a file to write, or NULL if it is fine. */
const char *target_path_problem(const char *path, uint64_t length);

/* Whether the path of a named table can be edited: it must be that of a file or an index, and
** not an address or a pattern. */
bool target_can_be_edited(const char *path);

/* Makes the directory of a path to write, as made_directory_make() does, if this connection may write
** files. Returns false on error. */
bool target_make_directory(const char *path, Session *session, MadeDirectory **made, Error *error);

/* Returns the target that the path leads to, with a new reference, and adds it to the list if it
** is new. Returns NULL on error. SQLite disconnects tables and connects them again, and their
** rows must keep their numbers; so up to TARGET_MAX_IDLE targets without references are kept. */
enum { TARGET_MAX_IDLE = 4 };
Target *target_find(Target **targets, const char *path, Error *error);
void target_release(Target **targets, Target *target); /* may be NULL */

/* Frees all targets that have no references. */
void target_free_idle(Target **targets);

/* Checks that this connection may write files, and that the target is not one that nobody may
** write. */
bool target_check_permission(const Target *target, Session *session, Error *error);

/* Checks that the old file is empty, or begins as a safetensors file (or an index) does. */
bool target_check_contents(const Target *target, Error *error);

/* Checks that the path of an index is not a link to another directory. */
bool target_check_link(const Target *target, Error *error);

/* Loads the target from the disk, unless it is known to be unchanged, or changes are pending. */
bool target_refresh(Target *target, PendingSources *sources, Error *error);

/* At the end of a transaction, releases what the target needed for it. */
void target_end_use(Target *target);

#endif
