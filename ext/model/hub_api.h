/*
** What the hub says about a repository: the commit of a revision, and the files of a commit, by its web interface
** (huggingface_hub 2.4, hf_api.py: repo_info, list_repo_tree; file_download.py: hf_hub_url).
*/
#ifndef SAFETENSORS_MODEL_HUB_API_H
#define SAFETENSORS_MODEL_HUB_API_H

#include "base/http.h"
#include "model/hub_settings.h"

enum { HUB_API_DIGEST_SIZE = 65 };

typedef struct HubFile {
  char *path; /* within the repository */
  uint64_t size;
  char digest
      [HUB_API_DIGEST_SIZE]; /* in hexadecimal digits: 64 are the SHA-256 of a large file, 40 git's blob id of a
                                       small one; "" if the hub says neither */
} HubFile;

/* Starts as {0}; hub_files_clear() releases it. */
typedef struct HubFiles {
  HubFile *rows;
  uint64_t count, capacity;
} HubFiles;

struct HeaderCache;

/* One repository at the hub, and who asks for it. */
typedef struct HubApi {
  Http *http;
  const HubSettings *settings;
  const Asking *asking;
  const char *kind;          /* "models", "datasets", "spaces" */
  const char *name;          /* "ORG/NAME" or "NAME" */
  const char *path;          /* the address that the user gave, for messages */
  struct HeaderCache *cache; /* of what commits have: header_cache.h; NULL if there is none */
} HubApi;

/* Whether a revision is a commit itself, 40 hexadecimal digits, which need not be asked for. */
bool hub_api_is_commit(const char *revision);

/* Sets *commit to the commit of a revision, to be released with memory_free(). If the hub has no such repository, or does
** not say so to us, it is NULL and *missing is set, with the error that says so; another failure is an error alone. */
bool hub_api_commit(const HubApi *api, const char *revision, char **commit, bool *missing,
                    Error *error);

/* Lists the files of a commit, in the hub's order. False with an error. */
bool hub_api_files(const HubApi *api, const char *commit, HubFiles *files, Error *error);

void hub_files_clear(HubFiles *files);

/* The address that a file of a commit is read from. NULL if memory runs out. memory_free() releases it. */
char *hub_api_url(const HubApi *api, const char *commit, const char *file);

/* Raises what an answer other than 200 and 206 means, with what to do. Returns false. */
bool hub_api_raise(const HubApi *api, const HttpRequest *request, Error *error);

#endif
