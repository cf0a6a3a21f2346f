/*
** JSON strings with escapes (RFC 8259, section 7), decoded in place: what a string means is never
** longer than how it is written. Not left to jansson, whose lexer (2.14) drops a byte, and may run
** past its buffer, when that buffer cannot grow; and which takes several times the memory of what
** may be a string of 90 MB.
*/
#ifndef SAFETENSORS_FORMAT_JSON_STRING_H
#define SAFETENSORS_FORMAT_JSON_STRING_H

#include <stdint.h>

#include "base/sqlite.h"
#include "format/name_table.h"

/* Decodes the string whose opening quote is text[*at]; *at moves past the closing quote, or to the
** byte that is wrong. The text is valid UTF-8 and `length` bytes long. Returns NULL, or what was
** expected instead. */
const char *json_string_decode(char *text, uint32_t length, uint32_t *at, Span *span);

/* Appends valid UTF-8 as a JSON string, quotes included, escaped as the reference implementation's
** JSON library (serde_json) does: the quote, the backslash, and what is below U+0020. */
void json_string_append(sqlite3_str *out, const char *text, uint64_t length);

#endif
