#include "model/network.h"

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
#include "model/hub_commits.h"
#include "model/remote_file.h"
#include "model/s3.h"

/* The first bytes of a file that are asked for: the header of most, in one request. */
enum { NETWORK_FIRST = 128 << 10 };

/* How long a thread waits for another one that asks, before it asks whether to go on. */
#define NETWORK_TICK ((int64_t)50000000)

typedef enum NetworkKind { NETWORK_WEB, NETWORK_HUB, NETWORK_S3 } NetworkKind;

typedef struct NetworkFile {
  Network *network;
  uint32_t uses; /* by the list, and by descriptors; within the process's lock */
  char *address, *url;
  NetworkKind kind;
  HubApi hub; /* of the repository, for the messages */
  S3Api s3;
  char *repository; /* its name */
  char *key;        /* in the header cache, or NULL */
  RemoteFile *remote;
  struct NetworkFile *next;
} NetworkFile;

struct Network {
  const NetworkSettings *settings;
  Cancel *cancel;
  Monitor *monitor;
  bool busy; /* a thread asks */
  Http *http;
  HubSettings hub;
  S3Settings s3;
  bool has_hub, has_s3;
  HeaderCache *cache;
  bool has_cache; /* it was opened, if it can be */
  RemoteBudget budget;
  NetworkFile *files;
  HubCommit *commits;
};

bool network_is_address(const char *path) {
  return strncmp(path, HUB_PREFIX, strlen(HUB_PREFIX)) == 0 || s3_is_address(path) ||
         sqlite3_strnicmp(path, "https://", 8) == 0 || sqlite3_strnicmp(path, "http://", 7) == 0;
}

bool network_has(const Network *network, const char *path) {
  return network_is_address(path) && network->settings->mode == NETWORK_ON &&
         !file_system_exists(path);
}

/* ---- Making and releasing ---- */

Network *network_new(const NetworkSettings *settings, Cancel *cancel) {
  Network *network = memory_zeroed(1, sizeof *network);
  if (network == NULL) return NULL;
  *network = (Network){.settings = settings, .cancel = cancel, .monitor = monitor_new()};
  if (network->monitor != NULL) return network;
  memory_free(network);
  return NULL;
}

static void network_retain_file(void *context) {
  NetworkFile *file = context;
  process_lock_enter();
  file->uses++;
  process_lock_leave();
}

static void network_release_file(void *context) {
  NetworkFile *file = context;
  process_lock_enter();
  bool is_last = --file->uses == 0;
  process_lock_leave();
  if (!is_last) return;
  remote_file_free(file->remote);
  memory_free(file->address);
  memory_free(file->url);
  memory_free(file->repository);
  memory_free(file->key);
  memory_free(file);
}

/* Forgets the files that may be in another state, or all. */
static void network_forget_files(Network *network, bool all) {
  for (NetworkFile **at = &network->files, *file; (file = *at) != NULL;) {
    if (!all && file->kind == NETWORK_HUB) {
      at = &file->next;
      continue;
    }
    *at = file->next;
    network_release_file(file);
  }
}

void network_free(Network *network) {
  if (network == NULL) return;
  network_forget_files(network, true);
  hub_commits_free(network->commits);
  header_cache_close(network->cache);
  http_close(network->http);
  hub_settings_clear(&network->hub);
  s3_settings_clear(&network->s3);
  monitor_free(network->monitor);
  memory_free(network);
}

void network_end_period(Network *network) {
  network_forget_files(network, false);
  network->budget.spent = 0;
}

/* ---- One thread at a time ---- */

/* Begins to ask. While another thread does, this one waits. False with an error. */
static bool network_enter(Network *network, const Asking *asking, Error *error) {
  monitor_enter(network->monitor);
  bool good = true;
  while (network->busy && good) {
    monitor_wait_for(network->monitor, NETWORK_TICK);
    monitor_leave(network->monitor);
    good = asking->go_on == NULL || asking->go_on(asking->context, error);
    monitor_enter(network->monitor);
  }
  if (good) network->busy = true;
  monitor_leave(network->monitor);
  return good;
}

static void network_leave(Network *network) {
  monitor_enter(network->monitor);
  network->busy = false;
  monitor_wake(network->monitor);
  monitor_leave(network->monitor);
}

static bool network_cancel_asks(void *context, Error *error) {
  const Network *network = context;
  return cancel_go_on(network->cancel, "the network", error);
}

