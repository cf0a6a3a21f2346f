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

extern const char white_space[];

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

/* A text that grows. */
typedef struct Text {
  char *bytes; /* NUL-terminated, or NULL as long as there are none */
  size_t length, capacity;
} Text;

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
  char *directory; /* ${TMP} */
  uint64_t hash_threshold;
  Label *labels;
  size_t label_count;
  bool ended; /* by halt, or by an error in the script */
  Tally tally;
} Script;

/* ---- Memory ---- */

void *checked(void *block);

char *copy_text(const char *text);

__attribute__((format(printf, 1, 2))) char *format_text(const char *format, ...);

/* The list takes ownership of the item. */
void list_append(List *list, char *item);

void list_clear(List *list);

void text_append(Text *text, char byte);

/* ---- Text ---- */

/* A byte that a result shows as it is; others are "@". */
bool is_printable(char byte);

/* ---- Reports ---- */

/* Counts a failure and says what is wrong, at a line of the script, or with 0 at none. */
__attribute__((format(printf, 3, 4))) bool script_fail(Script *script, size_t line,
                                                       const char *format, ...);

void print_sql(const Record *record);

void print_values(const char *title, const List *list, size_t from);

#endif
