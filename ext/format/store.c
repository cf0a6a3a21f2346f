#include "format/store.h"

#include <string.h>

#include "base/memory.h"
#include "format/signature.h"

enum { BUCKET_COUNT = 4096 };

/* File systems stamp times by a clock that ticks every 1 to 10 ms. */
static const int64_t clock_tick = 50000000;

struct Store {
  uint32_t references;
  uint64_t header_bytes;
  Settings settings;
  File *newest, *oldest; /* those that have a header, by last use */
  File *buckets[BUCKET_COUNT];
};

Store *store_new(void) {
  Store *store = memory_zeroed(1, sizeof *store);
  if (store != NULL) store->references = 1;
  return store;
}

Store *store_retain(Store *store) {
  store->references++;
  return store;
}

Settings *store_settings(Store *store) {
  return &store->settings;
}

static void file_free(File *file) {
  if (file->data != NULL) platform_unmap(file->data, file->identity.size);
  pages_free(file->pages);
  header_free(file->header);
  index_free(file->index);
  memory_free(file);
}

void store_release(Store *store) {
  if (--store->references > 0) return;
  for (int i = 0; i < BUCKET_COUNT; i++) {
    for (File *file = store->buckets[i], *next; file != NULL; file = next) {
      next = file->next_in_bucket;
      file_free(file);
    }
  }
  memory_free(store);
}

static File **bucket_of(Store *store, const FileIdentity *identity) {
  uint64_t mixed = (identity->inode ^ identity->device << 32) * 0x9e3779b97f4a7c15u;
  return &store->buckets[mixed >> 52];
}

/* ---- The cache of headers ---- */

static void forget_use(Store *store, File *file) {
  if (file->newer != NULL) file->newer->older = file->older;
  if (file->older != NULL) file->older->newer = file->newer;
  if (store->newest == file) store->newest = file->older;
  if (store->oldest == file) store->oldest = file->newer;
  file->newer = file->older = NULL;
}

static void note_use(Store *store, File *file) {
  file->older = store->newest;
  if (store->newest != NULL) store->newest->newer = file;
  store->newest = file;
  if (store->oldest == NULL) store->oldest = file;
}

static bool has_contents(const File *file) {
  return file->header != NULL || file->index != NULL;
}

static uint64_t contents_memory(const File *file) {
  return (file->header != NULL ? header_memory(file->header) : 0) +
         (file->index != NULL ? index_memory(file->index) : 0);
}

static void drop_contents(Store *store, File *file) {
  store->header_bytes -= contents_memory(file);
  forget_use(store, file);
  header_free(file->header);
  index_free(file->index);
  file->header = NULL;
  file->index = NULL;
}

static void forget_file(Store *store, File *file) {
  drop_contents(store, file);
  if (file->data != NULL) return; /* the mapping stays until the connection closes */
  File **link = bucket_of(store, &file->identity);
  while (*link != file) link = &(*link)->next_in_bucket;
  *link = file->next_in_bucket;
  file_free(file);
}

static void drop_old_headers(Store *store) {
  if (store->header_bytes <= STORE_HEADER_BYTES) return;
  const File *kept = store->newest; /* this one, and the newer ones */
  for (int i = 1; i < STORE_KEPT_FILES && kept != NULL; i++) kept = kept->older;
  if (kept == NULL) return;
  for (File *file = store->oldest, *newer; file != kept; file = newer) {
    if (store->header_bytes <= STORE_HEADER_BYTES) return;
    newer = file->newer;
    if (file->pins == 0) forget_file(store, file);
  }
}

/* ---- Opening ---- */

static Header *read_header(int descriptor, const char *path, uint64_t file_size, Error *error) {
  unsigned char first[SIGNATURE_SIZE];
  uint64_t length = 0, size = file_size < HEADER_PREFIX_SIZE ? file_size : HEADER_PREFIX_SIZE;
  if (!platform_read(descriptor, path, first, size, 0, error)) return NULL;
  if (!header_length(first, file_size, &length)) {
    size = file_size < SIGNATURE_SIZE ? file_size : SIGNATURE_SIZE;
    if (platform_read(descriptor, path, first, size, 0, error)) {
      header_refuse(first, size, file_size, path, error);
    }
    return NULL;
  }
  char *text = memory_alloc(length);
  if (text == NULL) {
    error_memory(error);
    return NULL;
  }
  if (!platform_read(descriptor, path, text, length, HEADER_PREFIX_SIZE, error)) {
    memory_free(text);
    return NULL;
  }
  return header_parse(text, length, file_size, path, error);
}

/* Reads and parses the whole of an index. */
static Index *read_index(int descriptor, const char *path, uint64_t file_size, Error *error) {
  if (file_size > INDEX_MAX_LENGTH) {
    error_fill(error, ERROR_INVALID, path, "expected an index of at most %d bytes, found %llu",
               INDEX_MAX_LENGTH, (unsigned long long)file_size);
    return NULL;
  }
  char *text = memory_alloc(file_size);
  Index *index = NULL;
  if (text == NULL) {
    error_memory(error);
  } else if (platform_read(descriptor, path, text, file_size, 0, error)) {
    index = index_parse(text, file_size, path, error);
  }
  memory_free(text);
  return index;
}

