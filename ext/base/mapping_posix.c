#include "base/mapping.h"

#include "base/system_error.h"

#if !defined(_WIN32)
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

const unsigned char *mapping_map(int descriptor, const char *path, uint64_t size, Error *error) {
  if (size > SIZE_MAX / 2) {
    error_fill(error, ERROR_RESOURCE, path, "%llu bytes are more than this process can map",
               (unsigned long long)size);
    return NULL;
  }
  void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, descriptor, 0);
  if (data != MAP_FAILED) return data;
  system_error_raise(error, path, "map the file into memory", errno);
  return NULL;
}

void mapping_unmap(const unsigned char *data, uint64_t size) {
  munmap((void *)(uintptr_t)data, (size_t)size);
}

bool mapping_map_part(int descriptor, uint64_t offset, uint64_t size, MappingPart *part) {
  uint64_t lead = offset % (uint64_t)sysconf(_SC_PAGESIZE), length = lead + size;
  *part = (MappingPart){0};
  if (length < size || length > SIZE_MAX / 2) return false;
  void *start =
      mmap(NULL, (size_t)length, PROT_READ, MAP_SHARED, descriptor, (off_t)(offset - lead));
  if (start == MAP_FAILED) return false;
  *part = (MappingPart){(const unsigned char *)start + lead, start, length};
  return true;
}

void mapping_unmap_part(MappingPart *part) {
  if (part->data != NULL) mapping_unmap(part->start, part->length);
  *part = (MappingPart){0};
}

#if defined(__linux__) && !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22
#endif

bool mapping_populate(const unsigned char *data, uint64_t size, const char *path, Error *error) {
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
        error, ERROR_CHANGED, path,
        "expected to read %llu mapped bytes, found that they cannot be had: the file "
        "was cut short, or its disk failed",
        (unsigned long long)size);
  }
  return system_error_raise(error, path, "read the mapped file", errno);
#else
  (void)data, (void)size, (void)path, (void)error;
  return true;
#endif
}

bool mapping_is_resident(const unsigned char *data, uint64_t size) {
#if defined(__linux__)
  enum { MAPPING_POSIX_SMALLEST_PAGE = 4096 };
  unsigned char pages[MAPPING_MAX_RESIDENT / MAPPING_POSIX_SMALLEST_PAGE + 1];
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)data & ~(page - 1);
  size_t length = (size_t)((uintptr_t)data + (uintptr_t)size - start);
  size_t count = (length + page - 1) / page;
  if (size > MAPPING_MAX_RESIDENT || mincore((void *)start, length, pages) != 0) return false;
  for (size_t i = 0; i < count; i++) {
    if ((pages[i] & 1) == 0) return false;
  }
  return true;
#else
  (void)data, (void)size;
  return false;
#endif
}

#endif
