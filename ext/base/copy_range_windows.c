#include "base/copy_range.h"

#include "base/file.h"
#include "base/file_write.h"
#include "base/memory.h"

#if defined(_WIN32)
#include <errno.h>

enum { COPY_RANGE_WINDOWS_BUFFER = 1 << 20 };

bool copy_range(const CopyRange *range, Error *error) {
  unsigned char *buffer = memory_alloc(COPY_RANGE_WINDOWS_BUFFER);
  bool good = buffer != NULL || error_memory(error);
  for (uint64_t done = 0, size; good && done < range->size; done += size) {
    size = range->size - done;
    if (size > COPY_RANGE_WINDOWS_BUFFER) size = COPY_RANGE_WINDOWS_BUFFER;
    good =
        file_read(range->from, range->from_path, buffer, size, range->from_offset + done, error) &&
        file_write_at(range->to, range->to_path, buffer, size, range->to_offset + done, error) &&
        host_go_on(range->host, done + size, error);
  }
  memory_free(buffer);
  return good;
}

int64_t copy_range_within_kernel(int from, uint64_t from_offset, int to, const uint64_t *to_offset,
                                 uint64_t size) {
  (void)from, (void)from_offset, (void)to, (void)to_offset, (void)size;
  errno = ENOSYS;
  return -1;
}

void copy_range_pretend_to_lack(unsigned what) {
  (void)what; /* there is nothing to lack */
}

#endif
