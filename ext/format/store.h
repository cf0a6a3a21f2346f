/*
** The files that one connection has opened: their parsed headers (or, of a sharded model's index,
** its contents), and the mappings of those whose bytes were asked for.
**
** One Store belongs to a connection and is shared by all its modules and functions, each of which
** holds a reference. SQLite runs them under the connection's mutex, so a Store needs no lock.
**
** Bytes handed out stay valid until the connection closes: SQLite may keep a pointer passed with
** SQLITE_STATIC until its statement ends, and nothing tells us when that is. So a mapping, once
** made, is never undone before. A file that is replaced (by rename) or deleted keeps its old bytes
** in its old mapping; the next statement sees the new file. A file that is overwritten in place
** changes under its mapping, and one that is cut short there can kill the process: both are looked
** for (size and times) before bytes are handed out, and reported.
**
** Parsed headers are kept by (device, inode, size, times) up to STORE_HEADER_BYTES, least recently
** used first to go; the STORE_KEPT_FILES that were used last stay, whatever they take, so that a
** query that goes to and fro between huge models does not read them again and again.
*/
#ifndef SAFETENSORS_FORMAT_STORE_H
#define SAFETENSORS_FORMAT_STORE_H

#include "base/error.h"
#include "base/platform.h"
#include "base/progress.h"
#include "format/header.h"
#include "format/index.h"
#include "format/pages.h"

/* How much memory the headers that no cursor uses may hold. */
#define STORE_HEADER_BYTES ((uint64_t)256 << 20)

enum { STORE_KEPT_FILES = 4 };

typedef struct Store Store;

/* How tensors' bytes are read: see source.h. */
typedef enum IoMode { IO_MAP, IO_PREAD } IoMode;

/* What a connection can set: see func/config.c. */
typedef struct Settings {
  IoMode io;
  Progress progress;
} Settings;

/* One state of one file. Header and index are valid while the file is pinned; one of them is NULL.
 */
typedef struct File {
  FileIdentity identity;
  Header *header;
  Index *index;
  const unsigned char *data; /* the whole file, mapped; NULL until store_map() */
  Pages *pages;              /* of the mapping */
  uint32_t pins;
  bool recent; /* changed so lately, by the time that nobody can set, that a further write might
               ** leave its times unchanged */
  struct File *next_in_bucket, *newer, *older;
} File;

/* A Store with one reference, or NULL when memory runs out. */
Store *store_new(void);
Store *store_retain(Store *store);
void store_release(Store *store);

Settings *store_settings(Store *store);

/* Opens the file as it is now: its header is read, parsed and validated, or found in the cache. The
** File is pinned until store_unpin(). NULL on error. */
File *store_open(Store *store, const char *path, Error *error);

/* The same for the index of a sharded model. */
File *store_open_index(Store *store, const char *path, Error *error);

void store_unpin(Store *store, File *file);

/* Maps the file, unless that was done, after checking that `path` still is the file that was
** opened. On success file->data has identity.size bytes, until the connection closes. */
bool store_map(File *file, const char *path, Error *error);

/* Of a mapped file: an error when it has been cut short or overwritten. If `path` is gone or now
** another file's, the mapping still has the old one's bytes. For any thread. */
bool store_check_mapped(const File *file, const char *path, Error *error);

/* Opens the file for reading without mapping it, after the same check as store_map(). Returns the
** descriptor, which the caller closes with platform_close(), or -1. */
int store_open_descriptor(const File *file, const char *path, Error *error);

/* Whether the descriptor's file is still as it was when it was opened. For any thread. */
bool store_check_descriptor(const File *file, int descriptor, const char *path, Error *error);

#endif
