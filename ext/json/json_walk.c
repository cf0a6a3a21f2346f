#include "json/json_walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/name_table.h"
#include "json/json_string.h"

_Static_assert(JSON_MAX_DEPTH == 127, "a message has the number");

void json_walk_clear(JsonWalk *walk) {
  memory_free(walk->keys);
  walk->keys = NULL;
  walk->key_count = 0;
  walk->key_capacity = 0;
}

/* ---- Faults ---- */

static void json_walk_tell(JsonWalk *walk, int kind, uint32_t at, const char *expected,
                           const char *found) {
  JsonFault fault = {kind, walk->base + at, expected, found};
  if (!walk->stopped && !walk->sink(walk->context, &fault)) walk->stopped = true;
}

void json_walk_report(JsonWalk *walk, int kind, uint32_t at, const char *expected,
                      const char *found, ...) {
  enum { JSON_WALK_FOUND_SIZE = 400 /* a clipped name and some words */ };
  char buffer[JSON_WALK_FOUND_SIZE];
  va_list arguments;
  va_start(arguments, found);
  vsnprintf(buffer, sizeof buffer, found, arguments);
  va_end(arguments);
  json_walk_tell(walk, kind, at, expected, buffer);
}

bool json_walk_not_json(JsonWalk *walk, const char *expected) {
  char buffer[JSON_CURSOR_FOUND_SIZE];
  const char *found = json_cursor_found(&walk->cursor, buffer);
  if (found == NULL && walk->cut_short) return false;
  json_walk_tell(walk, JSON_FAULT_SYNTAX, walk->cursor.at, expected, found);
  return false;
}

/* Returns the kind to report for a fault that only the strict rules know. */
static int json_walk_kind_of(const JsonWalk *walk, int kind) {
  return walk->rules == JSON_RULES_STRICT ? kind : JSON_FAULT_ODD;
}

/* Returns whether only faults by Python's rules are of interest. */
static bool json_walk_is_blind(const JsonWalk *walk) {
  return walk->rules == JSON_RULES_PYTHON && !walk->finds_odd;
}

static bool json_walk_out_of_memory(JsonWalk *walk) {
  walk->stopped = true;
  return error_memory(walk->error);
}

/* ---- Strings and keys ---- */

/* Takes a string by Python's rules. A string with lone surrogates is not decoded, and neither is
** one that is too long to be of interest. */
static bool json_walk_odd_string(JsonWalk *walk, Span *span) {
  enum { JSON_WALK_LONG = 1 << 20 };
  JsonCursor *cursor = &walk->cursor, ahead = *cursor;
  Span raw;
  const char *problem = json_string_skip(&ahead, &raw);
  if (problem != NULL) {
    cursor->at = ahead.at;
    walk->in_string = true;
    return json_walk_not_json(walk, problem);
  }
  *span = raw;
  if (walk->finds_odd && raw.length <= JSON_WALK_LONG) {
    problem = json_string_take(cursor, span);
    if (problem != NULL) {
      json_walk_report(walk, JSON_FAULT_ODD, cursor->at, NULL, "expected %s", problem);
      *span = raw;
    }
  }
  cursor->at = ahead.at;
  return true;
}

bool json_walk_string(JsonWalk *walk, Span *span) {
  if (walk->rules == JSON_RULES_PYTHON) return json_walk_odd_string(walk, span);
  const char *problem = json_string_take(&walk->cursor, span);
  walk->in_string = problem != NULL;
  return problem == NULL || json_walk_not_json(walk, problem);
}

static bool json_walk_keep_key(JsonWalk *walk, Span key) {
  if (!walk->frames[walk->depth - 1].keeps_keys) return true;
  if (!memory_reserve((void **)&walk->keys, &walk->key_capacity, walk->key_count, sizeof key)) {
    return json_walk_out_of_memory(walk);
  }
  walk->keys[walk->key_count++] = key;
  return true;
}

/* Takes a key that is not a plain string. Only such a key can contain a NUL. */
static bool json_walk_hard_key(JsonWalk *walk, Span *key) {
  if (json_cursor_peek(&walk->cursor) != '"') return json_walk_not_json(walk, "a key in quotes");
  if (!json_walk_string(walk, key)) return false;
  const char *text = walk->cursor.text + key->offset;
  if (memchr(text, '\0', key->length) != NULL) {
    json_walk_report(walk, json_walk_kind_of(walk, JSON_FAULT_NUL_IN_KEY), key->offset - 1,
                     "a key without NUL", "\"%.*s\\u0000...\"", ERROR_NAME(text, strlen(text)));
  }
  return true;
}

static bool json_walk_take_key(JsonWalk *walk, Span *key) {
  if (!json_cursor_take_plain_string(&walk->cursor, key) && !json_walk_hard_key(walk, key)) {
    return false;
  }
  if (!json_walk_keep_key(walk, *key)) return false;
  return json_cursor_take(&walk->cursor, ':') || json_walk_not_json(walk, "':'");
}

