#include "format/metadata_json.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "format/header.h"
#include "json/json_string.h"
#include "json/json_walk.h"

typedef struct MetadataJsonReading {
  JsonWalk walk;
  MetadataEntry *entries;
  uint32_t count;
  uint64_t capacity;
  uint64_t fault_at;
  Error *error;
} MetadataJsonReading;

/* The sink of the walk, which ends at the first fault. */
static bool metadata_json_note(void *context, const JsonFault *fault) {
  MetadataJsonReading *reading = context;
  reading->fault_at = fault->at;
  return false;
}

static bool metadata_json_take_value(JsonWalk *walk, Span *value) {
  return json_cursor_peek(&walk->cursor) == '"' ? json_walk_string(walk, value)
                                                : json_walk_not_json(walk, "a string");
}

/* Returns false without an error if the text is not an object of strings. */
static bool metadata_json_take_object(MetadataJsonReading *reading) {
  JsonWalk *walk = &reading->walk;
  if (json_cursor_peek(&walk->cursor) != '{') return json_walk_not_json(walk, "'{'");
  if (!json_walk_enter(walk, false)) return false;
  for (;;) {
    MetadataEntry entry;
    bool more;
    if (!json_walk_next_key(walk, &entry.key, &more)) return false;
    if (!more) break;
    if (!metadata_json_take_value(walk, &entry.value)) return false;
    if (!memory_reserve((void **)&reading->entries, &reading->capacity, reading->count,
                        sizeof entry)) {
      return error_memory(reading->error);
    }
    reading->entries[reading->count++] = entry;
  }
  json_cursor_skip_space(&walk->cursor);
  return walk->cursor.at == walk->cursor.length || json_walk_not_json(walk, "the end");
}

static bool metadata_json_append_entries(MetadataJsonReading *reading, sqlite3_str *out) {
  const char *text = reading->walk.cursor.text;
  sqlite3_str_appendchar(out, 1, '{');
  for (uint32_t i = 0; i < reading->count; i++) {
    const MetadataEntry *entry = &reading->entries[i];
    if (!json_walk_go_on(&reading->walk, i)) return false;
    if (i > 0) sqlite3_str_appendchar(out, 1, ',');
    json_string_append(out, text + entry->key.offset, entry->key.length);
    sqlite3_str_appendchar(out, 1, ':');
    json_string_append(out, text + entry->value.offset, entry->value.length);
  }
  sqlite3_str_appendchar(out, 1, '}');
  return sqlite3_str_errcode(out) == SQLITE_OK || error_memory(reading->error);
}

bool metadata_json_append(sqlite3_str *out, const char *json, uint64_t length, bool *taken,
                          uint64_t *at, Cancel *cancel, Error *error) {
  *taken = false;
  *at = utf8_valid_length(json, length);
  if (*at != length || length > UINT32_MAX) return true;
  char *text = memory_copy_text(json, length); /* strings are decoded in place */
  if (text == NULL) return error_memory(error);
  MetadataJsonReading reading = {.walk = {.cursor = {.text = text, .length = (uint32_t)length},
                                          .sink = metadata_json_note,
                                          .context = &reading,
                                          .cancel = cancel,
                                          .subject = "metadata",
                                          .error = error},
                                 .error = error};
  *taken = metadata_json_take_object(&reading) && !reading.walk.stopped;
  *at = reading.fault_at;
  bool good = error->code == ERROR_NONE && (!*taken || metadata_json_append_entries(&reading, out));
  json_walk_clear(&reading.walk);
  memory_free(reading.entries);
  memory_free(text);
  return good;
}
