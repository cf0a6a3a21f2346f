#include "base/sink.h"

#include <string.h>

#include "base/copy_range.h"
#include "base/file.h"
#include "base/file_origin.h"
#include "base/file_write.h"
#include "base/memory.h"

enum {
  SINK_COPY_MIN = 64 << 10, /* fewer bytes go through the buffer, to be copied or written */
  SINK_COPY_MAX = 16 << 20  /* copied with one call */
};

bool sink_open_file(Sink *sink, int descriptor, const char *path, Error *error) {
  *sink = (Sink){.descriptor = descriptor, .path = path, .size = SINK_BUFFER};
  sink->block = memory_alloc(SINK_BUFFER);
  return sink->block != NULL || error_memory(error);
}

void sink_open_memory(Sink *sink, unsigned char *memory, uint64_t size) {
  *sink = (Sink){.descriptor = -1, .path = "BLOB", .block = memory, .size = size};
}

void sink_close(Sink *sink) {
  if (sink->descriptor >= 0) memory_free(sink->block);
  *sink = (Sink){.descriptor = -1};
}

/* Counts what was written. The disk begins to write a file with `lasting` every SINK_COPY_MAX
** bytes, so that there is less to wait for in the end. */
static void sink_count_written(Sink *sink, uint64_t size) {
  sink->written += size;
  uint64_t waiting = sink->written - sink->begun;
  if (!sink->lasting || waiting < SINK_COPY_MAX) return;
  file_start_writing_back(sink->descriptor, sink->begun, waiting);
  sink->begun = sink->written;
}

static bool sink_write_all(Sink *sink, const unsigned char *bytes, uint64_t size, Error *error) {
  while (size > 0) {
    uint64_t part = size < SINK_BUFFER ? size : SINK_BUFFER;
    if (!file_write(sink->descriptor, sink->path, bytes, part, error)) return false;
    sink_count_written(sink, part);
    bytes += part;
    size -= part;
  }
  return true;
}

bool sink_flush(Sink *sink, Error *error) {
  uint64_t used = sink->used;
  if (sink->descriptor < 0) return true;
  sink->used = 0;
  return sink_write_all(sink, sink->block, used, error);
}

/* Makes room for some bytes, at most `size`; *room says how many. */
static unsigned char *sink_make_room(Sink *sink, uint64_t size, uint64_t *room, Error *error) {
  if (sink->used == sink->size && sink->descriptor >= 0 && !sink_flush(sink, error)) return NULL;
  *room = sink->size - sink->used;
  if (*room > size) *room = size;
  if (*room > 0) return sink->block + sink->used;
  error_fill(error, ERROR_TOO_BIG, sink->path, "expected fewer bytes than were written");
  return NULL;
}

bool sink_write(Sink *sink, const void *bytes, uint64_t size, Error *error) {
  const unsigned char *from = bytes;
  if (sink->descriptor >= 0 && size >= SINK_COPY_MIN) {
    return sink_flush(sink, error) && sink_write_all(sink, from, size, error);
  }
  while (size > 0) {
    uint64_t room;
    unsigned char *to = sink_make_room(sink, size, &room, error);
    if (to == NULL) return false;
    memcpy(to, from, (size_t)room);
    sink->used += room;
    from += room;
    size -= room;
  }
  return true;
}

/* ---- From another file ---- */

static bool sink_copy_through_buffer(Sink *sink, int from, const char *from_path, uint64_t offset,
                                     uint64_t size, uint64_t *taken, Error *error) {
  unsigned char *to = sink_make_room(sink, size, taken, error);
  if (to == NULL || !file_read(from, from_path, to, *taken, offset, error)) return false;
  sink->used += *taken;
  return true;
}

/* False, without an error, if the bytes have to go through the buffer. */
static bool sink_copy_within_kernel(Sink *sink, int from, uint64_t offset, uint64_t size,
                                    uint64_t *taken, Error *error) {
  if (sink->descriptor < 0 || sink->no_copy || size < SINK_COPY_MIN) return false;
  if (!sink_flush(sink, error)) return false;
  uint64_t max = size < SINK_COPY_MAX ? size : SINK_COPY_MAX;
  int64_t copied = copy_range_within_kernel(from, offset, sink->descriptor, NULL, max);
  *taken = copied > 0 ? (uint64_t)copied : 0;
  sink_count_written(sink, *taken);
  sink->no_copy = copied <= 0; /* whatever the reason, reading and writing will report it */
  return copied > 0;
}

bool sink_copy(Sink *sink, int from, const char *from_path, uint64_t offset, uint64_t size,
               uint64_t *taken, Error *error) {
  uint64_t next = size < SINK_COPY_MAX ? size : SINK_COPY_MAX;
  if (!file_origin_fetch(from, offset, next, error)) return false;
  if (sink_copy_within_kernel(sink, from, offset, size, taken, error)) return true;
  return error->code == ERROR_NONE &&
         sink_copy_through_buffer(sink, from, from_path, offset, size, taken, error);
}
