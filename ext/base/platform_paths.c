/* The part of platform.h that is about paths rather than files. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/platform.h"

bool platform_exists(const char *path) {
  struct stat status;
  return lstat(path, &status) == 0;
}

/* That nothing can be had under that path, rather than that the system failed. */
static bool is_out_of_reach(int number) {
  return number == ENOENT || number == ENOTDIR || number == EACCES || number == ELOOP ||
         number == ENAMETOOLONG;
}

bool platform_path_kind(const char *path, PathKind *kind, Error *error) {
  struct stat status;
  *kind = PATH_MISSING;
  if (stat(path, &status) != 0) {
    if (is_out_of_reach(errno)) return true;
    if (errno == ENOMEM) return error_memory(error);
    return error_raise(error, ERROR_IO, path, "cannot look at the file: %s", strerror(errno));
  }
  *kind = S_ISDIR(status.st_mode) ? PATH_FOLDER : PATH_OTHER;
  return true;
}

const char *platform_tilde_hint(const char *path) {
  bool home = path[0] == '~' && (path[1] == '/' || path[1] == '\0');
  return home ? ": '~' is the home folder in a shell only" : "";
}

bool platform_remove(const char *path) {
  return unlink(path) == 0;
}

bool platform_list_folder(const char *folder, PathList *names, Error *error) {
  DIR *stream = opendir(folder);
  if (stream == NULL) {
    if (errno == ENOMEM) return error_memory(error);
    if (errno == ENOENT) {
      return error_raise(error, ERROR_MISSING, folder, "no such folder%s",
                         platform_tilde_hint(folder));
    }
    return error_raise(error, ERROR_IO, folder, "cannot list the folder: %s", strerror(errno));
  }
  bool listed = true;
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(stream);
    if (entry == NULL) {
      if (errno != 0) {
        listed =
            error_raise(error, ERROR_IO, folder, "cannot list the folder: %s", strerror(errno));
      }
      break;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (!path_list_add(names, NULL, entry->d_name)) {
      listed = error_memory(error);
      break;
    }
  }
  closedir(stream);
  return listed;
}

bool platform_is_within(const char *path, const char *folder) {
  char *real_path = realpath(path, NULL), *real_folder = realpath(folder, NULL);
  bool within = false;
  if (real_path != NULL && real_folder != NULL) {
    size_t length = strlen(real_folder);
    if (length == 1) length = 0; /* "/" */
    within = strncmp(real_path, real_folder, length) == 0 && real_path[length] == '/';
  }
  free(real_path);
  free(real_folder);
  return within;
}
