/*
** The files at addresses of the network, for one connection: https://..., hf://NAME@COMMIT/FILE, s3://BUCKET/KEY. They are
** asked for only if the connection's setting `network` is on.
**
** An address is opened as a path is: network_open() returns a descriptor of a file of this machine (remote_file.h). What is
** read of it is fetched before, if network_need() has not done that (file_origin.h). What a file is, its FileIdentity, has NETWORK_DEVICE as its
** device, and an inode that depends on its address and its state.
**
** A file is asked for once in a period of the session, in which all statements see one state of it, and forgotten with it; of a
** commit of the hub, which does not change, the header cache knows the header. All that is fetched counts in the period's
** budget.
**
** All functions may be called by several threads at a time, except for network_new() and network_free().
*/
#ifndef SAFETENSORS_MODEL_NETWORK_H
#define SAFETENSORS_MODEL_NETWORK_H

#include "base/file.h"
#include "base/host.h"
#include "base/path_list.h"
#include "model/hub_api.h"

#define NETWORK_DEVICE UINT64_MAX

/* off: an address is an error, but can be switched on; never: nobody can switch it on any more. */
typedef enum NetworkMode { NETWORK_OFF, NETWORK_ON, NETWORK_NEVER } NetworkMode;

/* Those of the connection. */
typedef struct NetworkSettings {
  NetworkMode mode;
  uint64_t limit; /* bytes that a period may fetch */
  bool caches;    /* what does not change is kept in files: header_cache.h */
} NetworkSettings;

#define NETWORK_LIMIT ((uint64_t)1 << 30)

typedef struct Network Network;

/* All three outlive it; `progress`, which shows what is fetched, may be NULL. NULL if memory runs out. */
Network *network_new(const NetworkSettings *settings, Cancel *cancel, Progress *progress);
void network_free(Network *network); /* may be NULL */

/* Ends a period: what may have changed is asked for again, and the budget is whole. */
void network_end_period(Network *network);

/* Whether a path is written as such an address. */
bool network_is_address(const char *path);

/* Whether the network is asked for this path: it is written as an address, the network is on, and no file of this machine has
** such a path. */
bool network_has(const Network *network, const char *path);

/* Finds out what the address leads to. */
bool network_identify(Network *network, const char *address, FileIdentity *identity, Error *error);

/* The same; returns a descriptor, which the caller closes with file_close(), or -1. */
int network_open(Network *network, const char *address, FileIdentity *identity, Error *error);

/* Fetches bytes of a file that was identified, as far as they have not come. If such reads follow each other, what is behind them,
** up to `until`, is asked for, too. `asking` is NULL on the connection's thread, where nobody else asks. */
bool network_need(Network *network, const char *address, uint64_t begin, uint64_t size,
                  uint64_t until, const Asking *asking, Error *error);

/* Fetches the header of a safetensors file: its first 8 bytes, and what they announce. */
bool network_need_header(Network *network, const char *address, Error *error);

/* Fetches all of a file, of which `size` was found out: what is small, as it is kept for other connections. */
bool network_need_all(Network *network, const char *address, uint64_t size, Error *error);

/* Begins to ask for the first bytes of files that will be opened, without waiting. `sizes` says how many of each will be
** needed, as far as is known; NULL if nothing is known. */
void network_expect(Network *network, char *const *addresses, const uint64_t *sizes,
                    uint32_t count);

/* ---- Places that have several files ---- */

/* Sets *asks to whether this path is to be asked for: it is an address, the network is on, and the hub may be asked. False with
** an error. */
bool network_asks(Network *network, const char *path, bool *asks, Error *error);

/* Whether a pinned address is one of the hub. */
bool network_is_in_hub(const char *address);

/* Whether a pinned address can only be that of one file: those of the web. */
bool network_is_file(const char *address);

/* Lists the addresses of all files below the place with which a pattern begins, up to the last '/' before its first special
** character; for the hub, of the repository. */
bool network_find_files(Network *network, const char *pattern, PathList *addresses, Error *error);

/* The address of a place without what may change, to be released with memory_free(): of a repository with its commit. NULL
** with an error. */
char *network_pin(Network *network, const char *address, Error *error);

/* What a list that has come says about a file. */
typedef struct NetworkListed {
  uint64_t size;
  char digest[HUB_API_DIGEST_SIZE]; /* as HubFile has it; "" for a store */
} NetworkListed;

/* Whether a list of the hub or a store has come that has this file. Nobody is asked. */
bool network_listed(Network *network, const char *address, NetworkListed *listed);

/* The directory of an address, to be released with memory_free(): NULL of a repository, a bucket or a host, and if memory runs
** out. */
char *network_directory(const char *address);

/* Lists the names in a place that ends with a '/', or a repository of the hub: those of files, and of directories with a '/'
** at their end. False with an error; https:// has no lists. */
bool network_list(Network *network, const char *address, PathList *names, Error *error);

#endif
