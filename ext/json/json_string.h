/*
** JSON strings (RFC 8259, section 7). They are decoded in place, because a decoded string is never
** longer than its JSON text. jansson does not do this: its lexer (2.14) drops a byte and can write
** past its buffer when the buffer cannot grow, and it needs several times the memory of a string,
** which may have 90 MB here.
*/
#ifndef SAFETENSORS_JSON_JSON_STRING_H
#define SAFETENSORS_JSON_JSON_STRING_H

#include <stdint.h>

#include "base/span.h"
#include "base/sqlite.h"
#include "json/json_cursor.h"

/* Decodes the string whose opening quote is text[*at], and moves *at behind its closing quote. The
** text must be valid UTF-8. Returns NULL, or a description of what was expected at *at, which is
** then the position of the error. */
const char *json_string_decode(char *text, uint32_t length, uint32_t *at, Span *span);

/* Skips white space, and takes a string, which is decoded. Returns NULL, or a description of what
** was expected at the position that the cursor has then. */
const char *json_string_take(JsonCursor *cursor, Span *span);

/* Moves behind the string whose opening quote the cursor is at, without decoding it, and sets *raw
** to the text between its quotes. Lone surrogates are allowed. Returns NULL, or a description of
** what was expected at the position of the error, to which the cursor has moved. */
const char *json_string_skip(JsonCursor *cursor, Span *raw);

/* Appends a string in UTF-8 as JSON, with quotes. As in serde_json, the JSON library of the
** reference implementation, only quotes, backslashes and characters below U+0020 are escaped. */
void json_string_append(sqlite3_str *out, const char *text, uint64_t length);

#endif
