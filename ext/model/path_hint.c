#include "model/path_hint.h"

#include <string.h>

#include "base/file_system.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"
#include "base/suggest.h"
#include "format/index.h"
#include "model/hub.h"

enum {
  PATH_HINT_MAX_NAMES = 20000,     /* names of a directory that are examined */
  PATH_HINT_MAX_DIRECTORIES = 500, /* directories below a directory that are examined */
  PATH_HINT_MAX_DEPTH = 6,         /* of these directories */
  PATH_HINT_MAX_SHOWN = 5
};

static const char path_hint_file_suffix[] = ".safetensors";

static bool path_hint_ends_with(const char *text, const char *suffix) {
  size_t length = strlen(text), suffix_length = strlen(suffix);
  return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

/* Lists what can be listed. Returns false only on an interrupt, or if memory runs out. */
static bool path_hint_list(const char *directory, PathList *names, Cancel *cancel, Error *error) {
  Error problem = {0};
  return file_system_list(directory, names, cancel, &problem) || error_forgive(error, &problem);
}

/* ---- Similar names ---- */

/* Whether ORG/NAME, or NAME, is a model in the Hugging Face cache. */
static bool path_hint_is_cached_model(const char *path, Error *error) {
  const char *slash = strchr(path, '/');
  bool plain = path[0] != '\0' && path[0] != '.' && path_root(path) == 0 && path[0] != '~';
  if (!plain || (slash != NULL && (slash[1] == '\0' || strchr(slash + 1, '/') != NULL)))
    return false;
  return (slash == NULL || slash[1] != '.') && hub_has_model(path, error);
}

char *path_hint_near(const char *path, Cancel *cancel, Error *error) {
  PathList names = {0};
  const char *model = path + (strncmp(path, "hf:", 3) == 0 ? 3 : 0);
  if (path_hint_is_cached_model(model, error)) {
    char *text = sqlite3_mprintf("; did you mean \"%s%s\"?", HUB_PREFIX, model);
    if (text == NULL) error_memory(error);
    return text;
  }
  if (error->code != ERROR_NONE) return NULL;
  char *directory = path_directory(path), *text = NULL;
  const char *name = path_name(path);
  Suggest suggest = {.word = name, .length = strlen(name)};
  if (directory == NULL) {
    error_memory(error);
  } else if (path_hint_list(directory[0] != '\0' ? directory : ".", &names, cancel, error)) {
    for (uint32_t i = 0; i < names.count && i < PATH_HINT_MAX_NAMES; i++) {
      suggest_offer(&suggest, names.paths[i], strlen(names.paths[i]));
    }
    char *start = memory_copy_text(path, (size_t)(name - path));
    text = start != NULL ? suggest_text(&suggest, start) : NULL;
    memory_free(start);
    if (text == NULL) error_memory(error);
  }
  path_list_clear(&names);
  memory_free(directory);
  return text;
}

/* ---- Directories below a directory ---- */

/* A directory to be examined. */
typedef struct PathHintPlace {
  char *path;
  uint32_t depth;
} PathHintPlace;

typedef struct PathHintSearch {
  PathHintPlace places[PATH_HINT_MAX_DIRECTORIES];
  uint32_t count, next;
  PathList found;
  bool more; /* than was examined */
} PathHintSearch;

/* Adds the entry `name` of a directory to the search if it is a directory. Links are skipped. */
static bool path_hint_add_directory(PathHintSearch *search, const PathHintPlace *place,
                                    const char *name, Error *error) {
  PathLook look;
  Error problem = {0};
  if (place->depth == PATH_HINT_MAX_DEPTH || search->count == PATH_HINT_MAX_DIRECTORIES) {
    search->more = true;
    return true;
  }
  char *path = path_join(place->path, name);
  if (path == NULL) return error_memory(error);
  bool known = file_system_look(path, &look, &problem);
  if (!error_forgive(error, &problem)) {
    memory_free(path);
    return false;
  }
  if (known && look.kind == PATH_DIRECTORY && !look.is_link) {
    search->places[search->count++] = (PathHintPlace){path, place->depth + 1};
  } else {
    memory_free(path);
  }
  return true;
}

/* Examines whether a directory contains checkpoints, and which directories it contains. */
static bool path_hint_look_into(PathHintSearch *search, const PathHintPlace *place, Cancel *cancel,
                                Error *error) {
  PathList names = {0};
  bool has = false, good = path_hint_list(place->path, &names, cancel, error) &&
                           path_list_order(&names, cancel, place->path, error);
  for (uint32_t i = 0; good && i < names.count; i++) {
    const char *name = names.paths[i];
    good = cancel_go_on(cancel, place->path, error);
    if (!good || name[0] == '.' || strcmp(name, "blobs") == 0) continue;
    bool is_file =
        path_hint_ends_with(name, path_hint_file_suffix) || strstr(name, INDEX_INFIX) != NULL;
    has = has || is_file;
    if (!is_file) good = path_hint_add_directory(search, place, name, error);
  }
  if (good && has && !path_list_add(&search->found, NULL, place->path)) good = error_memory(error);
  path_list_clear(&names);
  return good;
}

static char *path_hint_found_text(const PathHintSearch *search) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  const PathList *found = &search->found;
  for (uint32_t i = 0; i < found->count && i < PATH_HINT_MAX_SHOWN; i++) {
    const char *path = found->paths[i];
    sqlite3_str_appendf(text, "%s%.*s", i == 0 ? "; there are some in " : ", ",
                        ERROR_NAME(path, strlen(path)));
  }
  bool more = found->count > PATH_HINT_MAX_SHOWN || (search->more && found->count > 0);
  if (more) sqlite3_str_appendf(text, ", ...");
  bool empty = found->count == 0 && sqlite3_str_errcode(text) == SQLITE_OK;
  char *finished = sqlite3_str_finish(text);
  return empty ? sqlite3_mprintf("") : finished;
}

char *path_hint_below(const char *directory, Cancel *cancel, Error *error) {
  PathHintSearch *search = memory_zeroed(1, sizeof *search);
  char *text = NULL;
  bool good = search != NULL || error_memory(error);
  if (good) {
    search->places[0].path = memory_copy_text(directory, strlen(directory));
    good = search->places[search->count++].path != NULL || error_memory(error);
  }
  while (good && search->next < search->count && search->found.count <= PATH_HINT_MAX_SHOWN) {
    PathHintPlace place = search->places[search->next++];
    good = path_hint_look_into(search, &place, cancel, error);
  }
  if (good) {
    text = path_hint_found_text(search);
    if (text == NULL) error_memory(error);
  }
  for (uint32_t i = 0; search != NULL && i < search->count; i++)
    memory_free(search->places[i].path);
  if (search != NULL) path_list_clear(&search->found);
  memory_free(search);
  return text;
}
