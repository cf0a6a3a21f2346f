/*
** The numbers of JSON (RFC 8259, section 6). The grammar has no limits, but programs do: what one
** program reads as an integer, another rounds to a double or rejects. The reader therefore
** classifies each number, and the caller decides which kinds it accepts.
*/
#ifndef SAFETENSORS_JSON_JSON_NUMBER_H
#define SAFETENSORS_JSON_JSON_NUMBER_H

#include "json/json_cursor.h"

typedef enum JsonNumber {
  JSON_NUMBER_UNSIGNED,    /* an integer from 0 to 2^63-1 */
  JSON_NUMBER_UNSIGNED_64, /* from 2^63 to 2^64-1 */
  JSON_NUMBER_NEGATIVE,    /* from -2^63 to -1 */
  JSON_NUMBER_REAL,
  JSON_NUMBER_LARGE_INTEGER, /* an integer outside these ranges */
  JSON_NUMBER_BEYOND_DOUBLE, /* an integer or real that rounds to infinity */
  JSON_NUMBER_NEGATIVE_ZERO  /* the integer -0, which is a real number to some readers */
} JsonNumber;

/* Takes a number. Returns NULL, or a description of what was expected at the position that the
** cursor has then. Sets *value for JSON_NUMBER_UNSIGNED. */
const char *json_number_take(JsonCursor *cursor, JsonNumber *kind, uint64_t *value);

/* The double that is nearest to a number as json_number_take() takes it, in any locale; an infinity
** beyond the range of doubles. */
double json_number_real(const char *text, uint32_t length);

#endif
