#include "format/lint_entry.h"

#include <string.h>

typedef enum Field { FIELD_DTYPE, FIELD_SHAPE, FIELD_DATA_OFFSETS, FIELD_COUNT } Field;

static const char *const field_names[FIELD_COUNT] = {"dtype", "shape", "data_offsets"};

static Field find_field(const JsonWalk *walk, Span key) {
  int field = 0;
  while (field < FIELD_COUNT &&
         (strlen(field_names[field]) != key.length ||
          memcmp(field_names[field], walk->scanner.text + key.offset, key.length) != 0)) {
    field++;
  }
  return (Field)field;
}

static bool take_dtype(JsonWalk *walk, TensorEntry *entry) {
  Span name;
  if (json_walk_peek(walk) != '"') {
    return json_walk_wrong_value(walk, LINT_BAD_DTYPE, "a string as dtype");
  }
  uint32_t start = walk->scanner.at;
  if (!json_walk_string(walk, &name)) return false;
  const char *text = walk->scanner.text + name.offset;
  if (!dtype_find(text, name.length, &entry->dtype)) {
    entry->dtype = DTYPE_COUNT;
    json_walk_report(walk, LINT_BAD_DTYPE, start, "expected a known dtype, found \"%.*s\"",
                     ERROR_NAME(text, name.length));
  }
  return true;
}

static const char *number_in_words(JsonNumber kind) {
  switch (kind) {
    case NUMBER_NEGATIVE: return "a negative integer";
    case NUMBER_REAL: return "a number with a fraction or exponent";
    case NUMBER_UNSIGNED_64:
    case NUMBER_LARGE_INTEGER:
    case NUMBER_BEYOND_DOUBLE: return "a number of more than 63 bits";
    case NUMBER_NEGATIVE_ZERO: return "-0";
    default: return "an integer";
  }
}

/* A number in shape or data_offsets. What is none, or no good, is reported; *good says so. */
static bool take_size(JsonWalk *walk, LintCode code, const char *expected, uint64_t *value,
                      bool *good) {
  char first = json_walk_peek(walk);
  uint32_t start = walk->scanner.at;
  *good = false;
  if (first != '-' && (first < '0' || first > '9')) {
    return json_walk_wrong_value(walk, code, expected);
  }
  JsonNumber kind;
  if (!json_walk_number(walk, &kind, value)) return false;
  *good = kind == NUMBER_UNSIGNED;
  if (kind == NUMBER_UNSIGNED_64 && code == LINT_BAD_SHAPE) code = LINT_OVERFLOW;
  if (!*good) {
    json_walk_report(walk, code, start, "expected %s, found %s", expected, number_in_words(kind));
  }
  return true;
}

static bool take_shape(JsonWalk *walk, TensorEntry *entry) {
  if (json_walk_peek(walk) != '[') {
    return json_walk_wrong_value(walk, LINT_BAD_SHAPE, "an array as shape");
  }
  uint32_t start = walk->scanner.at;
  bool all_good = true, more;
  if (!json_walk_enter(walk)) return false;
  for (;;) {
    uint64_t dimension;
    bool good;
    if (!json_walk_next_item(walk, &more)) return false;
    if (!more) break;
    if (!take_size(walk, LINT_BAD_SHAPE, "non-negative integers in shape", &dimension, &good)) {
      return false;
    }
    all_good = all_good && good;
  }
  entry->shape = (Span){start, all_good ? walk->scanner.at - start : 0};
  return true;
}

static bool take_data_offsets(JsonWalk *walk, TensorEntry *entry, bool *placed) {
  if (json_walk_peek(walk) != '[') {
    return json_walk_wrong_value(walk, LINT_BAD_OFFSETS, "data_offsets [begin, end]");
  }
  uint32_t start = walk->scanner.at, count = 0;
  uint64_t values[2] = {0, 0};
  bool all_good = true, more;
  if (!json_walk_enter(walk)) return false;
  for (;; count += count < 3) {
    uint64_t value = 0;
    bool good;
    if (!json_walk_next_item(walk, &more)) return false;
    if (!more) break;
    if (!take_size(walk, LINT_BAD_OFFSETS, "non-negative integers in data_offsets", &value,
                   &good)) {
      return false;
    }
    if (count < 2) values[count] = value;
    all_good = all_good && good;
  }
  entry->begin = values[0];
  entry->end = values[1];
  *placed = all_good && count == 2 && entry->begin <= entry->end;
  if (count != 2) {
    json_walk_report(walk, LINT_BAD_OFFSETS, start,
                     "expected two data_offsets [begin, end], found %s",
                     count < 2 ? "fewer" : "more");
  } else if (all_good && !*placed) {
    json_walk_report(walk, LINT_BAD_OFFSETS, start,
                     "end before begin: found data_offsets [%llu,%llu]",
                     (unsigned long long)entry->begin, (unsigned long long)entry->end);
  }
  return true;
}

static bool take_fields(JsonWalk *walk, TensorEntry *entry, bool *placed, unsigned *seen) {
  for (;;) {
    Span key;
    bool more, taken;
    if (!json_walk_next_key(walk, &key, &more)) return false;
    if (!more) return true;
    Field field = find_field(walk, key);
    switch (field) {
      case FIELD_DTYPE: taken = take_dtype(walk, entry); break;
      case FIELD_SHAPE: taken = take_shape(walk, entry); break;
      case FIELD_DATA_OFFSETS: taken = take_data_offsets(walk, entry, placed); break;
      default: taken = json_walk_value(walk); break;
    }
    if (!taken) return false;
    *seen |= 1u << field;
  }
}

bool lint_entry(JsonWalk *walk, TensorEntry *entry, bool *placed) {
  unsigned seen = 0;
  char first = json_walk_peek(walk);
  uint32_t start = walk->scanner.at;
  *placed = true;
  if (first == '{' && scanner_plain_entry(&walk->scanner, entry) && entry->begin <= entry->end) {
    return true;
  }
  walk->scanner.at = start;
  entry->dtype = DTYPE_COUNT;
  entry->shape = (Span){0, 0};
  *placed = false;
  if (first != '{') {
    return json_walk_wrong_value(walk, LINT_BAD_ENTRY,
                                 "an object with dtype, shape and data_offsets");
  }
  if (!json_walk_enter(walk) || !take_fields(walk, entry, placed, &seen)) return false;
  for (int field = 0; field < FIELD_COUNT; field++) {
    if ((seen & 1u << field) != 0) continue;
    json_walk_report(walk, LINT_BAD_ENTRY, start,
                     "expected an object with dtype, shape and data_offsets, found no %s",
                     field_names[field]);
  }
  return true;
}
