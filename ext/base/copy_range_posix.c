#include "base/copy_range.h"

#include "base/file.h"
#include "base/file_origin.h"
#include "base/file_write.h"
#include "base/memory.h"

#if !defined(_WIN32)
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* FICLONERANGE of <linux/fs.h>, a header of the kernel, which is not there with every C library. */
typedef struct CopyRangeClone {
  int64_t from;
  uint64_t from_offset, size, to_offset;
} CopyRangeClone;
#define COPY_RANGE_CLONE _IOW(0x94, 13, CopyRangeClone)
#endif

enum {
  COPY_RANGE_BLOCK = 4096, /* only whole blocks can be shared */
  COPY_RANGE_WINDOW =
      1 << 20, /* mapped at a time; with this size it is as fast as the kernel's own copying */
  COPY_RANGE_BUFFER = 256 << 10,
  COPY_RANGE_MIN = 64 << 10, /* below this, read() and write() are faster */
  COPY_RANGE_STEP = 16 << 20 /* between two checks for cancellation */
};

/* The features that a test has disabled. */
static _Atomic(unsigned) copy_range_lacks;

void copy_range_pretend_to_lack(unsigned what) {
  atomic_store(&copy_range_lacks, what);
}

/* The state of a copy. */
typedef struct CopyRangeWork {
  const CopyRange *range;
  uint64_t from, to;     /* the next offsets in both files */
  uint64_t left;         /* bytes */
  uint64_t begun;        /* writeback was started up to this offset in `to` */
  unsigned lacks;        /* what these two files do not support */
  unsigned char *buffer; /* allocated when it is first needed */
} CopyRangeWork;

