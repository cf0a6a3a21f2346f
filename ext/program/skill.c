#include "program/skill.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/environment.h"
#include "base/memory.h"
#include "base/path.h"
#include "program/embedded.h"
#include "program/keep.h"
#include "program/message.h"
#include "program/system.h"

/* Creates the directory and those above it. */
static bool skill_make_directories(const char *path) {
  char *part = keep_text(path, strlen(path));
  for (char *at = part + path_root(path); *at != '\0'; at++) {
    char separator = *at;
    if (!path_is_separator(separator)) continue;
    *at = '\0';
    system_make_directory(part); /* if this fails, so does the next */
    *at = separator;
  }
  return system_make_directory(part);
}

bool skill_install(const char *directory) {
  EmbeddedText skill = embedded_skill();
  if (directory == NULL) {
    char *home;
    if (!environment_home(&home) || home == NULL) {
      message("skill", "there is no home directory; give a directory");
      return false;
    }
    directory = keep_format("%s/.claude/skills/safetensors-sql", home);
    memory_free(home);
  }
  const char *path = keep_format("%s/SKILL.md", directory);
  FILE *file = skill_make_directories(directory) ? system_open_to_write(path) : NULL;
  bool good = file != NULL && fwrite(skill.bytes, 1, skill.size, file) == skill.size;
  if (file != NULL) good = fclose(file) == 0 && good;
  if (!good) {
    message("skill", "%s: it cannot be written: %s", path, strerror(errno));
    return false;
  }
  printf("%s\n", path);
  return true;
}
