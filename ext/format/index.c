#include "format/index.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "format/json_load.h"

/* ---- Names of shards ---- */

static bool is_dots(const char *name, uint64_t length) {
  return (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.');
}

const char *index_shard_problem(const char *name, uint64_t length) {
  if (length == 0) return "an empty name";
  if (name[0] == '/') return "an absolute path";
  uint64_t start = 0;
  for (uint64_t i = 0; i <= length; i++) {
    if (i < length && ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)) {
      return "a control character";
    }
    if (i + 1 < length && (unsigned char)name[i] == 0xc2 && (unsigned char)name[i + 1] < 0xa0) {
      return "a control character"; /* U+0080 to U+009F */
    }
    if (i < length && name[i] == '\\') return "a backslash";
    if (i < length && name[i] == ':') return "a colon, as in a URL or after a drive letter";
    if (i == length || name[i] == '/') {
      if (i == start) return "an empty folder name";
      if (is_dots(name + start, i - start)) return "'.' or '..' as a folder or file name";
      start = i + 1;
    }
  }
  return NULL;
}

/* ---- Parsing ---- */

static bool bad_index(const char *path, const char *what, const json_t *found, Error *error) {
  return error_raise(error, ERROR_INVALID, path, "expected %s in the index, found %s", what,
                     json_type_in_words(found));
}

static bool read_total_size(const JsonDocument *document, const json_t *number,
                            int64_t *total_size) {
  if (json_is_integer(number)) {
    *total_size = json_integer_value(number);
    return *total_size >= 0;
  }
  double value = json_real_value(number); /* 0 for what is none */
  if (!document->integers_are_reals || value < 0 || value >= 0x1p53 || value != floor(value)) {
    return false;
  }
  *total_size = (int64_t)value;
  return json_is_real(number);
}

/* Checks "metadata", which is optional, and its "total_size", which is too. */
static bool read_metadata(Index *index, const JsonDocument *document, const char *path,
                          Error *error) {
  json_t *metadata = json_object_get(document->root, "metadata");
  if (metadata == NULL) return true;
  if (!json_is_object(metadata)) return bad_index(path, "an object as metadata", metadata, error);
  json_t *total_size = json_object_get(metadata, "total_size");
  if (total_size == NULL) return true;
  index->has_total_size = read_total_size(document, total_size, &index->total_size);
  return index->has_total_size ||
         bad_index(path, "a non-negative integer of 64 bits as total_size", total_size, error);
}

static bool check_shard(const char *tensor, const json_t *shard, const char *path, Error *error) {
  if (!json_is_string(shard)) {
    return error_raise(error, ERROR_INVALID, path,
                       "tensor \"%.*s\": expected a shard's file name in weight_map, found %s",
                       ERROR_NAME(tensor, strlen(tensor)), json_type_in_words(shard));
  }
  const char *name = json_string_value(shard);
  const char *problem = index_shard_problem(name, json_string_length(shard));
  if (problem == NULL) return true;
  return error_raise(error, ERROR_INVALID, path,
                     "tensor \"%.*s\": expected a shard's name within the index's folder, found "
                     "\"%.*s\": %s",
                     ERROR_NAME(tensor, strlen(tensor)),
                     ERROR_NAME(name, json_string_length(shard)), problem);
}

static int compare_text(const void *a, const void *b) {
  return natural_compare(*(const char *const *)a, *(const char *const *)b);
}

/* The number of a shard's name in the sorted list. */
static uint32_t find_shard(const PathList *shards, const char *name) {
  uint32_t low = 0, high = shards->count;
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;
    if (compare_text(&name, &shards->paths[middle]) < 0) {
      high = middle;
    } else {
      low = middle;
    }
  }
  return low;
}