static uint64_t copy_range_min(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* How many of `size` bytes to write at once, such that the next write begins at a multiple of `unit`:
** the cache takes large blocks only where they are aligned, and writes that are not take twice the
** time. */
static uint64_t copy_range_piece(const CopyRangeWork *work, uint64_t size, uint64_t unit) {
  return copy_range_min(size, unit - work->to % unit);
}

/* ---- Within the kernel ---- */

int64_t copy_range_within_kernel(int from, uint64_t from_offset, int to, const uint64_t *to_offset,
                                 uint64_t size) {
  int64_t copied = -1;
  errno = ENOSYS;
#if defined(__linux__) && defined(SYS_copy_file_range) /* glibc has a wrapper only since 2.27 */
  int64_t in = (int64_t)from_offset, out = to_offset != NULL ? (int64_t)*to_offset : 0;
  if ((atomic_load(&copy_range_lacks) & COPY_RANGE_LACKS_COPY) != 0) return -1;
  do {
    copied = syscall(SYS_copy_file_range, from, &in, to, to_offset != NULL ? &out : NULL,
                     (size_t)size, 0u);
  } while (copied < 0 && errno == EINTR);
#else
  (void)from, (void)from_offset, (void)to, (void)to_offset, (void)size;
#endif
  return copied;
}

/* Makes both files share whole blocks. */
static bool copy_range_clone(const CopyRangeWork *work, uint64_t size) {
#if defined(__linux__)
  CopyRangeClone clone = {
      .from = work->range->from, .from_offset = work->from, .size = size, .to_offset = work->to};
  return ioctl(work->range->to, COPY_RANGE_CLONE, &clone) == 0;
#else
  (void)work, (void)size;
  return false;
#endif
}

/* Whether both offsets are at the same position in a block, without which nothing can be shared. */
static bool copy_range_is_aligned(const CopyRangeWork *work) {
  return work->from % COPY_RANGE_BLOCK == work->to % COPY_RANGE_BLOCK;
}

/* Returns how many bytes were shared. Sets *max to how many bytes must be copied before blocks
** can be shared again. */
static uint64_t copy_range_share(CopyRangeWork *work, uint64_t *max) {
  *max = work->left;
  if (!copy_range_is_aligned(work) || work->left < 2 * COPY_RANGE_MIN ||
      (work->lacks & COPY_RANGE_LACKS_CLONE) != 0) {
    return 0;
  }
  if (work->from % COPY_RANGE_BLOCK != 0) {
    *max = COPY_RANGE_BLOCK - work->from % COPY_RANGE_BLOCK;
    return 0;
  }
  uint64_t size = work->left - work->left % COPY_RANGE_BLOCK;
  if (copy_range_clone(work, size)) return size;
  work->lacks |= COPY_RANGE_LACKS_CLONE;
  return 0;
}

/* Returns how many bytes the kernel has copied. If the offsets are not aligned with each other,
** the kernel would copy each block in two steps, so this does nothing. */
static uint64_t copy_range_copy(CopyRangeWork *work, uint64_t size) {
  if (!copy_range_is_aligned(work) || (work->lacks & COPY_RANGE_LACKS_COPY) != 0) return 0;
  int64_t copied =
      copy_range_within_kernel(work->range->from, work->from, work->range->to, &work->to,
                               copy_range_piece(work, size, COPY_RANGE_STEP));
  if (copied > 0) return (uint64_t)copied;
  work->lacks |= COPY_RANGE_LACKS_COPY;
  return 0;
}

/* Returns how many bytes were written from a mapping of the source. The kernel reads the
** mapping, so if the source is truncated, write() fails and no SIGBUS is raised. */
static uint64_t copy_range_write_mapped(CopyRangeWork *work, uint64_t size) {
  if ((work->lacks & COPY_RANGE_LACKS_MAP) != 0) return 0;
  uint64_t before = work->from % (uint64_t)sysconf(_SC_PAGESIZE);
  size_t length = (size_t)(copy_range_piece(work, size, COPY_RANGE_WINDOW) + before);
  void *window =
      mmap(NULL, length, PROT_READ, MAP_SHARED, work->range->from, (off_t)(work->from - before));
  if (window != MAP_FAILED) {
    ssize_t written = pwrite(work->range->to, (const char *)window + before,
                             length - (size_t)before, (off_t)work->to);
    munmap(window, length);
    if (written > 0) return (uint64_t)written;
  }
  work->lacks |= COPY_RANGE_LACKS_MAP;
  return 0;
}

/* ---- Through a buffer ---- */

static bool copy_range_through_buffer(CopyRangeWork *work, uint64_t size, Error *error) {
  if (work->buffer == NULL) work->buffer = memory_alloc(COPY_RANGE_BUFFER);
  if (work->buffer == NULL) return error_memory(error);
  return file_read(work->range->from, work->range->from_path, work->buffer, size, work->from,
                   error) &&
         file_write_at(work->range->to, work->range->to_path, work->buffer, size, work->to, error);
}

/* ---- All of it ---- */

/* Copies some bytes and returns how many, or 0 on error. The fast ways may fail for any reason;
** if that is a real error, reading and writing hits it again and reports it. */
static uint64_t copy_range_step(CopyRangeWork *work, Error *error) {
  uint64_t max, copied = copy_range_share(work, &max);
  if (copied == 0 && max >= COPY_RANGE_MIN) copied = copy_range_copy(work, max);
  if (copied == 0 && max >= COPY_RANGE_MIN) copied = copy_range_write_mapped(work, max);
  if (copied > 0) return copied;
  copied = copy_range_piece(work, max, COPY_RANGE_BUFFER);
  return copy_range_through_buffer(work, copied, error) ? copied : 0;
}

static void copy_range_begin_to_sync(CopyRangeWork *work) {
  uint64_t waiting = work->to - work->begun;
  if (waiting < COPY_RANGE_STEP) return;
  file_start_writing_back(work->range->to, work->begun, waiting);
  work->begun = work->to;
}

bool copy_range(const CopyRange *range, Error *error) {
  CopyRangeWork work = {.range = range,
                        .from = range->from_offset,
                        .to = range->to_offset,
                        .left = range->size,
                        .begun = range->to_offset,
                        .lacks = atomic_load(&copy_range_lacks)};
  bool good = file_origin_fetch(range->from, range->from_offset, range->size, error);
  while (work.left > 0 && good) {
    uint64_t copied = copy_range_step(&work, error);
    work.from += copied;
    work.to += copied;
    work.left -= copied;
    copy_range_begin_to_sync(&work);
    good = copied > 0 && host_go_on(range->host, range->size - work.left, error);
  }
  memory_free(work.buffer);
  return good;
}

#endif
