#include "format/ref.h"

#include <string.h>

#include "base/result.h"
#include "func/functions.h"

/* Text arguments of tensor_ref: no NUL may get into a path. */
static bool take_text(sqlite3_value *value, const char *what, bool allow_nul, const char **text,
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
** The ref PATH#NAME or PATH?slice=SLICE#NAME, with '%', '?' and '#' of the path encoded. Opens
** nothing: whether there is such a tensor shows when the ref is used.
*/
void function_tensor_ref(sqlite3_context *context, int argc, sqlite3_value **argv) {
  const char *path, *name, *slice = NULL;
  uint64_t path_length, name_length, slice_length = 0;
  Error error = {0};
  for (int i = 0; i < argc; i++) {
    if (sqlite3_value_type(argv[i]) == SQLITE_NULL) return;
  }
  if (!take_text(argv[0], "a path", false, &path, &path_length, &error) ||
      !take_text(argv[1], "a name", true, &name, &name_length, &error) ||
      (argc > 2 && !take_text(argv[2], "a slice", false, &slice, &slice_length, &error))) {
    result_error(context, &error);
    return;
  }
  if (slice != NULL && memchr(slice, '#', (size_t)slice_length) != NULL) {
    error_fill(&error, ERROR_ARGUMENT, "tensor_ref", "expected a slice, found \"%.*s\"",
               ERROR_NAME(slice, slice_length));
    result_error(context, &error);
    return;
  }
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  ref_append(out, path, path_length, slice, slice_length, name, name_length);
  result_string(context, out);
}
