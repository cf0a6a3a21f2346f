#include "model/ref.h"

#include <string.h>

#include "func/functions.h"
#include "sql/result.h"

/* Reads a text argument of tensor_ref. A path must not contain a NUL. */
static bool ref_take_text(sqlite3_value *value, const char *what, bool allow_nul, const char **text,
                          uint64_t *length, Error *error) {
  int type = sqlite3_value_type(value);
  if (type == SQLITE_BLOB) {
    return error_raise(error, ERROR_ARGUMENT, "tensor_ref", "expected %s as TEXT, found a BLOB",
                       what);
  }
  *text = (const char *)sqlite3_value_text(value);
  *length = (uint64_t)sqlite3_value_bytes(value);
  if (*text == NULL) return error_memory(error);
  if (!allow_nul && memchr(*text, '\0', (size_t)*length) != NULL) {
    return error_raise(error, ERROR_ARGUMENT, "tensor_ref", "expected %s without NUL characters",
                       what);
  }
  return true;
}

/*
** tensor_ref(path, name [, slice]) -> TEXT
**
** The ref PATH#NAME, or PATH?slice=SLICE#NAME, with '%', '?' and '#' in the path escaped. Opens
** nothing: whether the tensor exists shows when the ref is used. NULL for NULL.
*/
void function_tensor_ref(sqlite3_context *context, int argc, sqlite3_value **argv) {
  const char *path;
  Ref ref = {0};
  Error error = {0};
  for (int i = 0; i < argc; i++) {
    if (sqlite3_value_type(argv[i]) == SQLITE_NULL) return;
  }
  if (!ref_take_text(argv[0], "a path", false, &path, &ref.path_length, &error) ||
      !ref_take_text(argv[1], "a name", true, &ref.name, &ref.name_length, &error) ||
      (argc > 2 &&
       !ref_take_text(argv[2], "a slice", false, &ref.slice, &ref.slice_length, &error))) {
    result_error(context, &error);
    return;
  }
  if (ref.slice != NULL && memchr(ref.slice, '#', (size_t)ref.slice_length) != NULL) {
    error_fill(&error, ERROR_ARGUMENT, "tensor_ref", "expected a slice, found \"%.*s\"",
               ERROR_NAME(ref.slice, ref.slice_length));
    result_error(context, &error);
    return;
  }
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  ref.path = path;
  ref_append(out, &ref);
  result_string(context, out);
}
