#include "base/temporary.h"

#include "base/memory.h"
#include "base/program.h"
#include "base/sqlite.h"

#if !defined(_WIN32)

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int temporary_posix_open(const char *directory, int *descriptor) {
  char *path = sqlite3_mprintf("%s/%sXXXXXX", directory, program.temporary);
  if (path == NULL) return ENOMEM;
  *descriptor = mkstemp(path);
  int number = *descriptor >= 0 ? 0 : errno;
  if (number == 0) {
    unlink(path);
    fcntl(*descriptor, F_SETFD, FD_CLOEXEC);
  }
  memory_free(path);
  return number;
}

int temporary_system_open(const char *directory, int *descriptor) {
  static const char *const places[] = {"/var/tmp", "/usr/tmp", "/tmp", "."};
  if (directory != NULL) return temporary_posix_open(directory, descriptor);
  int number = ENOENT;
  for (size_t i = 0; number != 0 && i < sizeof places / sizeof places[0]; i++) {
    number = temporary_posix_open(places[i], descriptor);
  }
  return number;
}

#endif
