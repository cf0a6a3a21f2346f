#include "base/made_directory.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/file_system.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/place_system.h"
#include "base/system_error.h"

struct MadeDirectory {
  MadeDirectory *before; /* the one that was made before this one */
  char *path;            /* the real one, because the process may change its current directory */
  uint64_t device, inode;
};

/* Whether the real path is still that of the same directory. */
static bool made_directory_is_same(const MadeDirectory *directory) {
  PathLook look;
  Error ignored = {0};
  bool found = file_system_look(directory->path, &look, &ignored);
  error_clear(&ignored);
  return found && !look.is_link && look.kind == PATH_DIRECTORY &&
         look.device == directory->device && look.inode == directory->inode;
}

/* Ends the newest of the list. The system removes none that has something in it. */
static void made_directory_close(MadeDirectory **made) {
  MadeDirectory *directory = *made;
  *made = directory->before;
  if (made_directory_is_same(directory)) place_system_remove_directory(directory->path);
  memory_free(directory->path);
  memory_free(directory);
}

static bool made_directory_raise(const char *path, const char *about, int number, Error *error) {
  if (number == ENOMEM) return error_memory(error);
  return error_raise(error, system_error_write_code(number), about,
                     "cannot make the directory %s: %s", path, system_error_words(number));
}

/* Notes which directory it is that was made just now, or removes it again. */
static bool made_directory_note(MadeDirectory *directory, const char *path, const char *about,
                                Error *error) {
  PathLook look;
  int number = file_system_real_path(path, &directory->path);
  if (number != 0) {
    made_directory_raise(path, about, number, error);
  } else if (file_system_look(directory->path, &look, error)) {
    directory->device = look.device;
    directory->inode = look.inode;
    return true;
  }
  place_system_remove_directory(path);
  return false;
}

/* Makes one directory, unless somebody else has just done so. */
static bool made_directory_make_one(MadeDirectory **made, const char *path, const char *about,
                                    Error *error) {
  MadeDirectory *directory = memory_zeroed(1, sizeof *directory);
  if (directory == NULL) return error_memory(error);
  int number = place_system_make_directory(path, false);
  if (number == 0 && made_directory_note(directory, path, about, error)) {
    directory->before = *made;
    *made = directory;
    return true;
  }
  memory_free(directory->path);
  memory_free(directory);
  if (number == EEXIST) return true; /* whoever opens it will see whether it is a directory */
  return number != 0 && made_directory_raise(path, about, number, error);
}

bool made_directory_make(MadeDirectory **made, const char *path, const char *about, Error *error) {
  if (file_system_exists(path)) return true;
  if (path_tilde_hint(path)[0] != '\0') {
    return error_raise(error, ERROR_MISSING, about, "cannot write: there is no directory %s%s",
                       path, path_tilde_hint(path));
  }
  char *above = path_directory(path);
  if (above == NULL) return error_memory(error);
  bool good = above[0] == '\0' || strcmp(above, path) == 0 ||
              made_directory_make(made, above, about, error);
  memory_free(above);
  return good && made_directory_make_one(made, path, about, error);
}

/* The name of a directory is in the one above it. */
static int made_directory_sync(const MadeDirectory *directory) {
  int descriptor;
  uint64_t device, inode;
  char *above = path_directory(directory->path);
  if (above == NULL) return ENOMEM;
  int number = place_system_open_directory(above, &descriptor, &device, &inode);
  memory_free(above);
  if (number != 0) return number;
  number = place_system_sync(descriptor);
  place_system_close(descriptor);
  return number == EBADF || place_system_is_unsupported(number) ? 0
                                                                : number; /* as in places_sync() */
}

bool made_directory_sync_all(const MadeDirectory *made, Error *error) {
  for (; made != NULL; made = made->before) {
    int number = made_directory_sync(made);
    if (number == ENOMEM) return error_memory(error);
    if (number == 0) continue;
    return error_raise(error, system_error_write_code(number), made->path,
                       "cannot write the directory to the disk: %s", system_error_words(number));
  }
  return true;
}

void made_directory_close_all(MadeDirectory **made) {
  while (*made != NULL) made_directory_close(made);
}
