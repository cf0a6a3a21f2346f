#include "model/source.h"

#include "base/file.h"
#include "base/mapping.h"
#include "base/memory.h"

/* A read that starts or ends this close to the previous window counts as sequential. */
enum { SOURCE_NEAR = 64 << 10 };

/* Smaller windows are cheaper to read than to map by themselves. */
enum { SOURCE_PART_MIN = 64 << 10 };

/* Mappings begin where a large page of the system may: then it maps what it keeps in such pages at a fifth of the
** cost. */
#define SOURCE_LARGE_PAGE ((uint64_t)2 << 20)

/* How much of a range that is handed out is populated. A statement that only needs the length or
** the first bytes of a large tensor should not pay for more. */
enum { SOURCE_POPULATED = 4 << 10 };

static const unsigned char source_nothing[1] = {0};

/* ---- Handing out ---- */

/* Points into the mapping. The file must be in use. */
static HandOut source_point_at(const Source *source, uint64_t offset, uint64_t nbytes,
                               const unsigned char **data, Error *error) {
  OpenFiles *files = session_open_files(source->session);
  File *file = source->file;
  if (!open_file_map(files, file)) return HAND_OUT_READ;
  *data = file->open.data + offset;
  uint64_t populated = nbytes < SOURCE_POPULATED ? nbytes : SOURCE_POPULATED;
  if (!mapping_populate(*data, populated, source->path, error)) return HAND_OUT_ERROR;
  open_file_keep_mapped(files, file);
  return HAND_OUT_POINTER;
}

/* Fetches bytes of a file of the network, and perhaps what follows them up to `until`. `asking` is of the thread. */
static bool source_need(const Source *source, uint64_t begin, uint64_t nbytes, uint64_t until,
                        const Asking *asking, Error *error) {
  if (until > source->nbytes) until = source->nbytes;
  return source->file->identity.device != NETWORK_DEVICE ||
         network_need(session_network(source->session), source->path, source->offset + begin,
                      nbytes, source->offset + until, asking, error);
}

HandOut source_hand_out(const Source *source, uint64_t begin, uint64_t nbytes,
                        const unsigned char **data, Error *error) {
  *data = source->memory != NULL ? source->memory + begin : source_nothing;
  if (source->memory != NULL || nbytes == 0) return HAND_OUT_POINTER;
  if (source->computed != NULL || source->mode != IO_MAP || nbytes < HAND_OUT_MIN)
    return HAND_OUT_READ;
  if (!source_need(source, begin, nbytes, UINT64_MAX, NULL, error)) return HAND_OUT_ERROR;
  OpenFiles *files = session_open_files(source->session);
  if (!open_file_begin(files, source->file, source->path, error)) return HAND_OUT_ERROR;
  HandOut outcome = source_point_at(source, source->offset + begin, nbytes, data, error);
  open_file_end(files, source->file);
  return outcome;
}

/* ---- Reading ---- */

static bool source_go_on(void *context, Error *error) {
  const Computed *computed = context;
  return cancel_go_on(session_cancel(computed->session), computed->subject, error);
}

static bool source_go_on_file(void *context, Error *error) {
  const Source *source = context;
  return cancel_go_on(session_cancel(source->session), source->path, error);
}

bool reader_open(Reader *reader, const Source *source, Error *error) {
  *reader = (Reader){.ahead = READER_WINDOW, .until = UINT64_MAX, .source = source};
  if (source->memory != NULL || source->nbytes == 0) {
    reader->window = source->memory != NULL ? source->memory : source_nothing;
    reader->window_end = source->nbytes;
    return true;
  }
  if (source->computed != NULL) {
    reader->ahead = source->computed->ahead;
    reader->asking = (Asking){source_go_on, source->computed};
    return source->computed->open(source->computed, &reader->computing, error);
  }
  reader->asking = (Asking){source_go_on_file, (Source *)source};
  reader->in_use = open_file_begin_reading(session_open_files(source->session), source->file,
                                           source->path, error);
  return reader->in_use;
}

