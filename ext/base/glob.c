#include "base/glob.h"

#include <string.h>

#include "base/memory.h"
#include "base/platform.h"
#include "base/sqlite.h"

static const char special[] = "*?[";

bool glob_is_pattern(const char *path) {
  return strpbrk(path, special) != NULL;
}

/* A pattern's component as SQLite's GLOB has it: a set is negated by '^', not by '!'. */
static char *component_pattern(const char *component) {
  char *pattern = memory_copy_text(component, strlen(component));
  if (pattern == NULL) return NULL;
  for (char *at = pattern; *at != '\0'; at++) {
    if (*at != '[') continue;
    if (at[1] == '!') at[1] = '^';
    if (at[1] == '^') at++;
    const char *end = at[1] != '\0' ? strchr(at + 2, ']') : NULL; /* the first may be ']' itself */
    if (end == NULL) break;
    at = pattern + (end - pattern);
  }
  return pattern;
}

static bool expand(const char *before, bool matched, const char *rest, PathList *paths,
                   Error *error);

/* Goes on with `before`/`name`, which is there. */
static bool descend(const char *before, bool matched, const char *name, const char *rest,
                    PathList *paths, Error *error) {
  size_t slashes = strspn(rest, "/");
  char *path = sqlite3_mprintf("%s%s%.*s", before, name, (int)slashes, rest);
  if (path == NULL) return error_memory(error);
  bool good;
  PathKind kind;
  if (slashes == 0) {
    good = path_list_add(paths, NULL, path) || error_memory(error);
  } else {
    good = platform_path_kind(path, &kind, error) &&
           (kind != PATH_FOLDER || expand(path, matched, rest + slashes, paths, error));
  }
  memory_free(path);
  return good;
}

/* Goes on with every name in the folder `before` that matches. */
static bool match(const char *before, const char *pattern, const char *rest, PathList *paths,
                  const PathList *names, Error *error) {
  bool good = true;
  for (uint32_t i = 0; i < names->count && good; i++) {
    const char *name = names->paths[i];
    if (name[0] == '.' && pattern[0] != '.') continue;
    if (sqlite3_strglob(pattern, name) != 0) continue;
    good = descend(before, true, name, rest, paths, error);
  }
  return good;
}

/* The names in the folder. What a pattern matched may well be a folder that cannot be listed. */
static bool list(const char *folder, bool matched, PathList *names, Error *error) {
  Error problem = {0};
  if (platform_list_folder(folder[0] != '\0' ? folder : ".", names, &problem)) return true;
  bool good = (matched && problem.code != ERROR_MEMORY) || error_repeat(error, &problem);
  error_clear(&problem);
  return good;
}

/* The same, of a pattern's component that is not there under its own name. */
static bool expand_component(const char *before, bool matched, const char *component,
                             const char *rest, PathList *paths, Error *error) {
  PathList names = {0};
  bool good = true;
  if (glob_is_pattern(component)) {
    char *pattern = component_pattern(component);
    good = pattern != NULL ? list(before, matched, &names, error) &&
                                 match(before, pattern, rest, paths, &names, error)
                           : error_memory(error);
    memory_free(pattern);
  } else if (rest[0] != '\0') { /* a folder that is not there, or that cannot be looked at */
    char *folder = sqlite3_mprintf("%s%s", before, component);
    good = folder != NULL ? list(folder, matched, &names, error) : error_memory(error);
    memory_free(folder);
  }
  path_list_clear(&names);
  return good;
}

/* Adds what matches `rest` in the folder `before`: "", or a path that ends in a slash. `matched`
** says whether a pattern found it. */
static bool expand(const char *before, bool matched, const char *rest, PathList *paths,
                   Error *error) {
  size_t length = strcspn(rest, "/");
  if (length == 0) return path_list_add(paths, NULL, before) || error_memory(error);
  char *component = memory_copy_text(rest, length);
  char *path = component != NULL ? sqlite3_mprintf("%s%s", before, component) : NULL;
  bool good;
  if (path == NULL) {
    good = error_memory(error);
  } else if (platform_exists(path)) {
    good = descend(before, matched, component, rest + length, paths, error);
  } else {
    good = expand_component(before, matched, component, rest + length, paths, error);
  }
  memory_free(path);
  memory_free(component);
  return good;
}

bool glob_expand(const char *pattern, PathList *paths, Error *error) {
  size_t slashes = strspn(pattern, "/");
  char *root = memory_copy_text(pattern, slashes);
  if (root == NULL) return error_memory(error);
  bool good = expand(root, false, pattern + slashes, paths, error);
  memory_free(root);
  return good;
}
