/*
** Names for people to read: what control characters and a long common beginning become in them.
*/
#include "base/label.h"

#include <string.h>

#include "base/memory.h"
#include "func/functions.h"
#include "sql/result.h"

/*
** safetensors_label(name) -> TEXT
** safetensors_label(name, common) -> TEXT
**
** A text from a file, as it may be shown on a terminal. Control characters and the like are escaped;
** a beginning that is `common`, and longer than 3 characters, is "..."; so is the middle of a label that
** is longer than 200 characters. NULL for NULL; a common beginning that is NULL is none.
*/
void function_safetensors_label(sqlite3_context *context, int argc, sqlite3_value **argv) {
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  const char *name = (const char *)sqlite3_value_text(argv[0]);
  uint64_t length = (uint64_t)sqlite3_value_bytes(argv[0]), common_length = 0;
  const char *common = "";
  bool has_common = argc > 1 && sqlite3_value_type(argv[1]) != SQLITE_NULL;
  if (has_common) {
    common = (const char *)sqlite3_value_text(argv[1]);
    common_length = (uint64_t)sqlite3_value_bytes(argv[1]);
  }
  if (name == NULL || common == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  sqlite3_str *out = sqlite3_str_new(NULL);
  int code = label_append_name(out, name, length, common, common_length);
  result_string_or(context, out, code);
}

/*
** safetensors_wrap(name, text) -> TEXT
**
** The name on a line of its own, and below it the text in lines of at most 80 characters, which end at a
** space where they can. All lines of the text are indented, but for its first if the name is ''. Without
** lines for a name or text that is NULL or ''; NULL if there is no line.
*/
void function_safetensors_wrap(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  const char *name = (const char *)sqlite3_value_text(argv[0]);
  const char *text = (const char *)sqlite3_value_text(argv[1]);
  uint64_t name_length = (uint64_t)sqlite3_value_bytes(argv[0]);
  uint64_t text_length = (uint64_t)sqlite3_value_bytes(argv[1]);
  bool lacks_name = name == NULL && sqlite3_value_type(argv[0]) != SQLITE_NULL;
  if (lacks_name || (text == NULL && sqlite3_value_type(argv[1]) != SQLITE_NULL)) {
    sqlite3_result_error_nomem(context);
    return;
  }
  if (name_length + text_length == 0) return;
  sqlite3_str *out = sqlite3_str_new(NULL);
  if (name_length > 0) sqlite3_str_append(out, name, (int)name_length);
  const char *indent = name_length > 0 ? "\n  " : name == NULL ? "  " : "";
  label_append_lines(out, text, text_length, indent);
  result_string(context, out);
}

/* The beginning that all rows so far share. */
typedef struct LabelCommon {
  char *name; /* the first row's; NULL before it */
  uint64_t length;
} LabelCommon;

/*
** safetensors_common(name) -> TEXT
**
** The beginning that all names share, up to and with its last '.' or '/', else ''. Rows with NULL are
** left out.
*/
void aggregate_common_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  LabelCommon *common = sqlite3_aggregate_context(context, (int)sizeof *common);
  const char *name = (const char *)sqlite3_value_text(argv[0]);
  uint64_t length = (uint64_t)sqlite3_value_bytes(argv[0]);
  if (common != NULL && name != NULL && common->name == NULL) {
    common->length = label_common_length(name, length, name, length);
    common->name = memory_copy_text(name, common->length);
  }
  if (common == NULL || name == NULL || common->name == NULL) {
    sqlite3_result_error_nomem(context);
    return;
  }
  common->length = label_common_length(common->name, common->length, name, length);
}

void aggregate_common_final(sqlite3_context *context) {
  LabelCommon *common = sqlite3_aggregate_context(context, 0);
  if (common == NULL || common->name == NULL) {
    sqlite3_result_text(context, "", 0, SQLITE_STATIC);
    return;
  }
  sqlite3_result_text(context, common->name, (int)common->length, SQLITE_TRANSIENT);
  memory_free(common->name);
  common->name = NULL;
}
