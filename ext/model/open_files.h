/*
** The descriptors and mappings of the files of one connection, and when they are closed.
**
** While there is a lease (session.h), what was opened for a file stays open for the next user: the
** descriptor, up to a number that leaves enough to the host, and the mappings of the last
** OPEN_FILES_KEPT files. A mapping from which a pointer was handed out stays until the last lease
** ends. Then everything is closed. Without a lease nothing stays open after its use.
**
** A file that is read or handed out is checked through its descriptor, because its path may lead to
** another file by now. If the descriptor had to be closed, the path must lead to the very same
** file.
**
** Functions must be called on the thread of the connection, unless they say otherwise.
*/
#ifndef SAFETENSORS_MODEL_OPEN_FILES_H
#define SAFETENSORS_MODEL_OPEN_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "model/file_record.h"
#include "model/network.h"

/* The number of files whose mappings and headers are kept for the next user. */
enum { OPEN_FILES_KEPT = 4 };

/* Starts as {0}. */
typedef struct OpenFiles {
  Network *network; /* set by the owner */
  bool leased;      /* set and cleared by the owner */
  uint64_t share;   /* of the descriptors that the system allows; 0 if not known in this lease */
  uint32_t descriptors, mappings; /* only mappings from which nothing was handed out */
  File *newest, *oldest;          /* files with a descriptor, by last use */
  File *handed_out;
} OpenFiles;

/* Looks at what a path leads to, as file_identify() does, or an address of the network. */
bool open_files_identify(const OpenFiles *files, const char *path, FileIdentity *identity,
                         Error *error);

/* Lists what is in a directory, as file_system_list() does, or at an address. There, directories end with a '/'. */
bool open_files_list(const OpenFiles *files, const char *directory, PathList *names, Cancel *cancel,
                     Error *error);

/* Opens a regular file for reading, or a file of the network, and identifies it. If the system has no descriptors left, those
** that are not in use are closed first. Returns the descriptor, or -1 with an error. */
int open_files_open(OpenFiles *files, const char *path, FileIdentity *identity, Error *error);

/* Takes ownership of a descriptor of the file, which has none. It is kept, or closed. */
void open_files_adopt(OpenFiles *files, File *file, int descriptor);

/* Begins a use of the file, which must stay pinned meanwhile. Until open_file_end() it has a
** descriptor, which refers to the same file in the same state as when it was opened. Returns false,
** with an error, if this is not possible. */
bool open_file_begin(OpenFiles *files, File *file, const char *path, Error *error);

/* The same for who checks the file after each read, or before each use of a mapping: a descriptor that is open
** already is not checked. */
bool open_file_begin_reading(OpenFiles *files, File *file, const char *path, Error *error);
void open_file_end(OpenFiles *files, File *file);

/* Whether this is not the first pass over the file since it was opened. */
bool open_file_is_wanted_again(File *file);

/* Maps the file, which is in use, unless it already is mapped. Returns false if this is not
** possible for lack of memory or mappings: then it has to be read. */
bool open_file_map(OpenFiles *files, File *file);

/* Ends the mappings of files that are not in use, and from which nothing was handed out. */
void open_files_unmap_idle(OpenFiles *files);

/* Keeps a mapped file mapped until the last lease ends. */
void open_file_keep_mapped(OpenFiles *files, File *file);

/* For a file in use: raises an error if it has been truncated or overwritten. May be called on any
** thread. */
bool open_file_check(const File *file, const char *path, Error *error);

/* Closes what is kept of a file that is not in use, and from which nothing was handed out. */
void open_files_forget(OpenFiles *files, File *file);

/* Closes everything that is not in use, after the last lease has ended. Returns the files from
** which something was handed out, linked by next_handed_out. */
File *open_files_end(OpenFiles *files);

#endif
