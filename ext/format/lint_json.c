#include "format/lint_json.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void json_walk_clear(JsonWalk *walk) {
  name_table_free(&walk->duplicates);
  memory_free(walk->keys);
  walk->keys = NULL;
  walk->key_count = 0;
  walk->key_capacity = 0;
}

char json_walk_peek(JsonWalk *walk) {
  Scanner *scanner = &walk->scanner;
  scanner_skip_space(scanner);
  return scanner->at < scanner->length ? scanner->text[scanner->at] : '\0';
}

bool json_walk_not_json(JsonWalk *walk, const char *expected) {
  char buffer[SCANNER_FOUND_SIZE];
  const Scanner *scanner = &walk->scanner;
  bool at_end = scanner->at >= scanner->length;
  if (at_end && walk->cut_short) return false;
  json_walk_report(walk, LINT_NOT_JSON, scanner->at, "expected %s, found %s", expected,
                   at_end ? "the end" : scanner_found(scanner, buffer));
  return false;
}

/* ---- Strings and keys ---- */

bool json_walk_string(JsonWalk *walk, Span *span) {
  const char *problem = scanner_take_string(&walk->scanner, span);
  walk->in_string = problem != NULL;
  return problem == NULL || json_walk_not_json(walk, problem);
}

static bool add_key(JsonWalk *walk, Span key) {
  if (!memory_reserve((void **)&walk->keys, &walk->key_capacity, walk->key_count, sizeof key)) {
    walk->findings->out_of_memory = true;
    return false;
  }
  walk->keys[walk->key_count++] = key;
  return true;
}

static bool take_key(JsonWalk *walk, Span *key) {
  Scanner *scanner = &walk->scanner;
  if (json_walk_peek(walk) != '"') return json_walk_not_json(walk, "a key in quotes");
  if (!json_walk_string(walk, key) || !add_key(walk, *key)) return false;
  const char *text = scanner->text + key->offset;
  if (memchr(text, '\0', key->length) != NULL) {
    json_walk_report(walk, LINT_NUL_IN_KEY, key->offset - 1,
                     "expected a key without NUL, found \"%.*s\\u0000...\"",
                     ERROR_NAME(text, strlen(text)));
  }
  return scanner_take(scanner, ':') || json_walk_not_json(walk, "':'");
}

void json_walk_drop_keys(JsonWalk *walk, uint32_t first) {
  walk->key_count = first;
}

void json_walk_report_duplicate(JsonWalk *walk, uint32_t duplicate, uint32_t earlier) {
  Span key = walk->keys[duplicate], before = walk->keys[earlier];
  json_walk_report(walk, LINT_DUPLICATE_KEY, key.offset - 1,
                   "expected each key once, found \"%.*s\" again, after offset %llu",
                   ERROR_NAME(walk->scanner.text + key.offset, key.length),
                   (unsigned long long)walk->base + before.offset - 1);
}

bool json_walk_next_duplicate(JsonWalk *walk, uint32_t first, uint32_t *duplicate,
                              uint32_t *earlier) {
  NameTable *table = &walk->duplicates;
  uint32_t count = walk->key_count - first;
  *duplicate = walk->key_count;
  if (count == 0) return true;
  if (table->slots == NULL) {
    if (!name_table_start(table, walk->scanner.text, walk->keys + first, sizeof(Span), count)) {
      walk->findings->out_of_memory = true;
      return false;
    }
    walk->duplicate_at = 0;
  }
  while (walk->duplicate_at < count) {
    uint32_t row = walk->duplicate_at++;
    if (name_table_add(table, row, earlier)) continue;
    *duplicate = first + row;
    *earlier += first;
    return true;
  }
  name_table_free(table);
  *duplicate = walk->key_count;
  return true;
}

/* The keys of an object that has ended, unless its caller sees to them: the first duplicate. */
static bool end_object(JsonWalk *walk, const JsonFrame *frame) {
  if (frame->keeps_keys) return true;
  uint32_t first = frame->first_key, duplicate = walk->key_count, earlier = 0;
  if (walk->key_count - first > 1) {
    if (!json_walk_next_duplicate(walk, first, &duplicate, &earlier)) return false;
    name_table_free(&walk->duplicates);
  }
  if (duplicate < walk->key_count) json_walk_report_duplicate(walk, duplicate, earlier);
  json_walk_drop_keys(walk, first);
  return true;
}

/* ---- Objects and arrays ---- */

static void push(JsonWalk *walk, bool is_object) {
  walk->frames[walk->depth++] = (JsonFrame){.is_object = is_object, .first_key = walk->key_count};
}

static bool pop(JsonWalk *walk) {
  const JsonFrame *frame = &walk->frames[--walk->depth];
  return !frame->is_object || end_object(walk, frame);
}

bool json_walk_enter(JsonWalk *walk) {
  Scanner *scanner = &walk->scanner;
  if (walk->depth == walk->max_depth) {
    json_walk_report(walk, LINT_NOT_JSON, scanner->at, "expected at most %u levels, found more",
                     walk->max_depth);
    return false;
  }
  push(walk, scanner->text[scanner->at++] == '{');
  return true;
}

