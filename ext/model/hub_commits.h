/* What the hub has said about repositories: the commits of revisions, and the files of commits. Each is asked for once. */
#ifndef SAFETENSORS_MODEL_HUB_COMMITS_H
#define SAFETENSORS_MODEL_HUB_COMMITS_H

#include "model/header_cache.h"
#include "model/hub_address.h"
#include "model/hub_api.h"

typedef struct HubCommit {
  char *kind, *name, *revision;
  char *commit;
  HubFiles files; /* if they are listed; in the order of their bytes */
  bool listed;
  struct HubCommit *next;
} HubCommit;

/* The commit of a revision. NULL with an error; *missing: the hub has no such repository. It belongs to the list, which
** starts as NULL and is released with hub_commits_free(). */
HubCommit *hub_commits_find(HubCommit **list, const HubApi *api, const char *revision,
                            bool *missing, Error *error);

/* The commit that an address means, of the first of its repositories that the hub has; sets api->name, and *place to which
** of the address's places that is. */
HubCommit *hub_commits_resolve(HubCommit **list, HubApi *api, const HubAddress *address, int *place,
                               Error *error);

/* Makes sure that its files are listed: by the cache, or the hub. */
bool hub_commit_list(HubCommit *commit, const HubApi *api, Error *error);

/* Lists the files of a commit if the cache knows them. Nobody is asked. False if memory runs out. */
bool hub_commits_recall(HubCommit **list, const HubApi *api, const char *revision, Error *error);

/* hf://[KIND/]NAME@COMMIT[/FILE]. NULL if memory runs out. memory_free() releases it. */
char *hub_commit_address(const HubCommit *commit, const char *file);

/* What the header cache knows a file of a commit by: its SHA-256 and size if the list says them, else its place. NULL if memory
** runs out. memory_free() releases it. */
char *hub_commits_key(const HubCommit *list, const HubApi *api, const char *revision,
                      const char *file);

/* Whether the commit `revision` of a repository is listed, and has no such file. */
bool hub_commits_lack(const HubCommit *list, const HubApi *api, const char *revision,
                      const char *file);

/* A file of a commit that is listed, else NULL. */
const HubFile *hub_commits_file(const HubCommit *list, const HubApi *api, const char *revision,
                                const char *file);

void hub_commits_free(HubCommit *list);

#endif
