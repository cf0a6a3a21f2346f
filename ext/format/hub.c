#include "format/hub.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/platform.h"
#include "base/sqlite.h"

enum { MAX_HASH_LENGTH = 200, MAX_NAME_LENGTH = 255 };

static const char *environment(const char *name) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The cache's folder; NULL when memory runs out or, then with *unset, nothing says where it is. */
static char *cache_folder(bool *unset) {
  const char *folder;
  *unset = false;
  if ((folder = environment("HF_HUB_CACHE")) != NULL) return sqlite3_mprintf("%s", folder);
  if ((folder = environment("HF_HOME")) != NULL) return sqlite3_mprintf("%s/hub", folder);
  if ((folder = environment("HOME")) != NULL) {
    return sqlite3_mprintf("%s/.cache/huggingface/hub", folder);
  }
  *unset = true;
  return NULL;
}

bool hub_holds(const char *path) {
  bool unset;
  char *folder = cache_folder(&unset);
  bool holds = folder != NULL && platform_is_within(path, folder);
  memory_free(folder);
  return holds;
}

/* A piece of the path. */
typedef struct Piece {
  const char *text;
  size_t length;
} Piece;

typedef struct Address {
  Piece organisation, name, revision, file; /* revision and file may be empty */
} Address;

/* A name that stays within its folder, and that a file system can hold. */
static bool is_plain(Piece piece) {
  if (piece.length == 0 || piece.length > MAX_NAME_LENGTH ||
      memchr(piece.text, '\\', piece.length) != NULL)
    return false;
  return !(piece.length <= 2 && strncmp(piece.text, "..", piece.length) == 0);
}

static bool is_plain_path(Piece path) {
  size_t start = 0;
  for (size_t i = 0; i <= path.length; i++) {
    if (i < path.length && path.text[i] != '/') continue;
    if (!is_plain((Piece){path.text + start, i - start})) return false;
    start = i + 1;
  }
  return true;
}

static Piece take_until(const char **at, const char *stops) {
  Piece piece = {*at, strcspn(*at, stops)};
  *at += piece.length;
  return piece;
}

/* The Hub's own names have slashes: refs/pr/NUMBER and refs/convert/NAME. */
static Piece take_revision(const char **at) {
  static const char *const prefixes[] = {"refs/pr/", "refs/convert/"};
  const char *start = *at;
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    size_t length = strlen(prefixes[i]);
    if (strncmp(start, prefixes[i], length) == 0) *at = start + length;
  }
  take_until(at, "/");
  return (Piece){start, (size_t)(*at - start)};
}

static bool parse_address(const char *path, Address *address, Error *error) {
  const char *at = path + strlen(HUB_PREFIX);
  *address = (Address){0};
  address->organisation = take_until(&at, "/");
  if (*at == '/') {
    at++;
    address->name = take_until(&at, "/@");
  }
  bool good = is_plain(address->organisation) && is_plain(address->name);
  if (*at == '@') {
    at++;
    address->revision = take_revision(&at);
    good = good && is_plain_path(address->revision);
  }
  if (*at == '/' && at[1] != '\0') {
    address->file = (Piece){at + 1, strlen(at + 1)};
    good = good && is_plain_path(address->file);
  }
  return good || error_raise(error, ERROR_ARGUMENT, path,
                             "expected hf://ORG/NAME[@REVISION][/FILE], with plain names");
}

/* The revision with %2F decoded, "main" when there is none. */
static char *revision_text(Piece revision) {
  if (revision.length == 0) return sqlite3_mprintf("main");
  char *text = memory_copy_text(revision.text, revision.length);
  if (text == NULL) return NULL;
  char *out = text;
  for (const char *in = text; *in != '\0';) {
    if (sqlite3_strnicmp(in, "%2F", 3) == 0) {
      *out++ = '/';
      in += 3;
    } else {
      *out++ = *in++;
    }
  }
  *out = '\0';
  return text;
}

