#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"
#include "base/sort.h"
#include "base/utf8.h"
#include "format/index.h"
#include "format/name_set.h"
#include "json/json_string.h"

enum {
  INDEX_READER_WINDOW = 512 << 10, /* the default size of the window in bytes */
  INDEX_READER_AHEAD = 16,         /* the distance at which slots are fetched */
  INDEX_READER_RESERVE = 32        /* most members of an index fit into this fraction of a window */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): fields that belong together are
** adjacent */
typedef struct IndexReader {
  XXH3_state_t hash; /* of the bytes up to `hashed`; first, because it has the largest alignment */
  JsonWalk walk;     /* over the window, which begins at walk.base in the file */
  uint64_t capacity;
  const IndexInput *input;
  uint64_t window; /* the default size of the window */
  Index *index;
  NameSet shards; /* their numbers, in the order of their first occurrence */
  uint32_t last;  /* the last shard that was named, and its name */
  const char *last_name;
  uint32_t last_length;
  bool last_is_plain; /* the name was written without escapes */
  bool has_weight_map;
  Span key;  /* the last key of the index itself, not decoded */
  bool more; /* the last attempt to take a member found one */
  uint64_t entry_capacity;
  uint64_t hashed;
  bool met; /* two different names have the same hash */
  Cancel *cancel;
  Error *error;
} IndexReader;

/* The sink of the walk, which converts the first fault into the error. */
static bool index_reader_raise(void *context, const JsonFault *fault) {
  IndexReader *reader = context;
  if (fault->kind == JSON_FAULT_SYNTAX) {
    return index_raise_fault(reader->input->path, fault, reader->error);
  }
  /* The walk keeps no keys here, so this is a NUL in a key. */
  return error_raise(reader->error, ERROR_INVALID, reader->input->path,
                     "expected %s in weight_map, found %s", fault->expected, fault->found);
}

/* ---- The window ---- */

/* Returns the walk's offset in the file. */
static uint64_t index_reader_place(const IndexReader *reader) {
  return reader->walk.base + reader->walk.cursor.at;
}

/* Returns whether the window extends to the end of the file. */
static bool index_reader_has_end(const IndexReader *reader) {
  return reader->walk.base + reader->walk.cursor.length == reader->input->size;
}

static bool index_reader_check_utf8(IndexReader *reader) {
  enum { INDEX_READER_MAX_CHARACTER = 4 };
  JsonCursor *cursor = &reader->walk.cursor;
  bool whole = index_reader_has_end(reader);
  uint64_t valid = utf8_valid_length(cursor->text, cursor->length);
  if (valid == cursor->length) return true;
  if (whole || cursor->length - valid >= INDEX_READER_MAX_CHARACTER) {
    return error_raise(reader->error, ERROR_INVALID, reader->input->path,
                       "expected an index in UTF-8, found byte 0x%02x at offset %llu",
                       (unsigned char)cursor->text[valid],
                       (unsigned long long)reader->walk.base + valid);
  }
  cursor->length = (uint32_t)valid; /* the window ends inside a character */
  return true;
}

/* Moves the window to `start`. It gets `capacity` bytes, or fewer at the end of the file. */
static bool index_reader_move_window(IndexReader *reader, uint64_t start, uint64_t capacity) {
  JsonCursor *cursor = &reader->walk.cursor;
  uint64_t left = reader->input->size - start, length = left < capacity ? left : capacity;
  if (!cancel_go_on(reader->cancel, reader->input->path, reader->error)) return false;
  if (length > reader->capacity || cursor->text == NULL) {
    char *text = memory_resize(cursor->text, length, 1);
    if (text == NULL) return error_memory(reader->error);
    cursor->text = text;
    reader->capacity = length;
  }
  if (!index_input_read(reader->input, cursor->text, start, length, reader->error)) return false;
  reader->walk.base = start;
  cursor->at = 0;
  cursor->length = (uint32_t)length;
  if (start + length > reader->hashed) {
    uint64_t known = reader->hashed - start;
    XXH3_64bits_update(&reader->hash, cursor->text + known, (size_t)(length - known));
    reader->hashed = start + length;
  }
  return index_reader_check_utf8(reader);
}