bool reader_open_for_pass(Reader *reader, const Source *source, Error *error) {
  if (!reader_open(reader, source, error)) return false;
  File *file = source->file;
  if (!reader->in_use || source->mode != IO_MAP || file == NULL) return true;
  if (file->identity.device == NETWORK_DEVICE) return true;
  reader->may_map = session_is_leased(source->session) && open_file_is_wanted_again(file) &&
                    open_file_map(session_open_files(source->session), file);
  if (reader->may_map) reader->base = file->open.data;
  return true;
}

bool reader_open_for_part(Reader *reader, const Source *source, uint64_t begin, uint64_t size,
                          Error *error) {
  if (source->file == NULL || size == 0 || size > SMALL_READ_MAX ||
      source->file->identity.device == NETWORK_DEVICE)
    return reader_open_for_pass(reader, source, error);
  *reader = (Reader){.ahead = READER_WINDOW, .until = UINT64_MAX, .source = source};
  reader->window = small_read(source->session, source->file, source->path, source->offset + begin,
                              size, &reader->small, error);
  if (reader->window == NULL) {
    return error->code == ERROR_NONE && reader_open_for_pass(reader, source, error);
  }
  reader->window_begin = begin;
  reader->window_end = begin + size;
  return true;
}

static bool source_make_room(Reader *reader, uint64_t size, Error *error) {
  if (size <= reader->buffer_size) return true;
  memory_free(reader->buffer);
  reader->buffer_size = 0;
  reader->buffer = memory_alloc(size);
  if (reader->buffer == NULL) return error_memory(error);
  reader->buffer_size = size;
  return true;
}

static bool source_load_read(Reader *reader, uint64_t begin, uint64_t size, Error *error) {
  const Source *source = reader->source;
  if (!source_make_room(reader, size, error)) return false;
  reader->window = reader->buffer;
  return file_read(source->file->open.descriptor, source->path, reader->buffer, size,
                   source->offset + begin, error) &&
         open_file_check(source->file, source->path, error);
}

/* Maps what begins with a window, or with the large page that it begins in, unless the window is mapped. Returns
** false if that is not possible. */
static bool source_map_part(Reader *reader, uint64_t begin, uint64_t size) {
  const Source *source = reader->source;
  if (reader->part.data != NULL && begin >= reader->part_begin && begin + size <= reader->part_end)
    return true;
  mapping_unmap_part(&reader->part);
  uint64_t before = (source->offset + begin) % SOURCE_LARGE_PAGE;
  if (before > begin) before = 0; /* the large page begins before the tensor */
  uint64_t most = size + before > reader->part_size ? size + before : reader->part_size;
  reader->part_begin = begin - before;
  uint64_t left = source->nbytes - reader->part_begin;
  if (most > left) most = left;
  reader->part_end = reader->part_begin + most;
  return mapping_map_part(source->file->open.descriptor, source->offset + reader->part_begin, most,
                          &reader->part);
}

/* A window in what is mapped, if windows are, and it is in the system's cache; else it is read. */
static bool source_load_part(Reader *reader, uint64_t begin, uint64_t size, Error *error) {
  const Source *source = reader->source;
  if (reader->maps_windows && size >= SOURCE_PART_MIN && source_map_part(reader, begin, size)) {
    reader->window = reader->part.data + (begin - reader->part_begin);
    if (mapping_is_resident(source->file->open.descriptor, source->offset + begin, reader->window,
                            size))
      return open_file_check(source->file, source->path, error) &&
             mapping_populate(reader->window, size, source->path, error);
  }
  return source_load_read(reader, begin, size, error);
}

