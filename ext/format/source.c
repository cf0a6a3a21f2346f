#include "format/source.h"

#include "base/memory.h"

/* What lies this little before or behind the last window counts as going on. */
enum { NEAR = 64 << 10 };

static const unsigned char nothing[1] = {0};

bool source_is_addressable(const Source *source) {
  return source->memory != NULL || source->nbytes == 0 || source->mode == IO_MAP;
}

const unsigned char *source_address(const Source *source, Error *error) {
  if (source->memory != NULL) return source->memory;
  if (source->nbytes == 0) return nothing;
  if (!store_map(source->file, source->path, error)) return NULL;
  return source->file->data + source->offset;
}

bool reader_open(Reader *reader, const Source *source, Error *error) {
  *reader = (Reader){.ahead = READER_WINDOW, .source = source, .descriptor = -1};
  if (source->memory != NULL || source->nbytes == 0) {
    reader->window = source->memory != NULL ? source->memory : nothing;
    reader->window_end = source->nbytes;
    return true;
  }
  if (source->mode == IO_MAP) {
    if (!store_map(source->file, source->path, error)) return false;
    reader->base = source->file->data;
    return true;
  }
  reader->descriptor = store_open_descriptor(source->file, source->path, error);
  return reader->descriptor >= 0;
}

/* So that going through a tensor holds a window of it, not all that was gone through. */
static void release_mapped(const Reader *reader) {
  if (!reader->to_release || reader->window_end <= reader->window_begin) return;
  platform_release(reader->window, reader->window_end - reader->window_begin);
}

static bool load_mapped(Reader *reader, uint64_t begin, uint64_t size, Error *error) {
  const Source *source = reader->source;
  const unsigned char *window = reader->base + source->offset + begin;
  if (!store_check_mapped(source->file, source->path, error) ||
      !platform_populate(window, size, source->path, error)) {
    return false;
  }
  reader->window = window;
  return true;
}

static bool load_read(Reader *reader, uint64_t begin, uint64_t size, Error *error) {
  const Source *source = reader->source;
  if (reader->buffer == NULL) reader->buffer = memory_alloc(READER_WINDOW);
  if (reader->buffer == NULL) return error_memory(error);
  reader->window = reader->buffer;
  return platform_read(reader->descriptor, source->path, reader->buffer, size,
                       source->offset + begin, error) &&
         store_check_descriptor(source->file, reader->descriptor, source->path, error);
}

/* Whether a mapped file can be read too. One that is deleted, or has been replaced, cannot. */
static bool can_read(Reader *reader) {
  if (reader->descriptor < 0 && !reader->only_mapped) {
    Error error = {0};
    reader->descriptor = store_open_descriptor(reader->source->file, reader->source->path, &error);
    reader->only_mapped = reader->descriptor < 0;
    error_clear(&error);
  }
  return reader->descriptor >= 0;
}

/* A pass over a mapped file: see source.h. */
static bool load_for_pass(Reader *reader, uint64_t begin, uint64_t size, Error *error) {
  const Source *source = reader->source;
  Pages *pages = source->file->pages;
  uint64_t first = source->offset + begin, end = first + size;
  const unsigned char *window = reader->base + first;
  PagesState state = pages_state(pages, first, end);
  bool resident = state != PAGES_UNKNOWN && platform_is_resident(window, size);
  if (resident && state == PAGES_MAPPED) {
    reader->window = window;
    return store_check_mapped(source->file, source->path, error);
  }
  if (!resident && can_read(reader)) {
    if (!load_read(reader, begin, size, error)) return false;
    pages_note(pages, first, end, PAGES_READ);
  } else {
    if (!load_mapped(reader, begin, size, error)) return false;
    reader->to_release = !resident;
    if (resident) pages_note(pages, first, end, PAGES_MAPPED);
  }
  return true;
}

static bool load(Reader *reader, uint64_t begin, uint64_t size, Error *error) {
  release_mapped(reader);
  reader->to_release = reader->base != NULL && !reader->for_pass;
  if (reader->base == NULL) return load_read(reader, begin, size, error);
  return reader->for_pass ? load_for_pass(reader, begin, size, error)
                          : load_mapped(reader, begin, size, error);
}

const unsigned char *reader_load(Reader *reader, uint64_t begin, uint64_t size, Error *error) {
  uint64_t first = begin, end = begin + size, nbytes = reader->source->nbytes;
  bool used = reader->window_end > 0;
  if (used && begin >= reader->window_begin && begin <= reader->window_end + NEAR) { /* forward */
    if (size < reader->ahead) end = nbytes - begin < reader->ahead ? nbytes : begin + reader->ahead;
  } else if (used && begin < reader->window_begin && end + NEAR >= reader->window_begin) {
    if (size < reader->ahead) first = end < reader->ahead ? 0 : end - reader->ahead;
  }
  bool good = load(reader, first, end - first, error);
  reader->window_begin = first;
  reader->window_end = good ? end : first;
  return good ? reader->window + (begin - first) : NULL;
}

void reader_close(Reader *reader) {
  release_mapped(reader);
  if (reader->descriptor >= 0) platform_close(reader->descriptor);
  memory_free(reader->buffer);
  *reader = (Reader){.descriptor = -1};
}

void reader_forget(Reader *reader) {
  if (reader->source == NULL || reader->source->memory != NULL) return;
  release_mapped(reader);
  reader->to_release = false;
  reader->window_end = 0;
}
