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
Part take_part(Part *rest);

/* A failure has a message in the form of base/error.h that a terminal can show; success has none.
** Empties the error. */
void require_outcome(bool good, Error *error);

/* Parses a header of a file that has the size which the header itself asks for, as whoever makes
** the file can arrange: what is refused for its size alone is parsed again with the right one. */
Header *parse_granting_size(const void *text, size_t length, uint64_t *file_size, Error *error);

#endif
