#include "base/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/platform.h"

enum {
  COPY_LEAST = 64 << 10, /* fewer bytes go through the buffer */
  COPY_MOST = 16 << 20   /* at a time */
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

/* Counts what was written. Of what is to last, the disk is set to work on every COPY_MOST bytes, so
** that in the end there is less to wait for. */
static void count_written(Sink *sink, uint64_t size) {
  sink->written += size;
#if defined(__linux__)
  uint64_t waiting = sink->written - sink->begun;
  if (!sink->lasting || waiting < COPY_MOST) return;
  sync_file_range(sink->descriptor, (off_t)sink->begun, (off_t)waiting, SYNC_FILE_RANGE_WRITE);
  sink->begun = sink->written;
#endif
}

static bool raise_write_error(const Sink *sink, int number, Error *error) {
  return error_raise(error, ERROR_IO, sink->path, "cannot write: %s", strerror(number));
}

static bool write_all(Sink *sink, const unsigned char *bytes, uint64_t size, Error *error) {
  while (size > 0) {
    size_t most = size < SINK_BUFFER ? (size_t)size : SINK_BUFFER;
    ssize_t written = write(sink->descriptor, bytes, most);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return raise_write_error(sink, written < 0 ? errno : EIO, error);
    count_written(sink, (uint64_t)written);
    bytes += written;
    size -= (uint64_t)written;
  }
  return true;
}

bool sink_flush(Sink *sink, Error *error) {
  uint64_t used = sink->used;
  if (sink->descriptor < 0) return true;
  sink->used = 0;
  return write_all(sink, sink->block, used, error);
}

/* Makes room for some bytes, at most `size`; says how many. */
static unsigned char *make_room(Sink *sink, uint64_t size, uint64_t *room, Error *error) {
  if (sink->used == sink->size && sink->descriptor >= 0 && !sink_flush(sink, error)) return NULL;
  *room = sink->size - sink->used;
  if (*room > size) *room = size;
  if (*room > 0) return sink->block + sink->used;
  error_fill(error, ERROR_TOO_BIG, sink->path, "expected fewer bytes than were written");
  return NULL;
}

bool sink_write(Sink *sink, const void *bytes, uint64_t size, Error *error) {
  const unsigned char *from = bytes;
  if (sink->descriptor >= 0 && size >= SINK_BUFFER) {
    return sink_flush(sink, error) && write_all(sink, from, size, error);
  }
  while (size > 0) {
    uint64_t room;
    unsigned char *to = make_room(sink, size, &room, error);
    if (to == NULL) return false;
    memcpy(to, from, (size_t)room);
    sink->used += room;
    from += room;
    size -= room;
  }
  return true;
}

/* ---- From another file ---- */

static bool copy_through_buffer(Sink *sink, int from, const char *from_path, uint64_t offset,
                                uint64_t size, uint64_t *taken, Error *error) {
  unsigned char *to = make_room(sink, size, taken, error);
  if (to == NULL || !platform_read(from, from_path, to, *taken, offset, error)) return false;
  sink->used += *taken;
  return true;
}

#if defined(__linux__)
/* Whether this says that these two files cannot be copied so, not that the copying failed. */
static bool is_refusal(int number) {
  return number == EXDEV || number == EINVAL || number == ENOSYS || number == EOPNOTSUPP ||
         number == EPERM || number == EBADF || number == ETXTBSY;
}

/* False, without an error, where it has to be done otherwise. */
static bool copy_within_kernel(Sink *sink, int from, uint64_t offset, uint64_t size,
                               uint64_t *taken, Error *error) {
  if (sink->descriptor < 0 || sink->no_copy || size < COPY_LEAST) return false;
  if (!sink_flush(sink, error)) return false;
  off_t at = (off_t)offset;
  size_t most = size < COPY_MOST ? (size_t)size : COPY_MOST;
  ssize_t copied;
  do {
    copied = copy_file_range(from, &at, sink->descriptor, NULL, most, 0);
  } while (copied < 0 && errno == EINTR);
  if (copied < 0 && !is_refusal(errno)) return raise_write_error(sink, errno, error);
  *taken = copied > 0 ? (uint64_t)copied : 0;
  count_written(sink, *taken);
  sink->no_copy = copied <= 0; /* at the end of the file, reading will say what is wrong */
  return copied > 0;
}
#endif

bool sink_copy(Sink *sink, int from, const char *from_path, uint64_t offset, uint64_t size,
               uint64_t *taken, Error *error) {
#if defined(__linux__)
  if (copy_within_kernel(sink, from, offset, size, taken, error)) return true;
  if (error->code != ERROR_NONE) return false;
#endif
  return copy_through_buffer(sink, from, from_path, offset, size, taken, error);
}
