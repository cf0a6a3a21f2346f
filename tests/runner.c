/*
** runner: runs sqllogictest scripts against SQLite and says whether every record holds.
**
**     runner [--extension FILE] [--fixtures DIR] [--corpus DIR] [-v] script...
**
**     --extension FILE   load this extension into every connection
**     --fixtures DIR     what ${FIXTURES} stands for
**     --corpus DIR       what ${CORPUS} stands for
**     -v                 also print a line for each record that passed or was skipped
**
** The exit code is 0 if all passed, 1 if anything failed, and 2 for a bad command line. The last
** line of output is "N passed, N failed". It counts statements and queries, and for each script one
** memory check; control records and skipped records are not in it.
**
** THE FORMAT is that of https://sqlite.org/sqllogictest (validation mode only), read strictly. A
** script is a list of records, separated by blank lines; white space alone is blank. Lines that
** begin with "#" are taken out before anything else, so no line of a result can begin with one.
**
**     statement ok|error                    hash-threshold N
**     SQL                                   halt
**
**     query TYPES [nosort|rowsort|valuesort [LABEL]]
**     SQL
**     ----
**     one value per line; none, and then no "----" either, for an empty result
**
** Any of them may be prefixed with lines "skipif DATABASE" and "onlyif DATABASE"; the database here
** is sqlite, in any case, and further words on such a line are ignored. A skipped query with a
** label has its expected result checked against that label all the same.
**
** TYPES has one letter per column: T text, I integer, R floating point with three decimals. A value
** is converted to the type of its column. NULL is "NULL", an empty text "(empty)"; a text ends at
** its first NUL byte, and each byte outside 0x20..0x7e is "@". Sorting is by strcmp(). A result of
** more values than the hash-threshold (8 until set; 0 is no limit) has to be written as
** "N values hashing to MD5", of each value with a newline after it, and any other result as its
** values. All results under one LABEL have to be the same.
**
** A record holds one SQL statement; one semicolon may follow it.
**
** ADDITIONS to the format:
**
**     statement error REGEX                 query TYPES error REGEX
**     SQL                                   SQL
**
** The error message has to match REGEX, a POSIX extended regular expression up to the end of the
** line, without the white space around it. It may match any part of the message. `statement error`
** alone takes any error; a query needs the REGEX. A query may fail when it is prepared or at any
** row, and has no "----". Integers are of 64 bits.
**
** In SQL, in expected values and in REGEX, these are replaced (also within quotes, and where they
** are not known it is an error; any other "$" or "{" is left alone):
**
**     ${FIXTURES}, ${CORPUS}   the folders given on the command line
**     ${TMP}                   an empty folder, made for this script and removed after it, in
**                              $TMPDIR or /tmp
**
** In REGEX the replacement matches literally, and in an expected value it has its bytes outside
** 0x20..0x7e as "@", like the result. A record with ${CORPUS} is skipped when no corpus is given.
**
** EACH SCRIPT has its own connection to a :memory: database. A record that fails does not end the
** script; an error in the script itself does: a record that cannot be read, a second SQL statement
** in a record, or a ${NAME} that has no value. The memory check is that the connection closes with
** SQLITE_OK, and that SQLite then holds no byte more than before the connection was opened.
*/
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <md5.h>
#include <regex.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_HASH_THRESHOLD = 8, PRINTED_VALUES = 60, PRINTED_BEFORE_DIFFERENCE = 10 };

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
  size_t hash_threshold;
  Label *labels;
  size_t label_count;
  bool ended; /* by halt, or by an error in the script */
  Tally tally;
} Script;

/* ---- Memory: C's own, as SQLite's is what the scripts measure ---- */

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
    printf("    %.*s\n", (int)length, text);
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

/* ---- Substitution ---- */

typedef enum Target { TARGET_SQL, TARGET_VALUE, TARGET_PATTERN } Target;

static bool is_printable(char byte) {
  return byte >= ' ' && byte <= '~';
}

static void write_replacement(FILE *out, const char *replacement, Target target) {
  for (const char *at = replacement; *at != '\0'; at++) {
    if (target == TARGET_PATTERN && strchr(".[\\()*+?{|^$", *at) != NULL) putc('\\', out);
    putc(target == TARGET_VALUE && !is_printable(*at) ? '@' : *at, out);
  }
}

