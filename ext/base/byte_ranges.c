#include "base/byte_ranges.h"

#include <string.h>

#include "base/memory.h"

void byte_ranges_clear(ByteRanges *ranges) {
  memory_free(ranges->rows);
  *ranges = (ByteRanges){0};
}

/* The number of the first range that ends at `place` or behind it. */
static uint64_t byte_ranges_find(const ByteRanges *ranges, uint64_t place) {
  uint64_t low = 0, high = ranges->count;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (ranges->rows[middle].end < place) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool byte_ranges_add(ByteRanges *ranges, uint64_t begin, uint64_t end) {
  if (begin >= end) return true;
  uint64_t first = byte_ranges_find(ranges, begin), behind = first;
  if (!memory_reserve((void **)&ranges->rows, &ranges->capacity, ranges->count,
                      sizeof *ranges->rows))
    return false;
  while (behind < ranges->count && ranges->rows[behind].begin <= end) {
    if (ranges->rows[behind].begin < begin) begin = ranges->rows[behind].begin;
    if (ranges->rows[behind].end > end) end = ranges->rows[behind].end;
    behind++;
  }
  memmove(ranges->rows + first + 1, ranges->rows + behind,
          (ranges->count - behind) * sizeof *ranges->rows);
  ranges->rows[first] = (ByteRange){begin, end};
  ranges->count = ranges->count - (behind - first) + 1;
  return true;
}

bool byte_ranges_missing(const ByteRanges *ranges, uint64_t begin, uint64_t end,
                         ByteRange *missing) {
  uint64_t at = byte_ranges_find(ranges, begin);
  if (at < ranges->count && ranges->rows[at].begin <= begin) {
    if (ranges->rows[at].end > begin) begin = ranges->rows[at].end;
    at++;
  }
  *missing = (ByteRange){
      begin, at < ranges->count && ranges->rows[at].begin < end ? ranges->rows[at].begin : end};
  return begin < end;
}
