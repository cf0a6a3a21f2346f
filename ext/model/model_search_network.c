#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"
#include "format/name_set.h"
#include "model/model_search.h"
#include "model/path_form.h"

/* Longer addresses, which a list may have, are left out. */
enum { MODEL_SEARCH_MAX_ADDRESS = 4096 };

typedef struct AddressSearch {
  ModelSearch *search;
  const HubSnapshot *root; /* the place; or NULL for a pattern or file */
  NameSet known;           /* the directories that were found, with their numbers */
  PathList found;          /* all that the list has */
  Cancel *cancel;
  Error *error;
} AddressSearch;

/* ---- Directories ---- */

/* Whether an address leads through a directory below the first `length` bytes that is not searched. */
static bool address_search_is_left_out(const char *path, size_t length) {
  if (strlen(path) > MODEL_SEARCH_MAX_ADDRESS) return true;
  for (const char *at = path + length; (at = strchr(at, '/')) != NULL; at++) {
    char name[16]; /* longer than those names */
    size_t size = strcspn(at + 1, "/");
    if (at[1 + size] == '\0' || size >= sizeof name) continue;
    memcpy(name, at + 1, size);
    name[size] = '\0';
    if (model_search_is_left_out(name)) return true;
  }
  return false;
}

/* Adds a directory unless it is known. Takes over both texts. */
static bool address_search_enter(AddressSearch *searching, char *path, char *address,
                                 uint32_t parent, uint32_t *number) {
  PathLook look = {.kind = PATH_DIRECTORY};
  uint32_t next = (uint32_t)searching->search->directory_count;
  const NameSetSlot *slot =
      path != NULL ? name_set_add(&searching->known, path, strlen(path), next) : NULL;
  if (slot != NULL && slot->file - 1 == next) {
    *number = next;
    return model_search_add_directory(searching->search, path, address, parent, &look,
                                      searching->error);
  }
  if (slot != NULL) *number = slot->file - 1;
  memory_free(path);
  memory_free(address);
  return slot != NULL || error_memory(searching->error);
}

/* The directory below another one whose path is the first `length` bytes of an address. */
static bool address_search_enter_below(AddressSearch *searching, const char *path, size_t length,
                                       uint32_t *number) {
  const FoundDirectory *above = &searching->search->directories[*number];
  char *copy = memory_copy_text(path, length), *address = NULL;
  if (copy != NULL && above->address != NULL) {
    address = path_join(above->address, path_name(copy));
    if (address == NULL) {
      memory_free(copy);
      copy = NULL;
    }
  }
  return address_search_enter(searching, copy, address, *number, number);
}

/* Enters the directories of an address from the root on. */
static bool address_search_descend(AddressSearch *searching, const char *path, uint32_t *number) {
  size_t length = strlen(searching->root->directory);
  *number = 0;
  for (size_t size = strcspn(path + length + 1, "/"); path[length + 1 + size] != '\0';
       size = strcspn(path + length + 1, "/")) {
    length += 1 + size;
    if (!address_search_enter_below(searching, path, length, number)) return false;
  }
  return true;
}

/* The directory of an address, which has none above it. */
static bool address_search_directory(AddressSearch *searching, const char *path, uint32_t *number) {
  return address_search_enter(searching, path_directory(path), NULL, MODEL_SEARCH_NONE, number);
}

/* ---- Files ---- */

/* Takes a file of a directory, if it is of interest. */
static bool address_search_take(AddressSearch *searching, uint32_t number, const char *path,
                                bool is_wanted) {
  FoundDirectory *directory = &searching->search->directories[number];
  const char *name = path_name(path);
  if (model_search_is_config(directory, name) || !model_search_takes(directory, name)) return true;
  return model_search_add_file(searching->search, memory_copy_text(path, strlen(path)), number,
                               is_wanted, searching->error);
}

/* All below a place. */
static bool address_search_place(AddressSearch *searching) {
  const HubSnapshot *root = searching->root;
  size_t length = strlen(root->directory);
  char *path = memory_copy_text(root->directory, length);
  char *address =
      root->address != NULL ? memory_copy_text(root->address, strlen(root->address)) : NULL;
  uint32_t number, below = 0;
  if (root->address != NULL && address == NULL) {
    memory_free(path);
    path = NULL;
  }
  bool good = address_search_enter(searching, path, address, MODEL_SEARCH_NONE, &number);
  for (uint32_t i = 0; good && i < searching->found.count; i++) {
    const char *file = searching->found.paths[i];
    if (strncmp(file, root->directory, length) != 0 || file[length] != '/') continue;
    below++;
    good = cancel_go_on_row(searching->cancel, i, file, searching->error) &&
           (address_search_is_left_out(file, length) ||
            (address_search_descend(searching, file, &number) &&
             address_search_take(searching, number, file, true)));
  }
  return good && (below > 0 || error_raise(searching->error, ERROR_MISSING, root->directory,
                                           "expected files there, found none"));
}

