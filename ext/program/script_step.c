#include "program/script_step.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "program/keep.h"

/* Whether the text has only white space and comments that end in it. */
static bool script_step_is_blank(const char *at, const char *end) {
  while (at < end) {
    if (strchr(" \t\r\n\f", *at) != NULL) {
      at++;
    } else if (end - at >= 2 && memcmp(at, "--", 2) == 0) {
      at = memchr(at, '\n', (size_t)(end - at));
      if (at == NULL) return true;
    } else {
      return false;
    }
  }
  return true;
}

static char *script_step_copy(const char *begin, const char *end) {
  size_t length = (size_t)(end - begin);
  char *copy = keep_checked(malloc(length + 1));
  memcpy(copy, begin, length);
  copy[length] = '\0';
  return copy;
}

/* Whether the lines up to `end` are whole statements. Only a line with a semicolon can end one. */
static bool script_step_is_complete(const char *begin, const char *line, const char *end) {
  if (memchr(line, ';', (size_t)(end - line)) == NULL) return false;
  char *text = script_step_copy(begin, end);
  bool complete = sqlite3_complete(text) != 0;
  free(text);
  return complete;
}

bool script_step_next(ScriptReader *reader, ScriptStep *step) {
  const char *begin = reader->at;
  while (reader->at < reader->end) {
    const char *line = reader->at;
    const char *end = memchr(line, '\n', (size_t)(reader->end - line));
    reader->at = end != NULL ? end + 1 : reader->end;
    if (end == NULL) end = reader->end;
    bool blank = script_step_is_blank(begin, line);
    if (blank && *line == '.') {
      if (end > line && end[-1] == '\r') end--;
      *step = (ScriptStep){.text = script_step_copy(line, end), .is_command = true};
      return true;
    }
    if (script_step_is_complete(begin, line, end)) {
      *step = (ScriptStep){.text = script_step_copy(begin, end)};
      return true;
    }
  }
  if (script_step_is_blank(begin, reader->end)) return false;
  *step = (ScriptStep){.text = script_step_copy(begin, reader->end)};
  return true;
}
