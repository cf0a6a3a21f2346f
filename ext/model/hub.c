#include "model/hub.h"

#include <string.h>

#include "base/environment.h"
#include "base/file.h"
#include "base/file_system.h"
#include "base/glob.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"
#include "base/suggest.h"
#include "model/hub_address.h"

/* ---- Where the cache is ---- */

static bool hub_is_variable_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_';
}

/* Reads $NAME or ${NAME}, and appends its value. If the variable is not set, the text is appended
** unchanged, as in Python. NULL when memory runs out. */
static const char *hub_expand_variable(sqlite3_str *out, const char *at) {
  bool braces = at[1] == '{';
  const char *name = at + 1 + braces, *end = name;
  while (braces ? *end != '\0' && *end != '}' : hub_is_variable_byte(*end)) end++;
  if (end == name || (braces && *end == '\0')) {
    sqlite3_str_appendchar(out, 1, *at);
    return at + 1;
  }
  char *variable = memory_copy_text(name, (uint64_t)(end - name)), *value = NULL;
  bool good = variable != NULL && environment_get(variable, &value);
  end += braces;
  if (value != NULL) {
    sqlite3_str_appendall(out, value);
  } else {
    sqlite3_str_append(out, at, (int)(end - at));
  }
  memory_free(variable);
  memory_free(value);
  return good ? end : NULL;
}

char *hub_expand(const char *path, const char *below) {
  char *home;
  if (!environment_home(&home)) return NULL;
  sqlite3_str *out = sqlite3_str_new(NULL);
  if (path[0] == '~' && (path[1] == '\0' || path_is_separator(path[1])) && home != NULL) {
    sqlite3_str_appendall(out, home);
    path++;
  }
  while (path != NULL && *path != '\0') {
    size_t plain = strcspn(path, "$");
    sqlite3_str_append(out, path, (int)plain);
    path += plain;
    if (*path == '$') path = hub_expand_variable(out, path);
  }
  sqlite3_str_appendall(out, below);
  char *expanded = sqlite3_str_finish(out);
  memory_free(home);
  if (path != NULL) return expanded;
  memory_free(expanded);
  return NULL;
}

/* A place that is named by a variable, and what is below it. */
typedef struct HubVariable {
  const char *name, *below;
} HubVariable;

/* The place of the first variable that is set, of `count`, else `below` the home directory. *unset: there is neither. */
static char *hub_first_place(const HubVariable *variables, size_t count, const char *below,
                             bool *unset) {
  char *value, *directory = NULL;
  *unset = false;
  for (size_t i = 0; i < count; i++) {
    if (!environment_find(variables[i].name, &value)) return NULL;
    if (value == NULL) continue;
    directory = hub_expand(value, variables[i].below);
    memory_free(value);
    return directory;
  }
  if (!environment_home(&value)) return NULL;
  *unset = value == NULL;
  if (value != NULL) directory = sqlite3_mprintf("%s/.cache/huggingface%s", value, below);
  memory_free(value);
  return directory;
}

char *hub_directory(bool *unset) {
  static const HubVariable variables[] = {{"HF_HUB_CACHE", ""},
                                          {"HUGGINGFACE_HUB_CACHE", ""},
                                          {"HF_HOME", "/hub"},
                                          {"XDG_CACHE_HOME", "/huggingface/hub"}};
  return hub_first_place(variables, sizeof variables / sizeof variables[0], "/hub", unset);
}

char *hub_home(void) {
  static const HubVariable variables[] = {{"HF_HOME", ""}, {"XDG_CACHE_HOME", "/huggingface"}};
  bool unset;
  return hub_first_place(variables, sizeof variables / sizeof variables[0], "", &unset);
}

char *hub_require_directory(const char *path, Error *error) {
  bool unset;
  char *directory = hub_directory(&unset);
  if (unset) {
    error_fill(error, ERROR_MISSING, path,
               "expected HF_HUB_CACHE, HF_HOME or HOME to say where the Hugging Face cache is, "
               "found none set");
  } else if (directory == NULL) {
    error_memory(error);
  }
  return directory;
}

