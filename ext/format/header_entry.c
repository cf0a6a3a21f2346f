/* Reads the entry of a tensor: {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}. */
#include <string.h>

#include "format/header_reader.h"

typedef enum HeaderEntryField {
  HEADER_ENTRY_DTYPE,
  HEADER_ENTRY_SHAPE,
  HEADER_ENTRY_DATA_OFFSETS,
  HEADER_ENTRY_COUNT
} HeaderEntryField;

/* ---- The fast path ---- */

/*
** Nearly all entries are plain: they have exactly the three keys, without escapes, and valid
** values. The fast path takes such an entry in one pass and reports nothing. If it fails, the slow
** path reads the entry again from its start. Most plain entries are even written in the usual way,
** that of the reference implementation: without spaces, and with the keys in its order.
*/

/* Sets the dtype. Returns false if there is none of that name. */
static bool header_entry_known_dtype(HeaderReader *reader, const char *name, uint32_t length) {
  if (reader->last_dtype != NULL && length == reader->last_dtype_length &&
      memcmp(name, reader->last_dtype, length) == 0) {
    return true;
  }
  reader->last_dtype = NULL;
  if (!dtype_find(name, length, &reader->entry.dtype)) return false;
  reader->last_dtype = dtype_name(reader->entry.dtype);
  reader->last_dtype_length = length;
  return true;
}

/* Takes a word if the bytes from *at to `end` begin with it. */
static inline bool header_entry_usual_word(const char **at, const char *end, const char *word) {
  size_t length = strlen(word); /* a constant, where this is inlined */
  if ((size_t)(end - *at) < length || memcmp(*at, word, length) != 0) return false;
  *at += length;
  return true;
}

/* Takes an integer of at most 18 digits. */
static inline bool header_entry_usual_integer(const char **at, const char *end, uint64_t *value) {
  enum { HEADER_ENTRY_DIGITS = 18 };
  const char *start = *at, *digit = start;
  uint64_t number = 0;
  while (digit < end && *digit >= '0' && *digit <= '9') {
    number = number * 10 + (uint64_t)(*digit++ - '0');
  }
  *at = digit;
  *value = number;
  /* More digits may have overflowed the number, which is not used then. */
  return digit > start && digit - start <= HEADER_ENTRY_DIGITS &&
         (*start != '0' || digit - start == 1);
}

/* Takes the dimensions and the closing bracket. */
static inline bool header_entry_usual_dimensions(const char **at, const char *end) {
  enum { HEADER_ENTRY_USUAL_RANK = 16 };
  uint64_t dimension;
  if (header_entry_usual_word(at, end, "]")) return true;
  for (int rank = 0; rank < HEADER_ENTRY_USUAL_RANK; rank++) {
    if (!header_entry_usual_integer(at, end, &dimension)) return false;
    if (!header_entry_usual_word(at, end, ",")) return header_entry_usual_word(at, end, "]");
  }
  return false;
}

static bool header_entry_usual(HeaderReader *reader) {
  JsonCursor *cursor = &reader->walk.cursor;
  TensorEntry *entry = &reader->entry;
  const char *text = cursor->text, *end = text + cursor->length, *at = text + cursor->at;
  if (!header_entry_usual_word(&at, end, "{\"dtype\":\"")) return false;
  const char *dtype = at;
  while (at < end && *at != '"' && *at != '\\') at++;
  if (!header_entry_known_dtype(reader, dtype, (uint32_t)(at - dtype))) return false;
  if (!header_entry_usual_word(&at, end, "\",\"shape\":[")) return false;
  const char *shape = at - 1;
  if (!header_entry_usual_dimensions(&at, end)) return false;
  entry->shape = (Span){(uint32_t)(shape - text), (uint32_t)(at - shape)};
  if (!header_entry_usual_word(&at, end, ",\"data_offsets\":[") ||
      !header_entry_usual_integer(&at, end, &entry->begin) ||
      !header_entry_usual_word(&at, end, ",") ||
      !header_entry_usual_integer(&at, end, &entry->end) ||
      !header_entry_usual_word(&at, end, "]}") || entry->begin > entry->end) {
    return false;
  }
  cursor->at = (uint32_t)(at - text);
  reader->usual++;
  return true;
}

static bool header_entry_plain_dtype(HeaderReader *reader) {
  JsonCursor *cursor = &reader->walk.cursor;
  Span name;
  return json_cursor_take_plain_string(cursor, &name) &&
         header_entry_known_dtype(reader, cursor->text + name.offset, name.length);
}

static bool header_entry_plain_shape(HeaderReader *reader) {
  JsonWalk *walk = &reader->walk;
  JsonCursor *cursor = &walk->cursor;
  if (!json_cursor_take(cursor, '[')) return false;
  uint32_t start = cursor->at - 1;
  uint64_t dimension, rank = 0;
  if (!json_cursor_take(cursor, ']')) {
    do {
      if (!json_walk_go_on(walk, ++rank)) return false;
      if (!json_cursor_take_plain_integer(cursor, &dimension)) return false;
    } while (json_cursor_take(cursor, ','));
    if (!json_cursor_take(cursor, ']')) return false;
  }
  reader->entry.shape = (Span){start, cursor->at - start};
  return true;
}

