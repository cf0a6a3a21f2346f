#include "program/packed_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "program/keep.h"

enum { PACKED_TEXT_MORE = 15, PACKED_TEXT_MIN_MATCH = 5 };

typedef struct PackedTextReader {
  const unsigned char *at, *end;
  const char *before;
  size_t before_size;
  char *out;
  size_t done, size;
} PackedTextReader;

/* One that is not whole is too large for any text. */
static size_t packed_text_number(PackedTextReader *text) {
  size_t number = 0;
  for (unsigned shift = 0; shift <= 21 && text->at < text->end; shift += 7) {
    unsigned byte = *text->at++;
    number |= (size_t)(byte & 127) << shift;
    if (byte < 128) return number;
  }
  return SIZE_MAX / 2;
}

static size_t packed_text_length(PackedTextReader *text, unsigned written) {
  return written < PACKED_TEXT_MORE ? written : PACKED_TEXT_MORE + packed_text_number(text);
}

static bool packed_text_literals(PackedTextReader *text, size_t length) {
  if (length > (size_t)(text->end - text->at) || length > text->size - text->done) return false;
  memcpy(text->out + text->done, text->at, length);
  text->at += length;
  text->done += length;
  return true;
}

/* A match may begin before the text, and go on in itself. */
static bool packed_text_match(PackedTextReader *text, size_t distance, size_t length) {
  if (distance == 0 || length > text->size - text->done) return false;
  if (distance > text->done && distance - text->done > text->before_size) return false;
  while (length > 0) {
    bool is_before = distance > text->done;
    const char *from = is_before ? text->before + text->before_size - (distance - text->done)
                                 : text->out + text->done - distance;
    size_t there = is_before ? distance - text->done : distance;
    size_t part = length < there ? length : there;
    memcpy(text->out + text->done, from, part);
    text->done += part;
    length -= part;
  }
  return true;
}

static bool packed_text_step(PackedTextReader *text) {
  unsigned step = *text->at++;
  if (!packed_text_literals(text, packed_text_length(text, step >> 4))) return false;
  if (text->at == text->end) return true;
  size_t distance = packed_text_number(text);
  return packed_text_match(text, distance,
                           packed_text_length(text, step & 15) + PACKED_TEXT_MIN_MATCH);
}

const char *packed_text_unpack(PackedText packed, const char *before, size_t before_size) {
  PackedTextReader reader = {.at = packed.bytes,
                             .end = packed.bytes + packed.packed_size,
                             .before = before,
                             .before_size = before_size,
                             .out = keep(packed.size + 1),
                             .size = packed.size};
  while (reader.at < reader.end) {
    if (!packed_text_step(&reader)) return NULL;
  }
  return reader.done == packed.size ? reader.out : NULL;
}
