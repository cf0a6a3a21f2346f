#include "base/system_error.h"

#include "base/memory.h"
#include "base/path.h"
#include "base/wide_windows.h"

#if defined(_WIN32)
#include <errno.h>
#include <string.h>

const char *system_error_words(int number) {
  switch (number) {
    case ETXTBSY:
      return "Another program has the file open and does not share it, or has it mapped";
    case ENXIO: return "It is a device, or one that is not ready";
    case ELOOP: return "Too many links";
    default: return strerror(number);
  }
}

/* A link that leads nowhere gets a message of its own: its disk may not be mounted, or git-annex or
** DVC may not have fetched the file. */
static bool system_error_windows_raise_missing(Error *error, const char *path) {
  wchar_t *wide;
  bool is_link = false;
  if (wide_path(path, &wide) == 0) {
    DWORD attributes = GetFileAttributesW(wide);
    is_link =
        attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
  }
  memory_free(wide);
  return error_raise(error, ERROR_MISSING, path, "no such file%s",
                     is_link ? ": it is a link, and nothing is there" : path_tilde_hint(path));
}

bool system_error_raise(Error *error, const char *path, const char *action, int number) {
  if (number == ENOENT) return system_error_windows_raise_missing(error, path);
  return error_raise(error, system_error_code(number), path, "cannot %s: %s", action,
                     system_error_words(number));
}

#endif
