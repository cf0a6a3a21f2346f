#include "sql/result.h"

#include <string.h>

#include "base/memory.h"
#include "base/path_text.h"
#include "base/utf8.h"

/* SQLITE_IOERR is not among these and SQLITE_FULL only for xSync: like SQLITE_NOMEM and
** SQLITE_INTERRUPT, they make SQLite roll back the whole transaction. Plain SQLITE_CORRUPT means
** that the database itself is damaged, and SQLite then refuses to write for the rest of the
** transaction. SQLITE_CORRUPT_VTAB, which is meant for what a virtual table reads, has no such
** effect. */
static const int result_codes[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = SQLITE_OK,
    [ERROR_MEMORY] = SQLITE_NOMEM,
    [ERROR_RESOURCE] = SQLITE_ERROR,
    [ERROR_MISSING] = SQLITE_CANTOPEN,
    [ERROR_UNOPENED] = SQLITE_CANTOPEN,
    [ERROR_DENIED] = SQLITE_PERM,
    [ERROR_READ_ONLY] = SQLITE_READONLY,
    [ERROR_INVALID] = SQLITE_CORRUPT_VTAB,
    [ERROR_CHANGED] = SQLITE_ERROR,
    [ERROR_IO] = SQLITE_ERROR,
    [ERROR_FULL] = SQLITE_ERROR, /* SQLITE_FULL from xSync */
    [ERROR_EXISTS] = SQLITE_CONSTRAINT,
    [ERROR_SNAPSHOT] = SQLITE_BUSY_SNAPSHOT,
    [ERROR_BUSY] = SQLITE_BUSY,
    [ERROR_UNIQUE] = SQLITE_CONSTRAINT_UNIQUE,
    [ERROR_NOT_NULL] = SQLITE_CONSTRAINT_NOTNULL,
    [ERROR_ARGUMENT] = SQLITE_ERROR,
    [ERROR_INTERRUPT] = SQLITE_INTERRUPT,
    [ERROR_TOO_BIG] = SQLITE_TOOBIG,
};

int result_code(ErrorCode code) {
  return result_codes[code];
}

void result_error(sqlite3_context *context, Error *error) {
  if (error->code == ERROR_MEMORY) {
    sqlite3_result_error_nomem(context);
  } else {
    int code = result_code(error->code);
    sqlite3_result_error(context, error->message, -1);
    sqlite3_result_error_code(context, code);
  }
  error_clear(error);
}

int result_vtab_error(sqlite3_vtab *table, Error *error) {
  int code = result_code(error->code);
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = error_take(error);
  return code;
}

int result_vtab_memory(sqlite3_vtab *table) {
  Error error = {0};
  error_memory(&error);
  return result_vtab_error(table, &error);
}

void result_uint64(sqlite3_context *context, uint64_t value) {
  sqlite3_result_int64(context, (sqlite3_int64)value);
}

static void result_escaped(sqlite3_context *context, const char *path, uint64_t length) {
  char *text = path_text_escape(path, length);
  if (text == NULL) {
    sqlite3_result_error_nomem(context);
  } else {
    sqlite3_result_text(context, text, -1, memory_free);
  }
}

void result_path(sqlite3_context *context, const char *path) {
  size_t length = strlen(path);
  if (path_text_is_plain(path, length)) {
    sqlite3_result_text64(context, path, length, SQLITE_TRANSIENT, SQLITE_UTF8);
  } else {
    result_escaped(context, path, length);
  }
}

void result_argument(sqlite3_context *context, sqlite3_value *argument) {
  if (sqlite3_value_type(argument) == SQLITE_TEXT) {
    const char *text = (const char *)sqlite3_value_text(argument);
    uint64_t length = (uint64_t)sqlite3_value_bytes(argument);
    if (text != NULL && utf8_valid_length(text, length) != length) {
      result_escaped(context, text, length);
      return;
    }
  }
  sqlite3_result_value(context, argument);
}

void result_string(sqlite3_context *context, sqlite3_str *out) {
  result_string_or(context, out, SQLITE_OK);
}

void result_string_or(sqlite3_context *context, sqlite3_str *out, int code) {
  if (code == SQLITE_OK) code = sqlite3_str_errcode(out);
  int length = sqlite3_str_length(out);
  char *text = sqlite3_str_finish(out); /* NULL if it is empty */
  if (code == SQLITE_OK && text != NULL) {
    sqlite3_result_text(context, text, length, sqlite3_free);
    return;
  }
  sqlite3_free(text);
  if (code == SQLITE_OK) {
    sqlite3_result_text(context, "", 0, SQLITE_STATIC);
  } else if (code == SQLITE_TOOBIG) {
    sqlite3_result_error_toobig(context);
  } else {
    sqlite3_result_error_nomem(context);
  }
}

void result_is_json(sqlite3_context *context) {
  enum { RESULT_JSON_SUBTYPE = 'J' };
  sqlite3_result_subtype(context, RESULT_JSON_SUBTYPE);
}

void result_json_text(sqlite3_context *context, const char *text) {
  sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
  result_is_json(context);
}

bool result_fits(sqlite3_context *context, const TensorName *tensor, uint64_t nbytes) {
  sqlite3 *db = sqlite3_context_db_handle(context);
  int limit = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, -1);
  if (nbytes <= (uint64_t)limit) return true;
  Error error = {0};
  error_fill_tensor(&error, ERROR_TOO_BIG, tensor,
                    "expected at most %d bytes, this connection's length limit "
                    "(SQLITE_LIMIT_LENGTH), found %llu; take it in parts, "
                    "by slices such as '0:1000'",
                    limit, (unsigned long long)nbytes);
  result_error(context, &error);
  return false;
}