/* The length of the ${NAME} that the text begins with, or 0. */
static size_t placeholder_length(const char *text) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  if (strncmp(text, "${", 2) != 0) return 0;
  size_t length = strspn(text + 2, letters);
  return length > 0 && text[2 + length] == '}' ? length + 3 : 0;
}

static bool replace(Script *script, Record *record, const char *placeholder, size_t length,
                    FILE *out, Target target) {
  const struct {
    const char *placeholder, *value, *option;
  } known[] = {{"${FIXTURES}", script->options->fixtures, "--fixtures"},
               {"${CORPUS}", script->options->corpus, "--corpus"},
               {"${TMP}", script->folder, NULL}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strncmp(known[i].placeholder, placeholder, length) != 0) continue;
    if (known[i].value != NULL) {
      write_replacement(out, known[i].value, target);
    } else if (strcmp(known[i].option, "--corpus") == 0) {
      record->needs_corpus = true;
    } else {
      return script_fail(script, record->line, "%s has no value: %s was not given",
                         known[i].placeholder, known[i].option);
    }
    return true;
  }
  return script_fail(script, record->line, "%.*s is not known", (int)length, placeholder);
}

static bool substitute_into(FILE *out, Script *script, Record *record, const char *text,
                            Target target) {
  while (*text != '\0') {
    size_t length = placeholder_length(text);
    if (length == 0) {
      putc(*text++, out);
    } else {
      if (!replace(script, record, text, length, out, target)) return false;
      text += length;
    }
  }
  return true;
}

/* The lines, joined, with every placeholder replaced. On false the result is still to be freed. */
static bool substitute_lines(Script *script, Record *record, const Line *line, const Line *end,
                             Target target, char **result) {
  size_t size;
  FILE *out = checked(open_memstream(result, &size));
  bool substituted = true;
  for (const Line *first = line; line < end && substituted; line++) {
    if (line > first) putc('\n', out);
    substituted = substitute_into(out, script, record, line->text, target);
  }
  if (fclose(out) != 0) checked(NULL);
  return substituted;
}

/* ---- Reading a record. On false the script has an error, which has been reported. ---- */

/* Takes the first word off the text; "" if there is none. */
static char *take_word(char **rest) {
  char *word = *rest + strspn(*rest, white_space);
  char *end = word + strcspn(word, white_space);
  *rest = *end == '\0' ? end : end + 1;
  *end = '\0';
  return word;
}

static bool expect_line_end(Script *script, const Record *record, char *rest) {
  const char *word = take_word(&rest);
  if (*word == '\0') return true;
  return script_fail(script, record->line, "\"%s\" is too much on this line", word);
}

/* The rest of the line, without the white space around it; true also if that is nothing. */
static bool read_pattern(Script *script, Record *record, char *rest) {
  rest += strspn(rest, white_space);
  size_t length = strlen(rest);
  while (length > 0 && strchr(white_space, rest[length - 1]) != NULL) length--;
  rest[length] = '\0';
  if (length == 0) return true;
  const Line line = {rest, record->line};
  if (!substitute_lines(script, record, &line, &line + 1, TARGET_PATTERN, &record->pattern)) {
    return false;
  }
  int code = regcomp(&record->expression, record->pattern, REG_EXTENDED | REG_NOSUB);
  record->has_expression = code == 0;
  if (code == 0) return true;
  char message[256];
  regerror(code, &record->expression, message, sizeof message);
  return script_fail(script, record->line, "/%s/ is no regular expression: %s", record->pattern,
                     message);
}

static bool read_statement_line(Script *script, Record *record, char *rest) {
  const char *outcome = take_word(&rest);
  record->must_fail = strcmp(outcome, "error") == 0;
  if (record->must_fail) return read_pattern(script, record, rest);
  if (strcmp(outcome, "ok") == 0) return expect_line_end(script, record, rest);
  return script_fail(script, record->line, "a statement is ok or error, not \"%s\"", outcome);
}

static bool read_sort(Script *script, Record *record, const char *word) {
  static const char *const names[] = {"nosort", "rowsort", "valuesort"};
  for (int i = SORT_NONE; i <= SORT_VALUES; i++) {
    record->sort = (Sort)i;
    if (strcmp(word, names[i]) == 0) return true;
  }
  return script_fail(script, record->line, "the sort mode \"%s\" is not known", word);
}

