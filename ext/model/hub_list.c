#include "model/hub_list.h"

#include <string.h>

#include "base/file_system.h"
#include "base/glob.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"
#include "model/hub.h"
#include "model/hub_address.h"

void hub_snapshots_clear(HubSnapshots *snapshots) {
  for (uint64_t i = 0; i < snapshots->count; i++) {
    memory_free(snapshots->rows[i].address);
    memory_free(snapshots->rows[i].directory);
  }
  memory_free(snapshots->rows);
  *snapshots = (HubSnapshots){0};
}

bool hub_list_is_address(const char *path, const char **kind) {
  size_t prefix = strlen(HUB_PREFIX);
  *kind = NULL;
  if (strncmp(path, HUB_PREFIX, prefix) != 0) return false;
  path += prefix;
  if (path[0] == '\0') return true;
  const char *known;
  for (int i = 0; (known = hub_address_kind(i)) != NULL; i++) {
    size_t length = strlen(known);
    if (strncmp(path, known, length) != 0) continue;
    if (path[length] != '\0' && strcmp(path + length, "/") != 0) continue;
    *kind = known;
    return true;
  }
  return false;
}

/* ---- Refs ---- */

/* A ref, and the hash that it stands for. */
typedef struct HubListRef {
  char *name;
  char hash[HUB_MAX_HASH_LENGTH + 1];
} HubListRef;

typedef struct HubListRefs {
  HubListRef *rows;
  uint64_t count, capacity;
} HubListRefs;

static void hub_list_clear_refs(HubListRefs *refs) {
  for (uint64_t i = 0; i < refs->count; i++) memory_free(refs->rows[i].name);
  memory_free(refs->rows);
}

static bool hub_list_add_ref(HubListRefs *refs, const char *path, const char *name, Error *error) {
  void *rows = refs->rows;
  if (!memory_reserve(&rows, &refs->capacity, refs->count, sizeof *refs->rows))
    return error_memory(error);
  refs->rows = rows;
  HubListRef *ref = &refs->rows[refs->count];
  if (!hub_read_ref(path, ref->hash, error)) return error->code == ERROR_NONE;
  ref->name = memory_copy_text(name, strlen(name));
  if (ref->name == NULL) return error_memory(error);
  refs->count++;
  return true;
}

/* Reads the refs of a repository, in natural order. */
static bool hub_list_read_refs(const char *repository, HubListRefs *refs, Cancel *cancel,
                               Error *error) {
  PathList paths = {0};
  Error problem = {0};
  char *pattern = sqlite3_mprintf("%s/refs/**", repository);
  if (pattern == NULL) return error_memory(error);
  bool good = glob_expand(pattern, &paths, cancel, &problem);
  for (uint32_t i = 0; good && i < paths.count; i++) {
    good = hub_list_add_ref(refs, paths.paths[i], paths.paths[i] + strlen(pattern) - 2, &problem);
  }
  path_list_clear(&paths);
  memory_free(pattern);
  return error_forgive_if(!error_is_of_system(problem.code), error, &problem);
}

/* The name by which a snapshot is asked for: "main", another ref, or its hash. */
static const char *hub_list_revision(const HubListRefs *refs, const char *hash) {
  const char *revision = NULL;
  for (uint64_t i = 0; i < refs->count; i++) {
    const HubListRef *ref = &refs->rows[i];
    if (strcmp(ref->hash, hash) != 0) continue;
    if (strcmp(ref->name, "main") == 0) return ref->name;
    if (revision == NULL) revision = ref->name;
  }
  return revision != NULL ? revision : hash;
}

/* ---- Addresses ---- */

/* A slash separates the revision from the file, but not in the Hub's own refs. */
static void hub_list_append_revision(sqlite3_str *out, const char *revision) {
  bool is_own =
      strncmp(revision, "refs/pr/", 8) == 0 || strncmp(revision, "refs/convert/", 13) == 0;
  for (const char *at = revision; *at != '\0'; at++) {
    if (*at == '%' || (*at == '/' && !is_own)) {
      sqlite3_str_appendf(out, "%%%02X", (unsigned)*at);
    } else {
      sqlite3_str_appendchar(out, 1, *at);
    }
  }
}

