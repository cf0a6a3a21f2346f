/* What paths name, and what is in directories. No file is opened here. */
#ifndef SAFETENSORS_BASE_FILE_SYSTEM_H
#define SAFETENSORS_BASE_FILE_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/path_list.h"

typedef enum PathKind {
  PATH_MISSING, /* or out of reach */
  PATH_DIRECTORY,
  PATH_OTHER /* a regular file, or something that file_open() will refuse */
} PathKind;

/* What a path names. Device and inode identify it among all files and directories. The times are
** those of FileIdentity (base/file.h); those of a directory change when names in it do. */
typedef struct PathLook {
  PathKind kind;
  bool is_link; /* the path's last component is a symbolic link */
  uint64_t device, inode;
  int64_t modified, changed;
} PathLook;

/* Looks at what `path` names and follows links. False when the system fails. */
bool file_system_look(const char *path, PathLook *look, Error *error);

/* The kind alone. When the system fails it returns false, and *kind is PATH_MISSING. */
bool file_system_kind(const char *path, PathKind *kind, Error *error);

/* Whether the name exists, even as a symbolic link that leads nowhere. */
bool file_system_exists(const char *path);

/* Appends the names in a directory except "." and "..", in no particular order. */
bool file_system_list(const char *directory, PathList *names, Cancel *cancel, Error *error);

/* Whether `path` lies below `directory` once the symbolic links of both are followed. False for what
** does not exist. The answer can be out of date when it is used: see file_system_place(). */
bool file_system_is_within(const char *path, const char *directory);

/* The same for a path that is real already. If it cannot be found out, the result is false and
** *number says why; else *number is 0. */
bool file_system_is_real_path_within(const char *real_path, const char *directory, int *number);

/* Sets *real_path to the whole path without symbolic links, with '/' between its components on every
** system. memory_free() releases it. Returns 0, or an error number and NULL. */
int file_system_real_path(const char *path, char **real_path);

typedef enum FilePlace { FILE_PLACE_INSIDE, FILE_PLACE_OUTSIDE, FILE_PLACE_UNKNOWN } FilePlace;

/* Whether an open file lies in one of the directories or below, whatever links led to it. The system
** is asked about the open file, not about a path, so nobody can replace a link in between.
** FILE_PLACE_UNKNOWN if the system cannot answer; then *number is its error number. */
FilePlace file_system_place(int descriptor, const PathList *directories, int *number);

/* Where a file that is to be written lies, without symbolic links. It need not exist. */
typedef struct FileLocation {
  char *path;             /* the directory's real path, and the name */
  const char *name;       /* a part of it */
  uint64_t device, inode; /* of the directory */
} FileLocation;

/* Finds out where it lies; memory_free() releases `path`. A directory that does not exist is an
** error. */
bool file_system_locate(const char *path, FileLocation *location, Error *error);

/* Removes a name of a file. False if the system refuses. */
bool file_system_remove(const char *path);

#endif
