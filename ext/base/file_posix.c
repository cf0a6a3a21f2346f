#include "base/file_posix.h"

#include "base/file_origin.h"
#include "base/memory.h"
#include "base/program.h"
#include "base/system_error.h"

#if !defined(_WIN32)
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__APPLE__)
#define FILE_POSIX_MODIFIED_TIME(status) (status)->st_mtimespec
#define FILE_POSIX_CHANGED_TIME(status)  (status)->st_ctimespec
#else
#define FILE_POSIX_MODIFIED_TIME(status) (status)->st_mtim
#define FILE_POSIX_CHANGED_TIME(status)  (status)->st_ctim
#endif

static int64_t file_posix_nanoseconds(struct timespec time) {
  return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_nsec;
}

void file_posix_take_status(const struct stat *status, FileIdentity *identity) {
  *identity = (FileIdentity){.device = (uint64_t)status->st_dev,
                             .inode = (uint64_t)status->st_ino,
                             .size = (uint64_t)status->st_size,
                             .modified = file_posix_nanoseconds(FILE_POSIX_MODIFIED_TIME(status)),
                             .changed = file_posix_nanoseconds(FILE_POSIX_CHANGED_TIME(status))};
}

static bool file_posix_take_identity(const struct stat *status, const char *path,
                                     FileIdentity *identity, Error *error) {
  if (S_ISDIR(status->st_mode)) {
    return error_raise(error, ERROR_UNOPENED, path, "expected %s, found a directory", program.file);
  }
  if (!S_ISREG(status->st_mode)) {
    return error_raise(error, ERROR_UNOPENED, path,
                       "expected a regular file, found a pipe, socket or device");
  }
  file_posix_take_status(status, identity);
  return true;
}

bool file_identify(const char *path, FileIdentity *identity, Error *error) {
  struct stat status;
  return stat(path, &status) == 0 ? file_posix_take_identity(&status, path, identity, error)
                                  : system_error_raise(error, path, "look at the file", errno);
}

bool file_identify_descriptor(int descriptor, const char *path, FileIdentity *identity,
                              Error *error) {
  FileOrigin origin;
  struct stat status;
  if (file_origin_find(descriptor, &origin)) {
    *identity = origin.identity;
    return true;
  }
  return fstat(descriptor, &status) == 0
             ? file_posix_take_identity(&status, path, identity, error)
             : system_error_raise(error, path, "look at the file", errno);
}

int file_open(const char *path, FileIdentity *identity, Error *error) {
  if (!file_identify(path, identity, error)) return -1;
  int descriptor;
  do { /* O_NONBLOCK: the file may have become a pipe since file_identify() */
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) {
    system_error_raise(error, path, "open the file", errno);
    return -1;
  }
  if (!file_identify_descriptor(descriptor, path, identity, error)) {
    file_close(descriptor);
    return -1;
  }
  return descriptor;
}

void file_close(int descriptor) {
  file_origin_forget(descriptor);
  close(descriptor);
}

int file_read_some(int descriptor, void *buffer, uint32_t size, uint64_t offset, uint32_t *got) {
  ssize_t count;
  do {
    count = pread(descriptor, buffer, size, (off_t)offset);
  } while (count < 0 && errno == EINTR);
  *got = count < 0 ? 0 : (uint32_t)count;
  return count < 0 ? errno : 0;
}

/* Advice may fail: nothing depends on it. */

void file_no_read_ahead(int descriptor) {
#if defined(POSIX_FADV_RANDOM)
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
#else
  (void)descriptor;
#endif
}

void file_usual_read_ahead(int descriptor) {
#if defined(POSIX_FADV_NORMAL)
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_NORMAL);
#else
  (void)descriptor;
#endif
}

int file_real_path(int descriptor, char **real_path) {
  char path[PATH_MAX];
  *real_path = NULL;
#if defined(F_GETPATH) /* macOS */
  if (fcntl(descriptor, F_GETPATH, path) != 0) return errno;
#elif defined(__linux__)
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return errno == ENOENT ? ENOTSUP : errno; /* there is no /proc */
  path[length] = '\0';
  if (path[0] != '/') return ENOTSUP;
#else
  (void)descriptor;
  return ENOTSUP;
#endif
  *real_path = memory_copy_text(path, strlen(path));
  return *real_path != NULL ? 0 : ENOMEM;
}

#endif
