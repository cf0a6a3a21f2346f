/*
** What a session knows about a file: its identity, the state in which it was opened, what was
** parsed from it, and what is open of it. session.c manages the headers and indexes, and
** open_files.c the descriptors and mappings.
*/
#ifndef SAFETENSORS_MODEL_FILE_RECORD_H
#define SAFETENSORS_MODEL_FILE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "base/path_list.h"
#include "format/header.h"
#include "format/index.h"
#include "format/salvage.h"
#include "model/pages.h"

/* What is open of a File. It is private to open_files.c, except that `descriptor` and `data` may be
** read between open_file_begin() and open_file_end(). */
typedef struct OpenFile {
  int descriptor;            /* or -1 */
  const unsigned char *data; /* the whole mapped file, or NULL if it is not mapped */
  Pages *pages;              /* of the mapping */
  uint32_t uses;
  bool passed; /* a pass has been made over a part of it */
  bool handed_out;
  struct File *newer, *older, *next_handed_out;
} OpenFile;

/* One state of one file, and one way to read it: of the parsed contents all but one are NULL. It is
** valid while the file is pinned. */
typedef struct File {
  FileIdentity identity;
  Header *header;
  Salvage *salvage; /* a header that may be invalid */
  Index *index;
  uint64_t hash; /* of the bytes that the contents were parsed from */
  uint32_t pins;
  bool recent;        /* changed so recently when it was read that another write might not change
                      ** its times */
  uint64_t looked_at; /* the period of the Session in which it was read or compared */
  uint64_t
      seen_in; /* the last step in which it was found to be as it was opened: statement_step.h */
  OpenFile open;
  struct File *next_in_bucket, *newer, *older;
} File;

/* Whether `now`, found at `path`, is the file that was opened, in the same state. Returns false
** with an error. */
bool file_record_check(const File *file, const FileIdentity *now, const char *path, Error *error);

/* Opens the file for reading, and makes the same check. Returns the descriptor, which the caller
** closes with file_close(), or -1 with an error. */
int file_record_open(const File *file, const char *path, Error *error);

/* Whether the file of the descriptor is still in the state in which it was opened. May be called on
** any thread. */
bool file_record_check_descriptor(const File *file, int descriptor, const char *path, Error *error);

/* Raises the error that the file is no longer in the state in which it was opened, because it was
** replaced, truncated or overwritten, as `how` says. Returns false. */
bool file_record_raise_changed(const char *path, const char *how, Error *error);

/* Checks that an open file lies in one of the directories; if there are none (NULL or empty) it may
** lie anywhere. It is an error if it lies elsewhere (ERROR_INVALID), or if the system does not
** report where it lies (ERROR_IO). `path` is the path it was opened by, for messages. */
bool file_record_check_within(int descriptor, const char *path, const PathList *directories,
                              Error *error);

#endif
