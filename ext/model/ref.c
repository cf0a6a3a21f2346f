#include "model/ref.h"

#include <limits.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

static const char ref_slice_key[] = "slice=", ref_damaged[] = "damaged=1";
enum {
  REF_SLICE_KEY_LENGTH = sizeof ref_slice_key - 1,
  REF_DAMAGED_LENGTH = sizeof ref_damaged - 1
};

/* The character that the escape at `text` stands for, or 0 if it is none of the four. The escape
** of a byte that is not UTF-8 stays as it is; base/path_text.h decodes it. */
static char ref_decode_escape(const char *text, uint64_t left, uint64_t *length) {
  static const char digits[] = "89ABCDEF01234567";
  *length = 3;
  if (left < 3) return 0;
  if (text[1] == '2' && text[2] == '5') return '%';
  if (text[1] == '2' && text[2] == '3') return '#';
  if (text[1] == '3' && (text[2] == 'F' || text[2] == 'f')) return '?';
  if (text[1] == '7' && (text[2] == 'B' || text[2] == 'b')) return '{';
  bool is_byte = memchr(digits, text[1], 8) != NULL && memchr(digits, text[2], 16) != NULL;
  *length = 1;
  return is_byte ? '%' : 0;
}

/* The parsing functions return NULL, or a message that says what is wrong. */
static const char *ref_decode_path(const char *text, uint64_t length, char *path,
                                   uint64_t *path_length) {
  for (uint64_t i = 0; i < length; i++) {
    char byte = text[i];
    if (byte == '%') {
      uint64_t escape_length;
      byte = ref_decode_escape(text + i, length - i, &escape_length);
      if (byte == 0) {
        return "expected %25, %3F, %23 or %7B in the path, found another '%'; tensor_ref(path, "
               "name) writes them";
      }
      i += escape_length - 1;
    }
    if (byte == '\0') return "expected a path without NUL characters";
    path[(*path_length)++] = byte;
  }
  path[*path_length] = '\0';
  return NULL;
}

/* The part after the path: slice=SLICE, damaged=1, or both with '&' between them. */
static const char *ref_take_query(const char *text, uint64_t length, Ref *ref) {
  static const char problem[] =
      "expected '?slice=' in the ref, found another '?'; in a path it is written "
      "%3F";
  for (const char *end = text + length, *part = text; part <= end;) {
    const char *and = memchr(part, '&', (size_t)(end - part));
    uint64_t part_length = (uint64_t)((and != NULL ? and : end) - part);
    if (part_length >= REF_SLICE_KEY_LENGTH && ref->slice == NULL &&
        memcmp(part, ref_slice_key, REF_SLICE_KEY_LENGTH) == 0) {
      ref->slice = part + REF_SLICE_KEY_LENGTH;
      ref->slice_length = part_length - REF_SLICE_KEY_LENGTH;
    } else if (part_length == REF_DAMAGED_LENGTH && !ref->damaged &&
               memcmp(part, ref_damaged, REF_DAMAGED_LENGTH) == 0) {
      ref->damaged = true;
    } else {
      return problem;
    }
    part += part_length + 1;
  }
  return NULL;
}

static const char *ref_split(const char *text, uint64_t length, Ref *ref, uint64_t *path_length) {
  const char *hash = memchr(text, '#', (size_t)length);
  if (hash == NULL) {
    return "expected a ref PATH#NAME, found no '#'; tensor_ref(path, name) makes one";
  }
  *path_length = (uint64_t)(hash - text);
  ref->name = hash + 1;
  ref->name_length = length - *path_length - 1;
  const char *question = memchr(text, '?', (size_t)*path_length);
  if (question == NULL) return NULL;
  *path_length = (uint64_t)(question - text);
  return ref_take_query(question + 1, (uint64_t)(hash - question) - 1, ref);
}

bool ref_parse(const char *text, uint64_t length, Ref *ref, Error *error) {
  *ref = (Ref){0};
  uint64_t path_length = 0;
  const char *problem = ref_split(text, length, ref, &path_length);
  if (problem == NULL) {
    char *path = memory_alloc(path_length + 1);
    if (path == NULL) return error_memory(error);
    problem = ref_decode_path(text, path_length, path, &ref->path_length);
    ref->path = path;
  }
  if (problem == NULL) return true;
  ref_clear(ref);
  char subject[128];
  if (length == 0) text = "\"\"", length = 2;
  sqlite3_snprintf((int)sizeof subject, subject, "%.*s", ERROR_NAME(text, length));
  return error_raise(error, ERROR_ARGUMENT, subject, "%s", problem);
}

void ref_clear(Ref *ref) {
  memory_free((void *)ref->path);
  *ref = (Ref){0};
}

/* Needed because sqlite3_str_append() takes the length as an int. */
static void ref_append_long(sqlite3_str *out, const char *text, uint64_t length) {
  while (length > 0) {
    int step = length < INT_MAX / 2 ? (int)length : INT_MAX / 2;
    sqlite3_str_append(out, text, step);
    text += step;
    length -= (uint64_t)step;
  }
}

static bool ref_is_escaped(char byte, bool is_first) {
  return byte == '%' || byte == '?' || byte == '#' || (byte == '{' && is_first);
}

/* A byte that is not UTF-8 is written as in base/path_text.h, and the '%' of that is escaped
** again. A text that begins with '{' would be an expression. */
static void ref_append_encoded(sqlite3_str *out, const char *path, uint64_t length) {
  uint64_t valid = utf8_valid_length(path, length);
  for (uint64_t i = 0, start = 0; i <= length; i++) {
    if (i > valid) valid = i + utf8_valid_length(path + i, length - i);
    bool is_stray = i == valid && i < length;
    if (i < length && !is_stray && !ref_is_escaped(path[i], i == 0)) continue;
    ref_append_long(out, path + start, i - start);
    if (i < length) sqlite3_str_appendf(out, is_stray ? "%%25%02X" : "%%%02X", path[i] & 0xff);
    start = i + 1;
  }
}

void ref_append(sqlite3_str *out, const Ref *ref) {
  ref_append_encoded(out, ref->path, ref->path_length);
  if (ref->damaged) sqlite3_str_appendf(out, "?%s", ref_damaged);
  if (ref->slice != NULL) {
    sqlite3_str_appendf(out, "%c%s", ref->damaged ? '&' : '?', ref_slice_key);
    ref_append_long(out, ref->slice, ref->slice_length);
  }
  sqlite3_str_appendchar(out, 1, '#');
  ref_append_long(out, ref->name, ref->name_length);
}
