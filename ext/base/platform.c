#include "base/platform.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if defined(__APPLE__)
#define MODIFIED_TIME(status) (status)->st_mtimespec
#define CHANGED_TIME(status)  (status)->st_ctimespec
#else
#define MODIFIED_TIME(status) (status)->st_mtim
#define CHANGED_TIME(status)  (status)->st_ctim
#endif

static int64_t nanoseconds(struct timespec time) {
  return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_nsec;
}

static bool raise_system_error(Error *error, const char *path, const char *action, int number) {
  ErrorCode code = number == ENOENT || number == ENOTDIR ? ERROR_MISSING : ERROR_IO;
  if (number == ENOMEM) return error_memory(error);
  if (number == ENOENT) {
    return error_raise(error, code, path, "no such file%s", platform_tilde_hint(path));
  }
  return error_raise(error, code, path, "cannot %s: %s", action, strerror(number));
}

static bool take_identity(const struct stat *status, const char *path, FileIdentity *identity,
                          Error *error) {
  if (S_ISDIR(status->st_mode)) {
    return error_raise(error, ERROR_INVALID, path,
                       "expected a .safetensors file, found a directory");
  }
  if (!S_ISREG(status->st_mode)) {
    return error_raise(error, ERROR_INVALID, path,
                       "expected a regular file, found a pipe, socket or device");
  }
  *identity = (FileIdentity){.device = (uint64_t)status->st_dev,
                             .inode = (uint64_t)status->st_ino,
                             .size = (uint64_t)status->st_size,
                             .modified = nanoseconds(MODIFIED_TIME(status)),
                             .changed = nanoseconds(CHANGED_TIME(status))};
  return true;
}

bool platform_identity_unchanged(const FileIdentity *a, const FileIdentity *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size &&
         a->modified == b->modified;
}

bool platform_identity_equal(const FileIdentity *a, const FileIdentity *b) {
  return platform_identity_unchanged(a, b) && a->changed == b->changed;
}

bool platform_identify(const char *path, FileIdentity *identity, Error *error) {
  struct stat status;
  if (stat(path, &status) != 0) return raise_system_error(error, path, "look at the file", errno);
  return take_identity(&status, path, identity, error);
}

bool platform_identify_descriptor(int descriptor, const char *path, FileIdentity *identity,
                                  Error *error) {
  struct stat status;
  return fstat(descriptor, &status) == 0
             ? take_identity(&status, path, identity, error)
             : raise_system_error(error, path, "look at the file", errno);
}

int platform_open(const char *path, FileIdentity *identity, Error *error) {
  if (!platform_identify(path, identity, error)) return -1;
  int descriptor;
  do { /* not blocking: the file may have become a pipe since we looked */
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) {
    raise_system_error(error, path, "open the file", errno);
    return -1;
  }
  if (!platform_identify_descriptor(descriptor, path, identity, error)) {
    platform_close(descriptor);
    return -1;
  }
  return descriptor;
}

void platform_close(int descriptor) {
  close(descriptor);
}

void platform_no_read_ahead(int descriptor) {
#if defined(POSIX_FADV_RANDOM)
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM); /* a wish: what comes of it does not matter */
#else
  (void)descriptor;
#endif
}

bool platform_read(int descriptor, const char *path, void *buffer, uint64_t size, uint64_t offset,
                   Error *error) {
  char *at = buffer;
  uint64_t left = size;
  while (left > 0) {
    size_t chunk = left < (1u << 30) ? (size_t)left : (size_t)1 << 30;
    ssize_t got = pread(descriptor, at, chunk, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return raise_system_error(error, path, "read", errno);
    if (got == 0) {
      return error_raise(error, ERROR_IO, path,
                         "expected %llu bytes more at offset %llu, found the end of the file: it "
                         "was cut short while being read",
                         (unsigned long long)left, (unsigned long long)offset);
    }
    at += got;
    offset += (uint64_t)got;
    left -= (uint64_t)got;
  }
  return true;
}

const unsigned char *platform_map(int descriptor, const char *path, uint64_t size, Error *error) {
  if (size > SIZE_MAX / 2) {
    error_fill(error, ERROR_IO, path,
               "%llu bytes are more than this process can map; safetensors_config('io', "
               "'pread') reads without mapping",
               (unsigned long long)size);
    return NULL;
  }
  void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, descriptor, 0);
  if (data == MAP_FAILED) {
    raise_system_error(error, path, "map the file into memory", errno);
    return NULL;
  }
  return data;
}

#if defined(__linux__) && !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22
#endif

bool platform_populate(const unsigned char *data, uint64_t size, const char *path, Error *error) {
#if defined(__linux__)
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)data & ~(page - 1);
  size_t length = (size_t)((uintptr_t)data + (uintptr_t)size - start);
  int failed;
  do {
    failed = madvise((void *)start, length, MADV_POPULATE_READ);
  } while (failed != 0 && errno == EINTR);
  if (failed == 0 || errno == EINVAL || errno == ENOSYS) return true; /* an older kernel */
  if (errno == EFAULT || errno == EHWPOISON) {
    return error_raise(
        error, ERROR_IO, path,
        "expected to read %llu mapped bytes, found that they cannot be had: the file "
        "was cut short, or its disk failed",
        (unsigned long long)size);
  }
  return raise_system_error(error, path, "read the mapped file", errno);
#else
  (void)data, (void)size, (void)path, (void)error;
  return true;
#endif
}

bool platform_is_resident(const unsigned char *data, uint64_t size) {
#if defined(__linux__)
  enum { SMALLEST_PAGE = 4096 };
  unsigned char pages[PLATFORM_MOST_RESIDENT / SMALLEST_PAGE + 1];
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)data & ~(page - 1);
  size_t length = (size_t)((uintptr_t)data + (uintptr_t)size - start);
  size_t count = (length + page - 1) / page;
  if (size > PLATFORM_MOST_RESIDENT || mincore((void *)start, length, pages) != 0) return false;
  for (size_t i = 0; i < count; i++) {
    if ((pages[i] & 1) == 0) return false;
  }
  return true;
#else
  (void)data, (void)size;
  return false;
#endif
}

void platform_release(const unsigned char *data, uint64_t size) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t start = ((uintptr_t)data + page - 1) & ~(page - 1);
  uintptr_t end = ((uintptr_t)data + (uintptr_t)size) & ~(page - 1);
  if (start < end) madvise((void *)start, (size_t)(end - start), MADV_DONTNEED);
}

void platform_unmap(const unsigned char *data, uint64_t size) {
  munmap((void *)(uintptr_t)data, (size_t)size);
}

int64_t platform_now(void) {
  struct timespec now = {0};
  clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(now);
}

uint64_t platform_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

int64_t platform_monotonic(void) {
  struct timespec now = {0};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
