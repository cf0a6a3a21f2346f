#include "base/file_write.h"

#include <errno.h>
#include <stddef.h>

#include "base/system_error.h"

enum { FILE_WRITE_MAX_CHUNK = 1 << 30 }; /* in one call, since no system writes 2 GiB at once */

/* Writes where the file stands, or at *place, which then moves. */
static bool file_write_all(int descriptor, const char *path, const void *bytes, uint64_t size,
                           uint64_t *place, Error *error) {
  const char *from = bytes;
  while (size > 0) {
    uint32_t written, chunk = size < FILE_WRITE_MAX_CHUNK ? (uint32_t)size : FILE_WRITE_MAX_CHUNK;
    int number = file_write_some(descriptor, from, chunk, place, &written);
    if (number == 0 && written == 0) number = ENOSPC; /* it takes nothing, and does not say why */
    if (number != 0) return file_write_raise(path, number, error);
    from += written;
    size -= written;
    if (place != NULL) *place += written;
  }
  return true;
}

bool file_write(int descriptor, const char *path, const void *bytes, uint64_t size, Error *error) {
  return file_write_all(descriptor, path, bytes, size, NULL, error);
}

bool file_write_at(int descriptor, const char *path, const void *bytes, uint64_t size,
                   uint64_t offset, Error *error) {
  return file_write_all(descriptor, path, bytes, size, &offset, error);
}

bool file_write_raise(const char *path, int number, Error *error) {
  return error_raise(error, system_error_write_code(number), path, "cannot write: %s",
                     system_error_words(number));
}
