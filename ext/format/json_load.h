/*
** jansson, with two of its habits made good: when the buffer of its lexer cannot grow, version 2.14
** drops a byte and goes on; and it calls some failures to allocate syntax errors.
*/
#ifndef SAFETENSORS_FORMAT_JSON_LOAD_H
#define SAFETENSORS_FORMAT_JSON_LOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* How many levels objects and arrays may nest: serde_json, by which the reference implementation
** reads, refuses the 128th. */
enum { JSON_MAX_DEPTH = 127 };

/* What a walk over an object's text finds, without judging it. */
typedef struct JsonExtent {
  uint64_t length;         /* from the opening to the closing brace, or to the text's end */
  uint64_t longest_token;  /* at least the longest string or number, quotes included */
  uint64_t depth;          /* levels of objects and arrays, the object itself included */
  bool negative_zero;      /* the number -0 occurs: an integer to jansson, a float to others */
  bool integers_are_reals; /* for the caller to set: load integers as reals, of any size */
} JsonExtent;

/* `text` starts with the object's opening brace. */
JsonExtent json_measure(const char *text, uint64_t left);

typedef enum JsonLoadResult { JSON_LOADED, JSON_WRONG, JSON_NO_MEMORY } JsonLoadResult;

/* Loads the object of that extent, refusing duplicate keys and NUL in keys; NUL in values is kept.
** On JSON_LOADED the caller owns *object; on JSON_WRONG, problem->text and problem->position tell
** what is wrong and where, counted from `text`. */
JsonLoadResult json_load_object(const char *text, const JsonExtent *extent, json_t **object,
                                json_error_t *problem);

/* A text that is one object, with white space around it. Starts as {0}. */
typedef struct JsonDocument {
  json_t *root;            /* the owner's, who calls json_decref() */
  bool integers_are_reals; /* one in it is beyond 64 bits */
} JsonDocument;

/* Loads a document. On error, too, the caller owns document->root. */
bool json_load_document(const char *text, uint64_t length, const char *subject,
                        JsonDocument *document, Error *error);

/* What a value is, in words for a message; "none" for NULL. */
const char *json_type_in_words(const json_t *value);

#endif
