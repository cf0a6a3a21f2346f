#include "base/library.h"

#include "base/wide_windows.h"

#if defined(_WIN32)

#include <string.h>

bool library_find(void *library, const char *name, void *function) {
  FARPROC address = GetProcAddress((HMODULE)library, name);
  memcpy(function, &address, sizeof address);
  return address != NULL;
}

#endif
