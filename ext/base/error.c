#include "base/error.h"

#include <string.h>

#include "base/memory.h"
#include "base/program.h"
#include "base/sqlite.h"
#include "base/utf8.h"

enum {
  ERROR_CLIP_LENGTH = 120,
  ERROR_SUBJECT_LENGTH = 4096 /* the longest path that Linux opens */
};

/* Makes the text UTF-8: a byte that does not belong to UTF-8 is written as '%' and two digits,
** as base/path_text.h writes those of paths. Takes `text` over; *place moves with the byte that
** it is the place of. NULL when memory runs out. */
static char *error_make_utf8(char *text, size_t *place) {
  size_t length = strlen(text), valid = utf8_valid_length(text, length), at = 0;
  if (valid == length) return text;
  sqlite3_str *out = sqlite3_str_new(NULL);
  size_t wanted = *place;
  while (at < length) {
    if (at <= wanted && wanted < at + valid) *place = (size_t)sqlite3_str_length(out) + wanted - at;
    sqlite3_str_append(out, text + at, (int)valid);
    at += valid;
    if (at == length) break;
    if (at == wanted) *place = (size_t)sqlite3_str_length(out);
    sqlite3_str_appendf(out, "%%%02X", text[at++] & 0xff);
    valid = utf8_valid_length(text + at, length - at);
  }
  memory_free(text);
  bool failed = sqlite3_str_errcode(out) != SQLITE_OK;
  char *result = sqlite3_str_finish(out);
  if (!failed) return result;
  memory_free(result);
  return NULL;
}

/* Replaces C0, DEL and C1. In UTF-8 the latter are two bytes, 0xc2 0x80 to 0xc2 0x9f. Returns
** the new place of the byte at `place`. */
static size_t error_replace_control_characters(char *text, size_t place) {
  char *out = text, *placed = text + place;
  for (const char *in = text; *in != '\0'; in++) {
    unsigned char byte = (unsigned char)in[0], next = (unsigned char)in[1];
    bool two_bytes = byte == 0xc2 && next >= 0x80 && next < 0xa0;
    if (in == text + place) placed = out;
    *out++ = (char)(byte < 0x20 || byte == 0x7f || two_bytes ? '?' : in[0]);
    in += two_bytes;
  }
  *out = '\0';
  return (size_t)(placed - text);
}

/* Releases `text` and returns what it has built; *place moves with the byte that it is the place
** of. NULL when memory runs out. */
static char *error_finish(sqlite3_str *text, size_t *place) {
  bool failed = sqlite3_str_errcode(text) != SQLITE_OK;
  char *message = sqlite3_str_finish(text);
  if (failed || message == NULL) {
    memory_free(message);
    return NULL;
  }
  message = error_make_utf8(message, place);
  if (message == NULL) return NULL;
  *place = error_replace_control_characters(message, *place);
  return message;
}

char *error_text(const char *format, va_list arguments) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  size_t start = 0;
  sqlite3_str_vappendf(text, format, arguments);
  return error_finish(text, &start);
}

static void error_append_subject(sqlite3_str *text, const char *subject) {
  size_t length = strlen(subject);
  if (length <= ERROR_SUBJECT_LENGTH) {
    sqlite3_str_appendf(text, "%s: %s: ", program.name, subject);
  } else {
    sqlite3_str_appendf(text, "%s: %.*s...: ", program.name, ERROR_NAME(subject, length));
  }
}

static void error_fill_arguments(Error *error, ErrorCode code, const TensorName *about,
                                 const char *format, va_list arguments) {
  if (error->code != ERROR_NONE) return;
  sqlite3_str *text = sqlite3_str_new(NULL);
  error_append_subject(text, about->subject);
  size_t detail = (size_t)sqlite3_str_length(text);
  if (about->name != NULL) {
    sqlite3_str_appendf(text, "tensor \"%.*s\": ", ERROR_NAME(about->name, about->name_length));
  }
  sqlite3_str_vappendf(text, format, arguments);
  char *message = error_finish(text, &detail);
  if (message == NULL) {
    error_memory(error);
    return;
  }
  *error = (Error){.code = code, .message = message, .detail = detail};
}

void error_fill(Error *error, ErrorCode code, const char *subject, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  error_fill_arguments(error, code, &(TensorName){.subject = subject}, format, arguments);
  va_end(arguments);
}