/* Collects the shards' names: checks all, adds those unlike their predecessor, sorts, and keeps one
** of each. */
static bool collect_shards(Index *index, json_t *weight_map, const char *path, Error *error) {
  const char *tensor, *last = NULL;
  json_t *shard;
  json_object_foreach (weight_map, tensor, shard) {
    if (!check_shard(tensor, shard, path, error)) return false;
    const char *name = json_string_value(shard);
    if (last != NULL && strcmp(last, name) == 0) continue;
    if (!path_list_add(&index->shards, NULL, name)) return error_memory(error);
    last = name;
  }
  path_list_sort(&index->shards);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < index->shards.count; i++) {
    if (kept > 0 && strcmp(index->shards.paths[kept - 1], index->shards.paths[i]) == 0) {
      memory_free(index->shards.paths[i]);
    } else {
      index->shards.paths[kept++] = index->shards.paths[i];
    }
  }
  index->shards.count = kept;
  return true;
}

static bool collect_entries(Index *index, json_t *weight_map, Error *error) {
  const char *tensor;
  json_t *shard;
  uint64_t size = 0;
  json_object_foreach (weight_map, tensor, shard) size += strlen(tensor);
  index->text = memory_alloc(size);
  index->entries = memory_zeroed(json_object_size(weight_map), sizeof(IndexEntry));
  if (index->text == NULL || index->entries == NULL) return error_memory(error);
  uint32_t offset = 0, number = 0;
  json_object_foreach (weight_map, tensor, shard) {
    const char *name = json_string_value(shard);
    uint32_t length = (uint32_t)strlen(tensor); /* the file's size bounds it */
    if (strcmp(index->shards.paths[number], name) != 0) number = find_shard(&index->shards, name);
    memcpy(index->text + offset, tensor, length);
    index->entries[index->entry_count++] = (IndexEntry){.name = {offset, length}, .shard = number};
    offset += length;
  }
  uint32_t duplicate;
  /* Only memory can be wanting: jansson has refused duplicate keys. */
  return name_table_build(&index->names, index->text, index->entries, sizeof(IndexEntry),
                          index->entry_count, &duplicate) == NAME_TABLE_BUILT ||
         error_memory(error);
}

static bool read_index(Index *index, const JsonDocument *document, const char *path, Error *error) {
  json_t *weight_map = json_object_get(document->root, "weight_map");
  if (!json_is_object(weight_map)) {
    return bad_index(path, "an object as weight_map", weight_map, error);
  }
  if (json_object_size(weight_map) == 0) {
    return error_raise(error, ERROR_INVALID, path,
                       "expected tensors in the index's weight_map, found none");
  }
  return read_metadata(index, document, path, error) &&
         collect_shards(index, weight_map, path, error) &&
         collect_entries(index, weight_map, error);
}

Index *index_parse(const char *text, uint64_t length, const char *path, Error *error) {
  JsonDocument document = {0};
  Index *index = NULL;
  if (json_load_document(text, length, path, &document, error)) {
    index = memory_zeroed(1, sizeof *index);
    if (index == NULL) {
      error_memory(error);
    } else if (!read_index(index, &document, path, error)) {
      index_free(index);
      index = NULL;
    }
  }
  json_decref(document.root);
  return index;
}

void index_free(Index *index) {
  if (index == NULL) return;
  name_table_free(&index->names);
  path_list_clear(&index->shards);
  memory_free(index->verified_shards);
  memory_free(index->entries);
  memory_free(index->text);
  memory_free(index);
}

bool index_find(const Index *index, const char *name, uint64_t length, uint32_t *entry) {
  return name_table_find(&index->names, name, length, entry);
}

uint64_t index_memory(const Index *index) {
  uint64_t memory = sizeof *index + index->shards.count * sizeof(FileIdentity) +
                    (uint64_t)index->entry_count * sizeof(IndexEntry) +
                    (index->names.mask + 1) * sizeof(uint64_t);
  for (uint32_t i = 0; i < index->entry_count; i++) memory += index->entries[i].name.length;
  return memory;
}
