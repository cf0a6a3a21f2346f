#include "base/temporary.h"

#include "base/memory.h"
#include "base/path.h"
#include "base/program.h"
#include "base/sqlite.h"
#include "base/wide_windows.h"

#if defined(_WIN32)

#include <errno.h>
#include <winioctl.h>

/* A file of random name, which is gone when it is closed, and takes no space for what is not written. */
static int temporary_windows_open(const char *directory, int *descriptor) {
  wchar_t *wide;
  DWORD got;
  char *name =
      sqlite3_mprintf("%s%016llx", program.temporary, (sqlite3_uint64)memory_random_seed());
  char *path = name != NULL ? path_join(directory, name) : NULL;
  memory_free(name);
  if (path == NULL) return ENOMEM;
  int number = wide_path(path, &wide);
  memory_free(path);
  if (number != 0) return number;
  number = wide_open(wide, GENERIC_READ | GENERIC_WRITE | DELETE, CREATE_NEW,
                     FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, descriptor);
  memory_free(wide);
  if (number == 0) {
    DeviceIoControl(wide_handle(*descriptor), FSCTL_SET_SPARSE, NULL, 0, NULL, 0, &got, NULL);
  }
  return number;
}

int temporary_system_open(const char *directory, int *descriptor) {
  wchar_t wide[MAX_PATH + 1];
  if (directory != NULL) return temporary_windows_open(directory, descriptor);
  DWORD length = GetTempPathW(MAX_PATH + 1, wide);
  if (length == 0 || length > MAX_PATH) return ENOENT;
  char *path = wide_text(wide, length);
  int number = path != NULL ? temporary_windows_open(path, descriptor) : ENOMEM;
  memory_free(path);
  return number;
}

#endif