/* Skips white space, moving the window as necessary. */
static bool index_reader_at_more(IndexReader *reader) {
  JsonCursor *cursor = &reader->walk.cursor;
  json_cursor_skip_space(cursor);
  while (cursor->at >= cursor->length && !index_reader_has_end(reader)) {
    if (!index_reader_move_window(reader, index_reader_place(reader), reader->window)) return false;
    json_cursor_skip_space(cursor);
  }
  return true;
}

/* Calls `take` with a window that is large enough. A failure before the end of the file may be due
** to the end of the window, so `take` is called again with a larger one. The window is read again,
** because `take` may have decoded strings in it. */
static bool index_reader_take_whole(IndexReader *reader, bool (*take)(IndexReader *)) {
  JsonWalk *walk = &reader->walk;
  if (!index_reader_at_more(reader)) return false;
  if (walk->cursor.length - walk->cursor.at < reader->window / INDEX_READER_RESERVE &&
      !index_reader_has_end(reader)) {
    if (!index_reader_move_window(reader, index_reader_place(reader), reader->window)) return false;
  }
  uint64_t start = index_reader_place(reader), capacity = reader->window;
  uint32_t depth = walk->depth;
  JsonFrame frame = walk->frames[depth - 1];
  while (!take(reader)) {
    if (reader->error->code != ERROR_INVALID || index_reader_has_end(reader)) return false;
    error_clear(reader->error);
    walk->stopped = walk->in_string = false;
    walk->depth = depth;
    walk->frames[depth - 1] = frame;
    capacity *= 8;
    if (!index_reader_move_window(reader, start, capacity)) return false;
  }
  return true;
}

/* ---- Entries ---- */

static bool index_reader_raise_shard(const IndexReader *reader, Span tensor, const char *name,
                                     uint64_t length, const char *problem) {
  return error_raise(reader->error, ERROR_INVALID, reader->input->path,
                     "tensor \"%.*s\": expected a shard's name within the index's directory, found "
                     "\"%.*s\": %s",
                     ERROR_NAME(reader->walk.cursor.text + tensor.offset, tensor.length),
                     ERROR_NAME(name, length), problem);
}

/* Finds the number of the shard, or adds the shard if the name is new. */
static bool index_reader_find_shard(IndexReader *reader, Span tensor, Span name) {
  PathList *shards = &reader->index->shards;
  char *text = reader->walk.cursor.text + name.offset;
  const char *problem = index_shard_problem(text, name.length);
  if (problem != NULL) return index_reader_raise_shard(reader, tensor, text, name.length, problem);
  name.length = (uint32_t)index_shard_simplify(text, name.length);
  const NameSetSlot *slot = name_set_add(&reader->shards, text, name.length, shards->count);
  if (slot == NULL) return error_memory(reader->error);
  uint32_t number = slot->file - 1;
  if (number == shards->count) {
    text[name.length] = '\0'; /* the closing quote, or a part of the name before it was
                                 simplified */
    if (!path_list_add(shards, NULL, text)) return error_memory(reader->error);
  }
  reader->last = number;
  reader->last_name = shards->paths[number];
  reader->last_length = name.length;
  return true;
}

/* Takes the next value if it is the last shard that was named, which is the most common case.
** Returns whether it is. */
static bool index_reader_take_last_shard(const IndexReader *reader, JsonCursor *cursor) {
  json_cursor_skip_space(cursor);
  const char *text = cursor->text + cursor->at;
  if (!reader->last_is_plain || cursor->length - cursor->at < reader->last_length + 2) return false;
  if (text[0] != '"' || text[reader->last_length + 1] != '"') return false;
  if (memcmp(text + 1, reader->last_name, reader->last_length) != 0) return false;
  cursor->at += reader->last_length + 2;
  return true;
}

/* Takes the value of a tensor's key, and sets reader->last to the number of the shard. */
static bool index_reader_take_shard(IndexReader *reader, Span tensor) {
  JsonCursor *cursor = &reader->walk.cursor;
  Span name;
  if (index_reader_take_last_shard(reader, cursor)) return true;
  if (!json_cursor_at(cursor, '"')) {
    const char *found = json_cursor_kind(cursor);
    return error_raise(reader->error, ERROR_INVALID, reader->input->path,
                       "tensor \"%.*s\": expected a shard's file name in weight_map, found %s",
                       ERROR_NAME(cursor->text + tensor.offset, tensor.length),
                       found != NULL ? found : "the index's end");
  }
  uint32_t start = cursor->at;
  if (!json_walk_string(&reader->walk, &name)) return false;
  bool plain = cursor->at - start == name.length + 2;
  if (!index_reader_find_shard(reader, tensor, name)) return false;
  reader->last_is_plain = plain;
  return true;
}

