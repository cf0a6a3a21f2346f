#include "program/packed_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "program/keep.h"

enum { PACKED_TEXT_MORE = 15, PACKED_TEXT_MIN_MATCH = 5 };

typedef struct PackedTextReader {
  const unsigned char *at, *end;
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

/* A match may go on in itself. */
static bool packed_text_match(PackedTextReader *text, size_t distance, size_t length) {
  if (distance == 0 || distance > text->done || length > text->size - text->done) return false;
  while (length > 0) {
    size_t part = length < distance ? length : distance;
    memcpy(text->out + text->done, text->out + text->done - distance, part);
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
  size_t size = before_size + packed.size;
  PackedTextReader reader = {packed.bytes, packed.bytes + packed.packed_size, keep(size + 1),
                             before_size, size};
  if (before_size > 0) memcpy(reader.out, before, before_size);
  while (reader.at < reader.end) {
    if (!packed_text_step(&reader)) return NULL;
  }
  return reader.done == size ? reader.out + before_size : NULL;
}
