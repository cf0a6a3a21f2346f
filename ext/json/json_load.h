/*
** Loading a JSON document with jansson, in spite of two defects of its version 2.14: when the
** buffer of its lexer cannot grow, it drops a byte and continues; and it reports some failures to
** allocate memory as syntax errors. Meant for small, nested texts; json/json_walk.h reads headers
** and indexes.
*/
#ifndef SAFETENSORS_JSON_JSON_LOAD_H
#define SAFETENSORS_JSON_JSON_LOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* A text that consists of one object, with optional white space around it. Must be zeroed before
** use. */
typedef struct JsonDocument {
  json_t *root;            /* belongs to the caller, who releases it with json_decref() */
  bool integers_are_reals; /* an integer in the text exceeds 64 bits, so all were loaded as reals */
  uint64_t depth;          /* the number of levels of objects and arrays */
} JsonDocument;

/* Loads a document. Even if loading fails, document->root belongs to the caller. */
bool json_load_document(const char *text, uint64_t length, const char *subject,
                        JsonDocument *document, Error *error);

/* Returns the type of a value in words for a message, or "none" for NULL. */
const char *json_type_in_words(const json_t *value);

#endif
