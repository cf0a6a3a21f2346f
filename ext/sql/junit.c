#include "sql/junit.h"

#include <string.h>

#include "base/label.h"

/* Counts of a table, by level. */
typedef struct JunitCounts {
  sqlite3_int64 of[VERDICT_LEVELS], all;
} JunitCounts;

static const char *junit_escape(uint32_t character, char buffer[LABEL_ESCAPE_SIZE]) {
  if (character > 0x7f || character == 0 || strchr("<>&\"", (int)character) == NULL) {
    return label_escape(character, buffer);
  }
  return sqlite3_snprintf(LABEL_ESCAPE_SIZE, buffer, "&#%u;", character);
}

/* A text between tags, or in the double quotes of an attribute; nothing if there is none. */
static void junit_text(sqlite3_str *out, VerdictText text) {
  if (text.text == NULL) return;
  label_append_escaped(out, text.text, (uint64_t)text.length, junit_escape);
}

static bool junit_count(sqlite3 *db, const char *table, JunitCounts *counts, Error *error) {
  sqlite3_stmt *rows = verdict_rows(db, table, error);
  Verdict verdict;
  bool more = rows != NULL, good = more;
  while (good && more) {
    good = verdict_next(rows, &verdict, &more, error);
    if (good && more) counts->of[verdict.level]++, counts->all++;
  }
  sqlite3_finalize(rows);
  return good;
}

/* The message, or the rule if there is none. */
static void junit_message(sqlite3_str *out, const Verdict *verdict) {
  junit_text(out, verdict->message.text != NULL ? verdict->message : verdict->rule);
}

/* Servers take tests of one class and name for the same, so the name has the tensor. */
static void junit_case(sqlite3_str *out, const Verdict *verdict, VerdictText table) {
  sqlite3_str_appendall(out, "    <testcase classname=\"");
  junit_text(out, verdict->file.text != NULL ? verdict->file : table);
  sqlite3_str_appendall(out, "\" name=\"");
  junit_text(out, verdict->rule);
  if (verdict->tensor.text != NULL) sqlite3_str_appendall(out, ": ");
  junit_text(out, verdict->tensor);
  if (verdict->level == VERDICT_OK) {
    sqlite3_str_appendall(out, "\"/>\n");
  } else if (verdict->level == VERDICT_ERROR) {
    sqlite3_str_appendall(out, "\">\n      <failure type=\"error\" message=\"");
    junit_message(out, verdict);
    sqlite3_str_appendall(out, "\"/>\n    </testcase>\n");
  } else if (verdict->level == VERDICT_SKIPPED) {
    sqlite3_str_appendall(out, "\">\n      <skipped message=\"");
    junit_message(out, verdict);
    sqlite3_str_appendall(out, "\"/>\n    </testcase>\n");
  } else {
    sqlite3_str_appendall(out, "\">\n      <system-out>warning: ");
    junit_message(out, verdict);
    sqlite3_str_appendall(out, "</system-out>\n    </testcase>\n");
  }
}

static void junit_head(sqlite3_str *out, const JunitCounts *counts, VerdictText table) {
  sqlite3_str_appendall(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"");
  junit_text(out, table);
  sqlite3_str_appendf(out,
                      "\" tests=\"%lld\" failures=\"%lld\" errors=\"0\">\n  <testsuite name=\"",
                      counts->all, counts->of[VERDICT_ERROR]);
  junit_text(out, table);
  sqlite3_str_appendf(out, "\" tests=\"%lld\" failures=\"%lld\" errors=\"0\" skipped=\"%lld\">\n",
                      counts->all, counts->of[VERDICT_ERROR], counts->of[VERDICT_SKIPPED]);
}

bool junit_print(sqlite3 *db, sqlite3_str *out, const char *table, Error *error) {
  VerdictText name = {table, (int)strlen(table)};
  JunitCounts counts = {0};
  if (!junit_count(db, table, &counts, error)) return false;
  sqlite3_stmt *rows = verdict_rows(db, table, error);
  Verdict verdict;
  bool more = rows != NULL, good = more;
  junit_head(out, &counts, name);
  while (good && more && sqlite3_str_errcode(out) == SQLITE_OK) {
    good = verdict_next(rows, &verdict, &more, error);
    if (good && more) junit_case(out, &verdict, name);
  }
  sqlite3_finalize(rows);
  sqlite3_str_appendall(out, "  </testsuite>\n</testsuites>\n");
  return good;
}
