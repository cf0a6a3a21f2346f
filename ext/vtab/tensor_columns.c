#include "vtab/tensor_columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/result.h"
#include "format/ref.h"
#include "format/tensor_name.h"

void column_layer(sqlite3_context *context, const char *name, uint64_t length) {
  const char *digits;
  uint64_t digits_length;
  if (!tensor_name_layer(name, length, &digits, &digits_length)) return;
  sqlite3_int64 value = 0;
  for (uint64_t i = 0; i < digits_length; i++) {
    if (__builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, digits[i] - '0', &value)) {
      sqlite3_result_double(context, strtod(digits, NULL));
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
  uint64_t written = tensor_name_pattern(name, length, pattern);
  sqlite3_result_text64(context, pattern, written, memory_free, SQLITE_UTF8);
}

void column_ref(sqlite3_context *context, const Member *member, const char *name, uint64_t length) {
  if (member->path == NULL) return; /* a BLOB has no path to refer to */
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  ref_append(out, member->path, strlen(member->path), NULL, 0, name, length);
  result_string(context, out);
}
