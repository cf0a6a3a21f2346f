#include "model/network.h"

#include <stdatomic.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/file_origin.h"
#include "base/file_system.h"
#include "base/file_write.h"
#include "base/memory.h"
#include "base/sqlite.h"
#include "base/threads.h"
#include "format/header.h"
#include "model/hub_address.h"
#include "model/network_file.h"
#include "model/s3_lists.h"

/* Files that are kept, each with a descriptor, if nobody uses them. */
enum { NETWORK_KEPT = 128 };

/* How long a thread waits for another one that asks, before it asks whether to go on. */
#define NETWORK_TICK ((int64_t)50000000)

struct Network {
  const NetworkSettings *settings;
  Cancel *cancel;
  Progress *progress; /* NULL: it is not shown */
  Monitor *monitor;
  bool busy;         /* a thread asks */
  Asking who;        /* that thread's */
  const char *about; /* what it asks for, if it is the connection's thread, else NULL */
  Asking asking;     /* network_go_on() */
  uint64_t received; /* bytes of the network that were counted */
  NetworkWays ways;
  RemoteBudget budget;
  uint64_t before; /* bytes that had come when the period began */
  NetworkFile *files;
  S3List *lists;
};

bool network_is_address(const char *path) {
  return strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0 || s3_is_address(path) ||
         sqlite3_strnicmp(path, "https://", 8) == 0 || sqlite3_strnicmp(path, "http://", 7) == 0;
}

bool network_has(const Network *network, const char *path) {
  return network_is_address(path) && network->settings->mode == NETWORK_ON &&
         !file_system_exists(path);
}

/* ---- Asking whether to go on ---- */

/* The connection's own thread asks the connection, which may show what has come. */
static bool network_cancel_asks(void *context, Error *error) {
  const Network *network = context;
  return cancel_go_on(network->cancel, "the network", error);
}

/* How what is asked for asks whether to go on, and counts what has come. */
static bool network_go_on(void *context, Error *error) {
  Network *network = context;
  uint64_t received = network->ways.http != NULL ? http_received(network->ways.http) : 0;
  if (network->progress != NULL) {
    atomic_fetch_add(&network->progress->fetched, (size_t)(received - network->received));
    if (network->about != NULL) progress_fetch(network->progress, network->about);
  }
  network->received = received;
  return asking_go_on(&network->who, error);
}

/* ---- Making and releasing ---- */

Network *network_new(const NetworkSettings *settings, Cancel *cancel, Progress *progress) {
  Network *network = memory_zeroed(1, sizeof *network);
  if (network == NULL) return NULL;
  *network = (Network){.settings = settings,
                       .cancel = cancel,
                       .progress = progress,
                       .monitor = monitor_new(),
                       .asking = {network_go_on, network}};
  if (network->monitor != NULL) return network;
  memory_free(network);
  return NULL;
}

/* Forgets files that were not used lately, beyond `kept` of them; not those that are under way. Descriptors of them stay
** good. */
static void network_forget_files(Network *network, uint32_t kept) {
  uint32_t count = 0;
  for (NetworkFile **at = &network->files, *file; (file = *at) != NULL;) {
    if (count++ < kept || (kept > 0 && remote_file_is_busy(file->remote))) {
      at = &file->next;
      continue;
    }
    *at = file->next;
    network_file_release(file);
  }
}

void network_free(Network *network) {
  if (network == NULL) return;
  network_forget_files(network, 0);
  s3_lists_clear(&network->lists);
  network_ways_clear(&network->ways);
  monitor_free(network->monitor);
  memory_free(network);
}

void network_end_period(Network *network) {
  network_forget_files(network, 0);
  s3_lists_clear(&network->lists);
  network->budget.spent = 0;
  if (network->ways.http != NULL) network->before = http_received(network->ways.http);
}

/* ---- One thread at a time ---- */

/* Begins to ask, about `address`. While another thread does, this one waits. `asking` is NULL on the connection's own thread.
** False with an error. */
static bool network_enter(Network *network, const char *address, const Asking *asking,
                          Error *error) {
  const Asking own = {network_cancel_asks, network}, *who = asking != NULL ? asking : &own;
  monitor_enter(network->monitor);
  bool good = true;
  while (network->busy && good) {
    monitor_wait_for(network->monitor, NETWORK_TICK);
    monitor_leave(network->monitor);
    good = asking_go_on(who, error);
    monitor_enter(network->monitor);
  }
  if (good) {
    network->busy = true;
    network->who = *who;
    network->about = asking == NULL ? address : NULL;
  }
  monitor_leave(network->monitor);
  return good;
}