/* Computes the bytes *first to *end, and what shares a unit with them. */
static bool source_load_computed(Reader *reader, uint64_t *first, uint64_t *end, Error *error) {
  const Computed *computed = reader->source->computed;
  *first -= *first % computed->unit;
  *end += (computed->unit - *end % computed->unit) % computed->unit;
  if (*end > reader->source->nbytes) *end = reader->source->nbytes;
  if (!source_make_room(reader, *end - *first, error)) return false;
  reader->window = reader->buffer;
  return computed->read(reader->computing, &reader->asking, *first, *end - *first, reader->buffer,
                        error);
}

/* Reads for a pass over a file that may be mapped: see source.h. */
static bool source_load_for_pass(Reader *reader, uint64_t begin, uint64_t size, Error *error) {
  const Source *source = reader->source;
  if (size < SOURCE_PART_MIN) return source_load_read(reader, begin, size, error);
  Pages *pages = source->file->open.pages;
  uint64_t first = source->offset + begin, end = first + size;
  const unsigned char *window = reader->base + first;
  PagesState state = pages_state(pages, first, end);
  if (state == PAGES_UNKNOWN ||
      !mapping_is_resident(source->file->open.descriptor, first, window, size)) {
    if (!source_load_part(reader, begin, size, error)) return false;
    pages_note(pages, first, end, PAGES_READ);
    return true;
  }
  reader->window = window;
  if (!open_file_check(source->file, source->path, error)) return false;
  if (state == PAGES_MAPPED) return true;
  if (!mapping_populate(window, size, source->path, error)) return false;
  pages_note(pages, first, end, PAGES_MAPPED);
  return true;
}

const unsigned char *reader_load(Reader *reader, uint64_t begin, uint64_t size, Error *error) {
  uint64_t first = begin, end = begin + size, nbytes = reader->source->nbytes;
  bool used = reader->window_end > 0;
  if (used && begin >= reader->window_begin &&
      begin <= reader->window_end + SOURCE_NEAR) { /* forward */
    if (size < reader->ahead) end = nbytes - begin < reader->ahead ? nbytes : begin + reader->ahead;
    if (end > reader->until) end = begin + size > reader->until ? begin + size : reader->until;
  } else if (used && begin < reader->window_begin && end + SOURCE_NEAR >= reader->window_begin) {
    if (size < reader->ahead) first = end < reader->ahead ? 0 : end - reader->ahead;
  }
  if (reader->in_use &&
      !source_need(reader->source, first, end - first, reader->until, &reader->asking, error)) {
    reader->window_end = reader->window_begin = first;
    return NULL;
  }
  bool good = reader->computing != NULL ? source_load_computed(reader, &first, &end, error)
              : reader->may_map         ? source_load_for_pass(reader, first, end - first, error)
                                        : source_load_part(reader, first, end - first, error);
  reader->window_begin = first;
  reader->window_end = good ? end : first;
  return good ? reader->window + (begin - first) : NULL;
}

void reader_close(Reader *reader) {
  if (reader->computing != NULL) reader->source->computed->close(reader->computing);
  if (reader->in_use)
    open_file_end(session_open_files(reader->source->session), reader->source->file);
  mapping_unmap_part(&reader->part);
  memory_free(reader->buffer);
  small_read_end(reader->small);
  *reader = (Reader){0};
}

void reader_map_windows(Reader *reader, uint64_t size) {
  reader->part_size = size;
  reader->maps_windows = reader->in_use && reader->source->mode == IO_MAP;
}

bool reader_check(const Reader *reader, Error *error) {
  return reader->part.data == NULL ||
         open_file_check(reader->source->file, reader->source->path, error);
}

void reader_release(Reader *reader) {
  if (!reader->in_use && reader->computing == NULL) return;
  mapping_unmap_part(&reader->part);
  memory_free(reader->buffer);
  reader->buffer = NULL;
  reader->buffer_size = reader->window_begin = reader->window_end = 0;
}

void reader_forget(Reader *reader) {
  if (reader->in_use) reader->window_end = 0;
}
