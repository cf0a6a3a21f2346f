#include "base/environment.h"

#include <stddef.h>

#include "base/file.h"
#include "base/memory.h"

bool environment_find(const char *name, char **value) {
  if (!environment_get(name, value)) return false;
  if (*value != NULL && (*value)[0] == '\0') {
    memory_free(*value);
    *value = NULL;
  }
  return true;
}

bool environment_read_file(const char *path, uint64_t most, char **text) {
  FileIdentity identity;
  Error ignored = {0};
  *text = NULL;
  int descriptor = file_open(path, &identity, &ignored);
  if (descriptor >= 0) {
    uint64_t size = identity.size < most ? identity.size : most;
    *text = memory_zeroed(size + 1, 1);
    if (*text != NULL && !file_read(descriptor, path, *text, size, 0, &ignored)) (*text)[0] = '\0';
    file_close(descriptor);
  }
  bool good = ignored.code != ERROR_MEMORY && (descriptor < 0 || *text != NULL);
  error_clear(&ignored);
  return good;
}