/* Who asks whether to go on: the caller, or the connection itself. */
static Asking network_asking(Network *network, const Asking *asking) {
  return asking != NULL ? *asking : (Asking){network_cancel_asks, network};
}

static bool network_check_mode(const Network *network, const char *address, Error *error) {
  if (network->settings->mode == NETWORK_ON) return true;
  return error_raise(
      error, ERROR_ARGUMENT, address,
      "expected a path on this machine, found an address of the network, which is switched %s",
      network->settings->mode == NETWORK_NEVER
          ? "off for good"
          : "off: safetensors_config('network', 'on') switches it on");
}

static bool network_read_hub(Network *network, Error *error) {
  if (network->has_hub) return true;
  hub_settings_clear(&network->hub);
  network->has_hub = hub_settings_read(&network->hub, error);
  return network->has_hub;
}

/* NULL if the connection wants none. */
static HeaderCache *network_cache(Network *network) {
  if (!network->has_cache) network->cache = header_cache_open();
  network->has_cache = true;
  return network->settings->caches ? network->cache : NULL;
}

/* Opens what all requests need, when the first one is made. */
static bool network_prepare(Network *network, const char *address, NetworkKind kind, Error *error) {
  network->budget.limit = network->settings->limit;
  if (!network_check_mode(network, address, error)) return false;
  if (network->http == NULL) network->http = http_open(address, error);
  if (network->http == NULL) return false;
  if (kind == NETWORK_HUB && !network_read_hub(network, error)) return false;
  if (kind == NETWORK_HUB && network->hub.offline) {
    return error_raise(error, ERROR_MISSING, address,
                       "expected a file in this machine's Hugging Face cache, as HF_HUB_OFFLINE is "
                       "set, found none");
  }
  if (kind == NETWORK_S3 && !network->has_s3) {
    s3_settings_clear(&network->s3);
    if (!s3_settings_read(&network->s3, error)) return false;
    network->has_s3 = true;
  }
  return true;
}

static NetworkKind network_kind_of(const char *address) {
  if (strncmp(address, HUB_PREFIX, strlen(HUB_PREFIX)) == 0) return NETWORK_HUB;
  return s3_is_address(address) ? NETWORK_S3 : NETWORK_WEB;
}

/* ---- What answers mean ---- */

static bool network_raise_web(const void *context, const HttpRequest *request, Error *error) {
  char *words = http_words(request);
  const char *text = words != NULL ? words : "";
  ErrorCode code = request->status == 404 || request->status == 410   ? ERROR_MISSING
                   : request->status == 401 || request->status == 403 ? ERROR_DENIED
                                                                      : ERROR_IO;
  (void)context;
  error_fill(error, code, request->subject, "expected the bytes of a file, found status %d%s%.*s",
             request->status, words != NULL ? ": " : "", ERROR_NAME(text, strlen(text)));
  memory_free(words);
  return false;
}

static bool network_raise_hub(const void *context, const HttpRequest *request, Error *error) {
  const NetworkFile *file = context;
  return hub_api_raise(&file->hub, request, error);
}

static bool network_raise_s3(const void *context, const HttpRequest *request, Error *error) {
  const NetworkFile *file = context;
  return s3_raise(&file->s3, request, error);
}

/* ---- Files ---- */

/* The repository, the web address, and the key of a file of a commit. */
static bool network_find_hub_file(Network *network, NetworkFile *file, const char *kind,
                                  const HubPlace *of, Error *error) {
  file->repository = memory_copy_text(of->name, strlen(of->name));
  if (file->repository == NULL) return error_memory(error);
  file->hub = (HubApi){.http = network->http,
                       .settings = &network->hub,
                       .kind = kind,
                       .name = file->repository,
                       .path = file->address};
  HeaderCache *cache = network_cache(network);
  if (!hub_commits_recall(&network->commits, &file->hub, of->revision, cache, error)) return false;
  if (hub_commits_lack(network->commits, &file->hub, of->revision, of->file)) {
    return error_raise(error, ERROR_MISSING, file->address,
                       "expected a file of the repository, found that it has no such one");
  }
  file->key = hub_commits_key(network->commits, &file->hub, of->revision, of->file);
  file->url = hub_api_url(&file->hub, of->revision, of->file);
  return (file->key != NULL && file->url != NULL) || error_memory(error);
}