static bool read_query_line(Script *script, Record *record, char *rest) {
  record->is_query = true;
  record->types = take_word(&rest);
  if (*record->types == '\0') return script_fail(script, record->line, "a query needs its types");
  if (record->types[strspn(record->types, "TIR")] != '\0') {
    return script_fail(script, record->line, "the types are T, I and R, not \"%s\"", record->types);
  }
  const char *word = take_word(&rest);
  record->must_fail = strcmp(word, "error") == 0;
  if (record->must_fail) {
    if (!read_pattern(script, record, rest)) return false;
    if (record->has_expression) return true;
    return script_fail(script, record->line, "a query's error needs a regular expression");
  }
  if (*word != '\0' && !read_sort(script, record, word)) return false;
  record->label = take_word(&rest);
  return expect_line_end(script, record, rest);
}

static bool read_expected(Script *script, Record *record, const Line *line, const Line *end) {
  for (; line < end; line++) {
    char *value = NULL;
    bool read = substitute_lines(script, record, line, line + 1, TARGET_VALUE, &value);
    list_append(&record->expected, value);
    if (!read) return false;
  }
  return true;
}

/* What follows the first line of a statement or query. */
static bool read_body(Script *script, Record *record, const Line *line, const Line *end) {
  const Line *separator = record->is_query ? line : end;
  while (separator < end && strcmp(separator->text, "----") != 0) separator++;
  if (separator == line) return script_fail(script, record->line, "the record has no SQL");
  if (record->must_fail && separator < end) {
    return script_fail(script, separator->number, "a query that has to fail has no result");
  }
  return substitute_lines(script, record, line, separator, TARGET_SQL, &record->sql) &&
         (separator == end || read_expected(script, record, separator + 1, end));
}

static void record_clear(Record *record) {
  if (record->has_expression) regfree(&record->expression);
  free(record->pattern);
  free(record->sql);
  list_clear(&record->expected);
}

/* ---- Running SQL ---- */

typedef struct Result {
  List values;
  char *error; /* SQLite's message; NULL if all went well */
} Result;

static char *render_text(const char *text) {
  if (*text == '\0') return copy_text("(empty)");
  char *rendered = copy_text(text);
  for (char *at = rendered; *at != '\0'; at++) {
    if (!is_printable(*at)) *at = '@';
  }
  return rendered;
}

/* NULL if SQLite has no memory for it. */
static char *render(sqlite3_stmt *statement, int column, char type) {
  if (sqlite3_column_type(statement, column) == SQLITE_NULL) return copy_text("NULL");
  if (type == 'I') {
    return format_text("%lld", (long long)sqlite3_column_int64(statement, column));
  }
  if (type == 'R') return format_text("%.3f", sqlite3_column_double(statement, column));
  const char *text = (const char *)sqlite3_column_text(statement, column);
  if (text != NULL) return render_text(text);
  bool failed = sqlite3_errcode(sqlite3_db_handle(statement)) == SQLITE_NOMEM;
  return failed ? NULL : copy_text("(empty)");
}

static void run_statement(sqlite3_stmt *statement, const char *types, Result *result) {
  int code = sqlite3_step(statement);
  for (; code == SQLITE_ROW; code = sqlite3_step(statement)) {
    for (int column = 0; types[column] != '\0'; column++) {
      char *value = render(statement, column, types[column]);
      if (value == NULL) {
        result->error = copy_text("out of memory, reading a value");
        return;
      }
      list_append(&result->values, value);
    }
  }
  if (code != SQLITE_DONE) {
    result->error = copy_text(sqlite3_errmsg(sqlite3_db_handle(statement)));
  }
}

/* The end of the first statement, for SQL that sqlite3_prepare_v2() gave up on before it got there.
** A semicolon in a string, a comment or a trigger's body is not the end. */
static const char *first_statement_end(const char *sql) {
  char *copy = copy_text(sql);
  size_t end = strlen(sql);
  for (char *at = strchr(copy, ';'); at != NULL; at = strchr(at + 1, ';')) {
    char next = at[1];
    at[1] = '\0';
    bool complete = sqlite3_complete(copy) != 0;
    at[1] = next;
    if (!complete) continue;
    end = (size_t)(at + 1 - copy);
    break;
  }
  free(copy);
  return sql + end;
}