static void network_leave(Network *network) {
  if (network->progress != NULL && network->about != NULL) progress_end_fetch(network->progress);
  monitor_enter(network->monitor);
  network->busy = false;
  monitor_wake(network->monitor);
  monitor_leave(network->monitor);
}

static bool network_check_mode(const Network *network, const char *address, Error *error) {
  if (network->settings->mode == NETWORK_ON) return true;
  return error_raise(
      error, ERROR_ARGUMENT, address,
      "expected a path on this machine, found an address of the network, which is switched %s",
      network->settings->mode == NETWORK_NEVER
          ? "off for good"
          : "off: safetensors_config('network', 'on') or SAFETENSORS_NETWORK=on switches it on");
}

static HeaderCache *network_cache(Network *network) {
  return network->settings->caches ? network_ways_cache(&network->ways) : NULL;
}

static bool network_prepare(Network *network, const char *address, NetworkKind kind, Error *error) {
  uint64_t limit = network->settings->limit;
  network->budget.limit = limit;
  if (!network_check_mode(network, address, error) ||
      !network_ways_prepare(&network->ways, address, kind, error))
    return false;
  uint64_t fetched = http_received(network->ways.http) - network->before;
  http_limit(network->ways.http, fetched < limit ? limit - fetched : 0); /* lists count as well */
  return true;
}

/* ---- Files ---- */

static NetworkFile *network_add_file(Network *network, const char *address, Error *error) {
  NetworkFile *file = network_file_new(network, &network->ways, network_cache(network),
                                       &network->budget, address, error);
  if (file == NULL) return NULL;
  file->next = network->files;
  network->files = file;
  network_forget_files(network, NETWORK_KEPT);
  return file;
}

/* The file at an address, of which nothing need have come. NULL with an error. */
static NetworkFile *network_find(Network *network, const char *address, Error *error) {
  NetworkFile **at = &network->files, *file;
  while (*at != NULL && strcmp((*at)->place.address, address) != 0) at = &(*at)->next;
  file = *at;
  if (file != NULL) {
    *at = file->next; /* the one used last is the first */
    file->next = network->files;
    network->files = file;
    return network_check_mode(network, address, error) ? file : NULL;
  }
  if (!network_prepare(network, address, network_kind_of(address), error)) return NULL;
  return network_add_file(network, address, error);
}

static FileIdentity network_identity(const char *address, const char *state, uint64_t size) {
  uint64_t seed = XXH3_64bits(state, strlen(state));
  return (FileIdentity){.device = NETWORK_DEVICE,
                        .inode = XXH3_64bits_withSeed(address, strlen(address), seed),
                        .size = size};
}

/* A file of a commit has one state, which its address names. */
static FileIdentity network_identity_of(const NetworkFile *file) {
  const char *state = file->place.kind == NETWORK_PLACE_HUB ? "" : remote_file_state(file->remote);
  return network_identity(file->place.address, state, remote_file_size(file->remote));
}

/* The file, of which the first bytes have come. */
static NetworkFile *network_begin(Network *network, const char *address, Error *error) {
  NetworkFile *file = network_find(network, address, error);
  if (file == NULL || remote_file_descriptor(file->remote) >= 0) return file;
  if (file->failure.code == ERROR_NONE) {
    Error problem = {0};
    remote_file_begin(file->remote, file->guess);
    if (remote_file_wait(file->remote, &network->asking, &problem)) {
      uint64_t size = remote_file_size(file->remote);
      if (size <= NETWORK_FILE_FIRST && size <= file->guess)
        network_file_keep(file, network_cache(network), size);
      return file;
    }
    error_repeat(error_is_fatal(problem.code) ? error : &file->failure, &problem);
    error_clear(&problem);
  }
  if (file->failure.code != ERROR_NONE) error_repeat(error, &file->failure);
  return NULL;
}

/* What the list of a commit, if it has come, says about a file of the hub. NULL if it says nothing, or with an error. */
static const HubFile *network_hub_listed(Network *network, const char *address, Error *error) {
  HubAddress parsed;
  HubApi api = {.settings = &network->ways.hub};
  const HubFile *found = NULL;
  if (hub_address_parse(address, &parsed, error)) {
    api.kind = parsed.kind;
    api.name = parsed.places[0].name;
    found = hub_commits_file(network->ways.commits, &api, parsed.places[0].revision,
                             parsed.places[0].file);
  }
  hub_address_clear(&parsed);
  return found;
}

