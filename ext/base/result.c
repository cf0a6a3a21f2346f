#include "base/result.h"

#include "base/memory.h"

int result_code(ErrorCode code) {
  switch (code) {
    case ERROR_NONE: return SQLITE_OK;
    case ERROR_MEMORY: return SQLITE_NOMEM;
    case ERROR_INTERRUPT: return SQLITE_INTERRUPT;
    case ERROR_TOO_BIG: return SQLITE_TOOBIG;
    default: return SQLITE_ERROR;
  }
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

void result_uint64(sqlite3_context *context, uint64_t value) {
  sqlite3_result_int64(context, (sqlite3_int64)value);
}

void result_string(sqlite3_context *context, sqlite3_str *out) {
  int code = sqlite3_str_errcode(out), length = sqlite3_str_length(out);
  char *text = sqlite3_str_finish(out);
  if (code == SQLITE_OK && text != NULL) {
    sqlite3_result_text(context, text, length, sqlite3_free);
    return;
  }
  sqlite3_free(text);
  if (code == SQLITE_TOOBIG) {
    sqlite3_result_error_toobig(context);
  } else {
    sqlite3_result_error_nomem(context);
  }
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