bool hub_holds(const char *path) {
  bool unset;
  char *directory = hub_directory(&unset);
  bool holds = directory != NULL && file_system_is_within(path, directory);
  memory_free(directory);
  return holds;
}

bool hub_is_blob(const char *real_path) {
  static const char *const kinds[] = {"/models--", "/datasets--", "/spaces--"};
  static const char blobs[] = "/blobs/";
  const char *last = strrchr(real_path, '/');
  size_t length = sizeof blobs - 2; /* without the last slash */
  if (last == NULL || (size_t)(last - real_path) < length) return false;
  const char *directory = last - length;
  if (strncmp(directory, blobs, sizeof blobs - 1) != 0) return false;
  while (directory > real_path && directory[-1] != '/') directory--;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && directory > real_path; i++) {
    if (strncmp(directory - 1, kinds[i], strlen(kinds[i])) == 0) return true;
  }
  return false;
}

/* ---- Repositories ---- */

/* The directory of a repository: models--ORG--NAME. NULL if memory runs out. */
static char *hub_repository_directory(const char *cache, const char *kind, const char *name) {
  int organisation = (int)strcspn(name, "/");
  bool has_both = name[organisation] == '/';
  return sqlite3_mprintf("%s/%s--%.*s%s%s", cache, kind, organisation, name, has_both ? "--" : "",
                         has_both ? name + organisation + 1 : "");
}

static bool hub_is_directory(const char *path, Error *error) {
  PathKind kind;
  return file_system_kind(path, &kind, error) && kind == PATH_DIRECTORY;
}

/* Whether the cache contains the repository. Also false on an error. */
static bool hub_has(const char *cache, const char *kind, const char *name, Error *error) {
  Error problem = {0};
  char *directory = hub_repository_directory(cache, kind, name);
  bool has = directory != NULL ? hub_is_directory(directory, &problem) : error_memory(&problem);
  memory_free(directory);
  return error_forgive(error, &problem) && has;
}

bool hub_has_model(const char *name, Error *error) {
  bool unset;
  char *cache = hub_directory(&unset);
  bool has = cache != NULL ? hub_has(cache, "models", name, error) : false;
  if (cache == NULL && !unset) error_memory(error);
  memory_free(cache);
  return has;
}

/* Offers a directory of the cache as ORG/NAME, if it is a repository of that kind. The text is kept
** in `names`. */
static bool hub_offer_repository(const char *directory, const char *kind, PathList *names,
                                 Suggest *suggest) {
  size_t prefix = strlen(kind);
  if (strncmp(directory, kind, prefix) != 0 || strncmp(directory + prefix, "--", 2) != 0)
    return true;
  const char *name = directory + prefix + 2, *split = strstr(name, "--");
  char *text = split == NULL ? sqlite3_mprintf("%s", name)
                             : sqlite3_mprintf("%.*s/%s", (int)(split - name), name, split + 2);
  bool added = text != NULL && path_list_add(names, NULL, text);
  if (added) suggest_offer(suggest, names->paths[names->count - 1], strlen(text));
  memory_free(text);
  return added;
}

static bool hub_offer_repositories(const char *cache, const char *kind, PathList *names,
                                   Suggest *suggest, Cancel *cancel, Error *error) {
  PathList directories = {0};
  Error problem = {0};
  bool good = file_system_list(cache, &directories, cancel, &problem) &&
              path_list_order(&directories, cancel, cache, &problem);
  for (uint32_t i = 0; good && i < directories.count; i++) {
    good =
        hub_offer_repository(directories.paths[i], kind, names, suggest) || error_memory(&problem);
  }
  path_list_clear(&directories);
  return error_forgive(error, &problem);
}

/* The other kind under which the cache has a repository of that name, or NULL. */
static const char *hub_other_kind(const char *cache, const HubAddress *address, Error *error) {
  const char *kind;
  for (int i = 0; (kind = hub_address_kind(i)) != NULL; i++) {
    if (hub_has(cache, kind, address->places[0].name, error)) return kind;
  }
  return NULL;
}