/* White space and comments, and nothing else. */
static bool is_blank_sql(const char *sql) {
  for (;;) {
    sql += strspn(sql, " \t\n\f\r");
    if (strncmp(sql, "--", 2) == 0) {
      sql += strcspn(sql, "\n");
    } else if (strncmp(sql, "/*", 2) == 0) {
      const char *end = strstr(sql + 2, "*/");
      if (end == NULL) return true;
      sql = end + 2;
    } else {
      return *sql == '\0';
    }
  }
}

/* Runs the record's SQL. On false the failure has been reported. */
static bool run_sql(Script *script, const Record *record, Result *result) {
  sqlite3_stmt *statement = NULL;
  const char *tail = NULL;
  if (sqlite3_prepare_v2(script->database, record->sql, -1, &statement, &tail) != SQLITE_OK) {
    result->error = copy_text(sqlite3_errmsg(script->database));
    tail = first_statement_end(record->sql);
  }
  bool run = false;
  size_t columns = (size_t)sqlite3_column_count(statement);
  if (!is_blank_sql(tail) || (statement == NULL && result->error == NULL)) {
    script->ended = true;
    script_fail(script, record->line, "expected one SQL statement, found %s",
                is_blank_sql(tail) ? "none" : "more");
  } else if (statement != NULL && record->is_query && columns != strlen(record->types)) {
    script_fail(script, record->line, "expected %zu columns (%s), got %zu", strlen(record->types),
                record->types, columns);
  } else {
    run = true;
    if (statement != NULL) run_statement(statement, record->types, result);
  }
  sqlite3_finalize(statement);
  if (!run) print_sql(record);
  return run;
}

/* ---- Judging the result ---- */

static char *hash_values(const List *values) {
  MD5_CTX context;
  char digest[MD5_DIGEST_STRING_LENGTH];
  MD5Init(&context);
  for (size_t i = 0; i < values->count; i++) {
    MD5Update(&context, (const uint8_t *)values->items[i], strlen(values->items[i]));
    MD5Update(&context, (const uint8_t *)"\n", 1);
  }
  return format_text("%zu values hashing to %s", values->count, MD5End(&context, digest));
}

static bool is_hashed(const Script *script, size_t count) {
  return script->hash_threshold > 0 && count > script->hash_threshold;
}

/* The hash of a result that was not computed: the script has either its values or their hash. */
static char *hash_expected(const Script *script, const List *expected) {
  size_t count = 0;
  int length = 0;
  if (expected->count == 1 &&
      sscanf(expected->items[0], "%zu values hashing to %*32[0-9a-f]%n", &count, &length) == 1 &&
      length > 0 && expected->items[0][length] == '\0' && is_hashed(script, count)) {
    return copy_text(expected->items[0]);
  }
  return hash_values(expected);
}

/* Takes ownership of the hash. The first result under a label is the one that counts. */
static bool check_label(Script *script, const Record *record, char *hash) {
  for (size_t i = 0; i < script->label_count; i++) {
    const Label *label = &script->labels[i];
    if (strcmp(label->name, record->label) != 0) continue;
    bool same = strcmp(label->hash, hash) == 0;
    if (!same) {
      script_fail(script, record->line, "label %s: the result is not that of line %zu",
                  record->label, label->line);
      print_sql(record);
      printf("  expected:\n    %s\n  got:\n    %s\n", label->hash, hash);
    }
    free(hash);
    return same;
  }
  size_t count = script->label_count + 1;
  script->labels = checked(reallocarray(script->labels, count, sizeof *script->labels));
  script->labels[script->label_count] = (Label){copy_text(record->label), hash, record->line};
  script->label_count = count;
  return true;
}

static int compare_rows(const void *left, const void *right, void *columns) {
  char *const *left_row = left, *const *right_row = right;
  int order = 0;
  for (size_t i = 0; i < *(const size_t *)columns && order == 0; i++) {
    order = strcmp(left_row[i], right_row[i]);
  }
  return order;
}

