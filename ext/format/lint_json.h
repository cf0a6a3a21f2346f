/*
** A walk over JSON that goes on after what is wrong in it: the check's reader, of headers and of
** indexes. It holds every value to what the readers of headers and indexes demand, that is to JSON
** (RFC 8259), no object with the same key twice, no NUL in a key, and numbers that programs agree
** about; and it reports where one of these is not so.
**
** Keys and strings are decoded in place, so the text is changed. It need not be UTF-8.
*/
#ifndef SAFETENSORS_FORMAT_LINT_JSON_H
#define SAFETENSORS_FORMAT_LINT_JSON_H

#include "format/findings.h"
#include "format/scanner.h"

enum { JSON_FRAMES = 128 };

/* An object or array that the walk is in. */
typedef struct JsonFrame {
  bool is_object, started;
  bool keeps_keys;    /* the caller looks for duplicates, and drops the keys */
  uint32_t first_key; /* of an object: where its keys start in `keys` */
} JsonFrame;

typedef struct JsonWalk {
  Scanner scanner;
  Findings *findings;
  uint32_t base;      /* the text's offset in the file */
  uint32_t max_depth; /* at most JSON_FRAMES */
  bool any_number;    /* numbers may be of any size, as long as they fit a double */
  bool cut_short;     /* the text is known to end early: its end is no finding */
  bool in_string;     /* what is wrong is inside a string */
  Span *keys;         /* of the objects that the walk is in, those of inner ones behind */
  uint32_t key_count;
  uint64_t key_capacity;
  JsonFrame frames[JSON_FRAMES];
  uint32_t depth;
  NameTable duplicates; /* while json_walk_next_duplicate() is at work */
  uint32_t duplicate_at;
} JsonWalk;

/* Releases what the walk holds; the text is the caller's. */
void json_walk_clear(JsonWalk *walk);

/*
** Each of these takes something and returns true; or it reports what is wrong there, or notes that
** memory has run out, and returns false. Then json_walk_recover() may find a place to go on from.
*/

/* '{' or '['. The caller has seen that it is there. */
bool json_walk_enter(JsonWalk *walk);

/* Moves to the next member of the object that the walk is in, past its key and ':'. When there is
** none, *more is false and the walk is outside of it. */
bool json_walk_next_key(JsonWalk *walk, Span *key, bool *more);

/* Moves to the next value of the array that the walk is in; likewise. */
bool json_walk_next_item(JsonWalk *walk, bool *more);

/* A value of any kind, with all that is in it. */
bool json_walk_value(JsonWalk *walk);

/* The same for a value of the wrong kind, which is reported: what was expected, what was found. */
bool json_walk_wrong_value(JsonWalk *walk, LintCode code, const char *expected);

/* A string, of which the caller has seen the quote. */
bool json_walk_string(JsonWalk *walk, Span *span);

typedef enum JsonNumber {
  NUMBER_UNSIGNED,    /* an integer from 0 to 2^63-1 */
  NUMBER_UNSIGNED_64, /* from 2^63 to 2^64-1 */
  NUMBER_NEGATIVE,    /* from -2^63 to -1 */
  NUMBER_REAL,
  NUMBER_LARGE_INTEGER, /* beyond those */
  NUMBER_BEYOND_DOUBLE, /* integer or real */
  NUMBER_NEGATIVE_ZERO  /* the integer -0, a real number to some readers */
} JsonNumber;

/* A number, not judged; the caller has seen its sign or first digit. *value is set on
** NUMBER_UNSIGNED. */
bool json_walk_number(JsonWalk *walk, JsonNumber *kind, uint64_t *value);

/* After a failure: skips to where the walk, at that depth again, can go on with
** json_walk_next_key() or json_walk_next_item(). False when the text ends before, or memory has run
** out. */
bool json_walk_recover(JsonWalk *walk, uint32_t depth);

/* The next non-space byte, or 0 at the end. */
char json_walk_peek(JsonWalk *walk);

/* Reports a fault at `at` in the text. */
#define json_walk_report(walk, code, at, ...) \
  findings_add((walk)->findings, (code), (uint64_t)(walk)->base + (at), __VA_ARGS__)

/* Reports that the text is not JSON where the walk is. Returns false. */
bool json_walk_not_json(JsonWalk *walk, const char *expected);

/*
** Duplicates among the keys from number `first` on, one at a time: *duplicate is the number of a
** key that came before, as *earlier, or *duplicate is the number of keys when there are no more.
** False when memory has run out. No key may be added meanwhile.
*/
bool json_walk_next_duplicate(JsonWalk *walk, uint32_t first, uint32_t *duplicate,
                              uint32_t *earlier);

/* Reports key number `duplicate`. */
void json_walk_report_duplicate(JsonWalk *walk, uint32_t duplicate, uint32_t earlier);

/* Drops the keys from number `first` on. */
void json_walk_drop_keys(JsonWalk *walk, uint32_t first);

#endif
