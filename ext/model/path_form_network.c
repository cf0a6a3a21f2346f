#include <string.h>

#include "base/file_system.h"
#include "base/glob.h"
#include "base/glob_match.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"
#include "model/hub.h"
#include "model/path_form.h"

/* This machine's copy of a commit, or NULL in *snapshot. False if memory runs out, or on an interrupt. */
static bool path_form_find_snapshot(const char *repository, char **snapshot, Cancel *cancel,
                                    Error *error) {
  Error problem = {0};
  uint32_t searches = 0;
  *snapshot = hub_resolve(repository, &searches, cancel, &problem);
  return error_forgive(error, &problem);
}

/* Where the file within a repository begins in a pinned address, hf://[KIND/]NAME@COMMIT[/FILE], or at its end. */
static const char *path_form_file_of(const char *pinned) {
  const char *at = strchr(pinned, '@');
  return at != NULL ? at + strcspn(at, "/") : pinned + strlen(pinned);
}

char *path_form_here(const char *path, const Network *network, Cancel *cancel, Error *error) {
  char *snapshot = NULL, *here = NULL;
  const char *file = path_form_file_of(path);
  bool good = true;
  if (strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0 && *file == '/' &&
      network_has(network, path)) {
    char *repository = memory_copy_text(path, (uint64_t)(file - path));
    good = repository != NULL ? path_form_find_snapshot(repository, &snapshot, cancel, error)
                              : error_memory(error);
    memory_free(repository);
  }
  if (snapshot != NULL) here = path_join(snapshot, file + 1);
  good = good && (snapshot == NULL || here != NULL || error_memory(error));
  memory_free(snapshot);
  if (good && here != NULL && file_system_exists(here)) return here;
  memory_free(here);
  here = good ? memory_copy_text(path, strlen(path)) : NULL;
  if (good && here == NULL) error_memory(error);
  return here;
}

bool path_form_is_file_name(const char *path) {
  size_t length = strlen(path), suffix = strlen(PATH_FORM_FILE_SUFFIX);
  return path_form_is_index(path) ||
         (length > suffix && strcmp(path + length - suffix, PATH_FORM_FILE_SUFFIX) == 0);
}

/* The address is that of one file, or of this machine's copy of it. */
static bool path_form_take_file(ResolvedPath *resolved, const char *directory, const char *name,
                                Error *error) {
  char *copy = resolved->snapshot != NULL ? path_join(resolved->snapshot, name) : NULL;
  bool is_index = path_form_is_index(name);
  bool copied =
      copy != NULL && file_system_exists(copy) && !is_index; /* whose shards may not be there */
  char *path = copied ? copy : path_join(directory, name);
  if (!copied) memory_free(copy);
  if (path == NULL) return error_memory(error);
  memory_free(resolved->path);
  resolved->path = path;
  resolved->form = is_index ? PATH_FORM_INDEX : PATH_FORM_FILE;
  return is_index || path_list_add(&resolved->members, NULL, path) || error_memory(error);
}

/* The address is that of a place with several files: its index, or its files. */
static bool path_form_take_place(ResolvedPath *resolved, Network *network, Cancel *cancel,
                                 Error *error) {
  PathList names = {0};
  const char *index = NULL;
  char *place = sqlite3_mprintf("%s/", resolved->path);
  bool good = place != NULL ? network_list(network, place, &names, error) : error_memory(error);
  memory_free(place);
  resolved->form = PATH_FORM_DIRECTORY;
  good = good && path_form_choose(resolved, &names, &index, cancel, error);
  if (good && index != NULL) {
    char *path = path_join(resolved->path, index);
    if (path == NULL) good = error_memory(error);
    memory_free(resolved->path);
    resolved->path = path;
    resolved->form = PATH_FORM_INDEX;
  } else if (good && resolved->members.count == 0) {
    good = error_raise(error, ERROR_MISSING, resolved->path,
                       "expected *.safetensors files there, found none");
  }
  path_list_clear(&names);
  return good;
}

/* Names that begin with a dot, or as those of AppleDouble files, match only if the pattern begins so: see base/glob.h. */
static bool path_form_matches_name(const char *pattern, const char *name) {
  bool is_hidden = name[0] == '.', is_double = is_hidden && name[1] == '_';
  if (is_hidden && (pattern[0] != '.' || (is_double && pattern[1] != '_'))) return false;
  return glob_match(pattern, name);
}

