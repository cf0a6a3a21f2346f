#include "base/file_write.h"

#include "base/system_error.h"

#if !defined(_WIN32)
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static bool file_write_posix_raise(const char *path, int number, Error *error) {
  return error_raise(error, system_error_write_code(number), path, "cannot write: %s",
                     strerror(number));
}

bool file_write(int descriptor, const char *path, const void *bytes, uint64_t size, Error *error) {
  const unsigned char *from = bytes;
  while (size > 0) {
    size_t max = size < (1u << 30) ? (size_t)size : (size_t)1 << 30;
    ssize_t written = write(descriptor, from, max);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return file_write_posix_raise(path, written < 0 ? errno : EIO, error);
    from += written;
    size -= (uint64_t)written;
  }
  return true;
}

bool file_write_at(int descriptor, const char *path, const void *bytes, uint64_t size,
                   uint64_t offset, Error *error) {
  const char *from = bytes;
  while (size > 0) {
    size_t max = size < (1u << 30) ? (size_t)size : (size_t)1 << 30;
    ssize_t written = pwrite(descriptor, from, max, (off_t)offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return file_write_posix_raise(path, written < 0 ? errno : ENOSPC, error);
    from += written;
    offset += (uint64_t)written;
    size -= (uint64_t)written;
  }
  return true;
}

bool file_seek(int descriptor, const char *path, uint64_t offset, Error *error) {
  return lseek(descriptor, (off_t)offset, SEEK_SET) >= 0 ||
         file_write_posix_raise(path, errno, error);
}

void file_cut(int descriptor, uint64_t size) {
  if (ftruncate(descriptor, (off_t)size) != 0) errno = 0;
}

int file_duplicate(int descriptor, const char *path, Error *error) {
  int other = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (other < 0) system_error_raise(error, path, "open the file", errno);
  return other;
}

void file_start_writing_back(int descriptor, uint64_t offset, uint64_t size) {
#if defined(__linux__)
  sync_file_range(descriptor, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
#else
  (void)descriptor, (void)offset, (void)size;
#endif
}

#endif
