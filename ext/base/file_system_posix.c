#include "base/file_system.h"

#include "base/file_posix.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/system_error.h"

#if !defined(_WIN32)
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_system_exists(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

/* Whether this means that the path leads to nothing, and not that the system failed. */
static bool file_system_posix_is_out_of_reach(int number) {
  return number == ENOENT || number == ENOTDIR || number == EACCES || number == ELOOP ||
         number == ENAMETOOLONG;
}

bool file_system_look(const char *path, PathLook *look, Error *error) {
  struct stat status;
  *look = (PathLook){.kind = PATH_MISSING};
  bool there = lstat(path, &status) == 0;
  if (there && S_ISLNK(status.st_mode)) {
    look->is_link = true;
    there = stat(path, &status) == 0;
  }
  if (!there) {
    if (file_system_posix_is_out_of_reach(errno)) return true;
    if (errno == ENOMEM) return error_memory(error);
    return error_raise(error, ERROR_IO, path, "cannot look at the file: %s", strerror(errno));
  }
  look->kind = S_ISDIR(status.st_mode) ? PATH_DIRECTORY : PATH_OTHER;
  FileIdentity identity;
  file_posix_take_status(&status, &identity);
  look->device = identity.device;
  look->inode = identity.inode;
  look->modified = identity.modified;
  look->changed = identity.changed;
  return true;
}

bool file_system_remove(const char *path) {
  return unlink(path) == 0;
}

static bool file_system_posix_raise_unlisted(const char *directory, int number, Error *error) {
  if (number == ENOENT) {
    return error_raise(error, ERROR_MISSING, directory, "no such directory%s",
                       path_tilde_hint(directory));
  }
  return error_raise(error, system_error_code(number), directory, "cannot list the directory: %s",
                     strerror(number));
}

static bool file_system_posix_list_open(DIR *stream, const char *directory, PathList *names,
                                        Cancel *cancel, Error *error) {
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(stream);
    if (entry == NULL) {
      return errno == 0 || error_raise(error, ERROR_IO, directory, "cannot list the directory: %s",
                                       strerror(errno));
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (!cancel_go_on_row(cancel, names->count, directory, error)) return false;
    if (!path_list_add(names, NULL, entry->d_name)) return error_memory(error);
  }
}

bool file_system_list(const char *directory, PathList *names, Cancel *cancel, Error *error) {
  DIR *stream = opendir(directory);
  if (stream == NULL) return file_system_posix_raise_unlisted(directory, errno, error);
  bool listed = file_system_posix_list_open(stream, directory, names, cancel, error);
  closedir(stream);
  return listed;
}

int file_system_real_path(const char *path, char **real_path) {
  char *found = realpath(path, NULL);
  int number = found != NULL ? 0 : errno;
  *real_path = found != NULL ? memory_copy_text(found, strlen(found)) : NULL;
  free(found);
  return number == 0 && *real_path == NULL ? ENOMEM : number;
}

#endif
