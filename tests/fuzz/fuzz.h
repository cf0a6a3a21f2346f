/*
** What the fuzz targets share.
**
** A target is one file beside this one. It says which attack it models, and defines
** LLVMFuzzerTestOneInput(), which libFuzzer (clang -fsanitize=fuzzer) calls with input after input.
** A crash, what a sanitizer finds, a leak, a hang and a broken promise (REQUIRE) are all findings.
*/
#ifndef SAFETENSORS_FUZZ_H
#define SAFETENSORS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "format/header.h"

/* Called by libFuzzer, or by name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define REQUIRE(condition)                                                            \
  do {                                                                                \
    if (!(condition)) {                                                               \
      fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                        \
    }                                                                                 \
  } while (0)

/* A part of the input. */
typedef struct Part {
  const char *text;
  size_t length;
} Part;

/* Between the parts of an input: a byte that no UTF-8 text has. */
enum { SEPARATOR = 0xff };

/* Takes what stands before the next separator, or all that is left. */
static inline Part take_part(Part *rest) {
  const char *end = rest->length > 0 ? memchr(rest->text, SEPARATOR, rest->length) : NULL;
  Part part = {rest->text, end != NULL ? (size_t)(end - rest->text) : rest->length};
  size_t taken = part.length + (end != NULL);
  *rest = (Part){rest->text + taken, rest->length - taken};
  return part;
}

/* A failure has a message in the form of base/error.h that a terminal can show; success has none.
** Empties the error. */
static inline void require_outcome(bool good, Error *error) {
  REQUIRE(good == (error->code == ERROR_NONE));
  REQUIRE(error->code != ERROR_MEMORY);
  if (!good) {
    REQUIRE(strncmp(error->message, "safetensors: ", 13) == 0);
    for (const char *at = error->message; *at != '\0'; at++) REQUIRE((unsigned char)*at >= 0x20);
  }
  error_clear(error);
}

/* Parses a header of a file that has the size which the header itself asks for, as whoever makes
** the file can arrange: what is refused for its size alone is parsed again with the right one. */
static inline Header *parse_granting_size(const void *text, size_t length, uint64_t *file_size,
                                          Error *error) {
  static const char marker[] = " bytes by its header";
  *file_size = HEADER_PREFIX_SIZE + length;
  for (int attempt = 0;; attempt++) {
    char *copy = memory_alloc(length);
    REQUIRE(copy != NULL);
    if (length > 0) memcpy(copy, text, length);
    Header *header = header_parse(copy, length, *file_size, "file", error);
    const char *asked = error->message != NULL ? strstr(error->message, marker) : NULL;
    if (header != NULL || asked == NULL || attempt > 0) return header;
    while (asked[-1] >= '0' && asked[-1] <= '9') asked--;
    *file_size = strtoull(asked, NULL, 10);
    if (*file_size < HEADER_PREFIX_SIZE + length) { /* the words came out of the header */
      *file_size = HEADER_PREFIX_SIZE + length;
    }
    error_clear(error);
  }
}

#endif
