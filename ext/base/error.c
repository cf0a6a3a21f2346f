#include "base/error.h"

#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"

enum {
  CLIP_LENGTH = 120,
  SUBJECT_LENGTH = 4096 /* the longest path that Linux opens */
};

#define PREFIX "safetensors: "

/* C0, DEL and C1; the latter are two bytes in UTF-8, 0xc2 0x80 to 0xc2 0x9f. Returns where the byte
** at `place` is then. */
static size_t replace_control_characters(char *text, size_t place) {
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

/* The text built in `text`, which this releases; *place, in it, moves with its byte. NULL when memory
** runs out. */
static char *finish(sqlite3_str *text, size_t *place) {
  bool failed = sqlite3_str_errcode(text) != SQLITE_OK;
  char *message = sqlite3_str_finish(text);
  if (failed || message == NULL) {
    memory_free(message);
    return NULL;
  }
  *place = replace_control_characters(message, *place);
  return message;
}

char *error_text(const char *format, va_list arguments) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  size_t start = 0;
  sqlite3_str_vappendf(text, format, arguments);
  return finish(text, &start);
}

static void append_subject(sqlite3_str *text, const char *subject) {
  size_t length = strlen(subject);
  if (length <= SUBJECT_LENGTH) {
    sqlite3_str_appendf(text, PREFIX "%s: ", subject);
  } else {
    sqlite3_str_appendf(text, PREFIX "%.*s...: ", ERROR_NAME(subject, length));
  }
}

static void fill(Error *error, ErrorCode code, const TensorName *about, const char *format,
                 va_list arguments) {
  if (error->code != ERROR_NONE) return;
  sqlite3_str *text = sqlite3_str_new(NULL);
  append_subject(text, about->subject);
  size_t detail = (size_t)sqlite3_str_length(text);
  if (about->name != NULL) {
    sqlite3_str_appendf(text, "tensor \"%.*s\": ", ERROR_NAME(about->name, about->name_length));
  }
  sqlite3_str_vappendf(text, format, arguments);
  char *message = finish(text, &detail);
  if (message == NULL) {
    error_memory(error);
    return;
  }
  *error = (Error){.code = code, .message = message, .detail = detail};
}

void error_fill(Error *error, ErrorCode code, const char *subject, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fill(error, code, &(TensorName){.subject = subject}, format, arguments);
  va_end(arguments);
}

void error_fill_tensor(Error *error, ErrorCode code, const TensorName *about, const char *format,
                       ...) {
  va_list arguments;
  va_start(arguments, format);
  fill(error, code, about, format, arguments);
  va_end(arguments);
}

bool error_memory(Error *error) {
  if (error->code == ERROR_NONE) error->code = ERROR_MEMORY;
  return false;
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
  const char *message = inner.message + strlen(PREFIX);
  size_t length = strlen(about->subject);
  bool repeats = strncmp(message, about->subject, length) == 0 && message[length] == ':';
  *error = (Error){0};
  error_fill_tensor(error, inner.code, about, "%s", message + (repeats ? length + 2 : 0));
  error_clear(&inner);
  return false;
}

void error_clear(Error *error) {
  memory_free(error_take(error));
}

int error_clip(const char *text, uint64_t length) {
  if (length <= CLIP_LENGTH) return (int)length;
  int clip = CLIP_LENGTH;
  while (clip > 0 && ((unsigned char)text[clip] & 0xc0) == 0x80) clip--;
  return clip;
}
