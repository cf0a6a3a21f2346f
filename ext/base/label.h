/*
** Texts from files, as they may be shown: on a terminal, or in a document for people. What could control
** a terminal, or make a line read differently from what it is, is written as an escape: \n, \x1b, \u202e.
*/
#ifndef SAFETENSORS_BASE_LABEL_H
#define SAFETENSORS_BASE_LABEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sqlite.h"

enum {
  LABEL_MAX_CHARACTERS = 200,
  LABEL_MAX_COMMON = 3,
  LABEL_ESCAPE_SIZE = 16,
  LABEL_MAX_LINE = 80
};

/* Whether a character is shown by an escape: control characters, those that turn the direction of
** writing, separators of lines, characters that have no width, and those that Unicode never assigns. */
bool label_is_hidden(uint32_t character);

/* What stands for a character in a text, or for a byte that is not UTF-8 (base/utf8.h), perhaps in `buffer`;
** NULL: itself. */
typedef const char *LabelEscape(uint32_t character, char buffer[LABEL_ESCAPE_SIZE]);

/* That of labels: \n, \x1b, \u202e for what is hidden, and \xHH for a byte. */
const char *label_escape(uint32_t character, char buffer[LABEL_ESCAPE_SIZE]);

/* Appends a text in which `escape` says what stands for each character. */
void label_append_escaped(sqlite3_str *out, const char *text, uint64_t length, LabelEscape *escape);

/* Appends a name. Of one that begins with `common`, longer than LABEL_MAX_COMMON characters, that part
** becomes "..."; of a label longer than LABEL_MAX_CHARACTERS its middle does. Returns a result code. */
int label_append_name(sqlite3_str *out, const char *name, uint64_t length, const char *common,
                      uint64_t common_length);

/* Appends a text as lines of at most LABEL_MAX_LINE characters, which end at a space where they can: the first
** after `indent`, the others, each on a new line, after two spaces. */
void label_append_lines(sqlite3_str *out, const char *text, uint64_t length, const char *indent);

/* The length of the beginning that two texts share, up to and with its last '.' or '/', else 0. */
uint64_t label_common_length(const char *a, uint64_t a_length, const char *b, uint64_t b_length);

#endif
