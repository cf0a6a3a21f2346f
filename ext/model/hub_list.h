/*
** What the Hugging Face cache of this machine has: each snapshot of each repository, with the
** address that leads to it (hub.h).
*/
#ifndef SAFETENSORS_MODEL_HUB_LIST_H
#define SAFETENSORS_MODEL_HUB_LIST_H

#include "base/cancel.h"
#include "base/error.h"

typedef struct HubSnapshot {
  char *address; /* "hf://ORG/NAME" for main; another one with its ref or, without one, its hash */
  char *directory; /* in the cache */
} HubSnapshot;

/* Starts as {0}; hub_snapshots_clear() releases it. */
typedef struct HubSnapshots {
  HubSnapshot *rows;
  uint64_t count, capacity;
} HubSnapshots;

/* Whether this is an address of all repositories, hf://, or of those of a kind, hf://datasets. Sets
** *kind to the kind, or to NULL. */
bool hub_list_is_address(const char *path, const char **kind);

/* Lists the repositories of a kind, or of all kinds if it is NULL. `path` is for messages. Returns
** false with an error, also if there is no cache. */
bool hub_list(const char *path, const char *kind, HubSnapshots *snapshots, Cancel *cancel,
              Error *error);

void hub_snapshots_clear(HubSnapshots *snapshots);

#endif