/* A large array is not moved again and again while it grows if it is large from the start. What is not
** used of it takes no memory, and a failure is ignored. */
static void index_reader_expect(IndexReader *reader) {
  enum { INDEX_READER_LARGE = 1 << 20, INDEX_READER_ENTRY = 110 /* the length of a usual entry */ };
  Index *index = reader->index;
  uint64_t count = reader->input->size / INDEX_READER_ENTRY;
  if (reader->input->size < INDEX_READER_LARGE) return;
  index->entries = memory_resize(NULL, count, sizeof(IndexEntry));
  if (index->entries != NULL) reader->entry_capacity = count;
}

/* Adds an entry with that key, whose shard is the last one that was named. */
static bool index_reader_add_entry(IndexReader *reader, Span key) {
  Index *index = reader->index;
  if (!memory_reserve((void **)&index->entries, &reader->entry_capacity, index->entry_count,
                      sizeof(IndexEntry))) {
    return error_memory(reader->error);
  }
  const char *name = reader->walk.cursor.text + key.offset;
  index->entries[index->entry_count++] =
      (IndexEntry){.hash = index_hash(index, name, key.length),
                   .shard = reader->last,
                   .at = (uint32_t)(reader->walk.base + key.offset - 1)};
  return true;
}

/* Takes the next member of weight_map, if there is one. */
static bool index_reader_take_entry(IndexReader *reader) {
  Span key;
  if (!json_walk_next_key(&reader->walk, &key, &reader->more)) return false;
  if (!reader->more) return true;
  return !reader->walk.stopped && index_reader_take_shard(reader, key) &&
         index_reader_add_entry(reader, key);
}

/* Takes the next member of weight_map if it is in the window as a whole, has no escapes, follows
** another one, and names the same shard. That is the most common case. Otherwise it takes nothing,
** and reports nothing. */
static bool index_reader_take_usual(IndexReader *reader) {
  JsonWalk *walk = &reader->walk;
  JsonCursor ahead = walk->cursor;
  Span key;
  if (!reader->last_is_plain || !json_cursor_take(&ahead, ',') ||
      !json_cursor_take_plain_string(&ahead, &key) || !json_cursor_take(&ahead, ':') ||
      !index_reader_take_last_shard(reader, &ahead) || json_cursor_peek(&ahead) != ',') {
    return false;
  }
  if (!json_walk_go_on(walk, walk->steps + 1) || !index_reader_add_entry(reader, key)) return false;
  walk->steps++;
  walk->cursor.at = ahead.at;
  return true;
}

static bool index_reader_take_weight_map(IndexReader *reader) {
  JsonWalk *walk = &reader->walk;
  if (reader->has_weight_map) {
    return error_raise(reader->error, ERROR_INVALID, reader->input->path,
                       "duplicate key \"weight_map\" in the index");
  }
  reader->has_weight_map = true;
  if (!index_reader_at_more(reader)) return false;
  if (!json_cursor_at(&walk->cursor, '{')) {
    const char *found = json_cursor_kind(&walk->cursor);
    return error_raise(reader->error, ERROR_INVALID, reader->input->path,
                       "expected an object as weight_map in the index, found %s",
                       found != NULL ? found : "the index's end");
  }
  walk->rules = JSON_RULES_STRICT;
  if (!json_walk_enter(walk, true)) return false;
  do {
    while (index_reader_take_usual(reader)) continue;
    if (!index_reader_take_whole(reader, index_reader_take_entry)) return false;
  } while (reader->more);
  walk->rules = JSON_RULES_PYTHON;
  return true;
}

/* Returns whether the key, which may have escapes, is "weight_map". */
static bool index_reader_is_weight_map(const IndexReader *reader) {
  static const char name[] = "weight_map";
  enum {
    INDEX_READER_LENGTH = sizeof name - 1,
    INDEX_READER_MAX_RAW = 6 * INDEX_READER_LENGTH /* every character written as \uXXXX */
  };
  char copy[INDEX_READER_MAX_RAW + 2];
  Span raw = reader->key;
  if (raw.length > INDEX_READER_MAX_RAW) return false;
  memcpy(copy, reader->walk.cursor.text + raw.offset - 1, raw.length + 2);
  Span key;
  uint32_t at = 0;
  return json_string_decode(copy, raw.length + 2, &at, &key) == NULL &&
         key.length == INDEX_READER_LENGTH &&
         memcmp(copy + key.offset, name, INDEX_READER_LENGTH) == 0;
}