/* Whether the innermost object or array goes on: takes its closing bracket, or the comma that is
** due. A comma that is missing between two keys is reported and taken for there. */
static bool next(JsonWalk *walk, char close, bool *more) {
  JsonFrame *frame = &walk->frames[walk->depth - 1];
  *more = !scanner_take(&walk->scanner, close);
  if (!*more) return pop(walk);
  if (frame->started && !scanner_take(&walk->scanner, ',')) {
    json_walk_not_json(walk, frame->is_object ? "',' or '}'" : "',' or ']'");
    if (!frame->is_object || json_walk_peek(walk) != '"') return false;
  }
  frame->started = true;
  return true;
}

bool json_walk_next_key(JsonWalk *walk, Span *key, bool *more) {
  return next(walk, '}', more) && (!*more || take_key(walk, key));
}

bool json_walk_next_item(JsonWalk *walk, bool *more) {
  return next(walk, ']', more);
}

/* ---- Numbers ---- */

static uint32_t count_digits(const Scanner *scanner) {
  uint32_t at = scanner->at;
  while (at < scanner->length && scanner->text[at] >= '0' && scanner->text[at] <= '9') at++;
  return at - scanner->at;
}

static bool take_digits(JsonWalk *walk) {
  uint32_t count = count_digits(&walk->scanner);
  walk->scanner.at += count;
  return count > 0 || json_walk_not_json(walk, "a digit");
}

static bool at_one_of(const Scanner *scanner, const char *bytes) {
  if (scanner->at >= scanner->length) return false;
  char byte = scanner->text[scanner->at];
  return byte != '\0' && strchr(bytes, byte) != NULL;
}

/* What strtod() makes of a number: written without a point, which is the locale's, and with no more
** digits than can count. */
static bool is_beyond_double(const char *text, uint32_t length) {
  enum { DIGITS = 320 };
  const int64_t far = 1000000000000; /* more than a mantissa of a header's length can make good */
  char plain[DIGITS + 32];
  uint32_t digits = 0, i = text[0] == '-';
  int64_t exponent = 0, written = 0;
  bool after_point = false;
  for (; i < length && text[i] != 'e' && text[i] != 'E'; i++) {
    if (text[i] == '.') {
      after_point = true;
      continue;
    }
    bool counts = digits > 0 || text[i] != '0';
    if (counts && digits < DIGITS) {
      plain[digits++] = text[i];
      exponent -= after_point;
    } else if (!counts || !after_point) {
      exponent += counts ? 1 : -after_point;
    }
  }
  if (digits == 0) return false;
  bool negative = i + 1 < length && text[i + 1] == '-';
  for (i++; i < length; i++) {
    if (text[i] >= '0' && text[i] <= '9' && written < far) written = written * 10 + (text[i] - '0');
  }
  snprintf(plain + digits, sizeof plain - digits, "e%lld",
           (long long)(exponent + (negative ? -written : written)));
  return strtod(plain, NULL) > DBL_MAX;
}

static JsonNumber integer_kind(const char *text, uint32_t length, uint64_t *value) {
  bool negative = text[0] == '-', beyond = false;
  uint64_t number = 0;
  for (uint32_t i = negative; i < length && !beyond; i++) {
    beyond = __builtin_mul_overflow(number, (uint64_t)10, &number) ||
             __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number);
  }
  if (beyond || (negative && number > (uint64_t)INT64_MAX + 1)) return NUMBER_LARGE_INTEGER;
  if (negative) return number == 0 ? NUMBER_NEGATIVE_ZERO : NUMBER_NEGATIVE;
  *value = number;
  return number > INT64_MAX ? NUMBER_UNSIGNED_64 : NUMBER_UNSIGNED;
}

bool json_walk_number(JsonWalk *walk, JsonNumber *kind, uint64_t *value) {
  Scanner *scanner = &walk->scanner;
  uint32_t start = scanner->at;
  bool is_real = false;
  if (at_one_of(scanner, "-")) scanner->at++;
  if (at_one_of(scanner, "0")) {
    scanner->at++; /* no digit may follow */
  } else if (!take_digits(walk)) {
    return false;
  }
  if (at_one_of(scanner, ".")) {
    is_real = true;
    scanner->at++;
    if (!take_digits(walk)) return false;
  }
  if (at_one_of(scanner, "eE")) {
    is_real = true;
    scanner->at++;
    if (at_one_of(scanner, "+-")) scanner->at++;
    if (!take_digits(walk)) return false;
  }
  const char *text = scanner->text + start;
  uint32_t length = scanner->at - start;
  *kind = is_real ? NUMBER_REAL : integer_kind(text, length, value);
  if (*kind == NUMBER_REAL || *kind == NUMBER_LARGE_INTEGER) {
    if (is_beyond_double(text, length)) *kind = NUMBER_BEYOND_DOUBLE;
  }
  return true;
}

/* ---- Any value ---- */

