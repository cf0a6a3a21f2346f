#include "model/path_form.h"

#include <string.h>

#include "base/file.h"
#include "base/file_system.h"
#include "base/glob.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/path_text.h"
#include "base/sqlite.h"
#include "base/suggest.h"
#include "format/index.h"
#include "model/address.h"
#include "model/hub.h"
#include "model/path_hint.h"

static bool path_form_ends_with(const char *text, const char *suffix) {
  size_t length = strlen(text), suffix_length = strlen(suffix);
  return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

bool path_form_is_index(const char *path) {
  return path_form_ends_with(path, ".json") && strstr(path_name(path), INDEX_INFIX) != NULL;
}

/* There are several indexes, as for a model that also comes in fp16. Only the user can know which
** one is meant. */
static bool path_form_raise_several(const char *directory, const PathList *indexes, Error *error) {
  sqlite3_str *list = sqlite3_str_new(NULL);
  for (uint32_t i = 0; i < indexes->count && i < 10; i++) {
    sqlite3_str_appendf(list, "%s%s", i > 0 ? ", " : "", indexes->paths[i]);
  }
  char *text = sqlite3_str_finish(list);
  if (text == NULL) return error_memory(error);
  error_fill(error, ERROR_ARGUMENT, directory,
             "expected one "
             "*" INDEX_SUFFIX " in the directory, found %u: %s; name the one you mean",
             indexes->count, text);
  memory_free(text);
  return false;
}

/* Selects the names with a suffix from those in a directory, except for hidden files. */
static bool path_form_pick(const PathList *names, const char *suffix, PathList *picked,
                           Cancel *cancel, Error *error) {
  for (uint32_t i = 0; i < names->count; i++) {
    const char *name = names->paths[i];
    if (name[0] != '.' && path_form_ends_with(name, suffix) && !path_list_add(picked, NULL, name)) {
      return error_memory(error);
    }
  }
  return path_list_order(picked, cancel, suffix, error);
}

/* A directory contains no checkpoint, but directories below it may. */
static bool path_form_raise_none(const char *directory, uint32_t *searches, Cancel *cancel,
                                 Error *error) {
  bool search = suggest_may_search(searches);
  char *hint = search ? path_hint_below(directory, cancel, error) : NULL;
  if (search && hint == NULL) return false;
  error_fill(error, ERROR_MISSING, directory,
             "expected *.safetensors files in the directory, found none%s", search ? hint : "");
  memory_free(hint);
  return false;
}

/* If nothing of that name exists, raises an error with similar names. All other errors are left to
** whoever opens the file. */
static bool path_form_check_there(const char *path, uint32_t *searches, Cancel *cancel,
                                  Error *error) {
  FileIdentity identity;
  Error problem = {0};
  if (file_identify(path, &identity, &problem)) return true;
  bool missing = problem.code == ERROR_MISSING && !file_system_exists(path);
  bool search = missing && suggest_may_search(searches);
  char *hint = search ? path_hint_near(path, cancel, error) : NULL;
  if (missing && (hint != NULL || !search)) {
    error_fill(error, problem.code, path, "%s%s", problem.message + problem.detail,
               search ? hint : "");
  }
  memory_free(hint);
  return error_forgive(error, &problem) && !missing;
}

/* Of several indexes this is the one with the usual name, if there is one. */
static const char *path_form_choose_index(const PathList *indexes) {
  for (uint32_t i = 0; i < indexes->count && indexes->count > 1; i++) {
    if (strcmp(indexes->paths[i], "model" INDEX_SUFFIX) == 0) return indexes->paths[i];
  }
  return indexes->count == 1 ? indexes->paths[0] : NULL;
}

static bool path_form_find_index(const PathList *names, const char *directory, const char **index,
                                 Cancel *cancel, Error *error) {
  PathList indexes = {0};
  *index = NULL;
  bool good = path_form_pick(names, INDEX_SUFFIX, &indexes, cancel, error);
  const char *chosen = path_form_choose_index(&indexes);
  if (good && indexes.count > 1 && chosen == NULL) {
    good = path_form_raise_several(directory, &indexes, error);
  }
  for (uint32_t i = 0; good && chosen != NULL && i < names->count; i++) {
    if (strcmp(names->paths[i], chosen) == 0) *index = names->paths[i];
  }
  path_list_clear(&indexes);
  return good;
}

bool path_form_add_member(ResolvedPath *resolved, const char *directory, const char *name) {
  char *copy = resolved->snapshot != NULL ? path_join(resolved->snapshot, name) : NULL;
  bool copied = copy != NULL && file_system_exists(copy);
  bool added = (copy != NULL || resolved->snapshot == NULL) &&
               path_list_add(&resolved->members, copied ? NULL : directory, copied ? copy : name);
  memory_free(copy);
  return added;
}

bool path_form_choose(ResolvedPath *resolved, const PathList *names, const char **index,
                      Cancel *cancel, Error *error) {
  PathList files = {0};
  const char *directory = resolved->path;
  if (!path_form_find_index(names, directory, index, cancel, error)) return false;
  bool good = *index != NULL || path_form_pick(names, PATH_FORM_FILE_SUFFIX, &files, cancel, error);
  for (uint32_t i = 0; good && i < files.count; i++) {
    good = path_form_add_member(resolved, directory, files.paths[i]) || error_memory(error);
  }
  path_list_clear(&files);
  return good;
}

static bool path_form_resolve_directory(ResolvedPath *resolved, uint32_t *searches, Cancel *cancel,
                                        Error *error) {
  PathList names = {0};
  const char *directory = resolved->path, *index = NULL;
  resolved->form = PATH_FORM_DIRECTORY;
  bool good = file_system_list(directory, &names, cancel, error) &&
              path_form_choose(resolved, &names, &index, cancel, error);
  if (good && index != NULL) {
    char *path = path_join(directory, index);
    if (path == NULL) {
      good = error_memory(error);
    } else {
      memory_free(resolved->path);
      resolved->path = path;
      resolved->form = PATH_FORM_INDEX;
    }
  } else if (good && resolved->members.count == 0) {
    good = path_form_raise_none(directory, searches, cancel, error);
  }
  path_list_clear(&names);
  return good;
}

static bool path_form_resolve_glob(ResolvedPath *resolved, Cancel *cancel, Error *error) {
  resolved->form = PATH_FORM_GLOB;
  if (!glob_expand(resolved->path, &resolved->members, cancel, error)) return false;
  return resolved->members.count > 0 ||
         error_raise(error, ERROR_MISSING, resolved->path,
                     "expected a file of that name, or files that match, found none");
}

/* Whether a file of that name exists or, for a pattern, the directory that it starts with. */
static bool path_form_begins_at_something(char *path) {
  size_t root = path_root(path), length = root + strcspn(path + root, "*?[");
  if (file_system_exists(path)) return true;
  if (path[length] == '\0') return false;
  while (length > root && !path_is_separator(path[length])) length--;
  char byte = path[length];
  path[length] = '\0';
  bool exists = length > 0 && file_system_exists(path);
  path[length] = byte;
  return exists;
}

char *path_form_path_of(const char *text) {
  bool out_of_memory;
  char *path = path_text_unescape(text, &out_of_memory);
  if (out_of_memory || (path != NULL && path_form_begins_at_something(path))) return path;
  memory_free(path);
  return memory_copy_text(text, strlen(text));
}

bool path_form_resolve(const char *path, ResolvedPath *resolved, Network *network,
                       uint32_t *searches, Cancel *cancel, Error *error) {
  *resolved = (ResolvedPath){.form = PATH_FORM_FILE};
  if (path[0] == '\0') {
    return error_raise(error, ERROR_ARGUMENT, "path", "expected a path, found an empty text");
  }
  bool asks;
  if (!network_asks(network, path, &asks, error)) return false;
  if (asks) return path_form_resolve_address(path, resolved, network, cancel, error);
  bool in_hub = hub_is_address(path);
  if (in_hub) {
    resolved->path = hub_resolve(path, searches, cancel, error);
    if (resolved->path == NULL) return false;
  } else {
    resolved->path = path_form_path_of(path);
    if (resolved->path == NULL) return error_memory(error);
  }
  PathKind kind;
  if (!file_system_kind(resolved->path, &kind, error)) return false;
  if (kind == PATH_DIRECTORY) return path_form_resolve_directory(resolved, searches, cancel, error);
  if (kind == PATH_MISSING && !in_hub && address_is(path)) return address_refuse(path, error);
  if (kind == PATH_MISSING && glob_is_pattern(resolved->path)) {
    return path_form_resolve_glob(resolved, cancel, error);
  }
  if (kind == PATH_MISSING && !path_form_check_there(resolved->path, searches, cancel, error))
    return false;
  if (path_form_is_index(resolved->path)) {
    resolved->form = PATH_FORM_INDEX;
    return true;
  }
  return path_list_add(&resolved->members, NULL, resolved->path) || error_memory(error);
}

void resolved_path_clear(ResolvedPath *resolved) {
  memory_free(resolved->path);
  memory_free(resolved->snapshot);
  path_list_clear(&resolved->members);
  *resolved = (ResolvedPath){0};
}

bool path_form_confine(const char *index_path, PathList *directories, Error *error) {
  bool unset;
  char *directory = path_directory(index_path);
  char *cache = hub_holds(index_path) ? hub_directory(&unset) : NULL;
  bool good = directory != NULL &&
              path_list_add(directories, NULL, directory[0] != '\0' ? directory : ".") &&
              (cache == NULL || path_list_add(directories, NULL, cache));
  memory_free(directory);
  memory_free(cache);
  return good || error_memory(error);
}
