#include "sql/tensor_columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/float_environment.h"
#include "base/memory.h"
#include "base/path_text.h"
#include "base/utf8.h"
#include "model/ref.h"
#include "model/tensor_name.h"
#include "sql/result.h"

void column_name(sqlite3_context *context, const char *name, uint64_t length) {
  if (utf8_valid_length(name, length) == length) {
    sqlite3_result_text64(context, name, length, SQLITE_TRANSIENT, SQLITE_UTF8);
    return;
  }
  char *text = path_text_escape(name, length);
  if (text == NULL) {
    sqlite3_result_error_nomem(context);
  } else {
    sqlite3_result_text(context, text, -1, memory_free);
  }
}

/* Only the digits, because what follows them in the name may look like more of a number. */
static void tensor_columns_result_real(sqlite3_context *context, const char *digits,
                                       uint64_t length) {
  char *text = memory_copy_text(digits, length);
  if (text == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  FloatEnvironment host;
  float_environment_enter(&host);
  double number = strtod(text, NULL);
  float_environment_leave(&host);
  sqlite3_result_double(context, number);
  memory_free(text);
}

void column_layer(sqlite3_context *context, const char *name, uint64_t length) {
  const char *digits;
  uint64_t digits_length;
  if (!tensor_name_layer(name, length, &digits, &digits_length)) return;
  sqlite3_int64 value = 0;
  for (uint64_t i = 0; i < digits_length; i++) {
    if (__builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, digits[i] - '0', &value)) {
      tensor_columns_result_real(context, digits, digits_length);
      return;
    }
  }
  sqlite3_result_int64(context, value);
}

void column_pattern(sqlite3_context *context, const char *name, uint64_t length) {
  char *pattern = memory_alloc(length);
  if (pattern == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  uint64_t written = 0;
  Cancel cancel = {.db = sqlite3_context_db_handle(context)};
  Error error = {0};
  if (!tensor_name_pattern(name, length, pattern, &written, &cancel, &error)) {
    memory_free(pattern);
    result_error(context, &error);
    return;
  }
  sqlite3_result_text64(context, pattern, written, memory_free, SQLITE_UTF8);
}

void column_ref(sqlite3_context *context, const Member *member, const char *name, uint64_t length) {
  if (member->path == NULL) return; /* a BLOB has no path to refer to */
  const char *path = member->path;
  char *text = path_text_is_plain(path, strlen(path)) ? NULL : path_text_escape(path, strlen(path));
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  if (text != NULL) path = text;
  ref_append(out, &(Ref){.path = path,
                         .path_length = strlen(path),
                         .damaged = member->salvage != NULL,
                         .name = name,
                         .name_length = length});
  memory_free(text);
  result_string(context, out);
}
