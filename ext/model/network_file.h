/*
** One file at an address of the network, as a connection has it: its place, what has come of it, and what the header cache
** keeps of it. That is its header, or all of it if it is small or an index.
**
** What the hub says by a commit or SHA-256 does not change, so what is kept of it is taken without asking. Files of the web and
** of stores can change: what is kept of them is offered to the server by its ETag, which may say that nothing has changed.
** Addresses with a query are not kept, as the query may be a signature.
*/
#ifndef SAFETENSORS_MODEL_NETWORK_FILE_H
#define SAFETENSORS_MODEL_NETWORK_FILE_H

#include "model/network_place.h"

/* The first bytes of a file that are asked for if nothing else is known: the header of most, in one request. */
enum { NETWORK_FILE_FIRST = 128 << 10 };

struct Network;

typedef struct NetworkFile {
  struct Network *network;
  uint32_t uses;                  /* by the list, and by descriptors; within the process's lock */
  uint64_t follows, ahead, asked; /* see network_file_ahead() */
  uint64_t guess; /* how many of its first bytes will be needed, to be asked for at first */
  NetworkPlace place;
  RemoteFile *remote;
  Error failure; /* of its first request, which is not made again in the period */
  struct NetworkFile *next;
} NetworkFile;

/* A file with one use, of which nothing has come but what the cache knows. The cache may be NULL. NULL with an error. */
NetworkFile *network_file_new(struct Network *network, NetworkWays *ways, HeaderCache *cache,
                              RemoteBudget *budget, const char *address, Error *error);

/* For any thread. */
void network_file_retain(void *file);
void network_file_release(void *file);

/* How many bytes behind these, up to `until`, should be asked for, too, as the reads of this file follow each other: more and more
** of them, up to as much as may be under way. */
uint64_t network_file_ahead(NetworkFile *file, uint64_t begin, uint64_t size, uint64_t until);

/* Keeps the first bytes in the cache, which have come, unless they were taken from there. */
void network_file_keep(NetworkFile *file, HeaderCache *cache, uint64_t length);

#endif
