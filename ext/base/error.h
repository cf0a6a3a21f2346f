/*
** The one way to raise an error.
**
** A function that can fail takes an Error as its last argument, and returns false (or NULL) after
** error_raise() has filled it in. The caller passes it up unchanged, until the SQL glue turns it
** into a result. Every message reads
**
**     safetensors: SUBJECT: what was expected and what was found
**
** where SUBJECT is the file (or "BLOB", or the function), clipped if it is longer than any path can
** be. Text that comes from files is clipped, control characters in a message are replaced, and
** bytes that are not UTF-8 are escaped, so that a hostile name cannot control a terminal.
*/
#ifndef SAFETENSORS_BASE_ERROR_H
#define SAFETENSORS_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kinds of errors. sql/result.c maps each to a result code of SQLite. */
typedef enum ErrorCode {
  ERROR_NONE = 0,
  ERROR_MEMORY,   /* even a small allocation failed; it has no message */
  ERROR_RESOURCE, /* a large block of memory, a mapping or the like is not available */
  ERROR_MISSING,  /* there is no such file */
  ERROR_UNOPENED, /* the file exists, but the system does not open it, or it is not a regular file */
  ERROR_DENIED,   /* the system does not allow reading it */
  ERROR_READ_ONLY, /* the system does not allow writing there */
  ERROR_INVALID,   /* a file that is not what it should be */
  ERROR_CHANGED,   /* a file that changed while it was in use */
  ERROR_IO,        /* reading or writing failed */
  ERROR_FULL,      /* the disk is full */
  ERROR_EXISTS,    /* a file exists where none is expected */
  ERROR_SNAPSHOT,  /* a file that is to be replaced has been written since it was read */
  ERROR_BUSY,      /* another writer is at work, and trying again later helps */
  ERROR_UNIQUE,    /* a name or key that exists already */
  ERROR_NOT_NULL,  /* NULL where a value is required */
  ERROR_ARGUMENT,  /* the caller's SQL is wrong */
  ERROR_INTERRUPT, /* the connection was interrupted */
  ERROR_TOO_BIG,   /* a value above the connection's length limit, or above what memory can hold */
  ERROR_CODE_COUNT
} ErrorCode;

/* Whether nothing can go on after this: memory ran out, or the connection was interrupted. */
bool error_is_fatal(ErrorCode code);

/* Whether the system or the host failed, which says nothing about a file. */
bool error_is_of_system(ErrorCode code);

/* Whether the path leads to no file that can be opened. A missing right is not an absence. */
bool error_is_absence(ErrorCode code);

/* Whether a file could not be read: it is missing, cannot be opened, or is invalid. This is what
** safetensors_config('errors', 'skip') passes over. A file that changes while it is in use does
** not count, because rows of it may have been returned already. */
bool error_is_of_file(ErrorCode code);

/* Starts as {0}. `message` belongs to the Error; error_take() and error_clear() release it. */
typedef struct Error {
  ErrorCode code;
  char *message;
  size_t detail; /* the offset in the message of what follows the subject */
} Error;

/* Fills in `error`, unless it already holds one: the first cause is the one to report. The
** format is that of sqlite3_mprintf(); use only what printf() has too. */
void error_fill(Error *error, ErrorCode code, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, as an expression that is false: `return error_raise(...)`. */
#define error_raise(...) (error_fill(__VA_ARGS__), false)

/* What a message about a tensor calls it. It owns nothing. */
typedef struct TensorName {
  const char *subject; /* its file, or "BLOB" */
  const char *name;    /* NULL if it has none, like raw bytes; then messages leave it out */
  uint64_t name_length;
} TensorName;

/* error_fill() and error_raise() about a tensor: "safetensors: SUBJECT: tensor "NAME": ...". */
void error_fill_tensor(Error *error, ErrorCode code, const TensorName *about, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));

#define error_raise_tensor(...) (error_fill_tensor(__VA_ARGS__), false)

/* The body of error_memory(). */
void error_fill_memory(Error *error);

/* Raises that memory_alloc() or one of its kind has failed. That is ERROR_MEMORY, which needs
** neither subject nor message, unless a large block was asked for, as for a large tensor. Then
** small allocations still succeed and the rest can go on, so it is ERROR_RESOURCE or
** ERROR_TOO_BIG with a message. */
static inline bool error_memory(Error *error) {
  error_fill_memory(error);
  return false; /* inline, so that callers and analyzers see it */
}

/* Gives the message to the caller, who releases it with memory_free(), and empties `error`. NULL
** when memory ran out. */
char *error_take(Error *error);

/* Raises the error that `from` holds, with the same message. Returns false. */
bool error_repeat(Error *error, const Error *from);

/* Adds a tensor to the beginning of the message: "safetensors: SUBJECT: tensor "NAME": ...",
** followed by the message without its subject, if that is the same. Returns false. */
bool error_within(Error *error, const TensorName *about);

/* After a step that may fail: forgets the problem and returns true, unless it is fatal. Then it is
** raised in `error`, and the result is false. */
bool error_forgive(Error *error, Error *problem);

/* The same where the caller knows which problems may be forgotten. */
bool error_forgive_if(bool forgivable, Error *error, Error *problem);

void error_clear(Error *error);

/* The text of a message without its beginning, for findings, which are reported and not raised.
** memory_free() releases it; NULL when memory runs out. */
char *error_text(const char *format, va_list arguments);

/* How many bytes of a name belong in a message: at most 120, and never half a character. Use it
** through ERROR_NAME, with "%.*s". */
int error_clip(const char *text, uint64_t length);

#define ERROR_NAME(text, length) error_clip((text), (length)), (text)

#endif
