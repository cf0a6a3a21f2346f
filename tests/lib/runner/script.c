#include "runner/script.h"

enum { PRINTED_VALUES = 60 };

const char white_space[] = " \t\r\v\f";

/* ---- Memory ---- */

void *checked(void *block) {
  if (block != NULL) return block;
  fputs("runner: out of memory\n", stderr);
  exit(EXIT_FAILURE);
}

char *copy_text(const char *text) {
  return checked(strdup(text));
}

__attribute__((format(printf, 1, 2))) char *format_text(const char *format, ...) {
  char *text = NULL;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  return checked(length < 0 ? NULL : text);
}

void list_append(List *list, char *item) {
  if (list->count == list->capacity) {
    list->capacity = list->capacity * 2 + 8;
    list->items = checked(reallocarray(list->items, list->capacity, sizeof *list->items));
  }
  list->items[list->count++] = item;
}

void list_clear(List *list) {
  for (size_t i = 0; i < list->count; i++) free(list->items[i]);
  free(list->items);
  *list = (List){0};
}

void text_append(Text *text, char byte) {
  if (text->length + 2 > text->capacity) {
    text->capacity = text->capacity * 2 + 64;
    text->bytes = checked(realloc(text->bytes, text->capacity));
  }
  text->bytes[text->length++] = byte;
  text->bytes[text->length] = '\0';
}

/* ---- Text ---- */

bool is_printable(char byte) {
  return byte >= ' ' && byte <= '~';
}

/* ---- Reports ---- */

__attribute__((format(printf, 3, 4))) bool script_fail(Script *script, size_t line,
                                                       const char *format, ...) {
  script->tally.failed++;
  printf("%s:", script->path);
  if (line > 0) printf("%zu:", line);
  putchar(' ');
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  return false;
}

static void print_indented(const char *text) {
  for (;;) {
    size_t length = strcspn(text, "\n");
    fputs("    ", stdout);
    fwrite(text, 1, length, stdout);
    putchar('\n');
    if (text[length] == '\0') return;
    text += length + 1;
  }
}

void print_sql(const Record *record) {
  puts("  SQL:");
  print_indented(record->sql);
}

void print_values(const char *title, const List *list, size_t from) {
  size_t end = list->count - from > PRINTED_VALUES ? from + PRINTED_VALUES : list->count;
  printf("  %s (%zu):\n", title, list->count);
  if (from > 0) printf("    ... %zu before this one\n", from);
  for (size_t i = from; i < end; i++) print_indented(list->items[i]);
  if (end < list->count) printf("    ... %zu more\n", list->count - end);
}