/* Takes the next key of the index itself, if there is one. */
static bool index_reader_take_key(IndexReader *reader) {
  return json_walk_next_key(&reader->walk, &reader->key, &reader->more);
}

static bool index_reader_skip_value(IndexReader *reader) {
  JsonWalk *walk = &reader->walk;
  if (!json_walk_value(walk)) return false;
  /* A number may continue behind the window. */
  return walk->cursor.at < walk->cursor.length || index_reader_has_end(reader) ||
         json_walk_not_json(walk, "what follows a value");
}

/* Takes the members of the index. Values other than weight_map only have to be acceptable to
** Python's json module. */
static bool index_reader_take_members(IndexReader *reader) {
  JsonWalk *walk = &reader->walk;
  walk->rules = JSON_RULES_PYTHON;
  if (!json_walk_enter(walk, true)) return false;
  for (;;) {
    if (!index_reader_take_whole(reader, index_reader_take_key)) return false;
    if (!reader->more) break;
    bool taken = index_reader_is_weight_map(reader)
                     ? index_reader_take_weight_map(reader)
                     : index_reader_take_whole(reader, index_reader_skip_value);
    if (!taken) return false;
  }
  if (!index_reader_at_more(reader)) return false;
  if (walk->cursor.at < walk->cursor.length) {
    return json_walk_not_json(walk, "the end of the JSON");
  }
  if (!reader->has_weight_map) {
    return error_raise(reader->error, ERROR_INVALID, reader->input->path,
                       "expected an object as weight_map in the index, found none");
  }
  return reader->index->entry_count > 0 ||
         error_raise(reader->error, ERROR_INVALID, reader->input->path,
                     "expected tensors in the index's weight_map, found none");
}

/* Raises that the file does not begin as an index does. The message quotes no byte, because the
** file may be of any kind. */
static bool index_reader_refuse_index(const IndexReader *reader) {
  const JsonCursor *cursor = &reader->walk.cursor;
  bool spaces = cursor->length == 0 && reader->input->size > 0;
  const char *problem = spaces ? index_start_problem(" ", 1, NULL)
                               : index_start_problem(cursor->text, cursor->length, NULL);
  error_clear(reader->error);
  return error_raise(reader->error, ERROR_INVALID, reader->input->path,
                     "expected a JSON object as index, found %s", problem);
}

static bool index_reader_take_index(IndexReader *reader) {
  bool in_utf8 =
      index_reader_move_window(reader, 0, reader->window) && index_reader_at_more(reader);
  if (!in_utf8 && reader->error->code != ERROR_INVALID) return false;
  if (json_cursor_peek(&reader->walk.cursor) != '{') return index_reader_refuse_index(reader);
  return in_utf8 && index_reader_take_members(reader);
}

/* ---- After reading ---- */

typedef struct IndexReaderNamedShard {
  char *name;
  uint32_t number;
} IndexReaderNamedShard;

static int index_reader_by_name(const void *a, const void *b) {
  return natural_compare(((const IndexReaderNamedShard *)a)->name,
                         ((const IndexReaderNamedShard *)b)->name);
}

/* Changes the shards' numbers in the entries to those in sorted order. */
static bool index_reader_renumber(IndexReader *reader, const IndexReaderNamedShard *sorted) {
  Index *index = reader->index;
  uint32_t *numbers = memory_alloc((uint64_t)index->shards.count * sizeof *numbers);
  if (numbers == NULL) return error_memory(reader->error);
  bool good = true;
  for (uint32_t i = 0; i < index->shards.count; i++) {
    numbers[sorted[i].number] = i;
    index->shards.paths[i] = sorted[i].name;
  }
  for (uint32_t i = 0; good && i < index->entry_count; i++) {
    good = cancel_go_on_row(reader->cancel, i, reader->input->path, reader->error);
    index->entries[i].shard = numbers[index->entries[i].shard];
  }
  memory_free(numbers);
  return good;
}

