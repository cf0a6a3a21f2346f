/*
** The one way to raise an error.
**
** A function that can fail takes an Error as its last argument and returns false (or NULL) after
** error_raise() has filled it in; the caller passes it up untouched until SQL glue turns it into a
** result. Every message reads
**
**     safetensors: SUBJECT: what was expected and what was found
**
** where SUBJECT is the file (or "BLOB", or the function), clipped where it is longer than any path
** can be. Text that comes from files is clipped, and control characters in a message are replaced,
** so that a hostile name cannot drive a terminal.
*/
#ifndef SAFETENSORS_BASE_ERROR_H
#define SAFETENSORS_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ErrorCode {
  ERROR_NONE = 0,
  ERROR_MEMORY,    /* out of memory: no message */
  ERROR_MISSING,   /* there is no such file */
  ERROR_INVALID,   /* a file that is not what it should be */
  ERROR_IO,        /* the system refused to open, read or map */
  ERROR_ARGUMENT,  /* the caller's SQL is wrong */
  ERROR_INTERRUPT, /* the connection was interrupted */
  ERROR_TOO_BIG    /* a value above the connection's length limit */
} ErrorCode;

/* Starts as {0}. `message` belongs to the Error; error_take() and error_clear() release it. */
typedef struct Error {
  ErrorCode code;
  char *message;
  size_t detail; /* where in the message what follows the subject begins */
} Error;

/* Fills in `error`, unless it already holds one: the first cause is the one to report. The format
** is sqlite3_mprintf()'s, of which only what printf() has too is used. */
void error_fill(Error *error, ErrorCode code, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, as an expression that is false: `return error_raise(...)`. */
#define error_raise(...) (error_fill(__VA_ARGS__), false)

/* What a message about a tensor calls it. Nothing here is owned. */
typedef struct TensorName {
  const char *subject; /* its file, or "BLOB" */
  const char *name;    /* NULL when there is none, as of raw bytes: then it is left out */
  uint64_t name_length;
} TensorName;

/* error_fill() and error_raise() about a tensor: "safetensors: SUBJECT: tensor "NAME": ...". */
void error_fill_tensor(Error *error, ErrorCode code, const TensorName *about, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));

#define error_raise_tensor(...) (error_fill_tensor(__VA_ARGS__), false)

/* Shorthand for error_raise(error, ERROR_MEMORY, ...), which needs neither subject nor message. */
bool error_memory(Error *error);

/* Hands the message over to the caller, who releases it with memory_free(); `error` is empty
** afterwards. NULL when memory ran out. */
char *error_take(Error *error);

/* Raises again what `from` holds, in its words. Returns false. */
bool error_repeat(Error *error, const Error *from);

/* Puts a tensor before what the error is about: "safetensors: SUBJECT: tensor "NAME": ...", then the
** message that it had, without its subject if that is the same. Returns false. */
bool error_within(Error *error, const TensorName *about);

void error_clear(Error *error);

/* A message's text without the beginning, for what is told and not raised. Released with
** memory_free(); NULL when memory runs out. */
char *error_text(const char *format, va_list arguments);

/* How many bytes of a name belong in a message: at most 120, never half a character. To be used
** with "%.*s" through ERROR_NAME. */
int error_clip(const char *text, uint64_t length);

#define ERROR_NAME(text, length) error_clip((text), (length)), (text)

#endif
