#include "base/file_system.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/system_error.h"

bool file_system_kind(const char *path, PathKind *kind, Error *error) {
  PathLook look;
  bool good = file_system_look(path, &look, error);
  *kind = look.kind;
  return good;
}

/* ---- Within ---- */

bool file_system_is_real_path_within(const char *real_path, const char *directory, int *number) {
  char *real_directory;
  *number = file_system_real_path(directory, &real_directory);
  if (*number != 0) return false;
  size_t length = strlen(real_directory);
  if (length > 0 && real_directory[length - 1] == '/') length--; /* a root */
  bool within = strncmp(real_path, real_directory, length) == 0 && real_path[length] == '/';
  memory_free(real_directory);
  return within;
}

bool file_system_is_within(const char *path, const char *directory) {
  char *real_path;
  int number = file_system_real_path(path, &real_path);
  bool within = number == 0 && file_system_is_real_path_within(real_path, directory, &number);
  memory_free(real_path);
  return within;
}

/* Nothing lies in a directory that is gone. */
static int file_system_not_of_absence(int number) {
  return number == ENOENT || number == ENOTDIR ? 0 : number;
}

FilePlace file_system_place(int descriptor, const PathList *directories, int *number) {
  char *path;
  *number = file_real_path(descriptor, &path);
  if (*number != 0) return FILE_PLACE_UNKNOWN;
  bool inside = false;
  for (uint32_t i = 0; i < directories->count && !inside; i++) {
    int problem;
    inside = file_system_is_real_path_within(path, directories->paths[i], &problem);
    problem = file_system_not_of_absence(problem);
    if (problem != 0) *number = problem;
  }
  memory_free(path);
  if (inside) return FILE_PLACE_INSIDE;
  return *number == 0 ? FILE_PLACE_OUTSIDE : FILE_PLACE_UNKNOWN;
}

/* ---- Where a new file lies ---- */

static bool file_system_raise_unlocated(const char *path, int number, Error *error) {
  if (number == ENOMEM) return error_memory(error);
  return error_raise(error, system_error_code(number), path, "cannot look at its directory: %s",
                     system_error_words(number));
}

/* The directory's real path, and the name behind it. */
static char *file_system_real_path_of_new(const char *path, Error *error) {
  char *directory = path_directory(path), *real_directory = NULL, *joined = NULL;
  int number = directory == NULL
                   ? ENOMEM
                   : file_system_real_path(directory[0] != '\0' ? directory : ".", &real_directory);
  if (number == ENOENT || number == ENOTDIR) {
    error_fill(error, ERROR_MISSING, path, "cannot write: there is no directory %s%s", directory,
               path_tilde_hint(path));
  } else if (number != 0) {
    file_system_raise_unlocated(path, number, error);
  } else {
    joined = path_join(real_directory, path_name(path));
    if (joined == NULL) error_memory(error);
  }
  memory_free(real_directory);
  memory_free(directory);
  return joined;
}

static bool file_system_locate_directory(FileLocation *location, const char *path, Error *error) {
  PathLook look;
  char *directory = path_directory(location->path);
  if (directory == NULL) return error_memory(error);
  bool good = file_system_look(directory, &look, error) &&
              (look.kind == PATH_DIRECTORY || file_system_raise_unlocated(path, ENOENT, error));
  memory_free(directory);
  location->name = path_name(location->path);
  location->device = look.device;
  location->inode = look.inode;
  return good;
}

bool file_system_locate(const char *path, FileLocation *location, Error *error) {
  *location = (FileLocation){0};
  int number = file_system_real_path(path, &location->path);
  if (number == ENOMEM) return error_memory(error);
  if (number != 0) location->path = file_system_real_path_of_new(path, error);
  if (location->path == NULL) return false;
  if (file_system_locate_directory(location, path, error)) return true;
  memory_free(location->path);
  *location = (FileLocation){0};
  return false;
}
