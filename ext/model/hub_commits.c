#include "model/hub_commits.h"

#include <string.h>

#include "base/memory.h"

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

bool hub_commits_lack(const HubCommit *list, const HubApi *api, const char *revision,
                      const char *file) {
  const HubCommit *commit = list;
  while (commit != NULL &&
         !(commit->listed && strcmp(commit->commit, revision) == 0 &&
           strcmp(commit->kind, api->kind) == 0 && strcmp(commit->name, api->name) == 0)) {
    commit = commit->next;
  }
  if (commit == NULL) return false;
  for (uint64_t i = 0; i < commit->files.count; i++) {
    if (strcmp(commit->files.rows[i].path, file) == 0) return false;
  }
  return true;
}

bool hub_commit_list(HubCommit *commit, const HubApi *api, Error *error) {
  if (commit->listed) return true;
  if (!hub_api_files(api, commit->commit, &commit->files, error)) {
    hub_files_clear(&commit->files);
    return false;
  }
  commit->listed = true;
  return true;
}