static bool index_reader_sort_shards(IndexReader *reader) {
  PathList *shards = &reader->index->shards;
  IndexReaderNamedShard *sorted = memory_alloc((uint64_t)shards->count * sizeof *sorted);
  if (sorted == NULL) return error_memory(reader->error);
  for (uint32_t i = 0; i < shards->count; i++)
    sorted[i] = (IndexReaderNamedShard){shards->paths[i], i};
  bool good = sort_rows(sorted, shards->count, sizeof *sorted, index_reader_by_name, reader->cancel,
                        reader->input->path, reader->error) &&
              index_reader_renumber(reader, sorted);
  memory_free(sorted);
  return good;
}

/* Handles two entries with the same hash: either a name occurs twice, which is an error, or the
** index must be read again with another seed. */
static bool index_reader_raise_met(IndexReader *reader, uint32_t first, uint32_t second) {
  const IndexEntry *entries = reader->index->entries;
  char *name = index_input_name(reader->input, entries[first].at, reader->error);
  char *other = index_input_name(reader->input, entries[second].at, reader->error);
  if (name != NULL && other != NULL && strcmp(name, other) == 0) {
    error_fill(reader->error, ERROR_INVALID, reader->input->path,
               "duplicate key \"%.*s\" in weight_map", ERROR_NAME(name, strlen(name)));
  } else if (name != NULL && other != NULL) {
    reader->met = true;
  }
  memory_free(name);
  memory_free(other);
  return false;
}

static bool index_reader_build_table(IndexReader *reader) {
  Index *index = reader->index;
  uint64_t capacity = 8;
  while (capacity < (uint64_t)index->entry_count + index->entry_count / 2) capacity *= 2;
  index->slots = memory_zeroed(capacity, sizeof *index->slots);
  index->mask = capacity - 1;
  while ((uint64_t)index->entry_count >> index->entry_bits != 0) index->entry_bits++;
  if (index->slots == NULL) return error_memory(reader->error);
  for (uint32_t i = 0; i < index->entry_count; i++) {
    /* The processor fetches the slot of a later entry meanwhile: it is in none of its caches. */
    uint32_t ahead = i + INDEX_READER_AHEAD;
    if (ahead < index->entry_count)
      __builtin_prefetch(&index->slots[index->entries[ahead].hash & index->mask]);
    if (!cancel_go_on_row(reader->cancel, i, reader->input->path, reader->error)) return false;
    uint32_t *slot = index_slot(index, index->entries[i].hash);
    if (*slot != 0) return index_reader_raise_met(reader, index_slot_entry(index, *slot), i);
    *slot = index_slot_value(index, i);
  }
  return true;
}

/* Releases memory that is no longer needed. A failure to do so is ignored. */
static void index_reader_fit(Index *index) {
  IndexEntry *entries = memory_resize(index->entries, index->entry_count, sizeof(IndexEntry));
  if (entries != NULL) index->entries = entries;
}

/* Reads the index once. If it returns NULL with reader->met set, the index must be read again. */
static Index *index_reader_read_once(IndexReader *reader, uint64_t *hash) {
  Index *index = memory_zeroed(1, sizeof *index);
  if (index == NULL) {
    error_memory(reader->error);
    return NULL;
  }
  index->seed = memory_random_seed();
  reader->index = index;
  reader->entry_capacity = 0;
  index_reader_expect(reader);
  XXH3_64bits_reset(&reader->hash);
  bool good = index_reader_take_index(reader);
  memory_free(reader->walk.cursor.text);
  json_walk_clear(&reader->walk);
  name_set_clear(&reader->shards);
  good = good && index_reader_sort_shards(reader) && index_reader_build_table(reader);
  if (!good) {
    index_free(index);
    return NULL;
  }
  index_reader_fit(index);
  if (hash != NULL) *hash = XXH3_64bits_digest(&reader->hash);
  return index;
}

Index *index_read(const IndexInput *input, uint64_t *hash, Cancel *cancel, Error *error) {
  for (;;) {
    IndexReader reader = {.walk = {.sink = index_reader_raise,
                                   .context = &reader,
                                   .cancel = cancel,
                                   .subject = input->path,
                                   .error = error},
                          .input = input,
                          .window = input->window > 0 ? input->window : INDEX_READER_WINDOW,
                          .cancel = cancel,
                          .error = error};
    Index *index = index_reader_read_once(&reader, hash);
    if (index != NULL || !reader.met) return index;
  }
}
