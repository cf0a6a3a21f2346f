#include "program/printed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "program/message.h"
#include "program/system.h"

static FILE *printed_file; /* NULL: stdout */
static const char *printed_path;
static bool printed_in_colour;

static bool printed_wants_colour(void) {
  const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
  if (no != NULL && *no != '\0') return false;
  if (terminal != NULL && strcmp(terminal, "dumb") == 0) return false;
  return system_stdout_is_terminal();
}

bool printed_open(const char *path) {
  if (path == NULL || strcmp(path, "-") == 0) {
    printed_in_colour = printed_wants_colour();
    return true;
  }
  printed_file = system_open_to_write(path);
  printed_path = path;
  if (printed_file != NULL) return true;
  message(NULL, "%s: it cannot be written: %s", path, strerror(errno));
  return false;
}

FILE *printed_stream(void) {
  return printed_file != NULL ? printed_file : stdout;
}

/* The colour of a line by how it begins, or NULL. */
static const char *printed_colour(const char *line) {
  static const struct {
    const char *begin, *colour;
  } colours[] = {{"== ", "\033[1m"}, {"error:", "\033[1;31m"}, {"warning:", "\033[1;33m"}};
  for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
    if (strncmp(line, colours[i].begin, strlen(colours[i].begin)) == 0) return colours[i].colour;
  }
  return NULL;
}

void printed_text(const char *text) {
  FILE *file = printed_stream();
  while (*text != '\0') {
    size_t length = strcspn(text, "\n");
    const char *colour = printed_in_colour ? printed_colour(text) : NULL;
    if (colour != NULL) fputs(colour, file);
    fwrite(text, 1, length, file);
    if (colour != NULL) fputs("\033[0m", file);
    text += length;
    if (*text == '\n') fputc(*text++, file);
  }
}

bool printed_close(void) {
  FILE *file = printed_stream();
  errno = 0;
  bool good = fflush(file) == 0 && !ferror(file);
  if (printed_file != NULL) good = fclose(file) == 0 && good;
  if (good) return true;
  message(NULL, "%s: it cannot be written%s%s", printed_file != NULL ? printed_path : "stdout",
          errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
  return false;
}