static void sort_values(const Record *record, List *values) {
  if (record->sort == SORT_NONE || values->count == 0) return;
  size_t columns = record->sort == SORT_ROWS ? strlen(record->types) : 1;
  qsort_r(values->items, values->count / columns, columns * sizeof *values->items, compare_rows,
          &columns);
}

/* `shown` is the result as the script has to have it: the values, or their hash. */
static bool check_values(Script *script, const Record *record, const List *shown,
                         const List *values) {
  const List *expected = &record->expected;
  size_t same = 0, shorter = expected->count < shown->count ? expected->count : shown->count;
  while (same < shorter && strcmp(expected->items[same], shown->items[same]) == 0) same++;
  if (same == expected->count && same == shown->count) return true;
  script_fail(script, record->line, "wrong result, from value %zu on", same + 1);
  print_sql(record);
  size_t from = same > PRINTED_BEFORE_DIFFERENCE ? same - PRINTED_BEFORE_DIFFERENCE : 0;
  print_values("expected", expected, from);
  print_values("got", shown, from);
  if (shown != values) print_values("got, not hashed", values, 0);
  return false;
}

static bool check_result(Script *script, const Record *record, List *values) {
  sort_values(record, values);
  char *hash = hash_values(values);
  const List hashed = {&hash, 1, 1};
  const List *shown = is_hashed(script, values->count) ? &hashed : values;
  if (check_values(script, record, shown, values)) {
    if (*record->label == '\0') {
      free(hash);
      return true;
    }
    return check_label(script, record, hash);
  }
  free(hash);
  return false;
}

static bool check_error(Script *script, const Record *record, const char *message) {
  bool matches = message != NULL && (!record->has_expression ||
                                     regexec(&record->expression, message, 0, NULL, 0) == 0);
  if (matches) return true;
  script_fail(script, record->line,
              message != NULL ? "wrong error" : "expected an error, got none");
  print_sql(record);
  if (record->has_expression) printf("  expected:\n    /%s/\n", record->pattern);
  if (message != NULL) printf("  got:\n    %s\n", message);
  return false;
}

static bool run_record(Script *script, const Record *record) {
  Result result = {0};
  bool passed = run_sql(script, record, &result);
  if (passed && record->must_fail) {
    passed = check_error(script, record, result.error);
  } else if (passed && result.error != NULL) {
    passed = script_fail(script, record->line, "%s", result.error);
    print_sql(record);
  } else if (passed && record->is_query) {
    passed = check_result(script, record, &result.values);
  }
  list_clear(&result.values);
  free(result.error);
  return passed;
}

/* ---- Records in their order ---- */

static void print_verdict(const Script *script, const Record *record, const char *verdict) {
  if (script->options->verbose) printf("%s:%zu: %s\n", script->path, record->line, verdict);
}

static void judge_record(Script *script, const Record *record) {
  if (record->left_out) {
    bool labelled = *record->label != '\0' && !record->needs_corpus;
    if (labelled && !check_label(script, record, hash_expected(script, &record->expected))) return;
    script->tally.skipped_by_condition++;
    print_verdict(script, record, "skipped");
  } else if (record->needs_corpus) {
    script->tally.skipped_without_corpus++;
    print_verdict(script, record, "skipped, without ${CORPUS}");
  } else if (run_record(script, record)) {
    script->tally.passed++;
    print_verdict(script, record, "ok");
  }
}

static bool run_hash_threshold(Script *script, const Record *record, char *rest) {
  const char *number = take_word(&rest);
  if (*number == '\0' || number[strspn(number, "0123456789")] != '\0') {
    return script_fail(script, record->line, "a hash-threshold is a number, not \"%s\"", number);
  }
  if (!record->left_out) script->hash_threshold = strtoull(number, NULL, 10);
  return expect_line_end(script, record, rest);
}

/* The record at `line`, past its conditions; `word` is its first word, and `rest` follows it. */
static bool read_and_run(Script *script, Record *record, const char *word, char *rest,
                         const Line *line, const Line *end) {
  bool statement = strcmp(word, "statement") == 0, query = strcmp(word, "query") == 0;
  bool threshold = strcmp(word, "hash-threshold") == 0, halt = strcmp(word, "halt") == 0;
  if (statement || query) {
    bool read = statement ? read_statement_line(script, record, rest)
                          : read_query_line(script, record, rest);
    if (!read || !read_body(script, record, line + 1, end)) return false;
    judge_record(script, record);
    return true;
  }
  if (!threshold && !halt) return script_fail(script, line->number, "unknown record \"%s\"", word);
  if (line + 1 < end) {
    return script_fail(script, line[1].number, "expected a blank line after %s", word);
  }
  if (threshold) return run_hash_threshold(script, record, rest);
  script->ended = script->ended || !record->left_out;
  return expect_line_end(script, record, rest);
}

