#include "program/keep.h"
#include "program/system.h"

#if !defined(_WIN32)
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* In an empty root directory there is no /dev/null: then the end of a pipe that nobody reads. */
static void system_occupy(int descriptor) {
  int ends[2], file = open("/dev/null", O_RDWR);
  if (file == descriptor) return;
  if (file >= 0) {
    close(file);
  } else if (pipe(ends) == 0 && ends[0] != descriptor && ends[1] != descriptor) {
    close(ends[0]);
    close(ends[1]);
  }
}

bool system_begin(int *count, char ***words) {
  (void)count, (void)words;
  bool closed[3];
  for (int i = 0; i < 3; i++) {
    closed[i] = fcntl(i, F_GETFD) < 0 && errno == EBADF;
    if (closed[i]) system_occupy(i);
  }
  return !closed[STDOUT_FILENO];
}

const char *system_name(void) {
#if defined(__linux__) && defined(__GLIBC__)
  const char *name = "linux-gnu";
#elif defined(__linux__)
  const char *name = "linux-musl";
#elif defined(__APPLE__)
  const char *name = "macos";
#elif defined(__FreeBSD__)
  const char *name = "freebsd";
#else
  const char *name = "posix";
#endif
  struct utsname machine;
  return uname(&machine) == 0 ? keep_format("%s %s", name, machine.machine) : name;
}

bool system_stdout_is_terminal(void) {
  return isatty(STDOUT_FILENO) == 1;
}

unsigned system_processors(void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (unsigned)count : 1;
}

FILE *system_open_to_write(const char *path) {
  return fopen(path, "wb");
}

FILE *system_open_to_read(const char *path) {
  return fopen(path, "rb");
}

bool system_make_directory(const char *path) {
  struct stat found;
  if (mkdir(path, 0777) == 0) return true;
  return errno == EEXIST && stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

const char *system_temporary_file(const char *ending) {
  const char *directory = getenv("TMPDIR");
  if (directory == NULL || *directory == '\0') directory = "/tmp";
  char *path = keep_format("%s/safetensors-sql-XXXXXX%s", directory, ending);
  int file = mkstemps(path, (int)strlen(ending));
  if (file < 0) return NULL;
  close(file);
  return path;
}

bool system_open_in_browser(const char *path) {
#ifdef __APPLE__
  char *words[] = {(char[]){"open"}, NULL, NULL};
#else
  char *words[] = {(char[]){"xdg-open"}, NULL, NULL};
#endif
  pid_t child;
  int status = 0;
  words[1] = *path == '/' ? keep_text(path, strlen(path)) : keep_format("./%s", path);
  if (posix_spawnp(&child, words[0], NULL, NULL, words, environ) != 0) return false;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
