/*
** Copies a range of bytes from one open file to another within the kernel. If the file system
** supports it, both files then share blocks (reflink); otherwise this uses copy_file_range(), then
** write() from a mapping, and finally read() and write().
*/
#ifndef SAFETENSORS_BASE_COPY_RANGE_H
#define SAFETENSORS_BASE_COPY_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/host.h"

typedef struct CopyRange {
  int from, to;          /* descriptors */
  const char *from_path; /* for messages */
  const char *to_path;
  uint64_t from_offset, to_offset, size;

  /* Checked for cancellation at least every 16 MB; progress counts bytes. May be NULL. */
  const Host *host;
} CopyRange;

/* Copies the whole range. If the source has fewer bytes, the error is ERROR_CHANGED; if the disk
** is full, ERROR_FULL. Neither file position moves. Also starts writeback of what is written, so
** that a later sync has less to wait for. */
bool copy_range(const CopyRange *range, Error *error);

/* Calls copy_file_range() once, if the system has it. Returns the number of bytes, 0 at the end
** of `from`, or -1 with errno set. If `to_offset` is NULL, writes at the file position of `to`. */
int64_t copy_range_within_kernel(int from, uint64_t from_offset, int to, const uint64_t *to_offset,
                                 uint64_t size);

/* For tests: makes the process behave as if the system did not support some features. `what` is
** a sum of these. */
enum { COPY_RANGE_LACKS_CLONE = 1, COPY_RANGE_LACKS_COPY = 2, COPY_RANGE_LACKS_MAP = 4 };
void copy_range_pretend_to_lack(unsigned what);

#endif
