#include "runner/result.h"

#include <md5.h>

enum { PRINTED_BEFORE_DIFFERENCE = 10 };

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
  } else if (result->error == NULL && record->is_query && columns != strlen(record->types)) {
    script_fail(script, record->line, "columns: expected %zu (%s), got %zu", strlen(record->types),
                record->types, columns);
  } else {
    run = true;
    if (result->error == NULL) run_statement(statement, record->types, result);
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

static bool is_hashed(const Script *script, uint64_t count) {
  return script->hash_threshold > 0 && count > script->hash_threshold;
}

/* "N values hashing to MD5" */
static bool is_hash(const char *text) {
  static const char middle[] = " values hashing to ";
  text += strspn(text, "0123456789");
  if (strncmp(text, middle, strlen(middle)) != 0) return false;
  text += strlen(middle);
  return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

char *hash_expected(const Script *script, const List *expected) {
  if (expected->count == 1 && is_hash(expected->items[0]) &&
      is_hashed(script, strtoull(expected->items[0], NULL, 10))) {
    return copy_text(expected->items[0]);
  }
  return hash_values(expected);
}

bool check_label(Script *script, const Record *record, char *hash) {
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

bool run_record(Script *script, const Record *record) {
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
