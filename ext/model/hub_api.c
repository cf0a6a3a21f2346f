#include "model/hub_api.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "base/url.h"
#include "json/json_load.h"

enum { HUB_API_MOST = 16 << 20, HUB_API_COMMIT = 40, HUB_API_MAX_FILES = 1 << 20 };

bool hub_api_is_commit(const char *revision) {
  return strlen(revision) == HUB_API_COMMIT &&
         strspn(revision, "0123456789abcdef") == HUB_API_COMMIT;
}

/* ---- Addresses ---- */

char *hub_api_url(const HubApi *api, const char *commit, const char *file) {
  bool is_model = strcmp(api->kind, "models") == 0;
  char *path = url_escape(file, true), *name = url_escape(api->name, true), *url = NULL;
  if (path != NULL && name != NULL) {
    url = sqlite3_mprintf("%s/%s%s%s/resolve/%s/%s", api->settings->endpoint,
                          is_model ? "" : api->kind, is_model ? "" : "/", name, commit, path);
  }
  memory_free(name);
  memory_free(path);
  return url;
}

static char *hub_api_address(const HubApi *api, const char *what, const char *revision,
                             const char *query) {
  char *escaped = url_escape(revision, false), *name = url_escape(api->name, true), *url = NULL;
  if (escaped != NULL && name != NULL) {
    url = sqlite3_mprintf("%s/api/%s/%s/%s/%s%s", api->settings->endpoint, api->kind, name, what,
                          escaped, query);
  }
  memory_free(escaped);
  memory_free(name);
  return url;
}

/* ---- Failures ---- */

static bool hub_api_says(const HttpRequest *request, const char *code) {
  uint64_t length;
  const char *value = transfer_header(&request->transfer, "X-Error-Code", &length);
  return value != NULL && length == strlen(code) && memcmp(value, code, length) == 0;
}

/* Whether the repository is not there for us: the hub does not tell those that are private from those that are missing. */
static bool hub_api_is_missing(const HttpRequest *request) {
  if (hub_api_says(request, "GatedRepo") || hub_api_says(request, "RevisionNotFound")) return false;
  return request->status == 401 || hub_api_says(request, "RepoNotFound") ||
         (request->status == 404 && !hub_api_says(request, "EntryNotFound"));
}

static const char *hub_api_token_advice(const HubApi *api) {
  return api->settings->secret != NULL
             ? "the token that HF_TOKEN or the token's file gives has no access to it"
             : "set HF_TOKEN, or log in with `hf auth login`, if it is private";
}

bool hub_api_raise(const HubApi *api, const HttpRequest *request, Error *error) {
  const HubSettings *settings = api->settings;
  char *words = http_words(request);
  if (hub_api_says(request, "GatedRepo")) {
    error_fill(
        error, ERROR_DENIED, api->path,
        "expected access to the repository, found a gated one: accept its terms at %s/%s, and %s",
        settings->endpoint, api->name,
        settings->secret != NULL ? "wait until its owner agrees"
                                 : "set HF_TOKEN, or log in with `hf auth login`");
  } else if (hub_api_says(request, "RevisionNotFound")) {
    error_fill(error, ERROR_MISSING, api->path,
               "expected a revision of %s/%s, found that the hub has no such one",
               settings->endpoint, api->name);
  } else if (hub_api_says(request, "EntryNotFound")) {
    error_fill(error, ERROR_MISSING, api->path,
               "expected a file of %s/%s, found that it has no such one", settings->endpoint,
               api->name);
  } else if (hub_api_is_missing(request)) {
    error_fill(error, ERROR_MISSING, api->path,
               "expected a repository of %s, found none of that name: %s", settings->endpoint,
               hub_api_token_advice(api));
  } else if (request->status == 429) {
    error_fill(error, ERROR_IO, api->path,
               "expected an answer of %s, found that it wants to be asked later (429)%s%.*s",
               settings->endpoint, words != NULL ? ": " : "",
               ERROR_NAME(words != NULL ? words : "", words != NULL ? strlen(words) : 0));
  } else {
    error_fill(error, request->status == 403 ? ERROR_DENIED : ERROR_IO, api->path,
               "expected an answer of %s, found status %d%s%.*s", settings->endpoint,
               request->status, words != NULL ? ": " : "",
               ERROR_NAME(words != NULL ? words : "", words != NULL ? strlen(words) : 0));
  }
  memory_free(words);
  return false;
}

