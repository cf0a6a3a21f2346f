#include "format/header_reader.h"

#include <string.h>

bool header_reader_is_metadata(const char *text, Span key) {
  static const char metadata[] = "__metadata__";
  return key.length == sizeof metadata - 1 && memcmp(text + key.offset, metadata, key.length) == 0;
}

bool header_reader_start(HeaderReader *reader) {
  return json_walk_enter(&reader->walk, true);
}

/* Returns the event, or HEADER_READER_FAILED if nothing was taken, or if the sink has stopped the
** walk at a fault behind which it could continue. */
static HeaderReaderEvent header_reader_event(const HeaderReader *reader, bool taken,
                                             HeaderReaderEvent event) {
  return taken && !reader->walk.stopped ? event : HEADER_READER_FAILED;
}

static HeaderReaderEvent header_reader_pair(HeaderReader *reader) {
  JsonWalk *walk = &reader->walk;
  bool more, taken;
  bool moved = json_walk_next_key(walk, &reader->name, &more);
  reader->pair = (MetadataEntry){.key = reader->name};
  if (!moved) return HEADER_READER_FAILED;
  reader->in_pairs = more;
  if (!more) return header_reader_event(reader, true, HEADER_READER_METADATA_END);
  if (json_cursor_peek(&walk->cursor) == '"') {
    taken = json_walk_string(walk, &reader->pair.value);
  } else {
    taken = json_walk_wrong_value(walk, HEADER_FAULT_METADATA_VALUE, "a string");
  }
  return header_reader_event(reader, taken, HEADER_READER_PAIR);
}

static HeaderReaderEvent header_reader_metadata(HeaderReader *reader) {
  JsonWalk *walk = &reader->walk;
  char first = json_cursor_peek(&walk->cursor);
  bool taken = true;
  reader->at = walk->cursor.at;
  reader->is_null = false;
  if (first == '{') {
    reader->in_pairs = taken = json_walk_enter(walk, true);
  } else if (first == 'n' && json_cursor_take_word(&walk->cursor, "null")) {
    reader->is_null = true;
  } else {
    taken =
        json_walk_wrong_value(walk, HEADER_FAULT_METADATA, "an object of strings as __metadata__");
  }
  return header_reader_event(reader, taken, HEADER_READER_METADATA);
}

static HeaderReaderEvent header_reader_tensor(HeaderReader *reader) {
  reader->entry.name = reader->name;
  reader->in_entry = true;
  return header_reader_event(reader, header_entry_take(reader), HEADER_READER_TENSOR);
}

HeaderReaderEvent header_reader_next(HeaderReader *reader) {
  JsonWalk *walk = &reader->walk;
  bool more;
  reader->in_entry = false;
  if (reader->in_pairs) return header_reader_pair(reader);
  if (!json_walk_next_key(walk, &reader->name, &more)) return HEADER_READER_FAILED;
  if (!more) return header_reader_event(reader, true, HEADER_READER_END);
  return header_reader_is_metadata(walk->cursor.text, reader->name) ? header_reader_metadata(reader)
                                                                    : header_reader_tensor(reader);
}

bool header_reader_recover(HeaderReader *reader) {
  return json_walk_recover(&reader->walk, reader->in_pairs ? 2 : 1);
}
