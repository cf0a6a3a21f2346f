/* What the hub has said about repositories: the commits of revisions, and the files of commits. Each is asked for once. */
#ifndef SAFETENSORS_MODEL_HUB_COMMITS_H
#define SAFETENSORS_MODEL_HUB_COMMITS_H

#include "model/hub_api.h"

typedef struct HubCommit {
  char *kind, *name, *revision;
  char *commit;
  HubFiles files; /* if they are listed */
  bool listed;
  struct HubCommit *next;
} HubCommit;

/* The commit of a revision. NULL with an error; *missing: the hub has no such repository. It belongs to the list, which
** starts as NULL and is released with hub_commits_free(). */
HubCommit *hub_commits_find(HubCommit **list, const HubApi *api, const char *revision,
                            bool *missing, Error *error);

/* Makes sure that its files are listed. */
bool hub_commit_list(HubCommit *commit, const HubApi *api, Error *error);

/* Whether the commit `revision` of a repository is listed, and has no such file. */
bool hub_commits_lack(const HubCommit *list, const HubApi *api, const char *revision,
                      const char *file);

void hub_commits_free(HubCommit *list);

#endif
