#include "sql/verdict.h"

#include <string.h>

#define VERDICT_SUBJECT "safetensors_print"

static const char *const verdict_levels[VERDICT_LEVELS] = {"ok", "warning", "error", "skipped"};

bool verdict_fails(sqlite3 *db, int code, Error *error) {
  if (code == SQLITE_NOMEM) return error_memory(error);
  ErrorCode kind = code == SQLITE_INTERRUPT ? ERROR_INTERRUPT
                   : code == SQLITE_TOOBIG  ? ERROR_TOO_BIG
                                            : ERROR_ARGUMENT;
  return error_raise(error, kind, VERDICT_SUBJECT, "%s", sqlite3_errmsg(db));
}

sqlite3_stmt *verdict_rows(sqlite3 *db, const char *table, Error *error) {
  sqlite3_stmt *rows = NULL;
  char *sql = sqlite3_mprintf("SELECT level, rule, file, tensor, message FROM temp.\"%w\"", table);
  if (sql == NULL) {
    error_memory(error);
    return NULL;
  }
  int code = sqlite3_prepare_v2(db, sql, -1, &rows, NULL);
  sqlite3_free(sql);
  if (code == SQLITE_ERROR) {
    error_fill(error, ERROR_ARGUMENT, VERDICT_SUBJECT,
               "expected a table with the columns rule, level, file, tensor and message, found "
               "\"%s\": %s",
               table, sqlite3_errmsg(db));
  } else if (code != SQLITE_OK) {
    verdict_fails(db, code, error);
  }
  return rows;
}

static bool verdict_text(sqlite3_stmt *rows, int column, VerdictText *text, Error *error) {
  *text = (VerdictText){0};
  if (sqlite3_column_type(rows, column) == SQLITE_NULL) return true;
  text->text = (const char *)sqlite3_column_text(rows, column);
  text->length = sqlite3_column_bytes(rows, column);
  return text->text != NULL || error_memory(error);
}

static bool verdict_level(const VerdictText *text, VerdictLevel *level, Error *error) {
  for (int i = 0; i < VERDICT_LEVELS; i++) {
    if (text->text == NULL || strcmp(text->text, verdict_levels[i]) != 0) continue;
    *level = (VerdictLevel)i;
    return true;
  }
  return error_raise(error, ERROR_ARGUMENT, VERDICT_SUBJECT,
                     "expected ok, warning, error or skipped as level, found %s%.*s%s",
                     text->text == NULL ? "NULL" : "\"",
                     ERROR_NAME(text->text, (uint64_t)text->length),
                     text->text == NULL ? "" : "\"");
}

bool verdict_next(sqlite3_stmt *rows, Verdict *verdict, bool *more, Error *error) {
  int code = sqlite3_step(rows);
  VerdictText level;
  *more = code == SQLITE_ROW;
  if (code == SQLITE_DONE) return true;
  if (code != SQLITE_ROW) return verdict_fails(sqlite3_db_handle(rows), code, error);
  return verdict_text(rows, 0, &level, error) && verdict_level(&level, &verdict->level, error) &&
         verdict_text(rows, 1, &verdict->rule, error) &&
         (verdict->rule.text != NULL ||
          error_raise(error, ERROR_ARGUMENT, VERDICT_SUBJECT, "expected a rule, found NULL")) &&
         verdict_text(rows, 2, &verdict->file, error) &&
         verdict_text(rows, 3, &verdict->tensor, error) &&
         verdict_text(rows, 4, &verdict->message, error);
}