/* The identity of a file of a commit whose files are listed, for which nobody has to be asked. */
static bool network_identify_listed(Network *network, const char *address, FileIdentity *identity,
                                    Error *error) {
  const HubFile *found = network_hub_listed(network, address, error);
  if (found == NULL) return false;
  *identity = network_identity(address, "", found->size);
  return true;
}

bool network_identify(Network *network, const char *address, FileIdentity *identity, Error *error) {
  if (!network_enter(network, address, NULL, error)) return false;
  bool known = network_kind_of(address) == NETWORK_PLACE_HUB &&
               network_check_mode(network, address, error) &&
               network_identify_listed(network, address, identity, error);
  const NetworkFile *file =
      known || error->code != ERROR_NONE ? NULL : network_begin(network, address, error);
  if (file != NULL) *identity = network_identity_of(file);
  network_leave(network);
  return known || file != NULL;
}

/* What reads a descriptor, on any thread: nobody is asked whether to go on. */
static bool network_fetch(void *context, uint64_t begin, uint64_t size, Error *error) {
  const Asking nobody = {0};
  NetworkFile *file = context;
  Network *network = file->network;
  if (!network_enter(network, file->place.address, &nobody, error)) return false;
  bool good = remote_file_need(file->remote, begin, size, 0, &network->asking, error);
  network_leave(network);
  return good;
}

/* A descriptor of its own for the file, whose bytes come when they are read. */
static int network_open_file(NetworkFile *file, FileIdentity *identity, Error *error) {
  const FileOrigin origin = {.identity = network_identity_of(file),
                             .fetch = network_fetch,
                             .retain = network_file_retain,
                             .release = network_file_release,
                             .context = file};
  int descriptor = file_duplicate(remote_file_descriptor(file->remote), file->place.address, error);
  if (descriptor < 0) return -1;
  *identity = origin.identity;
  if (file_origin_set(descriptor, &origin)) return descriptor;
  file_close(descriptor);
  error_memory(error);
  return -1;
}

int network_open(Network *network, const char *address, FileIdentity *identity, Error *error) {
  int descriptor = -1;
  if (!network_enter(network, address, NULL, error)) return -1;
  NetworkFile *file = network_begin(network, address, error);
  if (file != NULL) descriptor = network_open_file(file, identity, error);
  network_leave(network);
  return descriptor;
}

bool network_need(Network *network, const char *address, uint64_t begin, uint64_t size,
                  uint64_t until, const Asking *asking, Error *error) {
  if (!network_enter(network, address, asking, error)) return false;
  NetworkFile *file = network_begin(network, address, error);
  uint64_t ahead = file != NULL ? network_file_ahead(file, begin, size, until) : 0;
  bool good =
      file != NULL && remote_file_need(file->remote, begin, size, ahead, &network->asking, error);
  network_leave(network);
  return good;
}

/* The first bytes have come. What they announce is fetched, unless it cannot be a header. */
static bool network_fetch_header(Network *network, NetworkFile *file, Error *error) {
  unsigned char first[HEADER_PREFIX_SIZE];
  uint64_t length, size = remote_file_size(file->remote);
  if (size < HEADER_PREFIX_SIZE) return true;
  if (!file_read(remote_file_descriptor(file->remote), file->place.address, first, sizeof first, 0,
                 error))
    return false;
  if (!header_length(first, size, &length)) return true;
  if (!remote_file_need(file->remote, 0, HEADER_PREFIX_SIZE + length, 0, &network->asking, error))
    return false;
  network_file_keep(file, network_cache(network), HEADER_PREFIX_SIZE + length);
  return true;
}

bool network_need_header(Network *network, const char *address, Error *error) {
  if (!network_enter(network, address, NULL, error)) return false;
  NetworkFile *file = network_begin(network, address, error);
  bool good = file != NULL && network_fetch_header(network, file, error);
  network_leave(network);
  return good;
}

bool network_need_all(Network *network, const char *address, uint64_t size, Error *error) {
  if (!network_enter(network, address, NULL, error)) return false;
  NetworkFile *file = network_begin(network, address, error);
  bool good = file != NULL && remote_file_need(file->remote, 0, size, 0, &network->asking, error);
  if (good && size == remote_file_size(file->remote))
    network_file_keep(file, network_cache(network), size);
  network_leave(network);
  return good;
}

