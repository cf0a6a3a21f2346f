#include "format/ref.h"

#include <limits.h>
#include <string.h>

#include "base/memory.h"

static const char slice_key[] = "slice=";
enum { SLICE_KEY_LENGTH = sizeof slice_key - 1 };

/* The character that the escape at `text` stands for, or 0 when it is none of the three. */
static char decode_escape(const char *text, uint64_t left) {
  if (left < 3) return 0;
  if (text[1] == '2' && text[2] == '5') return '%';
  if (text[1] == '2' && text[2] == '3') return '#';
  if (text[1] == '3' && (text[2] == 'F' || text[2] == 'f')) return '?';
  return 0;
}

/* The parsing functions return NULL, or what is wrong. */
static const char *decode_path(const char *text, uint64_t length, Ref *ref) {
  for (uint64_t i = 0; i < length; i++) {
    char byte = text[i];
    if (byte == '%') {
      byte = decode_escape(text + i, length - i);
      if (byte == 0) {
        return "expected %25, %3F or %23 in the path, found another '%'; tensor_ref(path, name) "
               "writes them";
      }
      i += 2;
    }
    if (byte == '\0') return "expected a path without NUL characters";
    ref->path[ref->path_length++] = byte;
  }
  ref->path[ref->path_length] = '\0';
  return NULL;
}

static const char *split(const char *text, uint64_t length, Ref *ref, uint64_t *path_length) {
  const char *hash = memchr(text, '#', (size_t)length);
  if (hash == NULL) {
    return "expected a ref PATH#NAME, found no '#'; tensor_ref(path, name) makes one";
  }
  *path_length = (uint64_t)(hash - text);
  ref->name = hash + 1;
  ref->name_length = length - *path_length - 1;
  const char *question = memchr(text, '?', (size_t)*path_length);
  if (question == NULL) return NULL;
  uint64_t query_length = (uint64_t)(hash - question) - 1;
  if (query_length < SLICE_KEY_LENGTH || memcmp(question + 1, slice_key, SLICE_KEY_LENGTH) != 0) {
    return "expected '?slice=' in the ref, found another '?'; in a path it is written %3F";
  }
  ref->slice = question + 1 + SLICE_KEY_LENGTH;
  ref->slice_length = query_length - SLICE_KEY_LENGTH;
  *path_length = (uint64_t)(question - text);
  return NULL;
}

bool ref_parse(const char *text, uint64_t length, Ref *ref, Error *error) {
  *ref = (Ref){0};
  uint64_t path_length = 0;
  const char *problem = split(text, length, ref, &path_length);
  if (problem == NULL) {
    ref->path = memory_alloc(path_length + 1);
    if (ref->path == NULL) return error_memory(error);
    problem = decode_path(text, path_length, ref);
  }
  if (problem == NULL) return true;
  ref_clear(ref);
  char subject[128];
  if (length == 0) text = "\"\"", length = 2;
  sqlite3_snprintf((int)sizeof subject, subject, "%.*s", ERROR_NAME(text, length));
  return error_raise(error, ERROR_ARGUMENT, subject, "%s", problem);
}

void ref_clear(Ref *ref) {
  memory_free(ref->path);
  *ref = (Ref){0};
}

/* sqlite3_str_append() counts in int. */
static void append_long(sqlite3_str *out, const char *text, uint64_t length) {
  while (length > 0) {
    int step = length < INT_MAX / 2 ? (int)length : INT_MAX / 2;
    sqlite3_str_append(out, text, step);
    text += step;
    length -= (uint64_t)step;
  }
}

static void append_encoded(sqlite3_str *out, const char *path, uint64_t length) {
  for (uint64_t i = 0, start = 0; i <= length; i++) {
    if (i < length && strchr("%?#", path[i]) == NULL) continue;
    append_long(out, path + start, i - start);
    if (i < length) sqlite3_str_appendf(out, "%%%02X", path[i]);
    start = i + 1;
  }
}

void ref_append(sqlite3_str *out, const char *path, uint64_t path_length, const char *slice,
                uint64_t slice_length, const char *name, uint64_t name_length) {
  append_encoded(out, path, path_length);
  if (slice != NULL) {
    sqlite3_str_appendall(out, "?slice=");
    append_long(out, slice, slice_length);
  }
  sqlite3_str_appendchar(out, 1, '#');
  append_long(out, name, name_length);
}
