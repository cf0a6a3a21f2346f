#include "model/model_list.h"

#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "model/config_file.h"
#include "model/path_form.h"

/* How many lists a session keeps that no cursor uses, and how many models and directories they may
** have together; the one used last is kept whatever its size. */
enum { MODEL_LIST_KEPT = 8, MODEL_LIST_MAX_ROWS = 200000 };

/* Whether a directory is a component of a pipeline. */
enum { MODEL_LIST_UNASKED, MODEL_LIST_NO_COMPONENT, MODEL_LIST_COMPONENT };

struct ModelList {
  uint32_t references;
  char *path; /* as it was given */
  ModelRoots roots;
  ModelSearch search;
  ListedModels models;
  uint8_t *components; /* whether each directory is a component; NULL until it is asked */
  uint64_t expected;   /* rows whose headers were asked for */
  LinkMode links;      /* the setting with which it was made */
  ModelList *older;    /* in the session, by last use */
};

typedef struct ModelListCache {
  ModelList *newest;
} ModelListCache;

const ListedModels *model_list_models(const ModelList *list) {
  return &list->models;
}

void model_list_release(ModelList *list) {
  if (list == NULL || --list->references > 0) return;
  listed_models_clear(&list->models);
  model_search_clear(&list->search);
  model_roots_clear(&list->roots);
  memory_free(list->components);
  memory_free(list->path);
  memory_free(list);
}

/* ---- Headers ---- */

bool model_list_expect(ModelList *list, Session *session, uint64_t row, uint64_t end,
                       Error *error) {
  enum { MODEL_LIST_AHEAD = 32, MODEL_LIST_EXPECTED = 64 };
  Network *network = session_network(session);
  PathList files = {0};
  if (!list->roots.is_address || row + MODEL_LIST_AHEAD < list->expected) return true;
  uint64_t first = row > list->expected ? row : list->expected;
  if (end > first + MODEL_LIST_EXPECTED) end = first + MODEL_LIST_EXPECTED;
  bool good = true;
  for (uint64_t i = first; good && i < end; i++) {
    const ListedModel *model = &list->models.rows[i];
    if (model->form != LISTED_FILE) continue;
    char *here = path_form_here(model->path, network, session_cancel(session), error);
    good = here != NULL && (path_list_add(&files, NULL, here) || error_memory(error));
    memory_free(here);
  }
  if (good) network_expect(network, files.paths, NULL, files.count);
  if (end > list->expected) list->expected = end;
  path_list_clear(&files);
  return good;
}

/* ---- Configurations ---- */

/* Reads a file in a directory. What cannot be read is as if it were absent, but for fatal errors. */
static bool model_list_read_config(Session *session, const char *directory, const char *name,
                                   char **text, json_t **root, Error *error) {
  FileIdentity identity;
  Error problem = {0};
  char *path = path_join(directory, name), *here = NULL;
  *root = NULL;
  if (path == NULL) return error_memory(error);
  here = path_form_here(path, session_network(session), session_cancel(session), error);
  memory_free(path);
  if (here == NULL) return false;
  if (!config_file_read(session, here, &identity, text, root, &problem)) *root = NULL;
  memory_free(here);
  return error_forgive(error, &problem);
}

bool model_list_config(ModelList *list, Session *session, const ListedModel *model, ModelKind kind,
                       char **text, Error *error) {
  FoundDirectory *directory = &list->search.directories[model->directory];
  if (!model_search_look_beside(directory, session, error)) return false;
  const struct {
    const char *name;
    bool is_there;
  } configs[] = {
      {"adapter_config.json", directory->has_adapter_config && kind == MODEL_KIND_ADAPTER},
      {"config.json", directory->has_config},
      {"adapter_config.json", directory->has_adapter_config},
      {"model_index.json", directory->has_pipeline}};
  *text = NULL;
  for (size_t i = 0; *text == NULL && i < sizeof configs / sizeof configs[0]; i++) {
    json_t *root;
    if (!configs[i].is_there) continue;
    if (!model_list_read_config(session, directory->path, configs[i].name, text, &root, error))
      return false;
    json_decref(root);
  }
  return true;
}

/* ---- Pipelines ---- */

