#include "base/file_store.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/file_system.h"
#include "base/file_write.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/path_list.h"
#include "base/place_system.h"
#include "base/sort.h"
#include "base/sqlite.h"

#define FILE_STORE_MAGIC     "stcache1" /* eight bytes */
#define FILE_STORE_TEMPORARY ".tmp"

enum {
  FILE_STORE_DIGEST = 16,
  FILE_STORE_NAME = 2 * FILE_STORE_DIGEST,
  FILE_STORE_HEAD =
      8 + FILE_STORE_DIGEST + 8 /* magic, checksum of what follows it, length of the key */
};

/* A temporary file of this age belongs to nobody any more. */
#define FILE_STORE_FORGOTTEN ((int64_t)3600 * 1000000000)

struct FileStore {
  char *path;
  uint64_t most;
  uint64_t kept; /* bytes that all files had when they were counted, and were written since */
  bool counted;
  bool is_private; /* it was looked at, and is there */
  int directory;   /* open, or -1 */
  unsigned names;
};

FileStore *file_store_open(const char *directory, uint64_t most) {
  FileStore *store = memory_zeroed(1, sizeof *store);
  if (store == NULL) return NULL;
  *store = (FileStore){
      .path = memory_copy_text(directory, strlen(directory)), .most = most, .directory = -1};
  if (store->path != NULL) return store;
  memory_free(store);
  return NULL;
}

void file_store_close(FileStore *store) {
  if (store == NULL) return;
  if (store->directory >= 0) place_system_close(store->directory);
  memory_free(store->path);
  memory_free(store);
}

/* ---- One file ---- */

static void file_store_digest(const void *bytes, uint64_t size, unsigned char *digest) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, (size_t)size));
  memcpy(digest, canonical.digest, FILE_STORE_DIGEST);
}

static void file_store_name(const char *key, char *name) {
  unsigned char digest[FILE_STORE_DIGEST];
  file_store_digest(key, strlen(key), digest);
  digest_text(digest, FILE_STORE_DIGEST, name);
}

/* Whether the bytes of a file are those of this key; then *at is where its text begins. */
static bool file_store_is_good(const unsigned char *bytes, uint64_t size, const char *key,
                               uint64_t *at) {
  unsigned char digest[FILE_STORE_DIGEST];
  uint64_t length;
  if (size < FILE_STORE_HEAD || memcmp(bytes, FILE_STORE_MAGIC, 8) != 0) return false;
  file_store_digest(bytes + 8 + FILE_STORE_DIGEST, size - 8 - FILE_STORE_DIGEST, digest);
  if (memcmp(bytes + 8, digest, FILE_STORE_DIGEST) != 0) return false;
  memcpy(&length, bytes + 8 + FILE_STORE_DIGEST, sizeof length);
  if (length != strlen(key) || length > size - FILE_STORE_HEAD) return false;
  *at = FILE_STORE_HEAD + length;
  return memcmp(bytes + FILE_STORE_HEAD, key, length) == 0;
}

/* Whether what is in the directory is the user's own. */
static bool file_store_is_private(FileStore *store) {
  if (!store->is_private) store->is_private = place_system_is_private(store->path);
  return store->is_private;
}

/* The whole file, or NULL. */
static unsigned char *file_store_read(const char *path, uint64_t most, uint64_t *size) {
  FileIdentity identity;
  Error ignored = {0};
  unsigned char *bytes = NULL;
  int descriptor = file_open(path, &identity, &ignored);
  if (descriptor >= 0) {
    *size = identity.size;
    if (identity.size <= most) bytes = memory_alloc(identity.size + 1);
    if (bytes != NULL && !file_read(descriptor, path, bytes, identity.size, 0, &ignored)) {
      memory_free(bytes);
      bytes = NULL;
    }
    file_close(descriptor);
  }
  error_clear(&ignored);
  return bytes;
}

bool file_store_find(FileStore *store, const char *key, unsigned char **bytes, uint64_t *size) {
  char name[FILE_STORE_NAME + 1];
  uint64_t whole = 0, at = 0;
  file_store_name(key, name);
  if (!file_store_is_private(store)) return false;
  char *path = path_join(store->path, name);
  unsigned char *text = path != NULL ? file_store_read(path, store->most, &whole) : NULL;
  memory_free(path);
  if (text == NULL || !file_store_is_good(text, whole, key, &at)) {
    memory_free(text);
    return false;
  }
  *size = whole - at;
  memmove(text, text + at, *size);
  text[*size] = '\0';
  *bytes = text;
  return true;
}

/* ---- Their number ---- */

typedef struct FileStoreEntry {
  char *name;
  uint64_t size;
  int64_t modified;
} FileStoreEntry;

static int file_store_compare(const void *a, const void *b) {
  const FileStoreEntry *one = a, *other = b;
  if (one->modified != other->modified) return one->modified < other->modified ? -1 : 1;
  return strcmp(one->name, other->name);
}

static bool file_store_is_temporary(const char *name) {
  size_t length = strlen(name), end = sizeof FILE_STORE_TEMPORARY - 1;
  return length > end && strcmp(name + length - end, FILE_STORE_TEMPORARY) == 0;
}

