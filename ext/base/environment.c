#include "base/environment.h"

#include <stddef.h>

#include "base/memory.h"

bool environment_find(const char *name, char **value) {
  if (!environment_get(name, value)) return false;
  if (*value != NULL && (*value)[0] == '\0') {
    memory_free(*value);
    *value = NULL;
  }
  return true;
}
