#include "program/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "program/keep.h"

static const char *message_name = "safetensors-sql";

void message_set_program(const char *path) {
  if (path == NULL) return;
  path = path_name(path);
  size_t length = strlen(path);
  if (length > 4 && strcmp(path + length - 4, ".exe") == 0) length -= 4;
  if (length > 0) message_name = keep_text(path, length);
}

const char *message_program(void) {
  return message_name;
}

/* In a single call of the C library, so that lines of several programs do not mix. */
static void message_write(const char *begin, const char *text) {
  char *line = keep_format("%s%s", begin, text);
  for (char *at = line; *at != '\0'; at++) {
    if ((unsigned char)*at < ' ' || *at == 0x7f) *at = '?';
  }
  fflush(stdout);
  fprintf(stderr, "%s\n", line);
}

void message(const char *verb, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = keep(length < 0 ? 1 : (size_t)length + 1);
  va_start(arguments, format);
  if (length >= 0) vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  message_write(
      keep_format("%s%s%s: ", message_name, verb != NULL ? " " : "", verb != NULL ? verb : ""),
      text);
}

void message_alone(const char *text) {
  message_write("", text);
}