static bool header_entry_plain_data_offsets(HeaderReader *reader) {
  JsonCursor *cursor = &reader->walk.cursor;
  TensorEntry *entry = &reader->entry;
  return json_cursor_take(cursor, '[') && json_cursor_take_plain_integer(cursor, &entry->begin) &&
         json_cursor_take(cursor, ',') && json_cursor_take_plain_integer(cursor, &entry->end) &&
         json_cursor_take(cursor, ']') && entry->begin <= entry->end;
}

static bool header_entry_plain_field(HeaderReader *reader, unsigned *seen) {
  JsonCursor *cursor = &reader->walk.cursor;
  unsigned field;
  bool taken;
  json_cursor_skip_space(cursor);
  if (json_cursor_take_word(cursor, "\"dtype\"")) {
    field = HEADER_ENTRY_DTYPE;
    taken = json_cursor_take(cursor, ':') && header_entry_plain_dtype(reader);
  } else if (json_cursor_take_word(cursor, "\"shape\"")) {
    field = HEADER_ENTRY_SHAPE;
    taken = json_cursor_take(cursor, ':') && header_entry_plain_shape(reader);
  } else {
    field = HEADER_ENTRY_DATA_OFFSETS;
    taken = json_cursor_take_word(cursor, "\"data_offsets\"") && json_cursor_take(cursor, ':') &&
            header_entry_plain_data_offsets(reader);
  }
  bool again = (*seen & 1u << field) != 0;
  *seen |= 1u << field;
  return taken && !again;
}

static bool header_entry_plain(HeaderReader *reader) {
  JsonCursor *cursor = &reader->walk.cursor;
  unsigned seen = 0;
  if (!json_cursor_take(cursor, '{')) return false;
  do {
    if (!header_entry_plain_field(reader, &seen)) return false;
  } while (json_cursor_take(cursor, ','));
  return seen == (1u << HEADER_ENTRY_COUNT) - 1 && json_cursor_take(cursor, '}');
}

/* ---- The slow path ---- */

static const char *const header_entry_names[HEADER_ENTRY_COUNT] = {"dtype", "shape",
                                                                   "data_offsets"};
static const char header_entry_expected[] = "an object with dtype, shape and data_offsets";

static HeaderEntryField header_entry_find_field(const HeaderReader *reader, Span key) {
  const char *name = reader->walk.cursor.text + key.offset;
  int field = 0;
  while (field < HEADER_ENTRY_COUNT && (strlen(header_entry_names[field]) != key.length ||
                                        memcmp(header_entry_names[field], name, key.length) != 0)) {
    field++;
  }
  return (HeaderEntryField)field;
}

static bool header_entry_dtype(HeaderReader *reader) {
  JsonWalk *walk = &reader->walk;
  Span name;
  if (json_cursor_peek(&walk->cursor) != '"') {
    return json_walk_wrong_value(walk, HEADER_FAULT_DTYPE, "a string as dtype");
  }
  uint32_t start = walk->cursor.at;
  if (!json_walk_string(walk, &name)) return false;
  const char *text = walk->cursor.text + name.offset;
  if (!dtype_find(text, name.length, &reader->entry.dtype)) {
    reader->entry.dtype = DTYPE_COUNT;
    json_walk_report(walk, HEADER_FAULT_DTYPE, start, "a known dtype", "\"%.*s\"",
                     ERROR_NAME(text, name.length));
  }
  return true;
}

static const char *header_entry_number_in_words(JsonNumber kind) {
  switch (kind) {
    case JSON_NUMBER_NEGATIVE: return "a negative integer";
    case JSON_NUMBER_REAL: return "a number with a fraction or exponent";
    case JSON_NUMBER_UNSIGNED_64:
    case JSON_NUMBER_LARGE_INTEGER:
    case JSON_NUMBER_BEYOND_DOUBLE: return "a number of more than 63 bits";
    case JSON_NUMBER_NEGATIVE_ZERO: return "-0";
    default: return "an integer";
  }
}

/* Takes a number of shape or data_offsets. Anything else is reported, and so is a number that is
** not valid there. *good is set if the number is valid. */
static bool header_entry_size(HeaderReader *reader, HeaderFault fault, const char *expected,
                              uint64_t *value, bool *good) {
  JsonWalk *walk = &reader->walk;
  char first = json_cursor_peek(&walk->cursor);
  uint32_t start = walk->cursor.at;
  *good = false;
  if (first != '-' && (first < '0' || first > '9')) {
    return json_walk_wrong_value(walk, (int)fault, expected);
  }
  JsonNumber kind;
  if (!json_walk_number(walk, &kind, value)) return false;
  *good = kind == JSON_NUMBER_UNSIGNED;
  if (*good) return true;
  if (kind == JSON_NUMBER_UNSIGNED_64 && fault == HEADER_FAULT_SHAPE)
    fault = HEADER_FAULT_DIMENSION;
  json_walk_report(walk, (int)fault, start, expected, "%s", header_entry_number_in_words(kind));
  return true;
}

