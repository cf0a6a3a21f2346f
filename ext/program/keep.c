#include "program/keep.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program/exit_status.h"

/* Blocks form a list, so that a tool that looks for leaks sees them in use. */
typedef struct KeepBlock {
  struct KeepBlock *next;
  max_align_t bytes[];
} KeepBlock;

static KeepBlock *keep_blocks;

static _Noreturn void keep_failed(void) {
  fputs("safetensors-sql: memory ran out\n", stderr);
  exit(EXIT_STATUS_FAILED);
}

void *keep_checked(void *block) {
  if (block == NULL) keep_failed();
  return block;
}

void *keep(size_t size) {
  if (size > SIZE_MAX - sizeof(KeepBlock)) keep_failed();
  KeepBlock *block = keep_checked(calloc(1, sizeof(KeepBlock) + size));
  block->next = keep_blocks;
  keep_blocks = block;
  return block->bytes;
}

char *keep_text(const char *text, size_t length) {
  if (length == SIZE_MAX) keep_failed();
  char *copy = keep(length + 1);
  memcpy(copy, text, length);
  return copy;
}

char *keep_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (length < 0) keep_failed();
  char *text = keep((size_t)length + 1);
  va_start(arguments, format);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  return text;
}

void *keep_row(void *rows, size_t count, size_t row_size) {
  if ((count & (count - 1)) != 0) return rows; /* it is full when count is a power of two */
  size_t capacity = count == 0 ? 1 : count * 2;
  if (capacity > SIZE_MAX / row_size) keep_failed();
  void *larger = keep(capacity * row_size);
  if (count > 0) memcpy(larger, rows, count * row_size);
  return larger;
}

char *keep_stream(FILE *stream, size_t *length) {
  enum { KEEP_BLOCK = 65536 };
  size_t size = KEEP_BLOCK, got;
  char *text = keep_checked(malloc(size));
  *length = 0;
  while ((got = fread(text + *length, 1, size - *length, stream)) > 0) {
    *length += got;
    if (*length < size) continue;
    if (size > SIZE_MAX / 2) keep_failed();
    size *= 2;
    text = keep_checked(realloc(text, size));
  }
  char *kept = keep_text(text, *length);
  free(text);
  return kept;
}
