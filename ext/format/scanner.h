/*
** One pass over a header's JSON, an entry at a time. What is plain (keys in any order, JSON
** whitespace anywhere, strings without escapes, plain integers) is taken here; every entry that is
** not goes, that one alone, to jansson, which stays the authority: where the scanner accepts,
** jansson accepts with the same result.
**
** The text must be valid UTF-8. It is changed in place: escaped strings are replaced by what they
** mean and shapes lose their spaces, neither of which ever gets longer.
*/
#ifndef SAFETENSORS_FORMAT_SCANNER_H
#define SAFETENSORS_FORMAT_SCANNER_H

#include "format/header.h"

typedef struct Scanner {
  char *text;
  uint32_t length, at;
  const char *subject; /* for messages */
  Dtype last_dtype;    /* neighbours mostly share it */
} Scanner;

void scanner_skip_space(Scanner *scanner);

/* Skips JSON whitespace, then says whether the next byte is `byte`; takes it if so. */
bool scanner_take(Scanner *scanner, char byte);

/* Takes a string, decoded. Returns NULL, or what was expected where the scanner then is. */
const char *scanner_take_string(Scanner *scanner, Span *span);

/* The same, raising an error. */
bool scanner_string(Scanner *scanner, Span *span, Error *error);

/* Takes the value of a tensor's key, of which the name is already known. */
bool scanner_entry(Scanner *scanner, TensorEntry *entry, Error *error);

/* Takes such a value when it is plain; else takes nothing. The shape keeps its spaces. */
bool scanner_plain_entry(Scanner *scanner, TensorEntry *entry);

/* Takes `null`, if that is next. */
bool scanner_null(Scanner *scanner);

/* What kind of value is next, in words for a message, by its first byte. */
const char *scanner_next_kind(Scanner *scanner);

enum { SCANNER_FOUND_SIZE = 32 };

/* What is at the scanner, in words for a message: the text is in `buffer`, of SCANNER_FOUND_SIZE
** bytes, or lasts for ever. */
const char *scanner_found(const Scanner *scanner, char *buffer);

/* Raises "header is not JSON", telling what was expected here and what is here. */
bool scanner_expected(const Scanner *scanner, const char *what, Error *error);

#endif
