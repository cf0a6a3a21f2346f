#include "base/temporary.h"

#include <errno.h>

#include "base/environment.h"
#include "base/file.h"
#include "base/file_write.h"
#include "base/memory.h"
#include "base/sqlite.h"
#include "base/system_error.h"
#include "base/threads.h"

/* SQLite never writes more than a page, which has at most 64 kB, and its methods rely on that. */
enum { TEMPORARY_AT_ONCE = 64 << 10 };

struct Temporary {
  Monitor *monitor; /* SQLite's own files may seek and then read */
  sqlite3_file *file;
};

static bool temporary_fail(const char *what, int code, Error *error) {
  return error_raise(error, ERROR_RESOURCE, "temporary file",
                     "expected to %s a file where SQLite puts its own, found: %s (%d)", what,
                     sqlite3_errstr(code), code);
}

static bool temporary_make(Temporary *temporary, Error *error) {
  sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
  temporary->monitor = monitor_new();
  sqlite3_file *file = vfs != NULL ? memory_zeroed(1, (uint64_t)vfs->szOsFile) : NULL;
  temporary->file = file;
  if (temporary->monitor == NULL || file == NULL) return error_memory(error);
  int flags = 0;
  int code = vfs->xOpen(vfs, NULL, file,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE |
                            SQLITE_OPEN_DELETEONCLOSE | SQLITE_OPEN_TEMP_DB,
                        &flags);
  return code == SQLITE_OK || temporary_fail("create", code, error);
}

Temporary *temporary_open(Error *error) {
  Temporary *temporary = memory_zeroed(1, sizeof *temporary);
  if (temporary == NULL) {
    error_memory(error);
    return NULL;
  }
  if (temporary_make(temporary, error)) return temporary;
  temporary_close(temporary);
  return NULL;
}

void temporary_close(Temporary *temporary) {
  if (temporary == NULL) return;
  sqlite3_file *file = temporary->file;
  if (file != NULL && file->pMethods != NULL) file->pMethods->xClose(file);
  memory_free(file);
  monitor_free(temporary->monitor);
  memory_free(temporary);
}

bool temporary_write(Temporary *temporary, const void *bytes, uint64_t size, uint64_t offset,
                     Error *error) {
  const unsigned char *from = bytes;
  sqlite3_file *file = temporary->file;
  int code = SQLITE_OK;
  monitor_enter(temporary->monitor);
  for (uint64_t done = 0, part; done < size && code == SQLITE_OK; done += part) {
    part = size - done < TEMPORARY_AT_ONCE ? size - done : TEMPORARY_AT_ONCE;
    code = file->pMethods->xWrite(file, from + done, (int)part, (sqlite3_int64)(offset + done));
  }
  monitor_leave(temporary->monitor);
  return code == SQLITE_OK || temporary_fail("write", code, error);
}

bool temporary_read(Temporary *temporary, void *bytes, uint64_t size, uint64_t offset,
                    Error *error) {
  unsigned char *to = bytes;
  sqlite3_file *file = temporary->file;
  int code = SQLITE_OK;
  monitor_enter(temporary->monitor);
  for (uint64_t done = 0, part; done < size && code == SQLITE_OK; done += part) {
    part = size - done < TEMPORARY_AT_ONCE ? size - done : TEMPORARY_AT_ONCE;
    code = file->pMethods->xRead(file, to + done, (int)part, (sqlite3_int64)(offset + done));
  }
  monitor_leave(temporary->monitor);
  return code == SQLITE_OK || temporary_fail("read", code, error);
}

/* ---- Files that can be mapped ---- */

/* Where SQLite looks, too: sqlite.org/tempfiles.html, 5. What PRAGMA temp_store_directory says is not told to extensions. */
static int temporary_open_anywhere(int *descriptor) {
  static const char *const variables[] = {"SQLITE_TMPDIR", "TMPDIR"};
  int number = ENOENT;
  for (size_t i = 0; number != 0 && i < sizeof variables / sizeof variables[0]; i++) {
    char *directory;
    if (!environment_find(variables[i], &directory)) return ENOMEM;
    if (directory != NULL) number = temporary_system_open(directory, descriptor);
    memory_free(directory);
  }
  return number == 0 ? 0 : temporary_system_open(NULL, descriptor);
}

int temporary_open_file(uint64_t size, Error *error) {
  int descriptor = -1, number = temporary_open_anywhere(&descriptor);
  if (number != 0) {
    error_fill(error, ERROR_RESOURCE, "temporary file",
               "expected to create a file where SQLite puts its own, found: %s",
               system_error_words(number));
    return -1;
  }
  if (size == 0 || file_write_at(descriptor, "temporary file", "", 1, size - 1, error))
    return descriptor;
  file_close(descriptor);
  return -1;
}