/* Takes an array of numbers, and stores the first two in `values`. */
static bool header_entry_numbers(HeaderReader *reader, HeaderFault fault, const char *expected,
                                 uint64_t values[2], uint64_t *count, bool *all_good) {
  JsonWalk *walk = &reader->walk;
  *count = 0;
  *all_good = true;
  if (!json_walk_enter(walk, false)) return false;
  for (;; ++*count) {
    uint64_t value = 0;
    bool good, more;
    if (!json_walk_next_item(walk, &more)) return false;
    if (!more) return true;
    if (!header_entry_size(reader, fault, expected, &value, &good)) return false;
    if (*count < 2) values[*count] = value;
    *all_good = *all_good && good;
  }
}

static bool header_entry_shape(HeaderReader *reader) {
  JsonWalk *walk = &reader->walk;
  uint64_t values[2], rank;
  bool all_good;
  if (json_cursor_peek(&walk->cursor) != '[') {
    return json_walk_wrong_value(walk, HEADER_FAULT_SHAPE, "an array as shape");
  }
  uint32_t start = walk->cursor.at;
  if (!header_entry_numbers(reader, HEADER_FAULT_SHAPE, "non-negative integers in shape", values,
                            &rank, &all_good)) {
    return false;
  }
  reader->entry.shape = (Span){start, all_good ? walk->cursor.at - start : 0};
  return true;
}

static bool header_entry_data_offsets(HeaderReader *reader) {
  JsonWalk *walk = &reader->walk;
  TensorEntry *entry = &reader->entry;
  uint64_t values[2] = {0, 0}, count;
  bool all_good;
  if (json_cursor_peek(&walk->cursor) != '[') {
    return json_walk_wrong_value(walk, HEADER_FAULT_OFFSETS, "data_offsets [begin, end]");
  }
  uint32_t start = walk->cursor.at;
  if (!header_entry_numbers(reader, HEADER_FAULT_OFFSETS, "non-negative integers in data_offsets",
                            values, &count, &all_good)) {
    return false;
  }
  entry->begin = values[0];
  entry->end = values[1];
  reader->placed = all_good && count == 2 && entry->begin <= entry->end;
  if (count != 2) {
    json_walk_report(walk, HEADER_FAULT_OFFSETS, start, "two data_offsets [begin, end]", "%s",
                     count < 2 ? "fewer" : "more");
  } else if (all_good && !reader->placed) {
    json_walk_report(walk, HEADER_FAULT_REVERSED_OFFSETS, start, NULL,
                     "end before begin: found data_offsets [%llu,%llu]",
                     (unsigned long long)entry->begin, (unsigned long long)entry->end);
  }
  return true;
}

static bool header_entry_fields(HeaderReader *reader, unsigned *seen) {
  JsonWalk *walk = &reader->walk;
  for (;;) {
    Span key;
    bool more, taken;
    if (!json_walk_next_key(walk, &key, &more)) return false;
    if (!more) return true;
    HeaderEntryField field = header_entry_find_field(reader, key);
    switch (field) {
      case HEADER_ENTRY_DTYPE: taken = header_entry_dtype(reader); break;
      case HEADER_ENTRY_SHAPE: taken = header_entry_shape(reader); break;
      case HEADER_ENTRY_DATA_OFFSETS: taken = header_entry_data_offsets(reader); break;
      default: taken = json_walk_value(walk); break;
    }
    if (!taken) return false;
    *seen |= 1u << field;
  }
}

static bool header_entry_any(HeaderReader *reader) {
  JsonWalk *walk = &reader->walk;
  unsigned seen = 0;
  char first = json_cursor_peek(&walk->cursor);
  uint32_t start = walk->cursor.at;
  reader->entry.dtype = DTYPE_COUNT;
  reader->entry.shape = (Span){0, 0};
  reader->placed = false;
  if (first != '{') return json_walk_wrong_value(walk, HEADER_FAULT_ENTRY, header_entry_expected);
  if (!json_walk_enter(walk, false) || !header_entry_fields(reader, &seen)) return false;
  for (int field = 0; field < HEADER_ENTRY_COUNT; field++) {
    if ((seen & 1u << field) != 0) continue;
    json_walk_report(walk, HEADER_FAULT_ENTRY, start, header_entry_expected, "no %s",
                     header_entry_names[field]);
  }
  return true;
}

bool header_entry_take(HeaderReader *reader) {
  JsonWalk *walk = &reader->walk;
  uint32_t start = walk->cursor.at;
  if (!reader->thorough && (header_entry_usual(reader) || header_entry_plain(reader))) {
    reader->placed = true;
    reader->plain++;
    return true;
  }
  walk->cursor.at = start;
  reader->last_dtype = NULL;
  return !walk->stopped && header_entry_any(reader);
}
