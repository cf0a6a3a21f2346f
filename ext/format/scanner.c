#include "format/scanner.h"

#include <stdio.h>
#include <string.h>

#include "format/entry_json.h"
#include "format/json_string.h"

static bool is_space(char byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

void scanner_skip_space(Scanner *scanner) {
  while (scanner->at < scanner->length && is_space(scanner->text[scanner->at])) scanner->at++;
}

bool scanner_take(Scanner *scanner, char byte) {
  scanner_skip_space(scanner);
  if (scanner->at >= scanner->length || scanner->text[scanner->at] != byte) return false;
  scanner->at++;
  return true;
}

bool scanner_null(Scanner *scanner) {
  scanner_skip_space(scanner);
  if (scanner->length - scanner->at < 4) return false;
  if (memcmp(scanner->text + scanner->at, "null", 4) != 0) return false;
  scanner->at += 4;
  return true;
}

const char *scanner_next_kind(Scanner *scanner) {
  scanner_skip_space(scanner);
  if (scanner->at >= scanner->length) return "the header's end";
  char first = scanner->text[scanner->at];
  switch (first) {
    case '{': return "an object";
    case '[': return "an array";
    case '"': return "a string";
    case 't':
    case 'f': return "a boolean";
    case 'n': return "null";
    default: return first == '-' || (first >= '0' && first <= '9') ? "a number" : "no JSON value";
  }
}

const char *scanner_found(const Scanner *scanner, char *buffer) {
  if (scanner->at >= scanner->length) return "the header's end";
  unsigned char byte = (unsigned char)scanner->text[scanner->at];
  bool visible = byte > 0x20 && byte < 0x7f;
  snprintf(buffer, SCANNER_FOUND_SIZE, visible ? "'%c'" : "byte 0x%02x", byte);
  return buffer;
}

bool scanner_expected(const Scanner *scanner, const char *what, Error *error) {
  char buffer[SCANNER_FOUND_SIZE];
  return error_raise(error, ERROR_INVALID, scanner->subject,
                     "header is not JSON: expected %s at offset %llu, found %s", what,
                     (unsigned long long)scanner->at + HEADER_PREFIX_SIZE,
                     scanner_found(scanner, buffer));
}

/* A string without escapes. On false nothing is taken. */
static bool plain_string(Scanner *scanner, Span *span) {
  scanner_skip_space(scanner);
  const char *text = scanner->text;
  uint32_t at = scanner->at, length = scanner->length;
  if (at >= length || text[at] != '"') return false;
  uint32_t start = ++at;
  for (; at < length; at++) {
    unsigned char byte = (unsigned char)text[at];
    if (byte == '"') {
      *span = (Span){start, at - start};
      scanner->at = at + 1;
      return true;
    }
    if (byte == '\\' || byte < 0x20) return false;
  }
  return false;
}

const char *scanner_take_string(Scanner *scanner, Span *span) {
  if (plain_string(scanner, span)) return NULL;
  if (scanner->at >= scanner->length || scanner->text[scanner->at] != '"') return "a string";
  return json_string_decode(scanner->text, scanner->length, &scanner->at, span);
}

bool scanner_string(Scanner *scanner, Span *span, Error *error) {
  const char *problem = scanner_take_string(scanner, span);
  return problem == NULL || scanner_expected(scanner, problem, error);
}

/* A non-negative integer below 2^63, written plainly. */
static bool plain_integer(Scanner *scanner, uint64_t *value) {
  scanner_skip_space(scanner);
  const char *text = scanner->text;
  uint32_t at = scanner->at, length = scanner->length, start = at;
  uint64_t number = 0;
  while (at < length && text[at] >= '0' && text[at] <= '9') {
    if (at - start >= 19) return false;
    number = number * 10 + (uint64_t)(text[at] - '0');
    at++;
  }
  if (at == start || (text[start] == '0' && at - start > 1) || number > INT64_MAX) return false;
  scanner->at = at;
  *value = number;
  return true;
}

static bool plain_dtype(Scanner *scanner, TensorEntry *entry) {
  Span name;
  if (!plain_string(scanner, &name)) return false;
  const char *text = scanner->text + name.offset;
  const char *last = dtype_name(scanner->last_dtype);
  if (strlen(last) != name.length || memcmp(last, text, name.length) != 0) {
    if (!dtype_find(text, name.length, &scanner->last_dtype)) return false;
  }
  entry->dtype = scanner->last_dtype;
  return true;
}

static bool plain_shape(Scanner *scanner, TensorEntry *entry) {
  if (!scanner_take(scanner, '[')) return false;
  uint32_t start = scanner->at - 1;
  uint64_t dimension;
  if (!scanner_take(scanner, ']')) {
    do {
      if (!plain_integer(scanner, &dimension)) return false;
    } while (scanner_take(scanner, ','));
    if (!scanner_take(scanner, ']')) return false;
  }
  entry->shape = (Span){start, scanner->at - start};
  return true;
}

static bool plain_data_offsets(Scanner *scanner, TensorEntry *entry) {
  return scanner_take(scanner, '[') && plain_integer(scanner, &entry->begin) &&
         scanner_take(scanner, ',') && plain_integer(scanner, &entry->end) &&
         scanner_take(scanner, ']');
}

static bool span_is(const Scanner *scanner, Span span, const char *word) {
  return span.length == strlen(word) && memcmp(scanner->text + span.offset, word, span.length) == 0;
}

/* An entry of exactly the three keys, each once. On false the scanner may have moved on. */
static bool take_plain_entry(Scanner *scanner, TensorEntry *entry) {
  enum { HAS_DTYPE = 1, HAS_SHAPE = 2, HAS_DATA_OFFSETS = 4, HAS_ALL = 7 };
  unsigned seen = 0;
  if (!scanner_take(scanner, '{')) return false;
  do {
    Span key;
    unsigned which;
    bool taken;
    if (!plain_string(scanner, &key) || !scanner_take(scanner, ':')) return false;
    if (span_is(scanner, key, "dtype")) {
      which = HAS_DTYPE;
      taken = plain_dtype(scanner, entry);
    } else if (span_is(scanner, key, "shape")) {
      which = HAS_SHAPE;
      taken = plain_shape(scanner, entry);
    } else if (span_is(scanner, key, "data_offsets")) {
      which = HAS_DATA_OFFSETS;
      taken = plain_data_offsets(scanner, entry);
    } else {
      return false;
    }
    if (!taken || (seen & which) != 0) return false;
    seen |= which;
  } while (scanner_take(scanner, ','));
  return seen == HAS_ALL && scanner_take(scanner, '}');
}

bool scanner_plain_entry(Scanner *scanner, TensorEntry *entry) {
  uint32_t start = scanner->at;
  if (take_plain_entry(scanner, entry)) return true;
  scanner->at = start;
  return false;
}

static void remove_spaces(char *text, Span *span) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < span->length; i++) {
    char byte = text[span->offset + i];
    if (!is_space(byte)) text[span->offset + kept++] = byte;
  }
  span->length = kept;
}

bool scanner_entry(Scanner *scanner, TensorEntry *entry, Error *error) {
  scanner_skip_space(scanner);
  if (!scanner_plain_entry(scanner, entry)) return entry_json_parse(scanner, entry, error);
  remove_spaces(scanner->text, &entry->shape);
  return true;
}