void network_expect(Network *network, char *const *addresses, const uint64_t *sizes,
                    uint32_t count) {
  Error problem = {0};
  bool good = network_enter(network, count > 0 ? addresses[0] : NULL, NULL, &problem);
  for (uint32_t i = 0; good && i < count; i++) {
    Error ignored = {0}; /* whoever opens the file will have it, too */
    NetworkFile *file =
        network_is_address(addresses[i]) ? network_find(network, addresses[i], &ignored) : NULL;
    if (file != NULL && file->failure.code == ERROR_NONE) {
      if (sizes != NULL) file->guess = sizes[i];
      remote_file_begin(file->remote, file->guess);
    }
    error_clear(&ignored);
  }
  if (good) network_leave(network);
  error_clear(&problem);
}

/* ---- Places that have several files ---- */

/* Does something with the commit of an address of the hub. */
typedef bool NetworkUse(const HubApi *api, HubCommit *commit, const char *file, void *context,
                        Error *error);

static bool network_use_commit(Network *network, const char *path, NetworkUse *use, void *context,
                               Error *error) {
  HubAddress address;
  HubApi api = {.settings = &network->ways.hub, .asking = &network->asking, .path = path};
  int place = 0;
  bool good = hub_address_parse(path, &address, error);
  if (good && network_enter(network, path, NULL, error)) {
    HubCommit *commit = NULL;
    api.kind = address.kind;
    api.cache = network_cache(network);
    if (network_prepare(network, path, NETWORK_PLACE_HUB, error)) {
      api.http = network->ways.http;
      commit = hub_commits_resolve(&network->ways.commits, &api, &address, &place, error);
    }
    good = commit != NULL && use(&api, commit, address.places[place].file, context, error);
    network_leave(network);
  } else {
    good = false;
  }
  hub_address_clear(&address);
  return good;
}

static bool network_use_to_pin(const HubApi *api, HubCommit *commit, const char *file,
                               void *context, Error *error) {
  char **pinned = context;
  (void)api;
  *pinned = hub_commit_address(commit, file);
  return *pinned != NULL || error_memory(error);
}

char *network_pin(Network *network, const char *address, Error *error) {
  char *pinned = NULL;
  if (network_kind_of(address) == NETWORK_PLACE_HUB || hub_is_web_address(address)) {
    network_use_commit(network, address, network_use_to_pin, &pinned, error);
  } else if (network_check_mode(network, address, error)) {
    pinned = memory_copy_text(address, strlen(address));
    if (pinned == NULL) error_memory(error);
  }
  return pinned;
}

/* Adds what is behind the directory in a path: a name, or that of a directory with its '/', unless it was the last one. */
static bool network_add_name(PathList *names, const char *path, const char *directory,
                             size_t length) {
  if (strncmp(path, directory, length) != 0) return true;
  const char *rest = path + length;
  size_t size = strcspn(rest, "/");
  size += rest[size] == '/';
  if (size == 0) return true;
  const char *last = names->count > 0 ? names->paths[names->count - 1] : "";
  if (strlen(last) == size && strncmp(last, rest, size) == 0) return true;
  char *name = memory_copy_text(rest, size);
  bool added = name != NULL && path_list_add(names, NULL, name);
  memory_free(name);
  return added;
}

static bool network_use_to_list(const HubApi *api, HubCommit *commit, const char *file,
                                void *context, Error *error) {
  PathList *names = context;
  if (!hub_commit_list(commit, api, error)) return false;
  char *directory = sqlite3_mprintf("%s%s", file, file[0] != '\0' ? "/" : "");
  bool good = directory != NULL;
  for (uint64_t i = 0; good && i < commit->files.count; i++) {
    good = network_add_name(names, commit->files.rows[i].path, directory, strlen(directory));
  }
  memory_free(directory);
  return good || error_memory(error);
}

static bool network_use_to_find(const HubApi *api, HubCommit *commit, const char *file,
                                void *context, Error *error) {
  char *repository = NULL;
  bool good = hub_commit_list(commit, api, error) &&
              network_use_to_pin(api, commit, "", &repository, error);
  (void)file;
  for (uint64_t i = 0; good && i < commit->files.count; i++) {
    good = path_list_add(context, repository, commit->files.rows[i].path) || error_memory(error);
  }
  memory_free(repository);
  return good;
}

