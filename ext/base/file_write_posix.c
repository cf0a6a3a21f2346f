#include "base/file_write.h"

#include "base/file_origin.h"
#include "base/system_error.h"

#if !defined(_WIN32)
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#endif

enum {
  FILE_WRITE_POSIX_LARGE = 64 << 20
}; /* bytes that take the system some milliseconds to free */

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
  if (other < 0 || file_origin_copy(descriptor, other)) return other;
  close(other);
  error_memory(error);
  return -1;
}

/* The kernel closes the files of an io_uring in a thread of its own, and so the last reference to this
** one is not ours. Returns a ring that refers to the file, or -1 if there is none, as in many sandboxes. */
static int file_write_posix_ring_of(int descriptor) {
#if defined(__linux__) && defined(SYS_io_uring_setup) && defined(SYS_io_uring_register)
  enum { FILE_WRITE_POSIX_REGISTER_FILES = 2 }; /* of <linux/io_uring.h> */
  uint32_t parameters[30] = {0};                /* a struct io_uring_params of zeros */
  int ring = (int)syscall(SYS_io_uring_setup, 1u, parameters);
  if (ring >= 0)
    syscall(SYS_io_uring_register, ring, FILE_WRITE_POSIX_REGISTER_FILES, &descriptor, 1u);
  return ring;
#else
  (void)descriptor;
  return -1;
#endif
}

void file_discard(int descriptor) {
  struct stat status;
  bool is_large = fstat(descriptor, &status) == 0 && status.st_size >= FILE_WRITE_POSIX_LARGE;
  int ring = is_large ? file_write_posix_ring_of(descriptor) : -1;
  close(descriptor);
  if (ring >= 0) close(ring);
}

void file_start_writing_back(int descriptor, uint64_t offset, uint64_t size) {
#if defined(__linux__)
  sync_file_range(descriptor, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
#else
  (void)descriptor, (void)offset, (void)size;
#endif
}

#endif