/* Notes how the addresses match, and takes those that do. */
static bool address_search_matches(AddressSearch *searching, const char *pattern,
                                   uint8_t *matches) {
  bool good = true;
  for (uint32_t i = 0; good && i < searching->found.count; i++) {
    const char *file = searching->found.paths[i];
    PathMatch match;
    uint32_t number;
    good = cancel_go_on_row(searching->cancel, i, file, searching->error) &&
           (path_form_match(pattern, file, &match) || error_memory(searching->error));
    if (good && strcmp(file, pattern) == 0) match = PATH_MATCH_ITSELF;
    if (good && match == PATH_MATCH_ABOVE && address_search_is_left_out(file, 0))
      match = PATH_MATCH_NONE;
    matches[i] = good ? (uint8_t)match : 0;
    if (good && match != PATH_MATCH_NONE)
      good = address_search_directory(searching, file, &number) &&
             address_search_take(searching, number, file, true);
  }
  return good;
}

/* Takes what lies beside a file that matches. */
static bool address_search_beside(AddressSearch *searching, const uint8_t *matches) {
  uint32_t known = (uint32_t)searching->search->directory_count;
  bool good = true;
  for (uint32_t i = 0; good && i < searching->found.count; i++) {
    const char *file = searching->found.paths[i];
    if (matches[i] != PATH_MATCH_NONE) continue;
    char *directory = path_directory(file);
    const NameSetSlot *slot =
        directory != NULL ? name_set_add(&searching->known, directory, strlen(directory), known)
                          : NULL;
    memory_free(directory);
    if (slot == NULL) return error_memory(searching->error);
    if (slot->file - 1 < known) good = address_search_take(searching, slot->file - 1, file, false);
  }
  return good;
}

static bool address_search_pattern(AddressSearch *searching, const char *pattern) {
  uint8_t *matches = memory_zeroed(searching->found.count, 1);
  if (matches == NULL) return error_memory(searching->error);
  bool good = address_search_matches(searching, pattern, matches) &&
              address_search_beside(searching, matches);
  memory_free(matches);
  return good;
}

/* A file that was named by itself: only shards beside an index are of interest. */
static bool address_search_lone(AddressSearch *searching, const char *address) {
  uint32_t number;
  bool is_index = path_form_is_index(address);
  bool good = address_search_directory(searching, address, &number) &&
              model_search_add_file(searching->search, memory_copy_text(address, strlen(address)),
                                    number, true, searching->error);
  if (!good) return false;
  FoundDirectory *directory = &searching->search->directories[number];
  size_t length = strlen(directory->path);
  directory->unlooked = network_is_file(address);
  bool is_there = directory->unlooked; /* nobody knows */
  for (uint32_t i = 0; good && i < searching->found.count; i++) {
    const char *file = searching->found.paths[i];
    is_there |= strcmp(file, address) == 0;
    bool is_beside = strncmp(file, directory->path, length) == 0 && file[length] == '/' &&
                     strchr(file + length + 1, '/') == NULL && strcmp(file, address) != 0;
    if (!is_beside || model_search_is_config(directory, path_name(file))) continue;
    if (is_index && !path_form_is_index(file))
      good = address_search_take(searching, number, file, false);
  }
  return good && (is_there || error_raise(searching->error, ERROR_MISSING, address,
                                          "expected a file there, found none"));
}

/* ---- Searching ---- */

/* Asks for the list of the place that an address or pattern is in. */
static bool address_search_list(AddressSearch *searching, Network *network, const char *directory) {
  char *place = sqlite3_mprintf("%s/", directory);
  bool good = place != NULL
                  ? network_find_files(network, place, &searching->found, searching->error)
                  : error_memory(searching->error);
  memory_free(place);
  return good && path_list_order(&searching->found, searching->cancel, directory, searching->error);
}

static bool address_search_list_beside(AddressSearch *searching, Network *network,
                                       const char *address) {
  if (network_is_file(address)) return true;
  char *directory = path_directory(address);
  bool good = directory != NULL ? address_search_list(searching, network, directory)
                                : error_memory(searching->error);
  memory_free(directory);
  return good;
}

bool model_search_addresses(ModelSearch *search, Session *session, const ModelRoots *roots,
                            Error *error) {
  AddressSearch searching = {.search = search, .cancel = session_cancel(session), .error = error};
  Network *network = session_network(session);
  bool good;
  search->unsettled = true;
  if (roots->directories.count > 0) {
    searching.root = &roots->directories.rows[0];
    good = address_search_list(&searching, network, searching.root->directory) &&
           address_search_place(&searching);
  } else if (roots->is_pattern) {
    const char *pattern = roots->files.paths[0];
    good = network_find_files(network, pattern, &searching.found, error) &&
           path_list_order(&searching.found, searching.cancel, pattern, error) &&
           address_search_pattern(&searching, pattern);
  } else {
    const char *address = roots->files.paths[0];
    good = address_search_list_beside(&searching, network, address) &&
           address_search_lone(&searching, address);
  }
  name_set_clear(&searching.known);
  path_list_clear(&searching.found);
  return good;
}

/* ---- What is beside a file of the web ---- */

bool model_search_look_beside(FoundDirectory *directory, Session *session, Error *error) {
  const char *name;
  for (int i = 0; directory->unlooked && (name = model_search_config(i)) != NULL; i++) {
    FileIdentity identity;
    Error problem = {0};
    char *path = path_join(directory->path, name);
    if (path == NULL) return error_memory(error);
    if (open_files_identify(session_open_files(session), path, &identity, &problem))
      model_search_is_config(directory, name);
    memory_free(path);
    if (!error_forgive(error, &problem)) return false;
  }
  directory->unlooked = false;
  return true;
}
