#include "sql/late.h"

#include <string.h>

#include "base/memory.h"

void late_plan(sqlite3_index_info *info, int argument_column, int count) {
  sqlite3_uint64 arguments = (((sqlite3_uint64)1 << count) - 1) << argument_column;
  if ((info->colUsed & ~arguments) == 0) info->idxNum |= LATE_PLAN_NO_COLUMNS;
}

void late_clear(Late *late) {
  memory_free(late->message);
  *late = (Late){0};
}

/* ---- Whether there is a LEFT JOIN ---- */

static bool late_is_letter(char byte) {
  char lower = (char)(byte | 0x20);
  return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
}

static bool late_has_left(const char *sql) {
  for (const char *at = sql; *at != '\0'; at++) {
    if ((*at | 0x20) == 'l' && sqlite3_strnicmp(at, "left", 4) == 0 && !late_is_letter(at[4]) &&
        (at == sql || !late_is_letter(at[-1]))) {
      return true;
    }
  }
  return false;
}

/* A view may hide the LEFT JOIN. Views of other schemas cannot use these tables. */
static bool late_view_has_left(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  bool found = false;
  const char *sql = "SELECT 1 FROM sqlite_temp_schema WHERE type = 'view' AND sql LIKE '%left%'";
  if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
    found = sqlite3_step(statement) == SQLITE_ROW;
  }
  sqlite3_finalize(statement);
  return found;
}

/* Whether a running statement may have a LEFT JOIN. SQLite does not inform a virtual table which
** join it is part of. */
static bool late_may_be_left_join(sqlite3 *db) {
  sqlite3_stmt *statement = sqlite3_next_stmt(db, NULL);
  for (; statement != NULL; statement = sqlite3_next_stmt(db, statement)) {
    const char *sql = sqlite3_stmt_busy(statement) ? sqlite3_sql(statement) : NULL;
    if (sql != NULL && late_has_left(sql)) return true;
  }
  return late_view_has_left(db);
}

/* ---- The row ---- */

static bool late_is_of_file(int code) {
  return code == result_code(ERROR_MISSING) || code == result_code(ERROR_DENIED) ||
         code == result_code(ERROR_INVALID);
}

static int late_raise(const Late *late, sqlite3_vtab *table) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = sqlite3_mprintf("%s", late->message);
  return late->code;
}

int late_filter(Late *late, sqlite3_vtab *table, sqlite3 *db, Session *session, int plan,
                int code) {
  late_clear(late);
  if (!late_is_of_file(code)) return code;
  bool skip = session_settings(session)->errors == ERRORS_SKIP;
  if (!skip && !late_may_be_left_join(db)) return code;
  if (skip) {
    sqlite3_free(table->zErrMsg);
  } else {
    *late = (Late){.at_row = true,
                   .unused = (plan & LATE_PLAN_NO_COLUMNS) != 0,
                   .code = code,
                   .message = table->zErrMsg,
                   .asked = *session_asked(session)};
  }
  table->zErrMsg = NULL;
  return SQLITE_OK;
}

int late_next(Late *late, sqlite3_vtab *table, Session *session) {
  late->at_row = false;
  if (late->unused && late->asked == *session_asked(session)) return late_raise(late, table);
  return SQLITE_OK;
}

int late_column(const Late *late, sqlite3_context *context) {
  sqlite3_result_error(context, late->message, -1);
  sqlite3_result_error_code(context, late->code);
  return SQLITE_OK;
}

int late_rowid(const Late *late, sqlite3_vtab *table) {
  return late_raise(late, table);
}