/* What the cache has instead, as "; did you mean \"hf://datasets/ORG/NAME\"?", or "". NULL if
** memory runs out, or with an error. */
static char *hub_hint(const char *cache, const HubAddress *address, Cancel *cancel, Error *error) {
  const char *name = address->places[0].name, *other = hub_other_kind(cache, address, error);
  PathList names = {0};
  Suggest suggest = {.word = name, .length = strlen(name)};
  bool is_model = strcmp(address->kind, hub_address_kind(0)) == 0;
  if (other != NULL) {
    return sqlite3_mprintf("; did you mean \"%s%s/%s\"?", HUB_PREFIX, other, name);
  }
  bool good = hub_offer_repositories(cache, address->kind, &names, &suggest, cancel, error);
  char *before = good ? sqlite3_mprintf("%s%s%s", HUB_PREFIX, is_model ? "" : address->kind,
                                        is_model ? "" : "/")
                      : NULL;
  char *hint = before != NULL ? suggest_text(&suggest, before) : NULL;
  memory_free(before);
  path_list_clear(&names);
  return hint;
}

/* Raises the error that the cache has none of the repositories that the address can mean. */
static void hub_refuse_repository(const char *path, const HubAddress *address, const char *cache,
                                  uint32_t *searches, Cancel *cancel, Error *error) {
  bool search = suggest_may_search(searches);
  char *directory = hub_repository_directory(cache, address->kind, address->places[0].name);
  char *hint = search ? hub_hint(cache, address, cancel, error) : NULL;
  if (directory == NULL || (search && hint == NULL)) {
    error_memory(error);
  } else {
    bool near = hint != NULL && hint[0] != '\0';
    error_fill(error, ERROR_MISSING, path,
               "expected the repository in this machine's Hugging Face cache, found no directory "
               "%s%s",
               directory,
               near ? hint
                    : ": `hf download` fetches it, and with safetensors_config('network', 'on') or "
                      "SAFETENSORS_NETWORK=on "
                      "the hub itself is asked");
  }
  memory_free(hint);
  memory_free(directory);
}

/* ---- Revisions ---- */

bool hub_read_ref(const char *path, char *hash, Error *error) {
  FileIdentity identity;
  Error missing = {0};
  int descriptor = file_open(path, &identity, &missing);
  if (descriptor < 0) {
    /* Absent: no such ref, or a part of the names of others (refs/pr). */
    error_forgive_if(error_is_absence(missing.code), error, &missing);
    return false;
  }
  uint64_t size = identity.size < HUB_MAX_HASH_LENGTH ? identity.size : HUB_MAX_HASH_LENGTH;
  bool read = file_read(descriptor, path, hash, size, 0, error);
  file_close(descriptor);
  hash[read ? size : 0] = '\0';
  hash[strcspn(hash, " \t\r\n/\\")] = '\0';
  return read && hash[0] != '\0';
}

/* Appends up to ten of the names below a directory that match a pattern. */
static bool hub_append_names(sqlite3_str *text, const char *directory, const char *pattern,
                             uint32_t *count, Cancel *cancel, Error *error) {
  enum { HUB_MAX_NAMES = 10 };
  PathList paths = {0};
  Error problem = {0};
  *count = 0;
  char *all = sqlite3_mprintf("%s/%s", directory, pattern);
  if (all == NULL) return error_memory(error);
  if (glob_expand(all, &paths, cancel, &problem)) {
    for (; *count < paths.count && *count < HUB_MAX_NAMES; ++*count) {
      sqlite3_str_appendf(text, "%s%s", *count > 0 ? ", " : "",
                          paths.paths[*count] + strlen(directory) + 1);
    }
    if (paths.count > HUB_MAX_NAMES) sqlite3_str_appendf(text, ", ... (%u)", paths.count);
  }
  path_list_clear(&paths);
  memory_free(all);
  return error_forgive(error, &problem);
}

