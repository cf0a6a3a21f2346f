#include "write/spool.h"

#include <string.h>

#include "base/file.h"
#include "base/file_write.h"
#include "base/mapping.h"
#include "base/memory.h"

Spool *spool_new(int descriptor, const char *path, Error *error) {
  Spool *spool = memory_zeroed(1, sizeof *spool);
  if (spool == NULL) {
    file_close(descriptor);
    error_memory(error);
    return NULL;
  }
  *spool = (Spool){.references = 1,
                   .descriptor = descriptor,
                   .path = memory_copy_text(path, strlen(path)),
                   .buffer = memory_alloc(SINK_BUFFER)};
  if (spool->path != NULL && spool->buffer != NULL) return spool;
  spool_release(spool);
  error_memory(error);
  return NULL;
}

Spool *spool_retain(Spool *spool) {
  spool->references++;
  return spool;
}

static void spool_unmap(Spool *spool) {
  if (spool->mapped != NULL) mapping_unmap(spool->mapped, spool->mapped_size);
  spool->mapped = NULL;
  spool->mapped_size = 0;
}

void spool_release(Spool *spool) {
  if (spool == NULL || --spool->references > 0) return;
  spool_unmap(spool);
  file_discard(spool->descriptor);
  memory_free(spool->buffer);
  memory_free(spool->path);
  memory_free(spool);
}

/* Writes at the end of the file. If that fails, truncates it again, so that a partial write
** takes no space on a full disk. */
static bool spool_write(Spool *spool, const void *bytes, uint64_t size, Error *error) {
  if (file_write_at(spool->descriptor, spool->path, bytes, size, spool->size, error)) return true;
  file_cut(spool->descriptor, spool->size);
  return false;
}

/* If the disk is full, the bytes stay in the buffer, because rows that were accepted refer to
** them. */
bool spool_flush(Spool *spool, Error *error) {
  if (!spool_write(spool, spool->buffer, spool->used, error)) return false;
  spool->size += spool->used;
  spool->used = 0;
  return true;
}

bool spool_put(Spool *spool, const void *bytes, uint64_t size, uint64_t *offset, Error *error) {
  if (size > SINK_BUFFER - spool->used && !spool_flush(spool, error)) return false;
  *offset = spool->size + spool->used;
  if (size > SINK_BUFFER) {
    if (!spool_write(spool, bytes, size, error)) return false;
    spool->size += size;
  } else if (size > 0) {
    memcpy(spool->buffer + spool->used, bytes, (size_t)size);
    spool->used += size;
  }
  return true;
}

/* All bytes of one spool_put() are either in the file or in the buffer. */
const unsigned char *spool_bytes(Spool *spool, uint64_t offset, uint64_t size, Error *error) {
  if (offset >= spool->size) return spool->buffer + (offset - spool->size);
  if (spool->mapped == NULL || offset + size > spool->mapped_size) {
    spool_unmap(spool);
    spool->mapped = mapping_map(spool->descriptor, spool->path, spool->size, error);
    if (spool->mapped == NULL) return NULL;
    spool->mapped_size = spool->size;
  }
  return spool->mapped + offset;
}

bool spool_begin(Spool *spool, Sink *sink, Error *error) {
  *sink = (Sink){.descriptor = -1};
  return spool_flush(spool, error) &&
         file_seek(spool->descriptor, spool->path, spool->size, error) &&
         sink_open_file(sink, spool->descriptor, spool->path, error);
}

bool spool_end(Spool *spool, Sink *sink, bool good, uint64_t *offset, Error *error) {
  good = good && sink_flush(sink, error);
  *offset = spool->size;
  if (good) {
    spool->size += sink->written;
  } else {
    file_cut(spool->descriptor, spool->size);
  }
  sink_close(sink);
  return good;
}
