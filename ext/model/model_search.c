#include "model/model_search.h"

#include <string.h>

#include "base/glob.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/path_text.h"
#include "base/sqlite.h"
#include "base/visited.h"
#include "format/index.h"
#include "format/name_set.h"
#include "model/hub.h"
#include "model/path_form.h"

void model_roots_clear(ModelRoots *roots) {
  hub_snapshots_clear(&roots->directories);
  path_list_clear(&roots->files);
  *roots = (ModelRoots){0};
}

void model_search_forget_files(ModelSearch *search) {
  for (uint64_t i = 0; i < search->file_count; i++) memory_free(search->files[i].path);
  memory_free(search->files);
  search->files = NULL;
  search->file_count = search->file_capacity = 0;
}

void model_search_clear(ModelSearch *search) {
  model_search_forget_files(search);
  for (uint64_t i = 0; i < search->directory_count; i++) {
    memory_free(search->directories[i].path);
    memory_free(search->directories[i].address);
    memory_free(search->directories[i].problem);
  }
  memory_free(search->directories);
  *search = (ModelSearch){0};
}

/* ---- Where to search ---- */

/* Adds a directory. Takes over `directory`, which is NULL when memory ran out. */
static bool model_roots_add(ModelRoots *roots, char *directory, const char *address, Error *error) {
  HubSnapshots *list = &roots->directories;
  void *rows = list->rows;
  char *copy = address != NULL ? memory_copy_text(address, strlen(address)) : NULL;
  if (directory == NULL || (address != NULL && copy == NULL) ||
      !memory_reserve(&rows, &list->capacity, list->count, sizeof *list->rows)) {
    memory_free(directory);
    memory_free(copy);
    return error_memory(error);
  }
  list->rows = rows;
  size_t length = copy != NULL ? strlen(copy) : 0;
  if (length > 0 && copy[length - 1] == '/') copy[length - 1] = '\0';
  list->rows[list->count++] = (HubSnapshot){copy, directory};
  return true;
}

/* Sorts what a path names that is no directory. */
static bool model_roots_resolve(Session *session, const char *path, ModelRoots *roots,
                                Error *error) {
  ResolvedPath resolved;
  bool good = path_form_resolve(path, &resolved, session_network(session),
                                session_searches(session), session_cancel(session), error);
  if (good && resolved.form == PATH_FORM_INDEX) {
    good = path_list_add(&roots->files, NULL, resolved.path) || error_memory(error);
  }
  roots->is_pattern = good && resolved.form == PATH_FORM_GLOB;
  if (good && resolved.form != PATH_FORM_INDEX) {
    roots->files = resolved.members;
    resolved.members = (PathList){0};
  }
  resolved_path_clear(&resolved);
  return good;
}

/* A file of the network, or this machine's copy of it. */
static bool model_roots_add_file(Session *session, const char *pinned, ModelRoots *roots,
                                 Error *error) {
  char *here =
      path_form_is_index(pinned) /* whose shards may not be there */
          ? memory_copy_text(pinned, strlen(pinned))
          : path_form_here(pinned, session_network(session), session_cancel(session), error);
  if (here == NULL) return error_memory(error);
  roots->is_address = network_is_address(here);
  bool good = path_list_add(&roots->files, NULL, here) || error_memory(error);
  memory_free(here);
  return good;
}

static bool model_roots_find_address(Session *session, const char *path, ModelRoots *roots,
                                     Error *error) {
  char *pinned = network_pin(session_network(session), path, error);
  if (pinned == NULL) return false;
  size_t length = strlen(pinned);
  while (length > 2 && pinned[length - 1] == '/' && pinned[length - 2] != '/')
    pinned[--length] = '\0';
  roots->is_address = true;
  bool good;
  if (!network_is_file(pinned) && glob_is_pattern(pinned)) {
    roots->is_pattern = true;
    good = path_list_add(&roots->files, NULL, pinned) || error_memory(error);
  } else if (network_is_file(pinned) || path_form_is_file_name(pinned)) {
    good = model_roots_add_file(session, pinned, roots, error);
  } else {
    bool has_address = strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0;
    return model_roots_add(roots, pinned, has_address ? path : NULL, error);
  }
  memory_free(pinned);
  return good;
}