/* Takes the conditions in front of a record, then the record. */
static bool run_lines(Script *script, Record *record, const Line *line, const Line *end) {
  for (; line < end; line++) {
    char *rest = line->text;
    const char *word = take_word(&rest);
    bool skipif = strcmp(word, "skipif") == 0;
    record->line = line->number;
    if (!skipif && strcmp(word, "onlyif") != 0) {
      return read_and_run(script, record, word, rest, line, end);
    }
    const char *database = take_word(&rest);
    if (*database == '\0') return script_fail(script, line->number, "%s what?", word);
    if ((strcasecmp(database, "sqlite") == 0) == skipif) record->left_out = true;
  }
  return script_fail(script, record->line, "a condition, and no record");
}

static void run_all_lines(Script *script) {
  const Line *line = script->lines, *last = script->lines + script->line_count;
  while (line < last && !script->ended) {
    const Line *end = line;
    while (end < last && *end->text != '\0') end++;
    Record record = {.types = "", .label = ""};
    if (end > line && !run_lines(script, &record, line, end)) script->ended = true;
    record_clear(&record);
    line = end + (end < last);
  }
}

/* ---- A script ---- */

/* Cuts the text into lines, without comments. */
static void split_lines(Script *script) {
  size_t count = 1, number = 1;
  for (const char *at = strchr(script->text, '\n'); at != NULL; at = strchr(at + 1, '\n')) count++;
  script->lines = checked(calloc(count, sizeof *script->lines));
  for (char *at = script->text; *at != '\0'; number++) {
    size_t length = strcspn(at, "\n");
    char *next = at + length + (at[length] == '\n');
    if (length > 0 && at[length - 1] == '\r') length--;
    at[length] = '\0';
    if (at[strspn(at, white_space)] == '\0') *at = '\0';
    if (*at != '#') script->lines[script->line_count++] = (Line){at, number};
    at = next;
  }
}

static bool read_script(Script *script) {
  FILE *file = fopen(script->path, "rb");
  if (file == NULL) return script_fail(script, 0, "cannot be opened: %s", strerror(errno));
  size_t capacity = 0;
  errno = 0;
  ssize_t length = getdelim(&script->text, &capacity, '\0', file);
  bool failed = ferror(file) != 0 || (length < 0 && feof(file) == 0);
  int code = errno;
  fclose(file);
  if (failed) return script_fail(script, 0, "cannot be read: %s", strerror(code));
  if (length < 0) {
    free(script->text);
    script->text = copy_text("");
  } else if (strlen(script->text) != (size_t)length) {
    return script_fail(script, 0, "has a NUL byte, at offset %zu", strlen(script->text));
  }
  split_lines(script);
  return true;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status, (void)type, (void)walk;
  return remove(path);
}

static bool make_folder(Script *script) {
  const char *parent = getenv("TMPDIR");
  script->folder =
      format_text("%s/runner-XXXXXX", parent != NULL && *parent != '\0' ? parent : "/tmp");
  if (mkdtemp(script->folder) != NULL) return true;
  script_fail(script, 0, "cannot make the folder %s: %s", script->folder, strerror(errno));
  free(script->folder);
  script->folder = NULL;
  return false;
}

