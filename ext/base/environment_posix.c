#include "base/environment.h"

#include "base/memory.h"

#if !defined(_WIN32)
#include <stdlib.h>
#include <string.h>

bool environment_get(const char *name, char **value) {
  const char *text = getenv(name);
  *value = text != NULL ? memory_copy_text(text, strlen(text)) : NULL;
  return text == NULL || *value != NULL;
}

bool environment_home(char **value) {
  return environment_find("HOME", value);
}

#endif
