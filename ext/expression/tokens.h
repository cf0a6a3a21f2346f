/*
** The scalars in the text of an expression: JSON's strings and numbers, of which some stand for
** integers and some for doubles. What does not fit is raised as "expected X, found Y".
*/
#ifndef SAFETENSORS_EXPRESSION_TOKENS_H
#define SAFETENSORS_EXPRESSION_TOKENS_H

#include "base/error.h"
#include "json/json_cursor.h"

/* A position in a text, which must be valid UTF-8, and changes: strings are decoded in place. */
typedef struct Tokens {
  JsonCursor cursor;
  const char *subject; /* of errors */
  Error *error;
} Tokens;

/* Raises that something else was expected at the cursor. Returns false. */
bool tokens_refuse(Tokens *tokens, const char *expected);

/* The same, for a value: if one of another kind begins at the cursor, the error says which. */
bool tokens_refuse_value(Tokens *tokens, const char *expected);

/* Skips white space, and takes that byte. */
bool tokens_take(Tokens *tokens, char byte, const char *expected);

/* Takes a string; `expected` says what it is for. It is then followed by a NUL. */
bool tokens_take_text(Tokens *tokens, const char *expected, Span *span);

/* The length of the object that a text begins with, by its brackets and quotes alone; 0 if it does
** not end. What is between the brackets may be anything, but whoever reads it as JSON finds its end
** at the same place, or no JSON. */
uint64_t tokens_object_length(const char *text, uint64_t length);

/* Takes an object, as it stands. */
bool tokens_take_object(Tokens *tokens, Span *span);

/* Takes an integer of 64 bits. */
bool tokens_take_integer(Tokens *tokens, int64_t *value);

/* Takes a number, or the string "inf" or "-inf". */
bool tokens_take_number(Tokens *tokens, double *value);

/* Whether a number begins at the cursor, behind white space. */
bool tokens_is_number(Tokens *tokens);

/* Whether a text is "inf" or "-inf", and which. */
bool tokens_is_infinity(const char *text, uint64_t length, double *value);

#endif
