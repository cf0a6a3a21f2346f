/*
** Where the file at an address of the network is, and how it is asked for: the web address, what the requests carry, and what
** answers mean. And with what a connection asks: its pool of requests, and what the environment says.
*/
#ifndef SAFETENSORS_MODEL_NETWORK_PLACE_H
#define SAFETENSORS_MODEL_NETWORK_PLACE_H

#include "model/hub_commits.h"
#include "model/remote_file.h"
#include "model/s3.h"

typedef enum NetworkKind { NETWORK_PLACE_WEB, NETWORK_PLACE_HUB, NETWORK_PLACE_S3 } NetworkKind;

NetworkKind network_kind_of(const char *address);

/* Starts as {0}; network_ways_clear() releases it. */
typedef struct NetworkWays {
  Http *http; /* once something is to be asked */
  HubSettings hub;
  S3Settings s3;
  bool has_hub, has_s3;
  HeaderCache *cache;
  bool has_cache; /* it was opened, if it can be */
  HubCommit *commits;
} NetworkWays;

void network_ways_clear(NetworkWays *ways);

/* Reads what the environment says of the hub. */
bool network_ways_read_hub(NetworkWays *ways, Error *error);

/* Makes sure that addresses of that kind can be asked for. */
bool network_ways_prepare(NetworkWays *ways, const char *address, NetworkKind kind, Error *error);

/* NULL if there is none. */
HeaderCache *network_ways_cache(NetworkWays *ways);

/* Starts as {0}; network_place_clear() releases it. */
typedef struct NetworkPlace {
  char *address, *url;
  NetworkKind kind;
  HubApi hub; /* of the repository, for the messages */
  S3Api s3;
  char *repository; /* its name */
  char *key;        /* of its header in the header cache, or NULL */
  bool changes;     /* what is kept under that key may have changed since */
} NetworkPlace;

/* Finds the place of an address, of which the ways are prepared. *out points into both, and into `place`. */
bool network_place_open(NetworkPlace *place, NetworkWays *ways, HeaderCache *cache,
                        const char *address, RemotePlace *out, Error *error);
void network_place_clear(NetworkPlace *place);

#endif
