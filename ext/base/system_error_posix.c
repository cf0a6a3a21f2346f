#include "base/system_error.h"

#include "base/path.h"

#if !defined(_WIN32)
#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *system_error_words(int number) {
  return strerror(number);
}

/* A link that leads nowhere gets a message of its own: its disk may not be mounted, or git-annex or
** DVC may not have fetched the file. */
static bool system_error_posix_raise_missing(Error *error, const char *path) {
  char target[4096];
  ssize_t length = readlink(path, target, sizeof target);
  if (length > 0) {
    return error_raise(error, ERROR_MISSING, path,
                       "no such file: it is a link to %.*s, and nothing is there",
                       ERROR_NAME(target, (uint64_t)length));
  }
  return error_raise(error, ERROR_MISSING, path, "no such file%s", path_tilde_hint(path));
}

bool system_error_raise(Error *error, const char *path, const char *action, int number) {
  if (number == ENOENT) return system_error_posix_raise_missing(error, path);
  return error_raise(error, system_error_code(number), path, "cannot %s: %s", action,
                     system_error_words(number));
}

#endif