/* The last component of a directory's path; "" for what says nothing, like "..". memory_free()
** releases it. NULL when memory runs out. */
static char *model_list_directory_name(const char *path) {
  char *real = NULL;
  size_t length = strlen(path);
  while (length > 0 && path_is_separator(path[length - 1])) length--;
  char *name = memory_copy_text(path, length);
  if (name == NULL) return NULL;
  const char *last = path_name(name);
  if ((last[0] == '\0' || last[0] == '.') &&
      file_system_real_path(length > 0 ? name : ".", &real) == 0) {
    memory_free(name);
    name = real;
    last = path_name(name);
  }
  char *copy = memory_copy_text(last, strlen(last));
  memory_free(name);
  return copy;
}

/* Notes whether the pipeline has a component of the directory's name. */
static bool model_list_note_component(ModelList *list, const json_t *root, uint32_t number,
                                      Error *error) {
  char *name = model_list_directory_name(list->search.directories[number].path);
  if (name == NULL) return error_memory(error);
  bool is_one = json_is_array(json_object_get(root, name));
  list->components[number] = is_one ? MODEL_LIST_COMPONENT : MODEL_LIST_NO_COMPONENT;
  memory_free(name);
  return true;
}

/* Notes it for the directory, and for those beside it. A stranger may have written a large
** model_index.json, so none is kept. */
static bool model_list_read_pipeline(ModelList *list, Session *session, uint32_t number,
                                     Error *error) {
  const FoundDirectory *directories = list->search.directories;
  uint32_t parent = directories[number].parent;
  bool is_root = parent == MODEL_SEARCH_NONE, good = true;
  json_t *root = NULL;
  const char *path = directories[number].path;
  bool is_address = network_has(session_network(session), path);
  char *above = !is_root ? NULL : is_address ? network_directory(path) : path_join(path, "..");
  if (is_root && !is_address && above == NULL) return error_memory(error);
  if (!is_root || above != NULL) {
    good = model_list_read_config(session, is_root ? above : directories[parent].path,
                                  "model_index.json", NULL, &root, error);
  }
  memory_free(above);
  for (uint32_t i = 0; good && i < list->search.directory_count; i++) {
    if (i == number || (!is_root && directories[i].parent == parent))
      good = model_list_note_component(list, root, i, error);
  }
  json_decref(root);
  return good;
}

/* Sets *is_component to whether a pipeline has the directory as a component. */
static bool model_list_is_component(ModelList *list, Session *session, uint32_t number,
                                    bool *is_component, Error *error) {
  const FoundDirectory *directory = &list->search.directories[number];
  bool is_root = directory->parent == MODEL_SEARCH_NONE;
  *is_component = false;
  if (!is_root && !list->search.directories[directory->parent].has_pipeline) return true;
  if (list->components == NULL) {
    list->components = memory_zeroed(list->search.directory_count, sizeof *list->components);
    if (list->components == NULL) return error_memory(error);
  }
  if (list->components[number] == MODEL_LIST_UNASKED &&
      !model_list_read_pipeline(list, session, number, error)) {
    return false;
  }
  *is_component = list->components[number] == MODEL_LIST_COMPONENT;
  return true;
}

bool model_list_kind(ModelList *list, Session *session, const ListedModel *model, ModelKind *kind,
                     bool *is_sure, Error *error) {
  FoundDirectory *directory = &list->search.directories[model->directory];
  bool is_component;
  *kind = MODEL_KIND_UNKNOWN;
  *is_sure = true;
  if (model->form == LISTED_DIRECTORY) return true;
  ModelKind named = model_kind_of_file(path_name(model->path));
  bool is_model = named == MODEL_KIND_MODEL || named == MODEL_KIND_UNKNOWN;
  if (!is_model) {
    *kind = named;
    return true;
  }
  if (!model_search_look_beside(directory, session, error) ||
      !model_list_is_component(list, session, model->directory, &is_component, error)) {
    return false;
  }
  bool only_adapter = directory->has_adapter_config && !directory->has_config;
  bool says_model = directory->has_config || directory->has_pipeline || model->form != LISTED_FILE;
  *kind = is_component   ? MODEL_KIND_COMPONENT
          : only_adapter ? MODEL_KIND_ADAPTER
          : says_model   ? MODEL_KIND_MODEL
                         : model_kind_of_words(path_name(model->path));
  *is_sure = is_component ||
             (says_model && !only_adapter && named == MODEL_KIND_MODEL && directory->has_config);
  return true;
}