/* hf://[KIND/]NAME@COMMIT/FILE, as network_pin() and network_list() make them. */
static bool network_place_hub(Network *network, NetworkFile *file, RemotePlace *place,
                              Error *error) {
  HubAddress address;
  bool good = hub_address_parse(file->address, &address, error);
  const HubPlace *of = &address.places[0];
  if (good && (of->file[0] == '\0' || !hub_api_is_commit(of->revision))) {
    good = error_raise(error, ERROR_ARGUMENT, file->address, "expected a file of a commit");
  }
  good = good && network_find_hub_file(network, file, address.kind, of, error);
  place->question.secret = network->hub.secret;
  place->question.trusted = network->hub.trusted;
  place->question.connect_seconds = network->hub.connect_seconds;
  place->question.stall_seconds = network->hub.stall_seconds;
  place->raise = network_raise_hub;
  hub_address_clear(&address);
  return good;
}

static bool network_place_s3(const Network *network, NetworkFile *file, RemotePlace *place,
                             Error *error) {
  file->s3 = (S3Api){.http = network->http, .settings = &network->s3, .path = file->address};
  file->url = s3_url(&file->s3, file->address, error);
  s3_prepare(&file->s3, &place->question);
  place->raise = network_raise_s3;
  return file->url != NULL;
}

static bool network_place(Network *network, NetworkFile *file, RemotePlace *place, Error *error) {
  if (file->kind == NETWORK_HUB) return network_place_hub(network, file, place, error);
  if (file->kind == NETWORK_S3) return network_place_s3(network, file, place, error);
  file->url = memory_copy_text(file->address, strlen(file->address));
  place->raise = network_raise_web;
  return file->url != NULL || error_memory(error);
}

/* Takes the header from the cache, if it is there. */
static bool network_take_cached(Network *network, NetworkFile *file, Error *error) {
  unsigned char *bytes;
  uint64_t length, size;
  if (file->key == NULL ||
      !header_cache_find(network_cache(network), file->key, &bytes, &length, &size))
    return true;
  bool good = remote_file_know(file->remote, size, bytes, length, error);
  memory_free(bytes);
  memory_free(file->key);
  file->key = NULL; /* it is there */
  return good;
}

static NetworkFile *network_add_file(Network *network, const char *address, Error *error) {
  RemotePlace place = {0};
  NetworkFile *file = memory_zeroed(1, sizeof *file);
  if (file != NULL) {
    *file = (NetworkFile){.network = network,
                          .uses = 1,
                          .address = memory_copy_text(address, strlen(address)),
                          .kind = network_kind_of(address)};
    if (file->address != NULL && network_place(network, file, &place, error)) {
      place.address = file->address;
      place.context = file;
      place.question.url = file->url;
      file->remote = remote_file_new(network->http, &network->budget, &place);
    }
    if (file->remote != NULL && network_take_cached(network, file, error)) {
      file->next = network->files;
      network->files = file;
      return file;
    }
    network_release_file(file);
  }
  error_memory(error); /* does nothing if there already is an error */
  return NULL;
}

/* The file at an address, of which nothing need have come. NULL with an error. */
static NetworkFile *network_find(Network *network, const char *address, Error *error) {
  NetworkFile *file = network->files;
  while (file != NULL && strcmp(file->address, address) != 0) file = file->next;
  if (file != NULL) return network_check_mode(network, address, error) ? file : NULL;
  if (!network_prepare(network, address, network_kind_of(address), error)) return NULL;
  return network_add_file(network, address, error);
}

/* A file of a commit has one state, which its address names. */
static FileIdentity network_identity_of(const NetworkFile *file) {
  const char *state = file->kind == NETWORK_HUB ? "" : remote_file_state(file->remote);
  XXH64_hash_t of_state = XXH3_64bits(state, strlen(state));
  return (FileIdentity){
      .device = NETWORK_DEVICE,
      .inode = XXH3_64bits_withSeed(file->address, strlen(file->address), of_state),
      .size = remote_file_size(file->remote)};
}