/* ---- Asking ---- */

/* A request to the web interface, at an address of the endpoint. */
static bool hub_api_ask(const HubApi *api, const char *url, HttpRequest *request, Error *error) {
  *request = (HttpRequest){.url = url,
                           .subject = api->path,
                           .secret = api->settings->secret,
                           .most = HUB_API_MOST,
                           .trusted = api->settings->trusted,
                           .connect_seconds = api->settings->connect_seconds,
                           .stall_seconds = api->settings->stall_seconds};
  if (!http_get(api->http, request, api->asking, error)) return false;
  if (!request->stopped) return true;
  return error_raise(error, ERROR_IO, api->path,
                     "expected an answer of at most %d MB of %s, found a longer one",
                     HUB_API_MOST >> 20, api->settings->endpoint);
}

/* Loads the body as the member "answer" of an object, as a list is no document by itself. */
static bool hub_api_load(const HubApi *api, const HttpRequest *request, JsonDocument *document,
                         const json_t **answer, Error *error) {
  static const char before[] = "{\"answer\":";
  const Transfer *transfer = &request->transfer;
  uint64_t start = sizeof before - 1;
  *document = (JsonDocument){0};
  char *text = memory_alloc(start + transfer->length + 1);
  if (text == NULL) return error_memory(error);
  memcpy(text, before, start);
  if (transfer->length > 0) memcpy(text + start, transfer->body, transfer->length);
  text[start + transfer->length] = '}';
  bool loaded = json_load_document(text, start + transfer->length + 1, api->path, document, error);
  memory_free(text);
  *answer = loaded ? json_object_get(document->root, "answer") : NULL;
  return loaded;
}

static bool hub_api_odd(const HubApi *api, const char *expected, const json_t *found,
                        Error *error) {
  return error_raise(error, ERROR_INVALID, api->path, "expected %s in the answer of %s, found %s",
                     expected, api->settings->endpoint, json_type_in_words(found));
}

/* ---- Commits ---- */

static bool hub_api_read_commit(const HubApi *api, const HttpRequest *request, char **commit,
                                Error *error) {
  JsonDocument document;
  const json_t *answer;
  bool good = hub_api_load(api, request, &document, &answer, error);
  if (good) {
    const json_t *sha = json_object_get(answer, "sha");
    const char *text = json_string_value(sha);
    if (text == NULL || !hub_api_is_commit(text)) {
      good = hub_api_odd(api, "the hash of a commit", sha, error);
    } else {
      *commit = memory_copy_text(text, HUB_API_COMMIT);
      good = *commit != NULL || error_memory(error);
    }
  }
  json_decref(document.root);
  return good;
}

bool hub_api_commit(const HubApi *api, const char *revision, char **commit, bool *missing,
                    Error *error) {
  HttpRequest request;
  char *url = hub_api_address(api, "revision", revision, "");
  *commit = NULL;
  *missing = false;
  if (url == NULL) return error_memory(error);
  bool good = hub_api_ask(api, url, &request, error);
  if (good && request.status == 200) {
    good = hub_api_read_commit(api, &request, commit, error);
  } else if (good) {
    *missing = hub_api_is_missing(&request);
    good = hub_api_raise(api, &request, error);
  }
  http_release(&request);
  memory_free(url);
  return good;
}

/* ---- Files ---- */

void hub_files_clear(HubFiles *files) {
  for (uint64_t i = 0; i < files->count; i++) memory_free(files->rows[i].path);
  memory_free(files->rows);
  *files = (HubFiles){0};
}

/* A path that stays within the repository, as it becomes a part of addresses. */
static bool hub_api_is_plain_path(const char *path) {
  for (const char *at = path;; at++) {
    size_t length = strcspn(at, "/");
    if (length == 0 || (length <= 2 && strncmp(at, "..", length) == 0)) return false;
    at += length;
    if (*at == '\0') return true;
  }
}

/* Takes a digest of so many digits, and nothing else. */
static bool hub_api_take_digest(HubFile *file, const json_t *value, uint64_t digits) {
  const char *text = json_string_value(value);
  if (text == NULL || json_string_length(value) != digits ||
      strspn(text, "0123456789abcdef") != digits)
    return false;
  memcpy(file->digest, text, (size_t)digits + 1);
  return true;
}