static void json_walk_report_duplicate(JsonWalk *walk, Span key, Span earlier) {
  json_walk_report(walk, json_walk_kind_of(walk, JSON_FAULT_DUPLICATE_KEY), key.offset - 1,
                   "each key once", "\"%.*s\" again, after offset %llu",
                   ERROR_NAME(walk->cursor.text + key.offset, key.length),
                   (unsigned long long)walk->base + earlier.offset - 1);
}

/* Reports the first duplicate among the keys from number `first` on. Returns false if the walk has
** stopped. */
static bool json_walk_check_keys(JsonWalk *walk, uint32_t first) {
  uint32_t count = walk->key_count - first, earlier;
  NameTable table;
  if (count < 2) return true;
  const Span *keys = walk->keys + first;
  if (!name_table_start(&table, walk->cursor.text, keys, sizeof *keys, count)) {
    return json_walk_out_of_memory(walk);
  }
  for (uint32_t row = 0; row < count && json_walk_go_on(walk, row); row++) {
    if (name_table_add(&table, row, &earlier)) continue;
    json_walk_report_duplicate(walk, keys[row], keys[earlier]);
    break;
  }
  name_table_free(&table);
  return !walk->stopped;
}

/* ---- Objects and arrays ---- */

static void json_walk_push(JsonWalk *walk, bool is_object, bool owns_keys) {
  bool keeps_keys = is_object && !owns_keys && !json_walk_is_blind(walk);
  walk->frames[walk->depth++] =
      (JsonFrame){.is_object = is_object, .keeps_keys = keeps_keys, .first_key = walk->key_count};
}

static bool json_walk_pop(JsonWalk *walk) {
  const JsonFrame *frame = &walk->frames[--walk->depth];
  bool good = json_walk_check_keys(walk, frame->first_key);
  walk->key_count = frame->first_key;
  return good;
}

bool json_walk_enter(JsonWalk *walk, bool owns_keys) {
  JsonCursor *cursor = &walk->cursor;
  if (walk->depth == JSON_MAX_DEPTH) {
    json_walk_tell(walk, JSON_FAULT_SYNTAX, cursor->at, "at most 127 levels", "more");
    return false;
  }
  json_walk_push(walk, cursor->text[cursor->at++] == '{', owns_keys);
  return true;
}

/* Takes the closing bracket of the innermost object or array, or the comma before the next member
** or item. A missing comma between two keys is reported, and then ignored. */
static bool json_walk_next(JsonWalk *walk, char close, bool *more) {
  JsonFrame *frame = &walk->frames[walk->depth - 1];
  if (!json_walk_go_on(walk, ++walk->steps)) return false;
  *more = !json_cursor_take(&walk->cursor, close);
  if (!*more) return json_walk_pop(walk);
  if (frame->started && !json_cursor_take(&walk->cursor, ',')) {
    json_walk_not_json(walk, frame->is_object ? "',' or '}'" : "',' or ']'");
    if (walk->stopped || !frame->is_object || json_cursor_peek(&walk->cursor) != '"') return false;
  }
  frame->started = true;
  return true;
}

bool json_walk_next_key(JsonWalk *walk, Span *key, bool *more) {
  *key = (Span){0, 0};
  return json_walk_next(walk, '}', more) && (!*more || json_walk_take_key(walk, key));
}

bool json_walk_next_item(JsonWalk *walk, bool *more) {
  return json_walk_next(walk, ']', more);
}

/* ---- Values ---- */

bool json_walk_number(JsonWalk *walk, JsonNumber *kind, uint64_t *value) {
  const char *problem = json_number_take(&walk->cursor, kind, value);
  return problem == NULL || json_walk_not_json(walk, problem);
}

static bool json_walk_any_number(JsonWalk *walk) {
  uint32_t start = walk->cursor.at;
  JsonNumber kind;
  uint64_t value;
  if (!json_walk_number(walk, &kind, &value)) return false;
  if (json_walk_is_blind(walk)) return true;
  bool strict = walk->rules == JSON_RULES_STRICT;
  bool large = kind == JSON_NUMBER_LARGE_INTEGER || kind == JSON_NUMBER_UNSIGNED_64;
  if (kind == JSON_NUMBER_BEYOND_DOUBLE || (large && strict)) {
    json_walk_report(walk, json_walk_kind_of(walk, JSON_FAULT_NUMBER), start,
                     "an integer of 64 bits or a double", "a number beyond");
  } else if (kind == JSON_NUMBER_NEGATIVE_ZERO && strict) {
    json_walk_report(walk, JSON_FAULT_NUMBER, start, "an integer", "-0");
  }
  return true;
}

