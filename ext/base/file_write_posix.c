#include "base/file_write.h"

#include "base/system_error.h"

#if !defined(_WIN32)
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int file_write_some(int descriptor, const void *bytes, uint32_t size, const uint64_t *place,
                    uint32_t *written) {
  ssize_t count;
  do {
    count = place != NULL ? pwrite(descriptor, bytes, size, (off_t)*place)
                          : write(descriptor, bytes, size);
  } while (count < 0 && errno == EINTR);
  *written = count < 0 ? 0 : (uint32_t)count;
  return count < 0 ? errno : 0;
}

bool file_seek(int descriptor, const char *path, uint64_t offset, Error *error) {
  return lseek(descriptor, (off_t)offset, SEEK_SET) >= 0 || file_write_raise(path, errno, error);
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