static bool hub_api_add_file(const HubApi *api, const json_t *entry, HubFiles *files,
                             Error *error) {
  const json_t *path = json_object_get(entry, "path"), *size = json_object_get(entry, "size");
  const json_t *large = json_object_get(entry, "lfs"); /* whose oid is that of a pointer */
  const char *type = json_string_value(json_object_get(entry, "type"));
  if (type == NULL || strcmp(type, "file") != 0) return true;
  if (!json_is_string(path) || !hub_api_is_plain_path(json_string_value(path))) {
    return hub_api_odd(api, "the path of a file", path, error);
  }
  if (!json_is_integer(size) || json_integer_value(size) < 0)
    return hub_api_odd(api, "the size of a file", size, error);
  if (files->count >= HUB_API_MAX_FILES) {
    return error_raise(error, ERROR_TOO_BIG, api->path, "expected at most %d files, found more",
                       HUB_API_MAX_FILES);
  }
  if (!memory_reserve((void **)&files->rows, &files->capacity, files->count, sizeof *files->rows))
    return error_memory(error);
  HubFile *file = &files->rows[files->count];
  *file = (HubFile){.size = (uint64_t)json_integer_value(size),
                    .path = memory_copy_text(json_string_value(path), json_string_length(path))};
  if (file->path == NULL) return error_memory(error);
  files->count++;
  if (json_is_object(large)) {
    hub_api_take_digest(file, json_object_get(large, "oid"), HUB_API_DIGEST_SIZE - 1);
  } else {
    hub_api_take_digest(file, json_object_get(entry, "oid"), HUB_API_COMMIT);
  }
  return true;
}

static bool hub_api_read_files(const HubApi *api, const HttpRequest *request, HubFiles *files,
                               Error *error) {
  JsonDocument document;
  const json_t *answer;
  bool good = hub_api_load(api, request, &document, &answer, error);
  if (good && !json_is_array(answer)) good = hub_api_odd(api, "a list of files", answer, error);
  for (size_t i = 0; good && i < json_array_size(answer); i++) {
    good = hub_api_add_file(api, json_array_get(answer, i), files, error);
  }
  json_decref(document.root);
  return good;
}

/* Sets *next to the address in `Link: <ADDRESS>; rel="next"`, or to NULL. It must be one of the same hub. */
static bool hub_api_next_page(const HubApi *api, const HttpRequest *request, char **next,
                              Error *error) {
  uint64_t length;
  const char *link = transfer_header(&request->transfer, "Link", &length);
  *next = NULL;
  if (link == NULL || memory_find(link, length, "rel=\"next\"", 10) == NULL) return true;
  const char *end = memchr(link, '>', length);
  if (*link != '<' || end == NULL) return true;
  char *reference = memory_copy_text(link + 1, (uint64_t)(end - link - 1));
  *next = reference != NULL ? url_join(request->url, reference) : NULL;
  memory_free(reference);
  if (*next == NULL) return error_memory(error);
  if (url_same_origin(*next, request->url)) return true;
  return error_raise(error, ERROR_DENIED, api->path,
                     "expected the next page at %s, found it at another host",
                     api->settings->endpoint);
}

/* Whether to go on to the next page. A list that does not end is not followed. */
static bool hub_api_turn_page(const HubApi *api, int page, const char *url, const char *next,
                              Error *error) {
  enum { HUB_API_MAX_PAGES = 10000 };
  if (next == NULL || (page < HUB_API_MAX_PAGES && strcmp(next, url) != 0)) return true;
  return error_raise(error, ERROR_TOO_BIG, api->path,
                     "expected a list of files of at most %d pages of %s, found more",
                     HUB_API_MAX_PAGES, api->settings->endpoint);
}

bool hub_api_files(const HubApi *api, const char *commit, HubFiles *files, Error *error) {
  char *url = hub_api_address(api, "tree", commit, "?recursive=true");
  bool good = url != NULL || error_memory(error);
  for (int page = 1; good && url != NULL; page++) {
    HttpRequest request;
    char *next = NULL;
    good = hub_api_ask(api, url, &request, error);
    if (good && request.status != 200) good = hub_api_raise(api, &request, error);
    good = good && hub_api_read_files(api, &request, files, error) &&
           hub_api_next_page(api, &request, &next, error) &&
           hub_api_turn_page(api, page, url, next, error);
    http_release(&request);
    memory_free(url);
    url = next;
  }
  memory_free(url);
  return good;
}