/* Looks at the files of the directory, and removes temporary ones that belong to nobody. Their sizes are added up. */
static uint64_t file_store_look(const FileStore *store, const PathList *names,
                                FileStoreEntry *entries, uint64_t *count) {
  uint64_t sum = 0;
  *count = 0;
  for (uint32_t i = 0; i < names->count; i++) {
    FileIdentity identity;
    if (place_system_identify(store->directory, names->paths[i], &identity) != 0) continue;
    if (file_store_is_temporary(names->paths[i])) {
      if (clock_now() - identity.modified > FILE_STORE_FORGOTTEN)
        place_system_remove(store->directory, names->paths[i]);
      continue;
    }
    if (strlen(names->paths[i]) != FILE_STORE_NAME) continue; /* nothing of ours */
    entries[(*count)++] = (FileStoreEntry){
        .name = names->paths[i], .size = identity.size, .modified = identity.modified};
    sum += identity.size;
  }
  return sum;
}

/* Counts the files, and removes the oldest ones if there are too many, until nine tenths of the limit are left. */
static void file_store_count(FileStore *store) {
  PathList names = {0};
  Error ignored = {0};
  uint64_t count = 0, room = store->most - store->most / 10;
  if (!file_system_list(store->path, &names, NULL, &ignored)) names.count = 0;
  FileStoreEntry *entries = memory_zeroed(names.count > 0 ? names.count : 1, sizeof *entries);
  store->counted = entries != NULL;
  store->kept = entries != NULL ? file_store_look(store, &names, entries, &count) : 0;
  if (store->kept > store->most &&
      sort_rows(entries, count, sizeof *entries, file_store_compare, NULL, store->path, &ignored)) {
    for (uint64_t i = 0; i < count && store->kept > room; i++) {
      if (place_system_remove(store->directory, entries[i].name) == 0)
        store->kept -= entries[i].size;
    }
  }
  memory_free(entries);
  path_list_clear(&names);
  error_clear(&ignored);
}

/* ---- Writing ---- */

/* Makes the directory, and those above it that do not exist. If that fails, opening it does. */
static void file_store_make_directory(const char *path) {
  char *part = memory_copy_text(path, strlen(path));
  if (part == NULL) return;
  for (size_t root = path_root(path), at = root; path[at] != '\0'; at++) {
    if (at == root || !path_is_separator(path[at])) continue;
    part[at] = '\0';
    place_system_make_directory(part, true);
    part[at] = path[at];
  }
  place_system_make_directory(part, true);
  memory_free(part);
}

static bool file_store_prepare(FileStore *store) {
  uint64_t device, inode;
  if (store->directory >= 0) return true;
  file_store_make_directory(store->path);
  if (!file_store_is_private(store)) return false;
  if (place_system_open_directory(store->path, &store->directory, &device, &inode) == 0)
    return true;
  store->directory = -1;
  return false;
}

/* All of a file. NULL when memory runs out. */
static unsigned char *file_store_compose(const char *key, const void *bytes, uint64_t size,
                                         uint64_t *whole) {
  uint64_t length = strlen(key);
  *whole = FILE_STORE_HEAD + length + size;
  unsigned char *text = memory_alloc(*whole);
  if (text == NULL) return NULL;
  memcpy(text, FILE_STORE_MAGIC, 8);
  memcpy(text + 8 + FILE_STORE_DIGEST, &length, sizeof length);
  memcpy(text + FILE_STORE_HEAD, key, length);
  if (size > 0) memcpy(text + FILE_STORE_HEAD + length, bytes, size);
  file_store_digest(text + 8 + FILE_STORE_DIGEST, *whole - 8 - FILE_STORE_DIGEST, text + 8);
  return text;
}

/* Writes a temporary file, which takes the name. It is not synced: what a crash damages, the checksum finds. */
static bool file_store_write(FileStore *store, const char *name, const unsigned char *text,
                             uint64_t size) {
  Error ignored = {0};
  int descriptor;
  char *temporary = sqlite3_mprintf("%s.%llx.%u" FILE_STORE_TEMPORARY, name,
                                    (sqlite3_uint64)memory_random_seed(), store->names++);
  if (temporary == NULL ||
      place_system_create(store->directory, temporary, true, &descriptor) != 0) {
    memory_free(temporary);
    return false;
  }
  bool written = file_write(descriptor, store->path, text, size, &ignored);
  written = place_system_close(descriptor) == 0 && written;
  written = written && place_system_replace(store->directory, temporary, name) == 0;
  if (!written) place_system_remove(store->directory, temporary);
  error_clear(&ignored);
  memory_free(temporary);
  return written;
}

void file_store_keep(FileStore *store, const char *key, const void *bytes, uint64_t size) {
  char name[FILE_STORE_NAME + 1];
  uint64_t whole;
  if (size > store->most / 2 || !file_store_prepare(store)) return;
  file_store_name(key, name);
  unsigned char *text = file_store_compose(key, bytes, size, &whole);
  if (text != NULL && file_store_write(store, name, text, whole)) store->kept += whole;
  memory_free(text);
  if (!store->counted || store->kept > store->most) file_store_count(store);
}
