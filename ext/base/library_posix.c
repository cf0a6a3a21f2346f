#include "base/library.h"

#if !defined(_WIN32)

#include <dlfcn.h>
#include <string.h>

bool library_find(void *library, const char *name, void *function) {
  void *address = dlsym(library, name);
  memcpy(function, &address, sizeof address);
  return address != NULL;
}

#endif