/* The revisions in the cache: "main, refs/pr/3; commits: 0123..." NULL on an error. */
static char *hub_revisions_text(const char *repository, Cancel *cancel, Error *error) {
  sqlite3_str *text = sqlite3_str_new(NULL);
  char *refs = sqlite3_mprintf("%s/refs", repository);
  char *snapshots = sqlite3_mprintf("%s/snapshots", repository);
  uint32_t names = 0, commits = 0;
  bool good = (refs != NULL && snapshots != NULL) || error_memory(error);
  good = good && hub_append_names(text, refs, "**", &names, cancel, error);
  sqlite3_str_appendf(text, "%scommits: ", names > 0 ? "; " : "no names, ");
  good = good && hub_append_names(text, snapshots, "*", &commits, cancel, error);
  if (commits == 0) sqlite3_str_appendall(text, "none");
  memory_free(refs);
  memory_free(snapshots);
  char *finished = sqlite3_str_finish(text);
  if (good && finished != NULL) return finished;
  memory_free(finished);
  error_memory(error); /* does nothing if there already is an error */
  return NULL;
}

/* The directory of the snapshot: that of the hash in the ref or, if there is no such ref, of the
** revision as a hash. */
static char *hub_find_snapshot(const char *path, const char *repository, const char *revision,
                               Cancel *cancel, Error *error) {
  char hash[HUB_MAX_HASH_LENGTH + 1];
  char *ref = sqlite3_mprintf("%s/refs/%s", repository, revision);
  if (ref == NULL) {
    error_memory(error);
    return NULL;
  }
  bool known = hub_read_ref(ref, hash, error);
  if (known && (strcmp(hash, ".") == 0 || strcmp(hash, "..") == 0)) {
    error_fill(error, ERROR_INVALID, path,
               "expected the name of a snapshot in %s, found something else", ref);
  }
  memory_free(ref);
  if (error->code != ERROR_NONE) return NULL;
  char *directory = sqlite3_mprintf("%s/snapshots/%s", repository, known ? hash : revision);
  char *there = NULL;
  if (directory != NULL && hub_is_directory(directory, error)) return directory;
  if (directory != NULL && error->code == ERROR_NONE)
    there = hub_revisions_text(repository, cancel, error);
  if (there != NULL) {
    error_fill(error, ERROR_MISSING, path,
               "expected revision \"%s\" in the cache, found no directory %s; the cache has %s",
               revision, directory, there);
  } else if (error->code == ERROR_NONE) {
    error_memory(error);
  }
  memory_free(there);
  memory_free(directory);
  return NULL;
}

/* ---- Addresses ---- */

bool hub_is_address(const char *path) {
  return strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0 || hub_is_web_address(path);
}

static char *hub_find_in(const char *path, const char *repository, const HubPlace *place,
                         Cancel *cancel, Error *error) {
  char *snapshot = hub_find_snapshot(path, repository, place->revision, cancel, error);
  if (snapshot == NULL || place->file[0] == '\0') return snapshot;
  char *file = path_join(snapshot, place->file);
  memory_free(snapshot);
  if (file == NULL) error_memory(error);
  return file;
}

static char *hub_resolve_address(const char *path, const HubAddress *address, const char *cache,
                                 uint32_t *searches, Cancel *cancel, Error *error) {
  char *result = NULL;
  bool found = false;
  for (int i = 0; i < address->count && !found && error->code == ERROR_NONE; i++) {
    const HubPlace *place = &address->places[i];
    char *repository = hub_repository_directory(cache, address->kind, place->name);
    if (repository == NULL) {
      error_memory(error);
    } else {
      found = hub_is_directory(repository, error);
      if (found) result = hub_find_in(path, repository, place, cancel, error);
    }
    memory_free(repository);
  }
  if (!found && error->code == ERROR_NONE)
    hub_refuse_repository(path, address, cache, searches, cancel, error);
  return result;
}

char *hub_resolve(const char *path, uint32_t *searches, Cancel *cancel, Error *error) {
  HubAddress address;
  char *cache = NULL, *result = NULL;
  if (hub_address_parse(path, &address, error)) {
    cache = hub_require_directory(path, error);
    if (cache != NULL) {
      result = hub_resolve_address(path, &address, cache, searches, cancel, error);
    }
  }
  hub_address_clear(&address);
  memory_free(cache);
  return result;
}
