/* A part of a text of at most 2^32 bytes. */
#ifndef SAFETENSORS_BASE_SPAN_H
#define SAFETENSORS_BASE_SPAN_H

#include <stdint.h>

typedef struct Span {
  uint32_t offset, length;
} Span;

#endif
