#include "format/index_metadata.h"

#include <string.h>

#include "base/memory.h"
#include "base/sqlite.h"
#include "json/json_walk.h"

typedef struct IndexMetadata {
  JsonWalk walk; /* by Python's rules, without decoding anything */
  sqlite3_str *out;
  Error *error;
} IndexMetadata;

/* The sink of the walk, which converts the first fault into the error. */
static bool index_metadata_raise(void *context, const JsonFault *fault) {
  IndexMetadata *metadata = context;
  return index_raise_fault(metadata->walk.subject, fault, metadata->error);
}

static bool index_metadata_is_key(const IndexMetadata *metadata, Span key, const char *name) {
  const char *text = metadata->walk.cursor.text + key.offset;
  return key.length == strlen(name) && memcmp(text, name, key.length) == 0;
}

/* Appends the members of the next value, which should be an object, except "total_size". */
static bool index_metadata_take_members(IndexMetadata *metadata) {
  JsonWalk *walk = &metadata->walk;
  sqlite3_str *out = metadata->out;
  sqlite3_str_reset(out); /* the last of several objects counts, as in Python's json.load() */
  if (json_cursor_peek(&walk->cursor) != '{') return json_walk_value(walk);
  if (!json_walk_enter(walk, true)) return false;
  for (;;) {
    Span key;
    bool more;
    if (!json_walk_next_key(walk, &key, &more)) return false;
    if (!more) return true;
    if (!json_walk_value(walk)) return false;
    if (index_metadata_is_key(metadata, key, "total_size")) continue;
    uint32_t start = key.offset - 1;
    if (sqlite3_str_length(out) > 0) sqlite3_str_appendall(out, ",\n    ");
    sqlite3_str_append(out, walk->cursor.text + start, (int)(walk->cursor.at - start));
  }
}

static bool index_metadata_take_index(IndexMetadata *metadata) {
  JsonWalk *walk = &metadata->walk;
  if (json_cursor_peek(&walk->cursor) != '{') return json_walk_not_json(walk, "'{'");
  if (!json_walk_enter(walk, true)) return false;
  for (;;) {
    Span key;
    bool more;
    if (!json_walk_next_key(walk, &key, &more)) return false;
    if (!more) return true;
    bool taken = index_metadata_is_key(metadata, key, "metadata")
                     ? index_metadata_take_members(metadata)
                     : json_walk_value(walk);
    if (!taken) return false;
  }
}

char *index_metadata(const IndexInput *input, Cancel *cancel, Error *error) {
  if (input->size > INDEX_MAX_LENGTH) {
    error_fill(error, ERROR_INVALID, input->path,
               "expected an index of at most %d bytes, found %llu", INDEX_MAX_LENGTH,
               (unsigned long long)input->size);
    return NULL;
  }
  char *text = memory_alloc(input->size);
  if (text == NULL) {
    error_memory(error);
    return NULL;
  }
  IndexMetadata metadata = {.walk = {.cursor = {.text = text, .length = (uint32_t)input->size},
                                     .sink = index_metadata_raise,
                                     .context = &metadata,
                                     .cancel = cancel,
                                     .subject = input->path,
                                     .error = error,
                                     .rules = JSON_RULES_PYTHON},
                            .out = sqlite3_str_new(NULL),
                            .error = error};
  bool good =
      index_input_read(input, text, 0, input->size, error) && index_metadata_take_index(&metadata);
  if (good && sqlite3_str_errcode(metadata.out) != SQLITE_OK) good = error_memory(error);
  bool is_empty = sqlite3_str_length(metadata.out) == 0;
  char *members = sqlite3_str_finish(metadata.out);
  if (good && is_empty) members = memory_copy_text("", 0);
  json_walk_clear(&metadata.walk);
  memory_free(text);
  if (good && members == NULL) good = error_memory(error);
  if (good) return members;
  memory_free(members);
  return NULL;
}
