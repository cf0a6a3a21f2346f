#include "model/hub_address.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "model/address.h"

enum { HUB_ADDRESS_MAX_NAME_LENGTH = 255 };

static const char *const hub_address_kinds[] = {"models", "datasets", "spaces", "kernels"};

const char *hub_address_kind(int number) {
  int count = (int)(sizeof hub_address_kinds / sizeof hub_address_kinds[0]);
  return number < count ? hub_address_kinds[number] : NULL;
}

/* ---- Names ---- */

/* Whether a name stays within its directory, and is one that file systems allow. */
static bool hub_address_is_plain(const char *text, size_t length) {
  if (length == 0 || length > HUB_ADDRESS_MAX_NAME_LENGTH || memchr(text, '\\', length) != NULL)
    return false;
  return !(length <= 2 && strncmp(text, "..", length) == 0);
}

static bool hub_address_is_plain_path(const char *path) {
  for (const char *at = path;; at++) {
    size_t length = strcspn(at, "/");
    if (!hub_address_is_plain(at, length)) return false;
    at += length;
    if (*at == '\0') return true;
  }
}

/* ---- Web addresses ---- */

/* The part after "https://HOST/", if HOST is that of a hub, else NULL. */
static const char *hub_address_behind_host(const char *path) {
  static const char *const hosts[] = {"huggingface.co", "www.huggingface.co", "hf.co"};
  size_t scheme = sqlite3_strnicmp(path, "https://", 8) == 0  ? 8
                  : sqlite3_strnicmp(path, "http://", 7) == 0 ? 7
                                                              : 0;
  if (scheme == 0) return NULL;
  const char *host = path + scheme, *endpoint = getenv("HF_ENDPOINT");
  size_t length = strcspn(host, "/?#");
  for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
    if (length == strlen(hosts[i]) && sqlite3_strnicmp(host, hosts[i], (int)length) == 0) {
      return host + length + (host[length] == '/');
    }
  }
  size_t whole = endpoint != NULL ? strlen(endpoint) : 0;
  while (whole > 0 && endpoint[whole - 1] == '/') whole--;
  if (whole == 0 || sqlite3_strnicmp(path, endpoint, (int)whole) != 0) return NULL;
  if (path[whole] != '\0' && strchr("/?#", path[whole]) == NULL) return NULL;
  return path + whole + (path[whole] == '/');
}

bool hub_is_web_address(const char *path) {
  return hub_address_behind_host(path) != NULL;
}

static bool hub_address_is_action(const char *text, size_t length) {
  static const char *const actions[] = {"blob", "resolve", "raw", "tree", "blame"};
  for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
    if (length == strlen(actions[i]) && strncmp(text, actions[i], length) == 0) return true;
  }
  return false;
}

/* ---- Parsing ---- */

/* The revisions of the Hub itself contain slashes: refs/pr/NUMBER and refs/convert/NAME. */
static size_t hub_address_revision_length(const char *text) {
  static const char *const prefixes[] = {"refs/pr/", "refs/convert/"};
  size_t length = 0;
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    size_t prefix = strlen(prefixes[i]);
    if (strncmp(text, prefixes[i], prefix) == 0) length = prefix;
  }
  return length + strcspn(text + length, "/");
}

/* Adds an interpretation of the address. `rest` is "", "REVISION" or "REVISION/FILE" if
** `has_revision` is set, and otherwise "" or "FILE". */
static bool hub_address_add_place(HubAddress *address, const char *name, size_t name_length,
                                  bool has_revision, const char *rest, Error *error) {
  HubPlace *place = &address->places[address->count++];
  size_t length = has_revision ? hub_address_revision_length(rest) : 0;
  place->name = memory_copy_text(name, name_length);
  place->revision = has_revision ? memory_copy_text(rest, length) : memory_copy_text("main", 4);
  rest += length;
  rest += strspn(rest, "/") == 1; /* of several slashes only the first is skipped, so that the name
                                  ** is refused */
  length = strlen(rest);
  if (length > 1 && rest[length - 1] == '/' && rest[length - 2] != '/') length--; /* a directory */
  place->file = memory_copy_text(rest, length);
  if (place->name == NULL || place->revision == NULL || place->file == NULL) {
    return error_memory(error);
  }
  address_decode(place->revision);
  return true;
}