bool model_roots_find(Session *session, const char *path, ModelRoots *roots, Error *error) {
  const char *kind;
  Cancel *cancel = session_cancel(session);
  if (hub_list_is_address(path, &kind))
    return hub_list(path, kind, &roots->directories, cancel, error);
  bool asks, in_hub = hub_is_address(path);
  if (!network_asks(session_network(session), path, &asks, error)) return false;
  if (asks) return model_roots_find_address(session, path, roots, error);
  char *place = in_hub ? hub_resolve(path, session_searches(session), cancel, error)
                       : path_form_path_of(path);
  if (place == NULL) return in_hub ? false : error_memory(error);
  PathKind found;
  bool good = file_system_kind(place, &found, error);
  if (good && found == PATH_DIRECTORY) {
    bool has_address = in_hub && !hub_is_web_address(path);
    return model_roots_add(roots, place, has_address ? path : NULL, error);
  }
  memory_free(place);
  return good && model_roots_resolve(session, path, roots, error);
}

bool model_roots_equal(const ModelRoots *a, const ModelRoots *b) {
  if (a->files.count > 0 || b->files.count > 0 || a->directories.count != b->directories.count)
    return false;
  for (uint64_t i = 0; i < a->directories.count; i++) {
    const HubSnapshot *left = &a->directories.rows[i], *right = &b->directories.rows[i];
    if (strcmp(left->directory, right->directory) != 0) return false;
    if ((left->address == NULL) != (right->address == NULL)) return false;
    if (left->address != NULL && strcmp(left->address, right->address) != 0) return false;
  }
  return true;
}

/* ---- What was found ---- */

typedef struct ModelSearching {
  ModelSearch *search;
  Session *session;
  Cancel *cancel;
  Visited visited;
  PathList links;         /* to directories */
  uint32_t *link_parents; /* the directories that they are in */
  uint64_t link_capacity;
  Error *error;
} ModelSearching;

bool model_search_add_directory(ModelSearch *search, char *path, char *address, uint32_t parent,
                                const PathLook *look, Error *error) {
  void *rows = search->directories;
  if (path == NULL || search->directory_count >= MODEL_SEARCH_NONE ||
      !memory_reserve(&rows, &search->directory_capacity, search->directory_count,
                      sizeof(FoundDirectory))) {
    memory_free(path);
    memory_free(address);
    return error_memory(error);
  }
  search->directories = rows;
  uint32_t number = (uint32_t)search->directory_count++;
  search->directories[number] = (FoundDirectory){
      .path = path,
      .address = address,
      .parent = parent,
      .root = parent == MODEL_SEARCH_NONE ? number : search->directories[parent].root,
      .look = *look};
  return true;
}

bool model_search_add_file(ModelSearch *search, char *path, uint32_t directory, bool is_wanted,
                           Error *error) {
  void *rows = search->files;
  if (path == NULL || search->file_count >= MODEL_SEARCH_NONE ||
      !memory_reserve(&rows, &search->file_capacity, search->file_count, sizeof(FoundFile))) {
    memory_free(path);
    return error_memory(error);
  }
  search->files = rows;
  search->files[search->file_count++] = (FoundFile){.path = path,
                                                    .directory = directory,
                                                    .is_index = path_form_is_index(path),
                                                    .is_wanted = is_wanted};
  return true;
}

/* Adds a directory that was not found before. Takes over both texts. */
static bool model_search_enter(ModelSearching *searching, char *path, char *address,
                               uint32_t parent, const PathLook *look) {
  bool again;
  if (!visited_note(&searching->visited, look->device, look->inode, 0, 1, &again)) {
    memory_free(path);
    memory_free(address);
    return error_memory(searching->error);
  }
  if (again)
    return model_search_add_directory(searching->search, path, address, parent, look,
                                      searching->error);
  memory_free(path);
  memory_free(address);
  return true;
}

static bool model_search_enter_below(ModelSearching *searching, const char *path, uint32_t parent,
                                     const PathLook *look) {
  const FoundDirectory *above = &searching->search->directories[parent];
  char *address = above->address != NULL ? path_join(above->address, path_name(path)) : NULL;
  if (above->address != NULL && address == NULL) return error_memory(searching->error);
  return model_search_enter(searching, memory_copy_text(path, strlen(path)), address, parent, look);
}

/* ---- Names ---- */