static bool json_walk_word(JsonWalk *walk, const char *word) {
  return json_cursor_take_word(&walk->cursor, word) || json_walk_not_json(walk, "a value");
}

/* Takes NaN or an infinity, which are not JSON, but which Python's json module reads and writes. */
static bool json_walk_not_finite(JsonWalk *walk) {
  JsonCursor *cursor = &walk->cursor;
  if (walk->rules == JSON_RULES_STRICT) return false;
  json_cursor_skip_space(cursor);
  uint32_t at = cursor->at;
  if (!json_cursor_take_word(cursor, "NaN") && !json_cursor_take_word(cursor, "Infinity") &&
      !json_cursor_take_word(cursor, "-Infinity")) {
    return false;
  }
  if (walk->finds_odd) {
    json_walk_report(walk, JSON_FAULT_ODD, at, "a number of JSON", "NaN or infinity");
  }
  return true;
}

/* Takes a scalar, or enters an object or array. */
static bool json_walk_begin_value(JsonWalk *walk) {
  Span ignored;
  if (json_walk_not_finite(walk)) return true;
  char first = json_cursor_peek(&walk->cursor);
  switch (first) {
    case '{':
    case '[': return json_walk_enter(walk, false);
    case '"': return json_walk_string(walk, &ignored);
    case 't': return json_walk_word(walk, "true");
    case 'f': return json_walk_word(walk, "false");
    case 'n': return json_walk_word(walk, "null");
    case '-': return json_walk_any_number(walk);
    default:
      return first >= '0' && first <= '9' ? json_walk_any_number(walk)
                                          : json_walk_not_json(walk, "a value");
  }
}

bool json_walk_value(JsonWalk *walk) {
  uint32_t outside = walk->depth;
  do {
    if (!json_walk_begin_value(walk)) return false;
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

bool json_walk_wrong_value(JsonWalk *walk, int kind, const char *expected) {
  const char *found = json_cursor_kind(&walk->cursor);
  if (found != NULL && strcmp(found, "no JSON value") != 0) {
    json_walk_report(walk, kind, walk->cursor.at, expected, "%s", found);
  }
  return !walk->stopped && json_walk_value(walk);
}

/* ---- Going on after a fault ---- */

/* Moves behind the string that the cursor is in. */
static void json_walk_leave_string(JsonCursor *cursor) {
  while (cursor->at < cursor->length && cursor->text[cursor->at] != '"') {
    cursor->at += cursor->text[cursor->at] == '\\' ? 2 : 1;
  }
  cursor->at = cursor->at < cursor->length ? cursor->at + 1 : cursor->length;
}

/* For a closing bracket, leaves the innermost object or array of its kind above `depth`, and those
** inside it that have no closing bracket. Returns false if there is none. */
static bool json_walk_close_kind(JsonWalk *walk, uint32_t depth, bool is_object) {
  uint32_t match = walk->depth;
  while (match > depth && walk->frames[match - 1].is_object != is_object) match--;
  if (match <= depth) return false;
  while (walk->depth >= match) {
    if (!json_walk_pop(walk)) return true; /* the caller sees that the walk has stopped */
  }
  return true;
}

/* Returns whether another comma follows this one. Recovery continues at the last of several. */
static bool json_walk_comma_follows(const JsonCursor *cursor) {
  JsonCursor ahead = *cursor;
  ahead.at++;
  return json_cursor_take(&ahead, ',');
}

bool json_walk_recover(JsonWalk *walk, uint32_t depth) {
  JsonCursor *cursor = &walk->cursor;
  uint64_t deeper = 0; /* levels beyond the maximum, whose kinds are not recorded */
  uint64_t row = 0;
  if (walk->in_string) json_walk_leave_string(cursor);
  walk->in_string = false;
  for (; cursor->at < cursor->length && json_walk_go_on(walk, row++); cursor->at++) {
    char byte = cursor->text[cursor->at];
    bool opens = byte == '{' || byte == '[', closes = byte == '}' || byte == ']';
    bool outside = walk->depth == depth && deeper == 0;
    if (outside && byte == ',' && !json_walk_comma_follows(cursor)) return true;
    if (outside && closes && walk->frames[depth - 1].is_object == (byte == '}')) return true;
    if (byte == '"') {
      cursor->at++;
      json_walk_leave_string(cursor);
      cursor->at--;
    } else if (opens && walk->depth < JSON_MAX_DEPTH) {
      json_walk_push(walk, byte == '{', false);
    } else if (opens) {
      deeper++;
    } else if (closes && deeper > 0) {
      deeper--;
    } else if (closes && !json_walk_close_kind(walk, depth, byte == '}') &&
               walk->frames[depth - 1].is_object == (byte == '}')) {
      while (walk->depth > depth) {
        if (!json_walk_pop(walk)) return false;
      }
      return true;
    }
  }
  return false;
}
