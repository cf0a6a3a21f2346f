#include "model/network_file.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"

void network_file_retain(void *context) {
  NetworkFile *file = context;
  process_lock_enter();
  file->uses++;
  process_lock_leave();
}

void network_file_release(void *context) {
  NetworkFile *file = context;
  process_lock_enter();
  bool is_last = --file->uses == 0;
  process_lock_leave();
  if (!is_last) return;
  remote_file_free(file->remote);
  error_clear(&file->failure);
  network_place_clear(&file->place);
  memory_free(file);
}

/* Nothing of this file is to be kept any more. */
static void network_file_forget_key(NetworkFile *file) {
  memory_free(file->place.key);
  file->place.key = NULL;
}

/* Takes from the cache what is there, or offers it to the server. */
static bool network_file_recall(NetworkFile *file, HeaderCache *cache, Error *error) {
  CachedHeader cached;
  if (file->place.key == NULL || !header_cache_find(cache, file->place.key, &cached)) return true;
  bool good = true;
  if (file->place.changes) {
    good = remote_file_offer(file->remote, cached.file_size, cached.state, cached.bytes,
                             cached.length, error);
  } else {
    good = remote_file_know(file->remote, cached.file_size, cached.bytes, cached.length, error);
    network_file_forget_key(file);
  }
  memory_free(cached.memory);
  return good;
}

NetworkFile *network_file_new(struct Network *network, NetworkWays *ways, HeaderCache *cache,
                              RemoteBudget *budget, const char *address, Error *error) {
  RemotePlace place;
  NetworkFile *file = memory_zeroed(1, sizeof *file);
  if (file != NULL) {
    file->network = network;
    file->uses = 1;
    file->guess = NETWORK_FILE_FIRST;
    if (network_place_open(&file->place, ways, cache, address, &place, error)) {
      file->remote = remote_file_new(ways->http, budget, &place);
    }
    if (file->remote != NULL && network_file_recall(file, cache, error)) return file;
    network_file_release(file);
  }
  error_memory(error); /* does nothing if there already is an error */
  return NULL;
}

/* `follows` is where the last read ended, `ahead` how far reads go ahead of that, and everything up to `asked` is asked for. Reads
** of several threads come in another order; one a little before the last one changes nothing. */
uint64_t network_file_ahead(NetworkFile *file, uint64_t begin, uint64_t size, uint64_t until) {
  enum {
    NETWORK_FILE_NEAR = 64 << 10,
    NETWORK_FILE_LEAST = 256 << 10,
    NETWORK_FILE_BEHIND = 4 << 20
  };
  const uint64_t most = (uint64_t)REMOTE_FILE_PIECE * REMOTE_FILE_PIECES;
  uint64_t end = begin + size, next = file->follows;
  uint64_t behind = file->ahead > NETWORK_FILE_BEHIND ? file->ahead : NETWORK_FILE_BEHIND;
  bool follows = next > 0 && begin <= next + NETWORK_FILE_NEAR && begin + NETWORK_FILE_NEAR >= next;
  if (!follows && begin < next && next - begin <= behind) return 0;
  file->follows = end;
  if (!follows) {
    file->ahead = file->asked = 0;
    return 0;
  }
  file->ahead = 2 * file->ahead > 4 * size ? 2 * file->ahead : 4 * size;
  if (file->ahead < NETWORK_FILE_LEAST) file->ahead = NETWORK_FILE_LEAST;
  if (file->ahead > most) file->ahead = most;
  uint64_t target = end + file->ahead < until ? end + file->ahead : until;
  if (file->asked >= target || file->asked >= end + file->ahead / 2) return 0;
  file->asked = target;
  return target > end ? target - end : 0;
}

/* Whether the state is one that can be asked for again: a strong ETag. */
static bool network_file_has_state(const NetworkFile *file) {
  return remote_file_state(file->remote)[0] == '"';
}

void network_file_keep(NetworkFile *file, HeaderCache *cache, uint64_t length) {
  Error ignored = {0};
  bool wanted = file->place.key != NULL && cache != NULL && !remote_file_is_same(file->remote) &&
                (!file->place.changes || network_file_has_state(file));
  unsigned char *bytes = wanted ? memory_alloc(length) : NULL;
  if (bytes != NULL && file_read(remote_file_descriptor(file->remote), file->place.address, bytes,
                                 length, 0, &ignored)) {
    header_cache_keep(
        cache, file->place.key,
        &(CachedHeader){.bytes = bytes,
                        .length = length,
                        .file_size = remote_file_size(file->remote),
                        .state = file->place.changes ? remote_file_state(file->remote) : ""});
  }
  error_clear(&ignored);
  memory_free(bytes);
  network_file_forget_key(file); /* once is enough */
}
