#include "base/file_system.h"

#include "base/file_windows.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/system_error.h"
#include "base/wide_windows.h"

#if defined(_WIN32)
#include <errno.h>
#include <wchar.h>

bool file_system_exists(const char *path) {
  wchar_t *wide;
  bool there = wide_path(path, &wide) == 0 && GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;
  memory_free(wide);
  return there;
}

bool file_system_remove(const char *path) {
  wchar_t *wide;
  bool removed = wide_path(path, &wide) == 0 && DeleteFileW(wide);
  memory_free(wide);
  return removed;
}

int file_system_real_path(const char *path, char **real_path) {
  int descriptor;
  *real_path = NULL;
  int number = wide_open_text(path, FILE_READ_ATTRIBUTES, FILE_FLAG_BACKUP_SEMANTICS, &descriptor);
  if (number != 0) return number;
  number = wide_real_path_text(descriptor, real_path);
  file_close(descriptor);
  return number;
}

/* ---- Looking ---- */

/* Whether this means that the path leads to nothing, and not that the system failed. */
static bool file_system_windows_is_out_of_reach(int number) {
  return number == ENOENT || number == ENOTDIR || number == EACCES || number == ELOOP ||
         number == ENAMETOOLONG;
}

static int file_system_windows_open(const char *path, bool follow, int *descriptor) {
  DWORD flags = FILE_FLAG_BACKUP_SEMANTICS;
  if (!follow) flags |= FILE_FLAG_OPEN_REPARSE_POINT;
  return wide_open_text(path, FILE_READ_ATTRIBUTES, flags, descriptor);
}

bool file_system_look(const char *path, PathLook *look, Error *error) {
  int descriptor;
  FileWindowsKind kind;
  FileIdentity identity = {0};
  *look = (PathLook){.kind = PATH_MISSING};
  int number = file_system_windows_open(path, false, &descriptor);
  if (number == 0 && wide_is_link(descriptor)) {
    look->is_link = true;
    file_close(descriptor);
    number = file_system_windows_open(path, true, &descriptor);
  }
  if (number == 0) {
    number = file_windows_identify(descriptor, &kind, &identity);
    file_close(descriptor);
  }
  if (number == ENXIO) { /* a device */
    look->kind = PATH_OTHER;
    return true;
  }
  if (number == 0) {
    look->kind = kind == FILE_WINDOWS_DIRECTORY ? PATH_DIRECTORY : PATH_OTHER;
    look->device = identity.device;
    look->inode = identity.inode;
    look->modified = identity.modified;
    look->changed = identity.changed;
    return true;
  }
  if (file_system_windows_is_out_of_reach(number)) return true;
  if (number == ENOMEM) return error_memory(error);
  return error_raise(error, ERROR_IO, path, "cannot look at the file: %s",
                     system_error_words(number));
}

/* ---- Directories ---- */

static bool file_system_windows_raise_unlisted(const char *directory, int number, Error *error) {
  if (number == ENOMEM) return error_memory(error);
  if (number == ENOENT) {
    return error_raise(error, ERROR_MISSING, directory, "no such directory%s",
                       path_tilde_hint(directory));
  }
  return error_raise(error, system_error_code(number), directory, "cannot list the directory: %s",
                     system_error_words(number));
}

static bool file_system_windows_add(const WIN32_FIND_DATAW *found, PathList *names, Error *error) {
  const wchar_t *units = found->cFileName;
  if (wcscmp(units, L".") == 0 || wcscmp(units, L"..") == 0) return true;
  char *name = wide_text(units, wcslen(units));
  bool added = name != NULL && path_list_add(names, NULL, name);
  memory_free(name);
  return added || error_memory(error);
}

static int file_system_windows_find(const char *directory, WIN32_FIND_DATAW *found,
                                    HANDLE *search) {
  wchar_t *wide;
  char *pattern = path_join(directory, "*");
  int number = pattern != NULL ? wide_path(pattern, &wide) : ENOMEM;
  memory_free(pattern);
  if (number != 0) return number;
  *search = FindFirstFileExW(wide, FindExInfoBasic, found, FindExSearchNameMatch, NULL,
                             FIND_FIRST_EX_LARGE_FETCH);
  number = wide_result(*search != INVALID_HANDLE_VALUE);
  memory_free(wide);
  return number;
}

bool file_system_list(const char *directory, PathList *names, Cancel *cancel, Error *error) {
  WIN32_FIND_DATAW found;
  HANDLE search;
  int number = file_system_windows_find(directory, &found, &search);
  if (number != 0) return file_system_windows_raise_unlisted(directory, number, error);
  bool good = true, more = true;
  while (good && more) {
    good = file_system_windows_add(&found, names, error) &&
           cancel_go_on_row(cancel, names->count, directory, error);
    if (good) more = FindNextFileW(search, &found);
  }
  if (good && GetLastError() != ERROR_NO_MORE_FILES) {
    good = file_system_windows_raise_unlisted(directory, wide_error(), error);
  }
  FindClose(search);
  return good;
}

#endif
