#include "base/environment.h"

#include "base/memory.h"
#include "base/wide_windows.h"

#if defined(_WIN32)
#include <errno.h>
#include <wchar.h>

static char *environment_windows_copy(const wchar_t *name, bool *out_of_memory) {
  DWORD size = GetEnvironmentVariableW(name, NULL, 0);
  *out_of_memory = false;
  if (size == 0) return NULL;
  wchar_t *units = memory_alloc(size * sizeof *units);
  DWORD length = units != NULL ? GetEnvironmentVariableW(name, units, size) : 0;
  char *text = units != NULL && length < size ? wide_text(units, length) : NULL;
  *out_of_memory = units == NULL || (length < size && text == NULL);
  memory_free(units);
  return text;
}

bool environment_get(const char *name, char **value) {
  wchar_t units[256];
  bool out_of_memory;
  *value = NULL;
  if (MultiByteToWideChar(CP_UTF8, 0, name, -1, units, 256) == 0) return true;
  *value = environment_windows_copy(units, &out_of_memory);
  return !out_of_memory;
}

/* The order of Python's os.path.expanduser(), which huggingface_hub asks. */
bool environment_home(char **value) {
  return environment_find("USERPROFILE", value) &&
         (*value != NULL || environment_find("HOME", value));
}

#endif
