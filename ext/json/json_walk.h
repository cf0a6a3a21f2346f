/*
** The reader of JSON: it walks over a text, reports every fault to a sink, and continues behind
** the fault if the sink returns true. With a sink that converts the first fault into an error it
** is a strict reader. With a sink that records all faults it is the reader of the check.
**
** The rules say what a fault is. By JSON_RULES_STRICT a fault is anything that is not JSON (RFC
** 8259), a key that occurs twice in an object, a NUL in a key, and a number that programs read
** differently. JSON_RULES_PYTHON are the rules of Python's json module, which also accepts NaN and
** the infinities, numbers of any size, lone surrogates, and duplicate keys.
**
** Keys and strings are decoded in place, so the text changes. The text need not be valid UTF-8.
*/
#ifndef SAFETENSORS_JSON_JSON_WALK_H
#define SAFETENSORS_JSON_JSON_WALK_H

#include "base/cancel.h"
#include "json/json_cursor.h"
#include "json/json_number.h"

/* The maximum number of nested objects and arrays. serde_json, the JSON library of the reference
** implementation, rejects the 128th level. */
enum { JSON_MAX_DEPTH = 127 };

typedef enum JsonRules { JSON_RULES_STRICT, JSON_RULES_PYTHON } JsonRules;

typedef enum JsonFaultKind {
  JSON_FAULT_SYNTAX, /* the text is not JSON, or is nested too deeply */
  JSON_FAULT_DUPLICATE_KEY,
  JSON_FAULT_NUL_IN_KEY,
  JSON_FAULT_NUMBER, /* a number that programs read differently */
  JSON_FAULT_ODD,    /* valid by Python's rules, but not by the strict ones */
  JSON_FAULT_COUNT   /* callers number their own faults from here on */
} JsonFaultKind;

typedef struct JsonFault {
  int kind;             /* a JsonFaultKind, or a fault of the caller */
  uint64_t at;          /* the offset in the file */
  const char *expected; /* NULL if `found` is a complete message */
  const char *found;    /* NULL at the end of the text */
} JsonFault;

/* An object or array that the walk is in. */
typedef struct JsonFrame {
  bool is_object, started;
  bool keeps_keys;    /* for an object: the walk reports duplicates among its keys */
  uint32_t first_key; /* for an object: the index of its first key in `keys` */
} JsonFrame;

/* Before a walk, the caller zeroes all fields and sets the cursor, the sink with its context, and
** the fields for errors. */
typedef struct JsonWalk {
  JsonCursor cursor;
  uint64_t base; /* the offset of the text in its file */
  /* Receives a fault. Returns whether to continue. */
  bool (*sink)(void *context, const JsonFault *fault);
  void *context;
  Cancel *cancel;      /* asked whether to continue with long work; may be NULL */
  const char *subject; /* named in the error when the work is interrupted */
  Error *error;        /* set when memory runs out or the work is interrupted */
  bool stopped;        /* the walk cannot continue, or the sink does not want it to */
  JsonRules rules;
  bool finds_odd; /* by Python's rules: report JSON_FAULT_ODD; if it is not set, keys and strings
                     are not decoded */
  bool cut_short; /* the text is known to be truncated, so that its end is no fault */
  bool in_string; /* the last fault is inside a string */
  Span *keys;     /* the keys of the objects that the walk is in, outermost object first */
  uint32_t key_count;
  uint64_t key_capacity;
  JsonFrame frames[JSON_MAX_DEPTH];
  uint32_t depth;
  uint64_t steps; /* the number of members and items so far */
} JsonWalk;

/* Releases the memory of the walk. The text belongs to the caller. */
void json_walk_clear(JsonWalk *walk);

/* Reports a fault. `found` is a format string. */
void json_walk_report(JsonWalk *walk, int kind, uint32_t at, const char *expected,
                      const char *found, ...) __attribute__((format(printf, 5, 6)));

/* Reports that the text is not JSON at the current position. Returns false. */
bool json_walk_not_json(JsonWalk *walk, const char *expected);

/* Returns whether to process row number `row` of a loop: see cancel_go_on_row(). Returns false if
** the walk has stopped. */
static inline bool json_walk_go_on(JsonWalk *walk, uint64_t row) {
  if (!cancel_go_on_row(walk->cancel, row, walk->subject, walk->error)) walk->stopped = true;
  return !walk->stopped;
}

/*
** Each of the following functions takes something and returns true, or reports what is wrong, or
** stops the walk, and returns false. After a failure json_walk_recover() may find a position from
** which the walk can continue.
*/

/* Enters an object or array, whose opening bracket the caller has seen. With `owns_keys` the walk
** does not keep the object's keys; the caller looks for duplicates itself. */
bool json_walk_enter(JsonWalk *walk, bool owns_keys);

/* Moves to the next member of the current object, behind its key and ':'. If there is none, leaves
** the object and sets *more to false. On failure key->offset is not 0 if the key could be read. */
bool json_walk_next_key(JsonWalk *walk, Span *key, bool *more);

/* Moves to the next item of the current array, in the same way. */
bool json_walk_next_item(JsonWalk *walk, bool *more);

/* Takes a value of any kind with everything inside it. */
bool json_walk_value(JsonWalk *walk);

/* Does the same for a value of the wrong type, which is reported as a fault of that kind. */
bool json_walk_wrong_value(JsonWalk *walk, int kind, const char *expected);

/* Takes a string, whose quote the caller has seen. */
bool json_walk_string(JsonWalk *walk, Span *span);

/* Takes a number, whose sign or first digit the caller has seen. Its kind is not judged. Sets
** *value for JSON_NUMBER_UNSIGNED. */
bool json_walk_number(JsonWalk *walk, JsonNumber *kind, uint64_t *value);

/* After a failure: skips to a position at that depth from which the walk can continue with
** json_walk_next_key() or json_walk_next_item(). Returns false if the text ends before, or if the
** walk has stopped. */
bool json_walk_recover(JsonWalk *walk, uint32_t depth);

#endif
