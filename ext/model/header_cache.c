#include "model/header_cache.h"

#include <string.h>

#include "base/environment.h"
#include "base/file_store.h"
#include "base/memory.h"
#include "base/path.h"

struct HeaderCache {
  FileStore *store;
};

/* The directory in a variable, and what is below it; NULL in *path if it is not set. False if memory runs out. */
static bool header_cache_place(const char *variable, const char *below, char **path) {
  char *value;
  *path = NULL;
  if (!environment_find(variable, &value)) return false;
  if (value != NULL) *path = path_join(value, below);
  bool good = value == NULL || *path != NULL;
  memory_free(value);
  return good;
}

static char *header_cache_directory(void) {
  char *path, *home;
#if defined(_WIN32)
  if (!header_cache_place("LOCALAPPDATA", "sqlite-safetensors", &path)) return NULL;
#else
  if (!header_cache_place("XDG_CACHE_HOME", "sqlite-safetensors", &path)) return NULL;
#endif
  if (path != NULL || !environment_home(&home) || home == NULL) return path;
  path = path_join(home, ".cache/sqlite-safetensors");
  memory_free(home);
  return path;
}

HeaderCache *header_cache_open(void) {
  char *directory = header_cache_directory();
  HeaderCache *cache = directory != NULL ? memory_zeroed(1, sizeof *cache) : NULL;
  if (cache != NULL) cache->store = file_store_open(directory, HEADER_CACHE_MOST);
  memory_free(directory);
  if (cache == NULL || cache->store != NULL) return cache;
  memory_free(cache);
  return NULL;
}

void header_cache_close(HeaderCache *cache) {
  if (cache == NULL) return;
  file_store_close(cache->store);
  memory_free(cache);
}

/* ---- Headers: the size of the file, its state with a NUL, and its first bytes ---- */

bool header_cache_find(HeaderCache *cache, const char *key, CachedHeader *found) {
  enum { HEADER_CACHE_SIZE = sizeof(uint64_t) };
  unsigned char *bytes;
  uint64_t length;
  if (cache == NULL || !file_store_find(cache->store, key, &bytes, &length)) return false;
  const unsigned char *end =
      length > HEADER_CACHE_SIZE
          ? memchr(bytes + HEADER_CACHE_SIZE, '\0', (size_t)(length - HEADER_CACHE_SIZE))
          : NULL;
  if (end != NULL) {
    *found = (CachedHeader){.bytes = end + 1,
                            .length = length - (uint64_t)(end + 1 - bytes),
                            .state = (const char *)bytes + HEADER_CACHE_SIZE,
                            .memory = bytes};
    memcpy(&found->file_size, bytes, HEADER_CACHE_SIZE);
    if (found->length <= found->file_size) return true;
  }
  memory_free(bytes);
  return false;
}

void header_cache_keep(HeaderCache *cache, const char *key, const CachedHeader *header) {
  uint64_t state = strlen(header->state) + 1, before = sizeof header->file_size + state;
  unsigned char *whole = cache != NULL ? memory_alloc(before + header->length) : NULL;
  if (whole == NULL) return;
  memcpy(whole, &header->file_size, sizeof header->file_size);
  memcpy(whole + sizeof header->file_size, header->state, (size_t)state);
  if (header->length > 0) memcpy(whole + before, header->bytes, (size_t)header->length);
  file_store_keep(cache->store, key, whole, before + header->length);
  memory_free(whole);
}

/* ---- Lists: a row for each file, its size, its digest and its path, each text with its NUL ---- */

static bool header_cache_take_file(const unsigned char **at, const unsigned char *end,
                                   HubFiles *files) {
  enum { HEADER_CACHE_FIXED = sizeof(uint64_t) + HUB_API_DIGEST_SIZE };
  uint64_t left = (uint64_t)(end - *at);
  if (left <= HEADER_CACHE_FIXED ||
      memchr(*at + HEADER_CACHE_FIXED, '\0', (size_t)(left - HEADER_CACHE_FIXED)) == NULL)
    return false;
  const char *path = (const char *)*at + HEADER_CACHE_FIXED;
  if (!memory_reserve((void **)&files->rows, &files->capacity, files->count, sizeof *files->rows))
    return false;
  HubFile *file = &files->rows[files->count];
  memcpy(&file->size, *at, sizeof file->size);
  memcpy(file->digest, *at + sizeof file->size, HUB_API_DIGEST_SIZE);
  file->digest[HUB_API_DIGEST_SIZE - 1] = '\0';
  file->path = memory_copy_text(path, strlen(path));
  if (file->path == NULL) return false;
  files->count++;
  *at += HEADER_CACHE_FIXED + strlen(path) + 1;
  return true;
}

bool header_cache_find_files(HeaderCache *cache, const char *key, HubFiles *files) {
  unsigned char *bytes;
  uint64_t length;
  if (cache == NULL || !file_store_find(cache->store, key, &bytes, &length)) return false;
  const unsigned char *at = bytes, *end = bytes + length;
  bool good = true;
  while (good && at < end) good = header_cache_take_file(&at, end, files);
  memory_free(bytes);
  if (!good) hub_files_clear(files);
  return good;
}

void header_cache_keep_files(HeaderCache *cache, const char *key, const HubFiles *files) {
  uint64_t size = 0;
  for (uint64_t i = 0; i < files->count; i++) {
    size += sizeof(uint64_t) + HUB_API_DIGEST_SIZE + strlen(files->rows[i].path) + 1;
  }
  unsigned char *whole = cache != NULL ? memory_zeroed(size, 1) : NULL, *at = whole;
  if (whole == NULL) return;
  for (uint64_t i = 0; i < files->count; i++) {
    const HubFile *file = &files->rows[i];
    uint64_t length = strlen(file->path) + 1;
    memcpy(at, &file->size, sizeof file->size);
    memcpy(at + sizeof file->size, file->digest, strlen(file->digest));
    memcpy(at + sizeof file->size + HUB_API_DIGEST_SIZE, file->path, (size_t)length);
    at += sizeof file->size + HUB_API_DIGEST_SIZE + length;
  }
  file_store_keep(cache->store, key, whole, size);
  memory_free(whole);
}
