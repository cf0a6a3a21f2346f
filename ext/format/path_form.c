#include "format/path_form.h"

#include <string.h>

#include "base/glob.h"
#include "base/memory.h"
#include "base/platform.h"
#include "base/sqlite.h"
#include "format/hub.h"
#include "format/index.h"

static const char file_suffix[] = ".safetensors";

static bool ends_with(const char *text, const char *suffix) {
  size_t length = strlen(text), suffix_length = strlen(suffix);
  return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

/* A variant's index may have the variant's name before ".json": *.safetensors.index.fp16.json. */
static bool is_index(const char *path) {
  const char *slash = strrchr(path, '/');
  return ends_with(path, ".json") && strstr(slash != NULL ? slash : path, INDEX_INFIX) != NULL;
}

/* Several indexes, as when a model comes in fp16 too: which one is meant, only the user knows. */
static bool raise_several(const char *folder, const PathList *indexes, Error *error) {
  sqlite3_str *list = sqlite3_str_new(NULL);
  for (uint32_t i = 0; i < indexes->count && i < 10; i++) {
    sqlite3_str_appendf(list, "%s%s", i > 0 ? ", " : "", indexes->paths[i]);
  }
  char *text = sqlite3_str_finish(list);
  if (text == NULL) return error_memory(error);
  error_fill(error, ERROR_INVALID, folder,
             "expected one "
             "*" INDEX_SUFFIX " in the folder, found %u: %s; name the one you mean",
             indexes->count, text);
  memory_free(text);
  return false;
}

/* Picks the names that matter from a folder's: hidden files do not. */
static bool pick(const PathList *names, const char *folder, const char *suffix, PathList *picked) {
  for (uint32_t i = 0; i < names->count; i++) {
    const char *name = names->paths[i];
    if (name[0] != '.' && ends_with(name, suffix) && !path_list_add(picked, folder, name)) {
      return false;
    }
  }
  path_list_sort(picked);
  return true;
}

static bool resolve_folder(ResolvedPath *resolved, Error *error) {
  PathList names = {0}, indexes = {0};
  const char *folder = resolved->path;
  bool good = platform_list_folder(folder, &names, error);
  resolved->form = PATH_FORM_FOLDER;
  if (good && !pick(&names, NULL, INDEX_SUFFIX, &indexes)) good = error_memory(error);
  if (good && indexes.count > 1) {
    good = raise_several(folder, &indexes, error);
  } else if (good && indexes.count == 1) {
    char *path = path_join(folder, indexes.paths[0]);
    if (path == NULL) {
      good = error_memory(error);
    } else {
      memory_free(resolved->path);
      resolved->path = path;
      resolved->form = PATH_FORM_INDEX;
    }
  } else if (good && !pick(&names, folder, file_suffix, &resolved->members)) {
    good = error_memory(error);
  } else if (good && resolved->members.count == 0) {
    good = error_raise(error, ERROR_MISSING, folder,
                       "expected *.safetensors files in the folder, found none");
  }
  path_list_clear(&names);
  path_list_clear(&indexes);
  return good;
}

static bool resolve_glob(ResolvedPath *resolved, Error *error) {
  resolved->form = PATH_FORM_GLOB;
  if (!glob_expand(resolved->path, &resolved->members, error)) return false;
  path_list_sort(&resolved->members);
  return resolved->members.count > 0 ||
         error_raise(error, ERROR_MISSING, resolved->path,
                     "expected a file of that name, or files that match, found none");
}

bool path_form_resolve(const char *path, ResolvedPath *resolved, Error *error) {
  *resolved = (ResolvedPath){.form = PATH_FORM_FILE};
  if (path[0] == '\0') {
    return error_raise(error, ERROR_ARGUMENT, "path", "expected a path, found an empty text");
  }
  if (strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0) {
    resolved->path = hub_resolve(path, error);
    if (resolved->path == NULL) return false;
  } else {
    resolved->path = memory_copy_text(path, strlen(path));
    if (resolved->path == NULL) return error_memory(error);
  }
  PathKind kind;
  if (!platform_path_kind(resolved->path, &kind, error)) return false;
  if (kind == PATH_FOLDER) return resolve_folder(resolved, error);
  if (kind == PATH_MISSING && glob_is_pattern(resolved->path)) {
    return resolve_glob(resolved, error);
  }
  if (is_index(resolved->path)) {
    resolved->form = PATH_FORM_INDEX;
    return true;
  }
  return path_list_add(&resolved->members, NULL, resolved->path) || error_memory(error);
}

void resolved_path_clear(ResolvedPath *resolved) {
  memory_free(resolved->path);
  path_list_clear(&resolved->members);
  *resolved = (ResolvedPath){0};
}

bool path_form_is_shard_place(const char *path, const char *folder, bool in_hub) {
  return platform_is_within(path, folder[0] != '\0' ? folder : ".") || (in_hub && hub_holds(path));
}