/* The address of a revision of the repository in the directory models--ORG--NAME. NULL when memory
** runs out. */
static char *hub_list_address(const char *kind, const char *directory, const char *revision) {
  const char *name = directory + strlen(kind) + 2, *split = strstr(name, "--");
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, HUB_PREFIX);
  if (strcmp(kind, hub_address_kind(0)) != 0) sqlite3_str_appendf(out, "%s/", kind);
  if (split == NULL) {
    sqlite3_str_appendall(out, name);
  } else {
    sqlite3_str_appendf(out, "%.*s/%s", (int)(split - name), name, split + 2);
  }
  if (strcmp(revision, "main") != 0) {
    sqlite3_str_appendchar(out, 1, '@');
    hub_list_append_revision(out, revision);
  }
  return sqlite3_str_finish(out);
}

/* ---- Repositories ---- */

/* Adds a snapshot. Takes over both texts, which are NULL when memory ran out. */
static bool hub_list_add(HubSnapshots *snapshots, char *address, char *directory, Error *error) {
  void *rows = snapshots->rows;
  if (address == NULL || directory == NULL ||
      !memory_reserve(&rows, &snapshots->capacity, snapshots->count, sizeof(HubSnapshot))) {
    memory_free(address);
    memory_free(directory);
    return error_memory(error);
  }
  snapshots->rows = rows;
  snapshots->rows[snapshots->count++] = (HubSnapshot){address, directory};
  return true;
}

static bool hub_list_repository(const char *cache, const char *kind, const char *name,
                                HubSnapshots *snapshots, Cancel *cancel, Error *error) {
  PathList hashes = {0};
  HubListRefs refs = {0};
  Error problem = {0};
  char *repository = path_join(cache, name);
  char *directory = repository != NULL ? path_join(repository, "snapshots") : NULL;
  bool good = directory != NULL || error_memory(error);
  bool listed = good && file_system_list(directory, &hashes, cancel, &problem);
  good = good && error_forgive_if(!error_is_of_system(problem.code), error, &problem) &&
         (!listed || hub_list_read_refs(repository, &refs, cancel, error)) &&
         path_list_order(&hashes, cancel, cache, error);
  for (uint32_t i = 0; good && listed && i < hashes.count; i++) {
    const char *hash = hashes.paths[i];
    if (hash[0] == '.') continue;
    good = hub_list_add(snapshots, hub_list_address(kind, name, hub_list_revision(&refs, hash)),
                        path_join(directory, hash), error);
  }
  hub_list_clear_refs(&refs);
  path_list_clear(&hashes);
  memory_free(directory);
  memory_free(repository);
  return good;
}

/* The kind in the name of a repository's directory, or NULL. */
static const char *hub_list_kind_of(const char *name) {
  const char *kind;
  for (int i = 0; (kind = hub_address_kind(i)) != NULL; i++) {
    size_t length = strlen(kind);
    if (strncmp(name, kind, length) == 0 && strncmp(name + length, "--", 2) == 0 &&
        name[length + 2] != '\0') {
      return kind;
    }
  }
  return NULL;
}

bool hub_list(const char *path, const char *kind, HubSnapshots *snapshots, Cancel *cancel,
              Error *error) {
  PathList names = {0};
  char *cache = hub_require_directory(path, error);
  if (cache == NULL) return false;
  bool good = file_system_list(cache, &names, cancel, error) &&
              path_list_order(&names, cancel, path, error);
  for (uint32_t i = 0; good && i < names.count; i++) {
    const char *own = hub_list_kind_of(names.paths[i]);
    if (own == NULL || (kind != NULL && strcmp(kind, own) != 0)) continue;
    good = cancel_go_on(cancel, path, error) &&
           hub_list_repository(cache, own, names.paths[i], snapshots, cancel, error);
  }
  path_list_clear(&names);
  memory_free(cache);
  return good;
}