static File *find_file(Store *store, const FileIdentity *identity) {
  File *file = *bucket_of(store, identity);
  while (file != NULL && !platform_identity_equal(&file->identity, identity)) {
    file = file->next_in_bucket;
  }
  return file;
}

static File *add_file(Store *store, const FileIdentity *identity) {
  File *file = memory_zeroed(1, sizeof *file);
  if (file == NULL) return NULL;
  file->identity = *identity;
  File **bucket = bucket_of(store, identity);
  file->next_in_bucket = *bucket;
  *bucket = file;
  return file;
}

typedef enum FileKind { FILE_WITH_HEADER, FILE_WITH_INDEX } FileKind;

/* A file whose identity equals a cached one, but which was written so lately that the clock may not
** have moved between two states of it, is read again. */
static bool cached_contents_serve(const File *file, FileKind kind) {
  if (file == NULL || file->recent) return false;
  return kind == FILE_WITH_INDEX ? file->index != NULL : file->header != NULL;
}

static File *read_file(Store *store, const char *path, FileKind kind, Error *error) {
  FileIdentity identity;
  int descriptor = platform_open(path, &identity, error);
  if (descriptor < 0) return NULL;
  Header *header = NULL;
  Index *index = NULL;
  if (kind == FILE_WITH_INDEX) {
    index = read_index(descriptor, path, identity.size, error);
  } else {
    platform_no_read_ahead(descriptor); /* not into the tensors behind the header */
    header = read_header(descriptor, path, identity.size, error);
  }
  platform_close(descriptor);
  if (header == NULL && index == NULL) return NULL;
  File *file = find_file(store, &identity);
  if (file != NULL && file->pins > 0) {
    file = NULL; /* in use with what was read before: a new File of this identity takes its place */
  } else if (file != NULL && has_contents(file)) {
    drop_contents(store, file);
  }
  if (file == NULL) file = add_file(store, &identity);
  if (file == NULL) {
    header_free(header);
    index_free(index);
    error_memory(error);
    return NULL;
  }
  file->header = header;
  file->index = index;
  file->recent = platform_now() - identity.changed < clock_tick;
  store->header_bytes += contents_memory(file);
  note_use(store, file);
  return file;
}

static File *open_kind(Store *store, const char *path, FileKind kind, Error *error) {
  FileIdentity identity;
  if (!platform_identify(path, &identity, error)) return NULL;
  File *file = find_file(store, &identity);
  if (cached_contents_serve(file, kind)) {
    forget_use(store, file);
    note_use(store, file);
  } else {
    file = read_file(store, path, kind, error);
    if (file == NULL) return NULL;
  }
  file->pins++;
  drop_old_headers(store);
  return file;
}

File *store_open(Store *store, const char *path, Error *error) {
  return open_kind(store, path, FILE_WITH_HEADER, error);
}

File *store_open_index(Store *store, const char *path, Error *error) {
  return open_kind(store, path, FILE_WITH_INDEX, error);
}

void store_unpin(Store *store, File *file) {
  if (file == NULL) return;
  file->pins--;
  drop_old_headers(store);
}

/* ---- Bytes ---- */

static bool same_file(const File *file, const FileIdentity *now) {
  return file->identity.device == now->device && file->identity.inode == now->inode;
}

static bool raise_changed(const char *path, const char *how, Error *error) {
  return error_raise(error, ERROR_IO, path,
                     "expected the file as it was when it was opened, found it %s; run the "
                     "statement again",
                     how);
}

/* Whether the file that `path` names now is not the opened one in another state. The time of the
** last status change does not count: a new hard link or mode moves it too. */
static bool check_contents(const File *file, const FileIdentity *now, const char *path,
                           Error *error) {
  if (!same_file(file, now)) return true;
  if (now->size < file->identity.size) return raise_changed(path, "cut short", error);
  if (now->size != file->identity.size || now->modified != file->identity.modified) {
    return raise_changed(path, "overwritten", error);
  }
  return true;
}

/* For a file that is mapped: if its name is gone or now another file's, its bytes still are what
** they were. */
bool store_check_mapped(const File *file, const char *path, Error *error) {
  FileIdentity now;
  Error missing = {0};
  if (!platform_identify(path, &now, &missing)) {
    bool out_of_memory = missing.code == ERROR_MEMORY;
    error_clear(&missing);
    return !out_of_memory || error_memory(error);
  }
  return check_contents(file, &now, path, error);
}

int store_open_descriptor(const File *file, const char *path, Error *error) {
  FileIdentity now;
  int descriptor = platform_open(path, &now, error);
  if (descriptor < 0) return -1;
  bool same = same_file(file, &now) ? check_contents(file, &now, path, error)
                                    : raise_changed(path, "replaced", error);
  if (same) return descriptor;
  platform_close(descriptor);
  return -1;
}

bool store_check_descriptor(const File *file, int descriptor, const char *path, Error *error) {
  FileIdentity now;
  return platform_identify_descriptor(descriptor, path, &now, error) &&
         check_contents(file, &now, path, error);
}

bool store_map(File *file, const char *path, Error *error) {
  if (file->data != NULL) return store_check_mapped(file, path, error);
  int descriptor = store_open_descriptor(file, path, error);
  if (descriptor < 0) return false;
  file->data = platform_map(descriptor, path, file->identity.size, error);
  if (file->data != NULL) file->pages = pages_new(file->identity.size);
  platform_close(descriptor);
  return file->data != NULL;
}