static bool model_search_ends_with(const char *text, const char *suffix) {
  size_t length = strlen(text), suffix_length = strlen(suffix);
  return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

bool model_search_is_left_out(const char *name) {
  static const char *const names[] = {".git", ".cache", "blobs", ".locks", ".no_exist"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(name, names[i]) == 0) return true;
  }
  return false;
}

bool model_search_takes(FoundDirectory *directory, const char *name) {
  if (name[0] == '.') return false;
  if (model_search_ends_with(name, PATH_FORM_FILE_SUFFIX)) {
    directory->file_count++;
    return true;
  }
  if (!path_form_is_index(name)) return false;
  directory->index_count += model_search_ends_with(name, INDEX_SUFFIX);
  directory->has_usual_index |= strcmp(name, "model" INDEX_SUFFIX) == 0;
  return true;
}

const char *model_search_config(int number) {
  static const char *const names[] = {"config.json", "adapter_config.json", "model_index.json",
                                      NULL};
  return names[number];
}

bool model_search_is_config(FoundDirectory *directory, const char *name) {
  bool is_config = strcmp(name, model_search_config(0)) == 0;
  bool is_adapter = strcmp(name, model_search_config(1)) == 0;
  bool is_pipeline = strcmp(name, model_search_config(2)) == 0;
  directory->has_config |= is_config;
  directory->has_adapter_config |= is_adapter;
  directory->has_pipeline |= is_pipeline;
  return is_config || is_adapter || is_pipeline;
}

/* ---- Directories ---- */

static bool model_search_add_link(ModelSearching *searching, const char *path, uint32_t parent) {
  void *rows = searching->link_parents;
  if (!memory_reserve(&rows, &searching->link_capacity, searching->links.count, sizeof parent))
    return error_memory(searching->error);
  searching->link_parents = rows;
  searching->link_parents[searching->links.count] = parent;
  return path_list_add(&searching->links, NULL, path) || error_memory(searching->error);
}

/* Takes a name in a directory: a file, a directory, or nothing of interest. */
static bool model_search_take_name(ModelSearching *searching, uint32_t number, const char *name) {
  FoundDirectory *directory = &searching->search->directories[number];
  if (model_search_is_left_out(name) || model_search_is_config(directory, name)) return true;
  PathLook look;
  char *path = path_join(directory->path, name);
  if (path == NULL) return error_memory(searching->error);
  bool good = file_system_look(path, &look, searching->error);
  if (good && look.kind == PATH_DIRECTORY) {
    good = look.is_link ? model_search_add_link(searching, path, number)
                        : model_search_enter_below(searching, path, number, &look);
  } else if (good && model_search_takes(directory, name)) {
    return model_search_add_file(searching->search, path, number, true, searching->error);
  } else if (good && look.kind == PATH_MISSING && look.is_link) {
    searching->search->unsettled = true;
  }
  memory_free(path);
  return good;
}

static bool model_search_note_state(FoundDirectory *directory) {
  FileIdentity times = {.modified = directory->look.modified, .changed = directory->look.changed};
  return session_is_recent(&times);
}

/* Lists a directory. One that is gone by now is empty, unless the search began there. */
static bool model_search_list(ModelSearching *searching, uint32_t number, PathList *names) {
  FoundDirectory *directory = &searching->search->directories[number];
  Error problem = {0};
  directory->recent = model_search_note_state(directory);
  if (file_system_list(directory->path[0] != '\0' ? directory->path : ".", names, searching->cancel,
                       &problem)) {
    return path_list_order(names, searching->cancel, directory->path, searching->error);
  }
  path_list_clear(names);
  if (error_is_fatal(problem.code)) return error_forgive(searching->error, &problem);
  searching->search->unsettled = true;
  if (problem.code == ERROR_MISSING && directory->parent != MODEL_SEARCH_NONE) {
    error_clear(&problem);
    return true;
  }
  directory->problem = error_take(&problem);
  return directory->problem != NULL || error_memory(searching->error);
}

static bool model_search_directory(ModelSearching *searching, uint32_t number) {
  PathList names = {0};
  const char *path = searching->search->directories[number].path; /* it stays where it is */
  bool good = model_search_list(searching, number, &names);
  for (uint32_t i = 0; good && i < names.count; i++) {
    good = cancel_go_on(searching->cancel, path, searching->error) &&
           model_search_take_name(searching, number, names.paths[i]);
  }
  path_list_clear(&names);
  return good;
}