static void remove_folder(Script *script) {
  if (script->folder != NULL && nftw(script->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) {
    script_fail(script, 0, "cannot remove the folder %s: %s", script->folder, strerror(errno));
  }
  free(script->folder);
}

static bool load_extension(Script *script) {
  if (script->options->extension == NULL) return true;
  char *message = NULL;
  sqlite3_db_config(script->database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  int code = sqlite3_load_extension(script->database, script->options->extension, NULL, &message);
  sqlite3_db_config(script->database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
  if (code != SQLITE_OK) {
    script_fail(script, 0, "the extension does not load: %s",
                message != NULL ? message : sqlite3_errstr(code));
  }
  sqlite3_free(message);
  return code == SQLITE_OK;
}

/* What SQLite holds is compared with what it held before the connection, not with 0: it may keep
** something from its own start, and what an earlier script leaked is reported with that one. */
static void check_memory(Script *script, sqlite3_int64 before) {
  int code = sqlite3_close(script->database);
  if (code != SQLITE_OK) sqlite3_close_v2(script->database);
  sqlite3_int64 kept = sqlite3_memory_used() - before;
  if (code == SQLITE_OK && kept == 0) {
    script->tally.passed++;
  } else {
    script_fail(script, 0, "at the end, sqlite3_close says \"%s\" and SQLite holds %lld bytes more",
                sqlite3_errstr(code), (long long)kept);
  }
}

static void run_connection(Script *script) {
  sqlite3_int64 before = sqlite3_memory_used();
  int code = sqlite3_open(":memory:", &script->database);
  if (code != SQLITE_OK) {
    script_fail(script, 0, "no connection: %s", sqlite3_errstr(code));
  } else if (sqlite3_memory_used() == before) {
    script_fail(script, 0, "this SQLite does not count its memory");
  } else if (load_extension(script)) {
    run_all_lines(script);
  }
  check_memory(script, before);
}

static Tally run_script(const char *path, const Options *options) {
  Script script = {.path = path, .options = options, .hash_threshold = DEFAULT_HASH_THRESHOLD};
  if (read_script(&script) && make_folder(&script)) run_connection(&script);
  remove_folder(&script);
  for (size_t i = 0; i < script.label_count; i++) {
    free(script.labels[i].name);
    free(script.labels[i].hash);
  }
  free(script.labels);
  free(script.lines);
  free(script.text);
  return script.tally;
}

/* ---- The command line ---- */

static bool read_options(int argc, char **argv, Options *options) {
  static const struct option names[] = {{"extension", required_argument, NULL, 'e'},
                                        {"fixtures", required_argument, NULL, 'f'},
                                        {"corpus", required_argument, NULL, 'c'},
                                        {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "v", names, NULL)) != -1) {
    switch (option) {
      case 'e': options->extension = optarg; break;
      case 'f': options->fixtures = optarg; break;
      case 'c': options->corpus = optarg; break;
      case 'v': options->verbose = true; break;
      default: return false;
    }
  }
  return optind < argc;
}

/* One line per script, and what they sum up to. */
static bool print_summary(char **paths, const Tally *tallies, size_t count) {
  Tally total = {0};
  for (size_t i = 0; i < count; i++) {
    const Tally *tally = &tallies[i];
    size_t records = tally->passed + tally->failed;
    if (tally->failed == 0) printf("ok   %s (%zu records)\n", paths[i], records);
    if (tally->failed > 0) printf("FAIL %s (%zu of %zu)\n", paths[i], tally->failed, records);
    total.passed += tally->passed;
    total.failed += tally->failed;
    total.skipped_by_condition += tally->skipped_by_condition;
    total.skipped_without_corpus += tally->skipped_without_corpus;
  }
  if (total.skipped_by_condition > 0) {
    printf("%zu skipped: by skipif or onlyif\n", total.skipped_by_condition);
  }
  if (total.skipped_without_corpus > 0) {
    printf("%zu skipped: they need ${CORPUS}, and there is no --corpus\n",
           total.skipped_without_corpus);
  }
  printf("%zu passed, %zu failed\n", total.passed, total.failed);
  return total.failed == 0;
}

int main(int argc, char **argv) {
  Options options = {0};
  if (!read_options(argc, argv, &options)) {
    fputs("usage: runner [--extension FILE] [--fixtures DIR] [--corpus DIR] [-v] script...\n",
          stderr);
    return 2;
  }
  /* Line by line, so that a crash leaves what came before it. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 1);
  sqlite3_initialize();
  size_t count = (size_t)(argc - optind);
  Tally *tallies = checked(calloc(count, sizeof *tallies));
  for (size_t i = 0; i < count; i++) tallies[i] = run_script(argv[optind + (int)i], &options);
  bool passed = print_summary(argv + optind, tallies, count);
  free(tallies);
  sqlite3_shutdown();
  return passed && fflush(stdout) == 0 && ferror(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