/* Reads the hash that a ref's file holds, without its line's end. False when there is no such file.
 */
static bool read_ref(const char *path, char *hash, Error *error) {
  FileIdentity identity;
  Error missing = {0};
  int descriptor = platform_open(path, &identity, &missing);
  if (descriptor < 0) {
    bool out_of_memory = missing.code == ERROR_MEMORY;
    error_clear(&missing);
    if (out_of_memory) error_memory(error);
    return false;
  }
  uint64_t size = identity.size < MAX_HASH_LENGTH ? identity.size : MAX_HASH_LENGTH;
  bool read = platform_read(descriptor, path, hash, size, 0, error);
  platform_close(descriptor);
  hash[read ? size : 0] = '\0';
  hash[strcspn(hash, " \t\r\n/\\")] = '\0';
  return read && hash[0] != '\0';
}

/* The snapshot's folder: of the ref's hash or, when there is no such ref, of the hash given. */
static char *find_snapshot(const char *path, const char *repository, const char *revision,
                           Error *error) {
  char hash[MAX_HASH_LENGTH + 1];
  char *ref = sqlite3_mprintf("%s/refs/%s", repository, revision);
  if (ref == NULL) {
    error_memory(error);
    return NULL;
  }
  bool known = read_ref(ref, hash, error);
  if (known && !is_plain((Piece){hash, strlen(hash)})) {
    error_fill(error, ERROR_INVALID, path, "expected the name of a snapshot in %s, found \"%s\"",
               ref, hash);
  }
  memory_free(ref);
  if (error->code != ERROR_NONE) return NULL;
  PathKind kind;
  char *folder = sqlite3_mprintf("%s/snapshots/%s", repository, known ? hash : revision);
  if (folder == NULL) {
    error_memory(error);
  } else if (!platform_path_kind(folder, &kind, error) || kind != PATH_FOLDER) {
    error_fill(error, ERROR_MISSING, path,
               "expected revision \"%s\" of the model in the cache, found no folder %s", revision,
               folder);
    memory_free(folder);
    folder = NULL;
  }
  return folder;
}

static char *resolve(const char *path, const Address *address, const char *cache, Error *error) {
  PathKind kind;
  char *revision = revision_text(address->revision), *result = NULL;
  char *repository =
      sqlite3_mprintf("%s/models--%.*s--%.*s", cache, (int)address->organisation.length,
                      address->organisation.text, (int)address->name.length, address->name.text);
  if (revision == NULL || repository == NULL) {
    error_memory(error);
  } else if (!is_plain_path((Piece){revision, strlen(revision)})) {
    error_fill(error, ERROR_ARGUMENT, path, "expected a plain revision, found \"%s\"", revision);
  } else if (!platform_path_kind(repository, &kind, error) || kind != PATH_FOLDER) {
    error_fill(error, ERROR_MISSING, path,
               "expected the model in the Hugging Face cache, found no folder %s", repository);
  } else {
    char *snapshot = find_snapshot(path, repository, revision, error);
    if (snapshot != NULL && address->file.length > 0) {
      result = path_join(snapshot, address->file.text);
      memory_free(snapshot);
      if (result == NULL) error_memory(error);
    } else {
      result = snapshot;
    }
  }
  memory_free(revision);
  memory_free(repository);
  return result;
}

char *hub_resolve(const char *path, Error *error) {
  Address address;
  bool unset;
  if (!parse_address(path, &address, error)) return NULL;
  char *cache = cache_folder(&unset), *result = NULL;
  if (unset) {
    error_fill(error, ERROR_MISSING, path,
               "expected HF_HUB_CACHE, HF_HOME or HOME to say where the Hugging Face cache is, "
               "found none set");
  } else if (cache == NULL) {
    error_memory(error);
  } else {
    result = resolve(path, &address, cache, error);
  }
  memory_free(cache);
  return result;
}
