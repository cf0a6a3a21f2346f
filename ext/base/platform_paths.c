/* The part of platform.h that is about paths rather than files. */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/platform.h"

PathKind platform_path_kind(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) return PATH_MISSING;
  return S_ISDIR(status.st_mode) ? PATH_FOLDER : PATH_OTHER;
}

bool platform_list_folder(const char *folder, PathList *names, Error *error) {
  DIR *stream = opendir(folder);
  if (stream == NULL) {
    if (errno == ENOMEM) return error_memory(error);
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

bool platform_glob(const char *pattern, PathList *paths, Error *error) {
  glob_t found;
  int code = glob(pattern, GLOB_NOSORT, NULL, &found);
  if (code == GLOB_NOMATCH) return true;
  if (code == GLOB_NOSPACE) return error_memory(error);
  if (code != 0) return error_raise(error, ERROR_IO, pattern, "cannot list a folder on the way");
  bool added = true;
  for (size_t i = 0; i < found.gl_pathc && added; i++) {
    added = path_list_add(paths, NULL, found.gl_pathv[i]);
  }
  globfree(&found);
  return added || error_memory(error);
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