/* Does something with the objects whose addresses begin with a text. */
typedef bool NetworkTake(const S3Object *object, const char *prefix, PathList *list);

static bool network_take_objects(Network *network, const char *prefix, NetworkTake *take,
                                 PathList *list, Error *error) {
  uint64_t first = 0, count = 0;
  const S3Objects *objects = NULL;
  if (!network_enter(network, prefix, NULL, error)) return false;
  if (network_prepare(network, prefix, NETWORK_PLACE_S3, error)) {
    S3Api api = {.http = network->ways.http,
                 .settings = &network->ways.s3,
                 .asking = &network->asking,
                 .path = prefix};
    objects = s3_lists_find(&network->lists, &api, prefix, &first, &count, error);
  }
  bool good = objects != NULL;
  for (uint64_t i = 0; good && i < count; i++) {
    good = take(&objects->rows[first + i], prefix, list) || error_memory(error);
  }
  network_leave(network);
  return good;
}

static bool network_take_name(const S3Object *object, const char *prefix, PathList *list) {
  return network_add_name(list, object->address, prefix, strlen(prefix));
}

static bool network_take_address(const S3Object *object, const char *prefix, PathList *list) {
  (void)prefix;
  return path_list_add(list, NULL, object->address);
}

static bool network_find_objects(Network *network, const char *pattern, PathList *addresses,
                                 Error *error) {
  size_t length = strcspn(pattern, "*?[");
  while (length > 0 && pattern[length - 1] != '/') length--;
  char *prefix = memory_copy_text(pattern, length);
  bool good = prefix != NULL
                  ? network_take_objects(network, prefix, network_take_address, addresses, error)
                  : error_memory(error);
  memory_free(prefix);
  return good;
}

bool network_listed(Network *network, const char *address, NetworkListed *listed) {
  Error ignored = {0};
  bool known = false;
  if (network_enter(network, address, NULL, &ignored)) {
    NetworkKind kind = network_kind_of(address);
    const HubFile *file =
        kind == NETWORK_PLACE_HUB ? network_hub_listed(network, address, &ignored) : NULL;
    const S3Object *object =
        kind == NETWORK_PLACE_S3 ? s3_lists_object(network->lists, address) : NULL;
    known = file != NULL || object != NULL;
    *listed = (NetworkListed){.size = file != NULL     ? file->size
                                      : object != NULL ? object->size
                                                       : 0};
    if (file != NULL) memcpy(listed->digest, file->digest, sizeof listed->digest);
    network_leave(network);
  }
  error_clear(&ignored);
  return known;
}

char *network_directory(const char *address) {
  const char *host = strstr(address, "://"), *last = strrchr(address, '/');
  host = host != NULL ? host + 3 : address;
  const char *commit = network_kind_of(address) == NETWORK_PLACE_HUB ? strchr(host, '@') : host;
  bool has = last != NULL && last > host && commit != NULL && last > commit;
  return has ? memory_copy_text(address, (uint64_t)(last - address)) : NULL;
}

bool network_find_files(Network *network, const char *pattern, PathList *addresses, Error *error) {
  if (network_kind_of(pattern) == NETWORK_PLACE_S3)
    return network_find_objects(network, pattern, addresses, error);
  return network_use_commit(network, pattern, network_use_to_find, addresses, error);
}

bool network_is_in_hub(const char *address) {
  return network_kind_of(address) == NETWORK_PLACE_HUB;
}

bool network_is_file(const char *address) {
  return network_kind_of(address) == NETWORK_PLACE_WEB;
}

bool network_asks(Network *network, const char *path, bool *asks, Error *error) {
  *asks = network_has(network, path);
  if (!*asks || (network_kind_of(path) != NETWORK_PLACE_HUB && !hub_is_web_address(path)))
    return true;
  if (!network_ways_read_hub(&network->ways, error)) return false;
  *asks = !network->ways.hub.offline;
  return true;
}

bool network_list(Network *network, const char *address, PathList *names, Error *error) {
  switch (network_kind_of(address)) {
    case NETWORK_PLACE_HUB:
      return network_use_commit(network, address, network_use_to_list, names, error);
    case NETWORK_PLACE_S3:
      return network_take_objects(network, address, network_take_name, names, error);
    default:
      return error_raise(
          error, ERROR_ARGUMENT, address,
          "expected the address of a file, found a place, of which the web has no list");
  }
}
