/*
** Copies of ranges are right at all offsets, with every combination of what the system may lack; errors are
** reported, and a copy is given up when it is asked to.
*/
#include "base/copy_range.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "program.h"

enum { BYTES = 5 << 20, MISSING_ALL = 8 };

static char from_path[4096], to_path[4096];
static unsigned char bytes[BYTES], found[BYTES];

static int open_file(const char *path) {
  int descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (descriptor < 0) stop(path);
  return descriptor;
}

static int open_source(void) {
  int from = open_file(from_path);
  for (size_t i = 0, random = 1; i < BYTES; i++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    bytes[i] = (unsigned char)(random >> 33);
  }
  if (write(from, bytes, BYTES) != BYTES) stop(from_path);
  return from;
}

static bool copy(int from, int to, uint64_t from_offset, uint64_t to_offset, uint64_t size) {
  Error error = {0};
  CopyRange range = {.from = from,
                     .to = to,
                     .from_path = from_path,
                     .to_path = to_path,
                     .from_offset = from_offset,
                     .to_offset = to_offset,
                     .size = size};
  bool good = copy_range(&range, &error);
  error_clear(&error);
  return good;
}

static void copied(int from, uint64_t from_offset, uint64_t to_offset, uint64_t size) {
  char what[160];
  int to = open_file(to_path);
  struct stat status;
  snprintf(what, sizeof what, "%llu bytes from %llu to %llu", (unsigned long long)size,
           (unsigned long long)from_offset, (unsigned long long)to_offset);
  check(copy(from, to, from_offset, to_offset, size), what);
  bool same = pread(to, found, (size_t)size, (off_t)to_offset) == (ssize_t)size &&
              memcmp(found, bytes + from_offset, (size_t)size) == 0;
  check(same && fstat(to, &status) == 0 &&
            (uint64_t)status.st_size == (size > 0 ? to_offset + size : 0),
        what);
  check(lseek(to, 0, SEEK_CUR) == 0, "the position stays");
  close(to);
}

static void all_offsets(int from) {
  static const uint64_t offsets[] = {0, 1, 8, 4095, 4096, 8192, 70000, 1 << 20},
                        sizes[] = {0, 1, 4096, 65535, 65536, 65537, 200000, 1 << 20, 3 << 20};
  for (unsigned missing = 0; missing < MISSING_ALL; missing++) {
    copy_range_pretend_to_lack(missing);
    for (int i = 0; i < 8; i++) {
      for (int j = 0; j < 8; j++) copied(from, offsets[i], offsets[j], sizes[(i * 8 + j) % 9]);
    }
    copied(from, 8, 16, BYTES - 8);
    copied(from, 0, 0, BYTES);
  }
}

static ErrorCode code_of_copy(CopyRange *range) {
  Error error = {0};
  bool good = copy_range(range, &error);
  ErrorCode code = error.code;
  check(good == (code == ERROR_NONE) &&
            (good || strstr(error.message, directory) != NULL ||
             strstr(error.message, "stop") != NULL || strstr(error.message, "/dev/full") != NULL),
        "an error is about a file");
  error_clear(&error);
  return code;
}

/* A progress handler. */
static int interrupt_at_once(void *context) {
  (void)context;
  return 1;
}

/* A copy of which the connection is interrupted ends long before all is copied. */
static void stopped(sqlite3 *db, CopyRange *range) {
  struct stat status;
  Cancel cancel = {.db = db};
  Host host = {.cancel = &cancel, .subject = "stop", .numel = range->size, .nbytes = range->size};
  range->host = &host;
  check(ftruncate(range->to, 0) == 0 && code_of_copy(range) == ERROR_INTERRUPT &&
            fstat(range->to, &status) == 0 && status.st_size <= BYTES / 2,
        "stopped");
}

static void errors(sqlite3 *db, int from) {
  int full = open("/dev/full", O_WRONLY), to = open_file(to_path);
  for (unsigned missing = 0; missing < MISSING_ALL; missing++) {
    copy_range_pretend_to_lack(missing);
    for (uint64_t offset = 0; offset < 16; offset += 8) {
      CopyRange range = {.from = from,
                         .to = to,
                         .from_path = from_path,
                         .to_path = to_path,
                         .from_offset = offset,
                         .size = BYTES};
      range.size += 100000 - offset;
      check(code_of_copy(&range) == ERROR_CHANGED, "a file that is too short");
      range.size = BYTES - offset;
      range.from = -1;
      check(code_of_copy(&range) == ERROR_IO, "a file that cannot be read");
      range.from = from;
      if (full >= 0) {
        range.to = full;
        range.to_path = "/dev/full";
        check(code_of_copy(&range) == ERROR_FULL, "a full disk");
        range.to = to;
        range.to_path = to_path;
      }
      if (missing == MISSING_ALL - 1) stopped(db, &range);
    }
  }
  close(full);
  close(to);
}

int main(void) {
  make_directory();
  snprintf(from_path, sizeof from_path, "%s/from", directory);
  snprintf(to_path, sizeof to_path, "%s/to", directory);
  int from = open_source();
  all_offsets(from);
  sqlite3 *db = NULL;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) stop("cannot open a database");
  sqlite3_progress_handler(db, 1, interrupt_at_once, NULL);
  errors(db, from);
  sqlite3_close(db);
  close(from);
  unlink(from_path);
  unlink(to_path);
  rmdir(directory);
  check(sqlite3_memory_used() == 0, "memory left");
  return finish();
}
