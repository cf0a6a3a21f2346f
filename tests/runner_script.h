/*
** Part of runner.c: a script and its records, how failures are reported, and memory for all of it.
** The memory is C's own, as SQLite's is what the scripts measure.
*/
#ifndef TESTS_RUNNER_SCRIPT_H
#define TESTS_RUNNER_SCRIPT_H

#include <regex.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRINTED_VALUES = 60 };

static const char white_space[] = " \t\r\v\f";

typedef struct Options {
  const char *extension, *fixtures, *corpus;
  bool verbose;
} Options;

typedef struct Tally {
  size_t passed, failed, skipped_by_condition, skipped_without_corpus;
} Tally;

/* Strings that the list owns. */
typedef struct List {
  char **items;
  size_t count, capacity;
} List;

typedef struct Line {
  char *text; /* "" if blank */
  size_t number;
} Line;

typedef struct Label {
  char *name, *hash;
  size_t line; /* of the record that came first */
} Label;

typedef enum Sort { SORT_NONE, SORT_ROWS, SORT_VALUES } Sort;

/* A statement or a query. */
typedef struct Record {
  size_t line;
  bool is_query, left_out, needs_corpus, must_fail, has_expression;
  const char *types, *label; /* "" if there are none */
  Sort sort;
  char *sql;
  char *pattern; /* what the error message has to match, and the same compiled */
  regex_t expression;
  List expected;
} Record;

typedef struct Script {
  const char *path;
  const Options *options;
  char *text; /* the file; the lines point into it */
  Line *lines;
  size_t line_count;
  sqlite3 *database;
  char *folder; /* ${TMP} */
  uint64_t hash_threshold;
  Label *labels;
  size_t label_count;
  bool ended; /* by halt, or by an error in the script */
  Tally tally;
} Script;

/* ---- Memory ---- */

static void *checked(void *block) {
  if (block != NULL) return block;
  fputs("runner: out of memory\n", stderr);
  exit(EXIT_FAILURE);
}

static char *copy_text(const char *text) {
  return checked(strdup(text));
}

__attribute__((format(printf, 1, 2))) static char *format_text(const char *format, ...) {
  char *text = NULL;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  return checked(length < 0 ? NULL : text);
}

/* The list takes ownership of the item. */
static void list_append(List *list, char *item) {
  if (list->count == list->capacity) {
    list->capacity = list->capacity * 2 + 8;
    list->items = checked(reallocarray(list->items, list->capacity, sizeof *list->items));
  }
  list->items[list->count++] = item;
}

static void list_clear(List *list) {
  for (size_t i = 0; i < list->count; i++) free(list->items[i]);
  free(list->items);
  *list = (List){0};
}

/* ---- Text ---- */

/* A byte that a result shows as it is; others are "@". */
static bool is_printable(char byte) {
  return byte >= ' ' && byte <= '~';
}

/* ---- Reports ---- */

/* Counts a failure and says what is wrong, at a line of the script, or with 0 at none. */
__attribute__((format(printf, 3, 4))) static bool script_fail(Script *script, size_t line,
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

static void print_sql(const Record *record) {
  puts("  SQL:");
  print_indented(record->sql);
}

static void print_values(const char *title, const List *list, size_t from) {
  size_t end = list->count - from > PRINTED_VALUES ? from + PRINTED_VALUES : list->count;
  printf("  %s (%zu):\n", title, list->count);
  if (from > 0) printf("    ... %zu before this one\n", from);
  for (size_t i = from; i < end; i++) print_indented(list->items[i]);
  if (end < list->count) printf("    ... %zu more\n", list->count - end);
}

#endif