void error_fill_tensor(Error *error, ErrorCode code, const TensorName *about, const char *format,
                       ...) {
  va_list arguments;
  va_start(arguments, format);
  error_fill_arguments(error, code, about, format, arguments);
  va_end(arguments);
}

void error_fill_memory(Error *error) {
  uint64_t size = memory_take_refused();
  if (size > MEMORY_MAX) {
    error_fill(error, ERROR_TOO_BIG, "memory",
               "expected to need at most %llu bytes at once, found %llu",
               (unsigned long long)MEMORY_MAX, (unsigned long long)size);
  } else if (size > 0) {
    error_fill(error, ERROR_RESOURCE, "memory",
               "expected %llu bytes more, found that they cannot be had", (unsigned long long)size);
  } else if (error->code == ERROR_NONE) {
    error->code = ERROR_MEMORY;
  }
}

/* What a caller may conclude from the kind of an error. The kinds that are missing have no
** trait. */
enum {
  ERROR_TRAIT_FATAL = 1,  /* nothing can go on */
  ERROR_TRAIT_SYSTEM = 2, /* the system or the host failed, whatever the file is like */
  ERROR_TRAIT_FILE = 4,   /* the file cannot be read */
  ERROR_TRAIT_ABSENT = 8  /* the path does not lead to a file that can be opened */
};

static const unsigned char error_traits[ERROR_CODE_COUNT] = {
    [ERROR_MEMORY] = ERROR_TRAIT_FATAL | ERROR_TRAIT_SYSTEM,
    [ERROR_INTERRUPT] = ERROR_TRAIT_FATAL | ERROR_TRAIT_SYSTEM,
    [ERROR_RESOURCE] = ERROR_TRAIT_SYSTEM,
    [ERROR_IO] = ERROR_TRAIT_SYSTEM | ERROR_TRAIT_FILE,
    [ERROR_MISSING] = ERROR_TRAIT_FILE | ERROR_TRAIT_ABSENT,
    [ERROR_UNOPENED] = ERROR_TRAIT_FILE | ERROR_TRAIT_ABSENT,
    [ERROR_DENIED] = ERROR_TRAIT_FILE,
    [ERROR_INVALID] = ERROR_TRAIT_FILE,
};

static bool error_has_trait(ErrorCode code, unsigned trait) {
  return (error_traits[code] & trait) != 0;
}

bool error_is_fatal(ErrorCode code) {
  return error_has_trait(code, ERROR_TRAIT_FATAL);
}

bool error_is_of_system(ErrorCode code) {
  return error_has_trait(code, ERROR_TRAIT_SYSTEM);
}

bool error_is_of_file(ErrorCode code) {
  return error_has_trait(code, ERROR_TRAIT_FILE);
}

bool error_is_absence(ErrorCode code) {
  return error_has_trait(code, ERROR_TRAIT_ABSENT);
}

char *error_take(Error *error) {
  char *message = error->message;
  *error = (Error){0};
  return message;
}

bool error_repeat(Error *error, const Error *from) {
  if (error->code != ERROR_NONE) return false;
  if (from->message != NULL) {
    error->message = memory_copy_text(from->message, strlen(from->message));
    if (error->message == NULL) return error_memory(error);
    error->detail = from->detail;
  }
  error->code = from->code;
  return false;
}

bool error_within(Error *error, const TensorName *about) {
  if (error->message == NULL) return false;
  Error inner = *error;
  const char *message = inner.message + strlen(program.name) + strlen(": ");
  size_t length = strlen(about->subject);
  bool repeats = strncmp(message, about->subject, length) == 0 && message[length] == ':';
  *error = (Error){0};
  error_fill_tensor(error, inner.code, about, "%s", message + (repeats ? length + 2 : 0));
  error_clear(&inner);
  return false;
}

bool error_forgive(Error *error, Error *problem) {
  return error_forgive_if(!error_is_fatal(problem->code), error, problem);
}

bool error_forgive_if(bool forgivable, Error *error, Error *problem) {
  if (!forgivable) error_repeat(error, problem);
  error_clear(problem);
  return forgivable;
}

void error_clear(Error *error) {
  memory_free(error_take(error));
}

int error_clip(const char *text, uint64_t length) {
  if (length <= ERROR_CLIP_LENGTH) return (int)length;
  int clip = ERROR_CLIP_LENGTH;
  while (clip > 0 && ((unsigned char)text[clip] & 0xc0) == 0x80) clip--;
  return clip;
}