/* Enters the directory that a link leads to. Settings.links may confine it. */
static bool model_search_follow(ModelSearching *searching, uint32_t number) {
  const char *path = searching->links.paths[number];
  uint32_t parent = searching->link_parents[number];
  const FoundDirectory *above = &searching->search->directories[parent];
  const char *root = searching->search->directories[above->root].path;
  PathLook look;
  if (session_settings(searching->session)->links == LINKS_WITHIN &&
      !file_system_is_within(path, root[0] != '\0' ? root : ".")) {
    return true;
  }
  if (!file_system_look(path, &look, searching->error)) return false;
  return look.kind != PATH_DIRECTORY || model_search_enter_below(searching, path, parent, &look);
}

/* Searches the directories from number `next` on, those that are found there, and then those that
** links lead to. */
static bool model_search_deeply(ModelSearching *searching, uint32_t next) {
  bool good = true;
  for (uint32_t link = 0; good;) {
    if (next < searching->search->directory_count) {
      good = model_search_directory(searching, next++);
    } else if (link < searching->links.count) {
      good = model_search_follow(searching, link++);
    } else {
      break;
    }
  }
  return good;
}

/* ---- Files that were named ---- */

/* The number of the directory of a file, which is added if it is new. */
static bool model_search_find_directory(ModelSearching *searching, NameSet *known, const char *file,
                                        uint32_t *number) {
  PathLook look = {.kind = PATH_DIRECTORY};
  uint32_t next = (uint32_t)searching->search->directory_count;
  char *path = path_directory(file);
  if (path == NULL) return error_memory(searching->error);
  const NameSetSlot *slot = name_set_add(known, path, strlen(path), next);
  if (slot == NULL) {
    memory_free(path);
    return error_memory(searching->error);
  }
  *number = slot->file - 1;
  if (*number == next)
    return model_search_add_directory(searching->search, path, NULL, MODEL_SEARCH_NONE, &look,
                                      searching->error);
  memory_free(path);
  return true;
}

/* Records that a file of a directory was named. *is_new is false if it was before. */
static bool model_search_note_name(ModelSearching *searching, NameSet *names, uint32_t directory,
                                   const char *name, bool *is_new) {
  char *key = sqlite3_mprintf("%u/%s", directory, name);
  uint64_t before = names->count;
  bool good = key != NULL && name_set_add(names, key, strlen(key), 0) != NULL;
  memory_free(key);
  *is_new = good && names->count > before;
  return good || error_memory(searching->error);
}

/* Adds what lies beside the files of a directory that match a pattern. */
static bool model_search_list_beside(ModelSearching *searching, NameSet *named, uint32_t number) {
  PathList names = {0};
  FoundDirectory *directory = &searching->search->directories[number];
  bool good = model_search_list(searching, number, &names);
  memory_free(directory->problem); /* what matches was found all the same */
  directory->problem = NULL;
  for (uint32_t i = 0; good && i < names.count; i++) {
    const char *name = names.paths[i];
    bool is_new;
    good = cancel_go_on(searching->cancel, name, searching->error);
    if (!good || model_search_is_config(directory, name) || !model_search_takes(directory, name))
      continue;
    good = model_search_note_name(searching, named, number, name, &is_new) &&
           (!is_new || model_search_add_file(searching->search, path_join(directory->path, name),
                                             number, false, searching->error));
  }
  path_list_clear(&names);
  return good;
}

static bool model_search_take_match(ModelSearching *searching, const char *path, NameSet *known,
                                    NameSet *named) {
  PathLook look;
  FoundDirectory ignored = {0};
  uint32_t directory;
  bool is_new;
  if (!file_system_look(path, &look, searching->error)) return false;
  if (look.kind == PATH_DIRECTORY || !model_search_takes(&ignored, path_name(path))) return true;
  return model_search_find_directory(searching, known, path, &directory) &&
         model_search_note_name(searching, named, directory, path_name(path), &is_new) &&
         model_search_add_file(searching->search, memory_copy_text(path, strlen(path)), directory,
                               true, searching->error);
}