/* Puts the header of a file into the cache, of which it was not taken. */
static void network_keep_header(Network *network, NetworkFile *file, uint64_t length) {
  Error ignored = {0};
  unsigned char *bytes = network_cache(network) != NULL ? memory_alloc(length) : NULL;
  if (bytes != NULL &&
      file_read(remote_file_descriptor(file->remote), file->address, bytes, length, 0, &ignored)) {
    header_cache_keep(network_cache(network), file->key, bytes, length,
                      remote_file_size(file->remote));
  }
  error_clear(&ignored);
  memory_free(bytes);
  memory_free(file->key); /* once is enough */
  file->key = NULL;
}

/* The file, of which the first bytes have come. */
static NetworkFile *network_begin(Network *network, const char *address, const Asking *asking,
                                  Error *error) {
  NetworkFile *file = network_find(network, address, error);
  if (file == NULL || remote_file_descriptor(file->remote) >= 0) return file;
  return remote_file_need(file->remote, 0, NETWORK_FIRST, asking, error) ? file : NULL;
}

bool network_identify(Network *network, const char *address, FileIdentity *identity, Error *error) {
  int descriptor = -1;
  Asking asking = network_asking(network, NULL);
  if (!network_enter(network, &asking, error)) return false;
  const NetworkFile *file = network_begin(network, address, &asking, error);
  if (file != NULL) {
    *identity = network_identity_of(file);
    descriptor = remote_file_descriptor(file->remote);
  }
  network_leave(network);
  return descriptor >= 0;
}

/* What reads a descriptor, on any thread: nobody is asked whether to go on. */
static bool network_fetch(void *context, uint64_t begin, uint64_t size, Error *error) {
  const Asking nobody = {0};
  NetworkFile *file = context;
  Network *network = file->network;
  if (!network_enter(network, &nobody, error)) return false;
  bool good = remote_file_need(file->remote, begin, size, &nobody, error);
  network_leave(network);
  return good;
}

/* A descriptor of its own for the file, whose bytes come when they are read. */
static int network_open_file(NetworkFile *file, FileIdentity *identity, Error *error) {
  const FileOrigin origin = {.identity = network_identity_of(file),
                             .fetch = network_fetch,
                             .retain = network_retain_file,
                             .release = network_release_file,
                             .context = file};
  int descriptor = file_duplicate(remote_file_descriptor(file->remote), file->address, error);
  if (descriptor < 0) return -1;
  *identity = origin.identity;
  if (file_origin_set(descriptor, &origin)) return descriptor;
  file_close(descriptor);
  error_memory(error);
  return -1;
}

int network_open(Network *network, const char *address, FileIdentity *identity, Error *error) {
  int descriptor = -1;
  Asking asking = network_asking(network, NULL);
  if (!network_enter(network, &asking, error)) return -1;
  NetworkFile *file = network_begin(network, address, &asking, error);
  if (file != NULL) descriptor = network_open_file(file, identity, error);
  network_leave(network);
  return descriptor;
}

bool network_need(Network *network, const char *address, uint64_t begin, uint64_t size,
                  const Asking *asking, Error *error) {
  Asking who = network_asking(network, asking);
  if (!network_enter(network, &who, error)) return false;
  NetworkFile *file = network_begin(network, address, &who, error);
  bool good = file != NULL && remote_file_need(file->remote, begin, size, &who, error);
  network_leave(network);
  return good;
}

/* The first bytes have come. What they announce is fetched, unless it cannot be a header. */
static bool network_fetch_header(Network *network, NetworkFile *file, const Asking *asking,
                                 Error *error) {
  unsigned char first[HEADER_PREFIX_SIZE];
  uint64_t length, size = remote_file_size(file->remote);
  if (size < HEADER_PREFIX_SIZE) return true;
  if (!file_read(remote_file_descriptor(file->remote), file->address, first, sizeof first, 0,
                 error))
    return false;
  if (!header_length(first, size, &length)) return true;
  if (!remote_file_need(file->remote, 0, HEADER_PREFIX_SIZE + length, asking, error)) return false;
  if (file->key != NULL) network_keep_header(network, file, HEADER_PREFIX_SIZE + length);
  return true;
}

bool network_need_header(Network *network, const char *address, Error *error) {
  Asking asking = network_asking(network, NULL);
  if (!network_enter(network, &asking, error)) return false;
  NetworkFile *file = network_begin(network, address, &asking, error);
  bool good = file != NULL && network_fetch_header(network, file, &asking, error);
  network_leave(network);
  return good;
}

