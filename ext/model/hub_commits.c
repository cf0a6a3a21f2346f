#include "model/hub_commits.h"

#include <string.h>

#include "base/memory.h"
#include "base/sort.h"
#include "base/sqlite.h"

static void hub_commit_free(HubCommit *commit) {
  memory_free(commit->kind);
  memory_free(commit->name);
  memory_free(commit->revision);
  memory_free(commit->commit);
  hub_files_clear(&commit->files);
  memory_free(commit);
}

void hub_commits_free(HubCommit *list) {
  for (HubCommit *next; list != NULL; list = next) {
    next = list->next;
    hub_commit_free(list);
  }
}

/* A revision that is a commit itself is one. */
static bool hub_commit_ask(HubCommit *commit, const HubApi *api, bool *missing, Error *error) {
  if (!hub_api_is_commit(commit->revision)) {
    return hub_api_commit(api, commit->revision, &commit->commit, missing, error);
  }
  commit->commit = memory_copy_text(commit->revision, strlen(commit->revision));
  return commit->commit != NULL || error_memory(error);
}

static bool hub_commit_is(const HubCommit *commit, const HubApi *api, const char *revision) {
  return strcmp(commit->kind, api->kind) == 0 && strcmp(commit->name, api->name) == 0 &&
         strcmp(commit->revision, revision) == 0;
}

HubCommit *hub_commits_find(HubCommit **list, const HubApi *api, const char *revision,
                            bool *missing, Error *error) {
  *missing = false;
  for (HubCommit *known = *list; known != NULL; known = known->next) {
    if (hub_commit_is(known, api, revision)) return known;
  }
  HubCommit *commit = memory_zeroed(1, sizeof *commit);
  if (commit == NULL) {
    error_memory(error);
    return NULL;
  }
  *commit = (HubCommit){.kind = memory_copy_text(api->kind, strlen(api->kind)),
                        .name = memory_copy_text(api->name, strlen(api->name)),
                        .revision = memory_copy_text(revision, strlen(revision))};
  bool good = commit->kind != NULL && commit->name != NULL && commit->revision != NULL
                  ? hub_commit_ask(commit, api, missing, error)
                  : error_memory(error);
  if (!good) {
    hub_commit_free(commit);
    return NULL;
  }
  commit->next = *list;
  *list = commit;
  return commit;
}

/* The commit of a repository whose files are listed, or NULL. */
static const HubCommit *hub_commits_listed(const HubCommit *list, const HubApi *api,
                                           const char *revision) {
  while (list != NULL &&
         !(list->listed && strcmp(list->commit, revision) == 0 &&
           strcmp(list->kind, api->kind) == 0 && strcmp(list->name, api->name) == 0)) {
    list = list->next;
  }
  return list;
}

static const HubFile *hub_commit_file(const HubCommit *commit, const char *file) {
  uint64_t low = 0, high = commit->files.count;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    int order = strcmp(commit->files.rows[middle].path, file);
    if (order == 0) return &commit->files.rows[middle];
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return NULL;
}

static int hub_commit_compare(const void *left, const void *right) {
  const HubFile *a = left, *b = right;
  return strcmp(a->path, b->path);
}

static bool hub_commit_sort(HubCommit *commit, Error *error) {
  return sort_owners(commit->files.rows, commit->files.count, sizeof(HubFile), hub_commit_compare,
                     NULL, commit->name, error);
}

bool hub_commits_lack(const HubCommit *list, const HubApi *api, const char *revision,
                      const char *file) {
  const HubCommit *commit = hub_commits_listed(list, api, revision);
  return commit != NULL && hub_commit_file(commit, file) == NULL;
}

const HubFile *hub_commits_file(const HubCommit *list, const HubApi *api, const char *revision,
                                const char *file) {
  const HubCommit *commit = hub_commits_listed(list, api, revision);
  return commit != NULL ? hub_commit_file(commit, file) : NULL;
}

HubCommit *hub_commits_resolve(HubCommit **list, HubApi *api, const HubAddress *address, int *place,
                               Error *error) {
  for (int i = 0; i < address->count; i++) {
    Error problem = {0};
    bool missing;
    api->name = address->places[i].name;
    HubCommit *commit =
        hub_commits_find(list, api, address->places[i].revision, &missing, &problem);
    *place = i;
    if (commit != NULL) return commit;
    if (!missing || i + 1 == address->count) error_repeat(error, &problem);
    error_clear(&problem);
    if (!missing) return NULL;
  }
  return NULL;
}

char *hub_commit_address(const HubCommit *commit, const char *file) {
  bool is_model = strcmp(commit->kind, hub_address_kind(0)) == 0;
  return sqlite3_mprintf("%s%s%s%s@%s%s%s", HUB_PREFIX, is_model ? "" : commit->kind,
                         is_model ? "" : "/", commit->name, commit->commit,
                         file[0] != '\0' ? "/" : "", file);
}

/* What stays the same of a place at the hub. */
static char *hub_commit_key(const HubApi *api, const char *what, const char *revision,
                            const char *file) {
  return sqlite3_mprintf("%s %s/%s/%s@%s/%s", what, api->settings->endpoint, api->kind, api->name,
                         revision, file);
}

char *hub_commits_key(const HubCommit *list, const HubApi *api, const char *revision,
                      const char *file) {
  const HubCommit *commit = hub_commits_listed(list, api, revision);
  const HubFile *found = commit != NULL ? hub_commit_file(commit, file) : NULL;
  if (found == NULL || strlen(found->digest) != HUB_API_DIGEST_SIZE - 1)
    return hub_commit_key(api, "header", revision, file);
  /* Of this hub: another one may say that a file has this digest, and nobody verifies it. */
  return sqlite3_mprintf("sha256 %s %s %llu", api->settings->endpoint, found->digest,
                         (unsigned long long)found->size);
}

bool hub_commits_recall(HubCommit **list, const HubApi *api, const char *revision, Error *error) {
  bool missing;
  HubCommit *commit = hub_commits_find(list, api, revision, &missing, error);
  if (commit == NULL || commit->listed) return commit != NULL;
  char *key = hub_commit_key(api, "files", commit->commit, "");
  if (key == NULL) return error_memory(error);
  commit->listed =
      header_cache_find_files(api->cache, key, &commit->files) && hub_commit_sort(commit, error);
  if (!commit->listed) hub_files_clear(&commit->files);
  memory_free(key);
  return error->code == ERROR_NONE;
}

bool hub_commit_list(HubCommit *commit, const HubApi *api, Error *error) {
  if (commit->listed) return true;
  char *key = hub_commit_key(api, "files", commit->commit, "");
  if (key == NULL) return error_memory(error);
  bool found = header_cache_find_files(api->cache, key, &commit->files);
  bool good = found || hub_api_files(api, commit->commit, &commit->files, error);
  if (good && !found) header_cache_keep_files(api->cache, key, &commit->files);
  commit->listed = good && hub_commit_sort(commit, error);
  if (!commit->listed) hub_files_clear(&commit->files);
  memory_free(key);
  return commit->listed;
}