static bool hub_address_is_good_place(const HubPlace *place) {
  return hub_address_is_plain_path(place->name) && hub_address_is_plain_path(place->revision) &&
         (place->file[0] == '\0' || hub_address_is_plain_path(place->file));
}

/* Every interpretation of the address must stay within the cache. */
static bool hub_address_check_places(const HubAddress *address, const char *path, Error *error) {
  bool good = true;
  for (int i = 0; i < address->count; i++)
    good = good && hub_address_is_good_place(&address->places[i]);
  return good ||
         error_raise(error, ERROR_ARGUMENT, path,
                     "expected hf://[models/|datasets/|spaces/]NAME[@REVISION][/FILE], with "
                     "plain names");
}

/* Skips "models/" and the like at the beginning. */
static const char *hub_address_take_kind(const char *text, HubAddress *address) {
  address->kind = hub_address_kinds[0];
  for (size_t i = 0; i < sizeof hub_address_kinds / sizeof hub_address_kinds[0]; i++) {
    size_t length = strlen(hub_address_kinds[i]);
    if (strncmp(text, hub_address_kinds[i], length) != 0 || text[length] != '/') continue;
    address->kind = hub_address_kinds[i];
    return text + length + 1;
  }
  return text;
}

/* hf:// addresses. Only an '@' after the first or second component introduces a revision. */
static bool hub_address_parse_uri(const char *text, HubAddress *address, Error *error) {
  text = hub_address_take_kind(text, address);
  size_t first = strcspn(text, "/@");
  if (text[first] == '@')
    return hub_address_add_place(address, text, first, true, text + first + 1, error);
  if (text[first] == '/' && text[first + 1] != '\0') {
    size_t both = first + 1 + strcspn(text + first + 1, "/@");
    bool has_revision = text[both] == '@';
    if (!hub_address_add_place(address, text, both, has_revision, text + both + has_revision,
                               error))
      return false;
  }
  return hub_address_add_place(address, text, first, false, text + first, error);
}

/* ORG/NAME/blob/REVISION/FILE and the like, without query and fragment. */
static bool hub_address_parse_route(const char *text, HubAddress *address, const char *path,
                                    Error *error) {
  text = hub_address_take_kind(text, address);
  size_t end = strlen(text);
  while (end > 0 && text[end - 1] == '/') end--;
  for (int components = 1, at = 0; components <= 2; components++, at++) {
    size_t length = (size_t)at + strcspn(text + at, "/");
    const char *action = text + length + (length < end);
    size_t action_length = strcspn(action, "/");
    if (length >= end) return hub_address_add_place(address, text, end, false, "", error);
    if (hub_address_is_action(action, action_length)) {
      const char *rest = action + action_length;
      rest += strspn(rest, "/");
      bool has_revision = rest[0] != '\0';
      if (!hub_address_add_place(address, text, length, has_revision, rest, error)) return false;
      HubPlace *place = &address->places[address->count - 1];
      address_decode(place->file);
      return true;
    }
    at = (int)length;
  }
  return error_raise(error, ERROR_ARGUMENT, path,
                     "expected the web address of a repository, or of a file or directory in one "
                     "(.../blob/REVISION/FILE), found another page's");
}

static bool hub_address_parse_web(const char *path, HubAddress *address, Error *error) {
  const char *start = hub_address_behind_host(path);
  if (start == NULL)
    start = ""; /* cannot happen, because the caller has checked with
                                 ** hub_is_web_address() */
  char *text = memory_copy_text(start, strcspn(start, "?#"));
  if (text == NULL) return error_memory(error);
  bool good = hub_address_parse_route(text, address, path, error);
  memory_free(text);
  return good;
}

bool hub_address_parse(const char *path, HubAddress *address, Error *error) {
  *address = (HubAddress){0};
  size_t prefix = strlen(HUB_PREFIX);
  bool good = strncmp(path, HUB_PREFIX, prefix) == 0
                  ? hub_address_parse_uri(path + prefix, address, error)
                  : hub_address_parse_web(path, address, error);
  return good && hub_address_check_places(address, path, error);
}

void hub_address_clear(HubAddress *address) {
  for (int i = 0; i < address->count; i++) {
    memory_free(address->places[i].name);
    memory_free(address->places[i].revision);
    memory_free(address->places[i].file);
  }
  *address = (HubAddress){0};
}