void network_expect(Network *network, char *const *addresses, uint32_t count) {
  Error problem = {0};
  Asking asking = network_asking(network, NULL);
  bool good = network_enter(network, &asking, &problem);
  for (uint32_t i = 0; good && i < count; i++) {
    Error ignored = {0}; /* whoever opens the file will have it, too */
    NetworkFile *file =
        network_is_address(addresses[i]) ? network_find(network, addresses[i], &ignored) : NULL;
    if (file != NULL && remote_file_descriptor(file->remote) < 0) {
      remote_file_ask(file->remote, 0, NETWORK_FIRST);
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
  Asking asking = network_asking(network, NULL);
  HubApi api = {.context = network, .settings = &network->hub, .asking = &asking, .path = path};
  int place = 0;
  bool good = hub_address_parse(path, &address, error);
  if (good && network_enter(network, &asking, error)) {
    HubCommit *commit = NULL;
    api.kind = address.kind;
    if (network_prepare(network, path, NETWORK_HUB, error)) {
      api.http = network->http;
      commit = hub_commits_resolve(&network->commits, &api, &address, &place, error);
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
  if (network_kind_of(address) == NETWORK_HUB || hub_is_web_address(address)) {
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
  if (!hub_commit_list(commit, api, network_cache(api->context), error)) return false;
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
  bool good = hub_commit_list(commit, api, network_cache(api->context), error) &&
              network_use_to_pin(api, commit, "", &repository, error);
  (void)file;
  for (uint64_t i = 0; good && i < commit->files.count; i++) {
    good = path_list_add(context, repository, commit->files.rows[i].path) || error_memory(error);
  }
  memory_free(repository);
  return good;
}

/* Lists the objects whose addresses begin with a text. */
static bool network_list_objects(Network *network, const char *prefix, S3Objects *objects,
                                 Error *error) {
  Asking asking = network_asking(network, NULL);
  if (!network_enter(network, &asking, error)) return false;
  bool good = network_prepare(network, prefix, NETWORK_S3, error);
  if (good) {
    S3Api api = {
        .http = network->http, .settings = &network->s3, .asking = &asking, .path = prefix};
    good = s3_list(&api, prefix, objects, error);
  }
  network_leave(network);
  return good;
}

static bool network_list_store(Network *network, const char *address, PathList *names,
                               Error *error) {
  S3Objects objects = {0};
  bool good = network_list_objects(network, address, &objects, error);
  for (uint64_t i = 0; good && i < objects.count; i++) {
    good = network_add_name(names, objects.rows[i].address, address, strlen(address)) ||
           error_memory(error);
  }
  s3_objects_clear(&objects);
  return good;
}

static bool network_find_objects(Network *network, const char *pattern, PathList *addresses,
                                 Error *error) {
  S3Objects objects = {0};
  size_t length = strcspn(pattern, "*?[");
  while (length > 0 && pattern[length - 1] != '/') length--;
  char *prefix = memory_copy_text(pattern, length);
  bool good =
      prefix != NULL ? network_list_objects(network, prefix, &objects, error) : error_memory(error);
  for (uint64_t i = 0; good && i < objects.count; i++) {
    good = path_list_add(addresses, NULL, objects.rows[i].address) || error_memory(error);
  }
  s3_objects_clear(&objects);
  memory_free(prefix);
  return good;
}

bool network_find_files(Network *network, const char *pattern, PathList *addresses, Error *error) {
  if (network_kind_of(pattern) == NETWORK_S3)
    return network_find_objects(network, pattern, addresses, error);
  return network_use_commit(network, pattern, network_use_to_find, addresses, error);
}

bool network_is_file(const char *address) {
  return network_kind_of(address) == NETWORK_WEB;
}

bool network_asks(Network *network, const char *path, bool *asks, Error *error) {
  *asks = network_has(network, path);
  if (!*asks || (network_kind_of(path) != NETWORK_HUB && !hub_is_web_address(path))) return true;
  if (!network_read_hub(network, error)) return false;
  *asks = !network->hub.offline;
  return true;
}

bool network_list(Network *network, const char *address, PathList *names, Error *error) {
  switch (network_kind_of(address)) {
    case NETWORK_HUB:
      return network_use_commit(network, address, network_use_to_list, names, error);
    case NETWORK_S3: return network_list_store(network, address, names, error);
    default:
      return error_raise(
          error, ERROR_ARGUMENT, address,
          "expected the address of a file, found a place, of which the web has no list");
  }
}