/* Takes what matches a pattern: first the files, then the directories, which are searched. */
static bool model_search_matches(ModelSearching *searching, const PathList *paths) {
  NameSet known = {0}, named = {0};
  bool good = true;
  for (uint32_t i = 0; good && i < paths->count; i++) {
    good = cancel_go_on(searching->cancel, paths->paths[i], searching->error) &&
           model_search_take_match(searching, paths->paths[i], &known, &named);
  }
  uint32_t shallow = (uint32_t)searching->search->directory_count;
  for (uint32_t i = 0; good && i < shallow; i++) {
    good = model_search_list_beside(searching, &named, i);
  }
  name_set_clear(&known);
  name_set_clear(&named);
  for (uint32_t i = 0; good && i < paths->count; i++) {
    const char *path = paths->paths[i];
    PathLook look;
    good = file_system_look(path, &look, searching->error);
    if (!good || look.kind != PATH_DIRECTORY) continue;
    good = model_search_enter(searching, memory_copy_text(path, strlen(path)), NULL,
                              MODEL_SEARCH_NONE, &look);
  }
  return good && model_search_deeply(searching, shallow);
}

/* A file or index that is named by itself is not searched for. */
static bool model_search_lone(ModelSearching *searching, const char *path) {
  PathLook look = {.kind = PATH_DIRECTORY};
  if (!model_search_add_directory(searching->search, path_directory(path), NULL, MODEL_SEARCH_NONE,
                                  &look, searching->error))
    return false;
  FoundDirectory *directory = &searching->search->directories[0];
  const char *name;
  for (int i = 0; (name = model_search_config(i)) != NULL; i++) {
    char *config = path_join(directory->path, name);
    if (config == NULL) return error_memory(searching->error);
    if (file_system_exists(config)) model_search_is_config(directory, name);
    memory_free(config);
  }
  return model_search_add_file(searching->search, memory_copy_text(path, strlen(path)), 0, true,
                               searching->error);
}

/* ---- Searching ---- */

static bool model_search_root(ModelSearching *searching, const HubSnapshot *root) {
  PathLook look;
  if (!file_system_look(root->directory, &look, searching->error)) return false;
  if (look.kind != PATH_DIRECTORY) return true;
  char *address =
      root->address != NULL ? memory_copy_text(root->address, strlen(root->address)) : NULL;
  if (root->address != NULL && address == NULL) return error_memory(searching->error);
  return model_search_enter(searching, memory_copy_text(root->directory, strlen(root->directory)),
                            address, MODEL_SEARCH_NONE, &look);
}

bool model_search_run(ModelSearch *search, Session *session, const ModelRoots *roots,
                      Error *error) {
  if (roots->is_address) return model_search_addresses(search, session, roots, error);
  ModelSearching searching = {
      .search = search, .session = session, .cancel = session_cancel(session), .error = error};
  bool good = true;
  for (uint64_t i = 0; good && i < roots->directories.count; i++) {
    good = model_search_root(&searching, &roots->directories.rows[i]);
  }
  good = good && model_search_deeply(&searching, 0);
  if (good && roots->is_pattern) {
    good = model_search_matches(&searching, &roots->files);
  } else if (good && roots->files.count > 0) {
    good = model_search_lone(&searching, roots->files.paths[0]);
  }
  visited_clear(&searching.visited);
  path_list_clear(&searching.links);
  memory_free(searching.link_parents);
  return good;
}

bool model_search_is_current(const ModelSearch *search) {
  if (search->unsettled) return false;
  for (uint64_t i = 0; i < search->directory_count; i++) {
    const FoundDirectory *directory = &search->directories[i];
    const PathLook *was = &directory->look;
    PathLook now;
    Error ignored = {0};
    bool known = file_system_look(directory->path, &now, &ignored);
    error_clear(&ignored);
    if (!known || directory->recent || now.kind != PATH_DIRECTORY || now.device != was->device ||
        now.inode != was->inode || now.modified != was->modified || now.changed != was->changed) {
      return false;
    }
  }
  return true;
}

/* ---- Texts ---- */

char *model_search_text(const FoundDirectory *directory, const char *path) {
  const char *name = path != NULL ? path_name(path) : NULL;
  if (directory->address != NULL && name == NULL)
    return memory_copy_text(directory->address, strlen(directory->address));
  if (directory->address != NULL && path_text_is_plain(name, strlen(name)))
    return path_join(directory->address, name);
  if (directory->address != NULL && network_is_address(directory->path))
    return path_join(directory->address, name);
  if (path == NULL) path = directory->path[0] != '\0' ? directory->path : ".";
  if (network_is_address(path)) return memory_copy_text(path, strlen(path));
  return path_text_escape(path, strlen(path));
}
