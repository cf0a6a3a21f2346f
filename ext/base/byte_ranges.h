/* A set of bytes of a file: ranges in order, of which no two touch. */
#ifndef SAFETENSORS_BASE_BYTE_RANGES_H
#define SAFETENSORS_BASE_BYTE_RANGES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ByteRange {
  uint64_t begin, end;
} ByteRange;

/* Starts as {0}; byte_ranges_clear() releases it. */
typedef struct ByteRanges {
  ByteRange *rows;
  uint64_t count, capacity;
} ByteRanges;

/* Adds the bytes from begin to end. False if memory runs out; then nothing has changed. */
bool byte_ranges_add(ByteRanges *ranges, uint64_t begin, uint64_t end);

/* Finds the first bytes from `begin` to `end` that are not in the set. False if all are. */
bool byte_ranges_missing(const ByteRanges *ranges, uint64_t begin, uint64_t end,
                         ByteRange *missing);

void byte_ranges_clear(ByteRanges *ranges);

#endif
