#include "model/network_place.h"

#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "model/hub_address.h"

NetworkKind network_kind_of(const char *address) {
  if (strncmp(address, HUB_PREFIX, strlen(HUB_PREFIX)) == 0) return NETWORK_PLACE_HUB;
  return s3_is_address(address) ? NETWORK_PLACE_S3 : NETWORK_PLACE_WEB;
}

/* ---- With what a connection asks ---- */

void network_ways_clear(NetworkWays *ways) {
  hub_commits_free(ways->commits);
  header_cache_close(ways->cache);
  http_close(ways->http);
  hub_settings_clear(&ways->hub);
  s3_settings_clear(&ways->s3);
}

HeaderCache *network_ways_cache(NetworkWays *ways) {
  if (!ways->has_cache) ways->cache = header_cache_open();
  ways->has_cache = true;
  return ways->cache;
}

bool network_ways_read_hub(NetworkWays *ways, Error *error) {
  if (ways->has_hub) return true;
  hub_settings_clear(&ways->hub);
  ways->has_hub = hub_settings_read(&ways->hub, error);
  return ways->has_hub;
}

bool network_ways_prepare(NetworkWays *ways, const char *address, NetworkKind kind, Error *error) {
  if (ways->http == NULL) ways->http = http_open();
  if (ways->http == NULL) return error_memory(error);
  if (kind == NETWORK_PLACE_HUB && !network_ways_read_hub(ways, error)) return false;
  if (kind == NETWORK_PLACE_HUB && ways->hub.offline) {
    return error_raise(error, ERROR_MISSING, address,
                       "expected a file in this machine's Hugging Face cache, as HF_HUB_OFFLINE is "
                       "set, found none");
  }
  if (kind == NETWORK_PLACE_S3 && !ways->has_s3) {
    s3_settings_clear(&ways->s3);
    if (!s3_settings_read(&ways->s3, error)) return false;
    ways->has_s3 = true;
  }
  return true;
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
  const NetworkPlace *place = context;
  return hub_api_raise(&place->hub, request, error);
}

static bool network_raise_s3(const void *context, const HttpRequest *request, Error *error) {
  const NetworkPlace *place = context;
  return s3_raise(&place->s3, request, error);
}

/* ---- Places ---- */

/* The repository, the web address, and the key of a file of a commit. */
static bool network_find_hub_file(NetworkWays *ways, HeaderCache *cache, NetworkPlace *place,
                                  const char *kind, const HubPlace *of, RemotePlace *out,
                                  Error *error) {
  place->repository = memory_copy_text(of->name, strlen(of->name));
  if (place->repository == NULL) return error_memory(error);
  place->hub = (HubApi){.http = ways->http,
                        .settings = &ways->hub,
                        .kind = kind,
                        .name = place->repository,
                        .path = place->address,
                        .cache = cache};
  if (!hub_commits_recall(&ways->commits, &place->hub, of->revision, error)) return false;
  if (hub_commits_lack(ways->commits, &place->hub, of->revision, of->file)) {
    return error_raise(error, ERROR_MISSING, place->address,
                       "expected a file of the repository, found that it has no such one");
  }
  const HubFile *listed = hub_commits_file(ways->commits, &place->hub, of->revision, of->file);
  out->is_listed = listed != NULL;
  if (listed != NULL) out->size = listed->size;
  place->key = hub_commits_key(ways->commits, &place->hub, of->revision, of->file);
  place->url = hub_api_url(&place->hub, of->revision, of->file);
  return (place->key != NULL && place->url != NULL) || error_memory(error);
}

/* hf://[KIND/]NAME@COMMIT/FILE, as network_pin() and network_list() make them. */
static bool network_place_hub(NetworkWays *ways, HeaderCache *cache, NetworkPlace *place,
                              RemotePlace *out, Error *error) {
  HubAddress address;
  bool good = hub_address_parse(place->address, &address, error);
  const HubPlace *of = &address.places[0];
  if (good && (of->file[0] == '\0' || !hub_api_is_commit(of->revision))) {
    good = error_raise(error, ERROR_ARGUMENT, place->address, "expected a file of a commit");
  }
  good = good && network_find_hub_file(ways, cache, place, address.kind, of, out, error);
  out->question.secret = ways->hub.secret;
  out->question.trusted = ways->hub.trusted;
  out->question.connect_seconds = ways->hub.connect_seconds;
  out->question.stall_seconds = ways->hub.stall_seconds;
  out->raise = network_raise_hub;
  hub_address_clear(&address);
  return good;
}

/* The key of a file that may change. A query can be a signature, which is nothing to keep. */
static bool network_place_set_key(NetworkPlace *place, Error *error) {
  if (place->url == NULL || strpbrk(place->url, "?#") != NULL) return true;
  place->changes = true;
  place->key = sqlite3_mprintf("web %s", place->url);
  return place->key != NULL || error_memory(error);
}

static bool network_place_s3(const NetworkWays *ways, NetworkPlace *place, RemotePlace *out,
                             Error *error) {
  place->s3 = (S3Api){.http = ways->http, .settings = &ways->s3, .path = place->address};
  place->url = s3_url(&place->s3, place->address, error);
  s3_prepare(&place->s3, &out->question);
  out->raise = network_raise_s3;
  return place->url != NULL;
}

bool network_place_open(NetworkPlace *place, NetworkWays *ways, HeaderCache *cache,
                        const char *address, RemotePlace *out, Error *error) {
  *place = (NetworkPlace){.address = memory_copy_text(address, strlen(address)),
                          .kind = network_kind_of(address)};
  *out = (RemotePlace){.address = place->address, .context = place, .raise = network_raise_web};
  if (place->address == NULL) return error_memory(error);
  bool good = true;
  switch (place->kind) {
    case NETWORK_PLACE_HUB: good = network_place_hub(ways, cache, place, out, error); break;
    case NETWORK_PLACE_S3: good = network_place_s3(ways, place, out, error); break;
    default: place->url = memory_copy_text(address, strlen(address));
  }
  if (good && place->kind != NETWORK_PLACE_HUB) good = network_place_set_key(place, error);
  out->question.url = place->url;
  return good && (place->url != NULL || error_memory(error));
}

void network_place_clear(NetworkPlace *place) {
  memory_free(place->address);
  memory_free(place->url);
  memory_free(place->repository);
  memory_free(place->key);
  *place = (NetworkPlace){0};
}