/* ---- Lists that the session keeps ---- */

static void model_list_release_cache(void *guest) {
  ModelListCache *cache = guest;
  for (ModelList *list = cache->newest, *older; list != NULL; list = older) {
    older = list->older;
    model_list_release(list);
  }
  memory_free(cache);
}

static ModelListCache *model_list_cache(Session *session) {
  SessionGuest *guest = session_models(session);
  if (guest->guest == NULL) {
    *guest = (SessionGuest){memory_zeroed(1, sizeof(ModelListCache)), model_list_release_cache};
  }
  return guest->guest;
}

/* Takes the list of that path out of the cache. */
static ModelList *model_list_take(ModelListCache *cache, const char *path) {
  for (ModelList **link = &cache->newest; *link != NULL; link = &(*link)->older) {
    ModelList *list = *link;
    if (strcmp(list->path, path) != 0) continue;
    *link = list->older;
    list->older = NULL;
    return list;
  }
  return NULL;
}

/* Puts a list first, and drops those that are too many. */
static void model_list_keep(ModelListCache *cache, ModelList *list) {
  uint64_t rows = 0;
  uint32_t count = 0;
  list->references++;
  list->older = cache->newest;
  cache->newest = list;
  for (ModelList **link = &cache->newest; *link != NULL;) {
    ModelList *kept = *link;
    rows += kept->models.count + kept->search.directory_count;
    if (count++ == 0 || (count <= MODEL_LIST_KEPT && rows <= MODEL_LIST_MAX_ROWS)) {
      link = &kept->older;
      continue;
    }
    *link = kept->older;
    model_list_release(kept);
  }
}

/* Whether the list is what would be found now at the same roots. */
static bool model_list_is_current(const ModelList *list, Session *session,
                                  const ModelRoots *roots) {
  return list->links == session_settings(session)->links &&
         model_roots_equal(&list->roots, roots) && model_search_is_current(&list->search) &&
         listed_models_are_current(&list->models);
}

/* A file or index that was named by itself is handed on as it was named. */
static bool model_list_name_alone(ModelList *list, Error *error) {
  bool is_alone = list->roots.files.count > 0 && !list->roots.is_pattern;
  if (!is_alone || list->models.count != 1) return true;
  ListedModel *model = &list->models.rows[0];
  char *name = memory_copy_text(list->path, strlen(list->path));
  if (name == NULL) return error_memory(error);
  memory_free(model->name);
  model->name = name;
  return true;
}

/* Takes over the roots. */
static ModelList *model_list_new(Session *session, const char *path, ModelRoots *roots,
                                 Error *error) {
  ModelList *list = memory_zeroed(1, sizeof *list);
  if (list == NULL) {
    model_roots_clear(roots);
    error_memory(error);
    return NULL;
  }
  list->references = 1;
  list->links = session_settings(session)->links;
  list->roots = *roots;
  *roots = (ModelRoots){0};
  list->path = memory_copy_text(path, strlen(path));
  bool is_alone = list->roots.files.count > 0 && !list->roots.is_pattern;
  if ((list->path != NULL || error_memory(error)) &&
      model_search_run(&list->search, session, &list->roots, error) &&
      model_group_make(&list->models, &list->search, is_alone, session, error) &&
      model_list_name_alone(list, error)) {
    model_search_forget_files(&list->search);
    return list;
  }
  model_list_release(list);
  return NULL;
}

ModelList *model_list_open(Session *session, const char *path, Error *error) {
  ModelListCache *cache = model_list_cache(session);
  ModelRoots roots = {0};
  if (cache == NULL) {
    error_memory(error);
    return NULL;
  }
  if (!model_roots_find(session, path, &roots, error)) {
    model_roots_clear(&roots);
    return NULL;
  }
  ModelList *list = model_list_take(cache, path);
  if (list != NULL && !model_list_is_current(list, session, &roots)) {
    model_list_release(list);
    list = NULL;
  }
  if (list == NULL) {
    list = model_list_new(session, path, &roots, error);
  } else { /* a model_index.json may say something else by now */
    memory_free(list->components);
    list->components = NULL;
  }
  model_roots_clear(&roots);
  if (list == NULL) return NULL;
  model_list_keep(cache, list);
  return list;
}