static bool take_any_number(JsonWalk *walk) {
  uint32_t start = walk->scanner.at;
  JsonNumber kind;
  uint64_t value;
  if (!json_walk_number(walk, &kind, &value)) return false;
  bool large = kind == NUMBER_LARGE_INTEGER || kind == NUMBER_UNSIGNED_64;
  if (kind == NUMBER_BEYOND_DOUBLE || (large && !walk->any_number)) {
    json_walk_report(walk, LINT_BAD_NUMBER, start,
                     "expected an integer of 64 bits or a double, found a number beyond");
  } else if (kind == NUMBER_NEGATIVE_ZERO && !walk->any_number) {
    json_walk_report(walk, LINT_BAD_NUMBER, start, "expected an integer, found -0");
  }
  return true;
}

static bool take_word(JsonWalk *walk, const char *word) {
  Scanner *scanner = &walk->scanner;
  size_t length = strlen(word);
  if (scanner->length - scanner->at < length ||
      memcmp(scanner->text + scanner->at, word, length) != 0) {
    return json_walk_not_json(walk, "a value");
  }
  scanner->at += (uint32_t)length;
  return true;
}

/* Whether what comes next looks like a value. */
static bool at_value(JsonWalk *walk) {
  char first = json_walk_peek(walk);
  return first != '\0' && strchr("{[\"tfn-0123456789", first) != NULL;
}

/* A value without what is in it: an object or array is entered. */
static bool begin_value(JsonWalk *walk) {
  Span ignored;
  switch (json_walk_peek(walk)) {
    case '{':
    case '[': return json_walk_enter(walk);
    case '"': return json_walk_string(walk, &ignored);
    case 't': return take_word(walk, "true");
    case 'f': return take_word(walk, "false");
    case 'n': return take_word(walk, "null");
    case '-': return take_any_number(walk);
    default:
      return count_digits(&walk->scanner) > 0 ? take_any_number(walk)
                                              : json_walk_not_json(walk, "a value");
  }
}

bool json_walk_value(JsonWalk *walk) {
  uint32_t outside = walk->depth;
  do {
    if (!begin_value(walk)) return false;
    bool more = false;
    while (walk->depth > outside && !more) {
      Span key;
      bool moved = walk->frames[walk->depth - 1].is_object ? json_walk_next_key(walk, &key, &more)
                                                           : json_walk_next_item(walk, &more);
      if (!moved) return false;
    }
  } while (walk->depth > outside);
  return true;
}

bool json_walk_wrong_value(JsonWalk *walk, LintCode code, const char *expected) {
  if (at_value(walk)) {
    json_walk_report(walk, code, walk->scanner.at, "expected %s, found %s", expected,
                     scanner_next_kind(&walk->scanner));
  }
  return json_walk_value(walk);
}

/* ---- Going on ---- */

/* To the byte behind the string that the scanner is in. */
static void leave_string(Scanner *scanner) {
  while (scanner->at < scanner->length && scanner->text[scanner->at] != '"') {
    scanner->at += scanner->text[scanner->at] == '\\' ? 2 : 1;
  }
  scanner->at = scanner->at < scanner->length ? scanner->at + 1 : scanner->length;
}

/* Leaves, for a closing bracket, the innermost object or array of its kind above `depth`; what else
** was open in that was not closed. False when there is none. */
static bool close_kind(JsonWalk *walk, uint32_t depth, bool is_object) {
  uint32_t match = walk->depth;
  while (match > depth && walk->frames[match - 1].is_object != is_object) match--;
  if (match <= depth) return false;
  while (walk->depth >= match) {
    if (!pop(walk)) return true; /* out of memory, which the caller will see */
  }
  return true;
}

/* Of several commas in a row the last will do. */
static bool comma_follows(const Scanner *scanner) {
  Scanner ahead = *scanner;
  ahead.at++;
  return scanner_take(&ahead, ',');
}

bool json_walk_recover(JsonWalk *walk, uint32_t depth) {
  Scanner *scanner = &walk->scanner;
  uint64_t deeper = 0; /* levels that are too many to know by kind */
  if (walk->in_string) leave_string(scanner);
  walk->in_string = false;
  for (; scanner->at < scanner->length && !walk->findings->out_of_memory; scanner->at++) {
    char byte = scanner->text[scanner->at];
    bool opens = byte == '{' || byte == '[', closes = byte == '}' || byte == ']';
    bool outside = walk->depth == depth && deeper == 0;
    if (outside && byte == ',' && !comma_follows(scanner)) return true;
    if (outside && closes && walk->frames[depth - 1].is_object == (byte == '}')) return true;
    if (byte == '"') {
      scanner->at++;
      leave_string(scanner);
      scanner->at--;
    } else if (opens && walk->depth < walk->max_depth) {
      push(walk, byte == '{');
    } else if (opens) {
      deeper++;
    } else if (closes && deeper > 0) {
      deeper--;
    } else if (closes && !close_kind(walk, depth, byte == '}') &&
               walk->frames[depth - 1].is_object == (byte == '}')) {
      while (walk->depth > depth) {
        if (!pop(walk)) return false;
      }
      return true;
    }
  }
  return false;
}