/* Whether the first `count` components of a path match a pattern. On a mismatch, the last "**" takes one more. */
static bool path_form_matches(const PathList *pattern, const PathList *path, uint32_t count) {
  uint32_t p = 0, t = 0, star = UINT32_MAX, taken = 0;
  while (t < count) {
    if (p < pattern->count && strcmp(pattern->paths[p], "**") == 0) {
      star = p++;
      taken = t;
    } else if (p < pattern->count && path_form_matches_name(pattern->paths[p], path->paths[t])) {
      p++;
      t++;
    } else if (star != UINT32_MAX && path->paths[taken][0] != '.') {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern->count && strcmp(pattern->paths[p], "**") == 0) p++;
  return p == pattern->count;
}

static bool path_form_split(const char *path, PathList *components) {
  for (size_t length; *path != '\0'; path += length + (path[length] == '/')) {
    length = strcspn(path, "/");
    char *component = memory_copy_text(path, length);
    bool added = component != NULL && path_list_add(components, NULL, component);
    memory_free(component);
    if (!added) return false;
  }
  return true;
}

bool path_form_match(const char *pattern, const char *address, PathMatch *match) {
  PathList wanted = {0}, path = {0};
  bool good = path_form_split(pattern, &wanted) && path_form_split(address, &path);
  *match = PATH_MATCH_NONE;
  if (good && path_form_matches(&wanted, &path, path.count)) *match = PATH_MATCH_ITSELF;
  for (uint32_t i = 1; good && i < path.count && *match == PATH_MATCH_NONE; i++) {
    if (path_form_matches(&wanted, &path, i)) *match = PATH_MATCH_ABOVE;
  }
  path_list_clear(&wanted);
  path_list_clear(&path);
  return good;
}

/* Adds a file if its address matches. */
static bool path_form_take_match(ResolvedPath *resolved, const PathList *pattern,
                                 const char *address, Error *error) {
  PathList components = {0};
  bool good = path_form_split(address, &components);
  if (good && path_form_matches(pattern, &components, components.count))
    good = path_list_add(&resolved->members, NULL, address);
  path_list_clear(&components);
  return good || error_memory(error);
}

/* Files whose addresses match a pattern. */
static bool path_form_take_pattern(ResolvedPath *resolved, Network *network, Cancel *cancel,
                                   Error *error) {
  PathList found = {0}, pattern = {0};
  bool good = path_form_split(resolved->path, &pattern)
                  ? network_find_files(network, resolved->path, &found, error)
                  : error_memory(error);
  resolved->form = PATH_FORM_GLOB;
  bool is_name = false; /* what exists under exactly that name is meant, as on this machine */
  for (uint32_t i = 0; good && i < found.count; i++) {
    good = cancel_go_on_row(cancel, i, resolved->path, error) &&
           path_form_take_match(resolved, &pattern, found.paths[i], error);
    is_name |= strcmp(found.paths[i], resolved->path) == 0;
  }
  if (good && is_name) {
    path_list_clear(&resolved->members);
    resolved->form = PATH_FORM_FILE;
    good = path_list_add(&resolved->members, NULL, resolved->path) || error_memory(error);
  }
  path_list_clear(&found);
  path_list_clear(&pattern);
  good = good && path_list_order(&resolved->members, cancel, resolved->path, error);
  if (!good || resolved->members.count > 0) return good;
  return error_raise(error, ERROR_MISSING, resolved->path, "expected files that match, found none");
}

/* Splits "DIRECTORY/NAME", where the directory is the repository with its commit if it is one of the hub. */
static bool path_form_resolve_pinned(ResolvedPath *resolved, Network *network, Cancel *cancel,
                                     Error *error) {
  const char *path = resolved->path;
  bool in_hub = strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0;
  size_t length = (size_t)((in_hub ? path_form_file_of(path) : path_name(path)) - path);
  if (!in_hub && length > 0) length--; /* without the slash */
  char *directory = memory_copy_text(path, length);
  if (directory == NULL) return error_memory(error);
  bool good = !in_hub || path_form_find_snapshot(directory, &resolved->snapshot, cancel, error);
  if (good && !network_is_file(path) && glob_is_pattern(path)) {
    good = path_form_take_pattern(resolved, network, cancel, error);
  } else if (good && (path_form_is_file_name(path) || network_is_file(path))) {
    char *name = memory_copy_text(path + length + 1, strlen(path + length + 1));
    good =
        name != NULL ? path_form_take_file(resolved, directory, name, error) : error_memory(error);
    memory_free(name);
  } else if (good) {
    good = path_form_take_place(resolved, network, cancel, error);
  }
  memory_free(directory);
  return good;
}

bool path_form_resolve_address(const char *path, ResolvedPath *resolved, Network *network,
                               Cancel *cancel, Error *error) {
  resolved->path = network_pin(network, path, error);
  if (resolved->path == NULL) return false;
  size_t length = strlen(resolved->path);
  while (length > 2 && resolved->path[length - 1] == '/' && resolved->path[length - 2] != '/') {
    resolved->path[--length] = '\0';
  }
  return path_form_resolve_pinned(resolved, network, cancel, error);
}
