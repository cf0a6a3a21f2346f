#include "base/mapping.h"

#include "base/system_error.h"

#if !defined(_WIN32)
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

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

/* ---- What is in the cache ---- */

#if defined(__linux__)
#if !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22
#endif

/* Brings the page of an address into memory. */
static bool mapping_populate_page(uintptr_t address) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  int failed;
  do {
    failed = madvise((void *)(address & ~(page - 1)), (size_t)page, MADV_POPULATE_READ);
  } while (failed != 0 && errno == EINTR);
  return failed == 0 || errno == EINVAL || errno == ENOSYS; /* an older kernel */
}

/* The faults of this thread so far, or -1. */
static long mapping_faults(void) {
  struct rusage usage;
  return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_minflt + usage.ru_majflt : -1;
}

/* With a page the kernel maps those around it that are in the cache, 64 kB or a larger page. Asked for each of
** them, it takes three times as long. */
enum { MAPPING_POSIX_AROUND = 64 << 10, MAPPING_POSIX_LARGE = 2 << 20 };

/* Of a range that one large page may hold. If a page far from the first one needs no fault then, such a page has
** come with the first one, and nothing is left to ask for, which would take longer than mapping it did. */
static bool mapping_populate_around(uintptr_t begin, uintptr_t end) {
  uintptr_t second = begin + MAPPING_POSIX_AROUND - begin % MAPPING_POSIX_AROUND;
  uintptr_t last =
      end - end % MAPPING_POSIX_AROUND; /* what follows may have been asked for before */
  if (!mapping_populate_page(begin)) return false;
  if (last > second) {
    long before = mapping_faults();
    if (!mapping_populate_page(last - 1)) return false;
    if (before >= 0 && mapping_faults() == before) return true;
  }
  for (uintptr_t at = second; at < end; at += MAPPING_POSIX_AROUND) {
    if (!mapping_populate_page(at)) return false;
  }
  return true;
}

/* A file that was cut short lacks the last page. */
static bool mapping_populate_pages(uintptr_t begin, uintptr_t end) {
  for (uintptr_t at = begin, next; at < end; at = next) {
    next = at + MAPPING_POSIX_LARGE - at % MAPPING_POSIX_LARGE;
    if (!mapping_populate_around(at, next < end ? next : end)) return false;
  }
  return mapping_populate_page(end - 1);
}
#endif

bool mapping_populate(const unsigned char *data, uint64_t size, const char *path, Error *error) {
#if defined(__linux__)
  if (mapping_populate_pages((uintptr_t)data, (uintptr_t)data + (uintptr_t)size)) return true;
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

#if defined(__linux__)
/* The system call cachestat, of Linux 6.5: it takes a thirtieth of the time of mincore, as it looks at what
** the cache has, and not at every page. */
#if defined(SYS_cachestat)
#define MAPPING_POSIX_CACHESTAT SYS_cachestat
#elif defined(__mips__) || defined(__alpha__) || (defined(__x86_64__) && defined(__ILP32__))
#define MAPPING_POSIX_CACHESTAT (-1)
#else
#define MAPPING_POSIX_CACHESTAT 451
#endif

/* As linux/mman.h has them, which older systems lack. */
typedef struct MappingPosixRange {
  uint64_t offset, length;
} MappingPosixRange;

typedef struct MappingPosixStatistics {
  uint64_t cached, dirty, written, evicted, recently_evicted; /* in pages */
} MappingPosixStatistics;

/* The same by mincore, which says of a file that the user may not ask about that all is there. */
static bool mapping_is_in_core(const unsigned char *data, uint64_t size) {
  enum { MAPPING_POSIX_SMALLEST_PAGE = 4096 };
  unsigned char pages[MAPPING_MAX_RESIDENT / MAPPING_POSIX_SMALLEST_PAGE + 1];
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)data & ~(page - 1);
  size_t length = (size_t)((uintptr_t)data + (uintptr_t)size - start);
  size_t count = (length + page - 1) / page;
  if (mincore((void *)start, length, pages) != 0) return false;
  for (size_t i = 0; i < count; i++) {
    if ((pages[i] & 1) == 0) return false;
  }
  return true;
}
#endif

bool mapping_is_resident(int descriptor, uint64_t offset, const unsigned char *data,
                         uint64_t size) {
#if defined(__linux__)
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  MappingPosixRange range = {offset, size};
  MappingPosixStatistics found = {0};
  if (size == 0 || size > MAPPING_MAX_RESIDENT) return false;
  if (syscall(MAPPING_POSIX_CACHESTAT, descriptor, &range, &found, 0) == 0)
    return found.cached > (offset + size - 1) / page - offset / page;
  return errno != EPERM && mapping_is_in_core(data, size);
#else
  (void)descriptor, (void)offset, (void)data, (void)size;
  return false;
#endif
}

#endif
