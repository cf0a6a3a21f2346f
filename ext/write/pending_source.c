#include "write/pending_source.h"

#include <string.h>

#include "base/file.h"
#include "base/file_write.h"
#include "base/memory.h"

static PendingSource **pending_source_bucket(PendingSources *sources,
                                             const FileIdentity *identity) {
  uint64_t mixed = (identity->inode ^ identity->device << 32) * 0x9e3779b97f4a7c15u;
  return &sources->buckets[mixed >> 54];
}
_Static_assert(PENDING_SOURCE_BUCKETS == 1 << (64 - 54), "the upper bits are a bucket's number");

/* ---- Those that are open ---- */

static void pending_source_unlink(PendingSource *source) {
  PendingSources *all = source->all;
  if (source->newer != NULL) source->newer->older = source->older;
  if (source->older != NULL) source->older->newer = source->newer;
  if (all->newest == source) all->newest = source->older;
  if (all->oldest == source) all->oldest = source->newer;
  source->newer = source->older = NULL;
}

static void pending_source_link(PendingSource *source) {
  PendingSources *all = source->all;
  source->older = all->newest;
  if (all->newest != NULL) all->newest->newer = source;
  all->newest = source;
  if (all->oldest == NULL) all->oldest = source;
}

static void pending_source_close(PendingSource *source) {
  if (source->descriptor < 0) return;
  pending_source_unlink(source);
  file_close(source->descriptor);
  source->descriptor = -1;
  source->all->open--;
}

void pending_sources_close(PendingSources *sources) {
  while (sources->newest != NULL) pending_source_close(sources->newest);
}

/* ---- References ---- */

static PendingSource *pending_source_new(PendingSources *sources, const char *path,
                                         const File *file) {
  PendingSource *source = memory_zeroed(1, sizeof *source);
  if (source == NULL) return NULL;
  *source = (PendingSource){.references = 1,
                            .path = memory_copy_text(path, strlen(path)),
                            .identity = file->identity,
                            .hash = file->hash,
                            .descriptor = -1,
                            .all = sources};
  if (source->path != NULL) return source;
  memory_free(source);
  return NULL;
}

PendingSource *pending_source_find(PendingSources *sources, const char *path, const File *file,
                                   Error *error) {
  PendingSource **bucket = pending_source_bucket(sources, &file->identity);
  for (PendingSource *source = *bucket; source != NULL; source = source->next_in_bucket) {
    if (file_identity_unchanged(&source->identity, &file->identity) && source->hash == file->hash &&
        strcmp(source->path, path) == 0) {
      return pending_source_retain(source);
    }
  }
  PendingSource *source = pending_source_new(sources, path, file);
  if (source == NULL) {
    error_memory(error);
    return NULL;
  }
  source->next_in_bucket = *bucket;
  *bucket = source;
  return source;
}

PendingSource *pending_source_retain(PendingSource *source) {
  source->references++;
  return source;
}

void pending_source_release(PendingSource *source) {
  if (source == NULL || --source->references > 0) return;
  PendingSource **link = pending_source_bucket(source->all, &source->identity);
  while (*link != source) link = &(*link)->next_in_bucket;
  *link = source->next_in_bucket;
  pending_source_close(source);
  session_disown(source->all->session, source->file);
  memory_free(source->path);
  memory_free(source);
}

/* ---- Use ---- */

static bool pending_source_raise_changed(const PendingSource *source, Error *error) {
  return error_raise(
      error, ERROR_CHANGED, source->path,
      "expected the file as it was when its row was read, found another state of it");
}

/* Called if the ctime of a file has changed, but neither its size nor its mtime, as when it was
** renamed. Checks that the header is unchanged, because somebody may have set the mtime back. */
static bool pending_source_check_header(PendingSource *source, int descriptor,
                                        const FileIdentity *now, Error *error) {
  uint64_t hash;
  if (now->changed == source->identity.changed) return true;
  if (!session_hash_header(descriptor, source->path, now->size, &hash, error)) return false;
  if (hash != source->hash) return pending_source_raise_changed(source, error);
  source->identity.changed = now->changed;
  return true;
}

static bool pending_source_check_state(PendingSource *source, int descriptor,
                                       const FileIdentity *now, Error *error) {
  if (!file_identity_unchanged(now, &source->identity))
    return pending_source_raise_changed(source, error);
  return pending_source_check_header(source, descriptor, now, error);
}

bool pending_source_check(PendingSource *source, Error *error) {
  FileIdentity now;
  return file_identify_descriptor(source->descriptor, source->path, &now, error) &&
         pending_source_check_state(source, source->descriptor, &now, error);
}

static bool pending_source_reopen(PendingSource *source, Error *error) {
  FileIdentity now;
  PendingSources *all = source->all;
  while (all->open >= PENDING_SOURCE_MAX_OPEN) pending_source_close(all->oldest);
  int descriptor = open_files_open(session_open_files(all->session), source->path, &now, error);
  if (descriptor < 0) return false;
  if (!pending_source_check_state(source, descriptor, &now, error)) {
    file_close(descriptor);
    return false;
  }
  source->descriptor = descriptor;
  all->open++;
  pending_source_link(source);
  return true;
}

bool pending_source_open(PendingSource *source, Error *error) {
  if (source->descriptor < 0) return pending_source_reopen(source, error);
  pending_source_unlink(source);
  pending_source_link(source);
  return pending_source_check(source, error);
}

bool pending_source_range(PendingSource *source, uint64_t offset, uint64_t nbytes, Source *out,
                          Error *error) {
  Session *session = source->all->session;
  if (!pending_source_open(source, error)) return false;
  if (source->file == NULL) source->file = session_own(&source->identity);
  if (source->file == NULL) return error_memory(error);
  if (source->file->open.descriptor < 0) {
    int descriptor = file_duplicate(source->descriptor, source->path, error);
    if (descriptor < 0) return false;
    open_files_adopt(session_open_files(session), source->file, descriptor);
  }
  *out = (Source){.session = session,
                  .file = source->file,
                  .path = source->path,
                  .offset = offset,
                  .nbytes = nbytes,
                  .mode = session_settings(session)->io};
  return true;
}
