#include "format/shards.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/index.h"
#include "format/json_string.h"

static const char file_name[] = "%.*s-%05u-of-%05u.safetensors";

static const char *file_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? slash + 1 : path;
}

static uint64_t stem_length(const char *path) {
  uint64_t length = strlen(path), suffix = strlen(INDEX_SUFFIX);
  if (length < suffix || strcmp(path + length - suffix, INDEX_SUFFIX) != 0) return 0;
  length -= suffix;
  return length > 0 && path[length - 1] != '/' ? length : 0;
}

bool shards_is_index_path(const char *path) {
  return stem_length(path) > 0;
}

/* ---- Splitting ---- */

/* Shards under way: what opens first may be completed later, and is numbered then. */
typedef struct Split {
  uint32_t completed;
  bool open;        /* whether there is a current one */
  uint32_t current; /* its first tensor */
  uint64_t nbytes;  /* of its tensors */
} Split;

#define CURRENT UINT32_MAX /* of a tensor: in the shard that is not complete yet */

static void complete_current(Split *split, Writer *writer, uint32_t end) {
  for (uint32_t i = split->current; i < end; i++) {
    if (writer->tensors[i].shard == CURRENT) writer->tensors[i].shard = split->completed;
  }
  split->completed++;
  split->open = false;
}

/* Gives each tensor its shard; returns how many there are. */
static uint32_t assign(Writer *writer, uint64_t limit) {
  Split split = {0};
  for (uint32_t i = 0; i < writer->count; i++) {
    WriterTensor *tensor = &writer->tensors[i];
    if (tensor->nbytes > limit) {
      tensor->shard = split.completed++;
      continue;
    }
    if (split.open && tensor->nbytes > limit - split.nbytes) complete_current(&split, writer, i);
    if (!split.open) split = (Split){.completed = split.completed, .current = i, .open = true};
    tensor->shard = CURRENT;
    split.nbytes += tensor->nbytes;
  }
  if (split.open || split.completed == 0) complete_current(&split, writer, writer->count);
  return split.completed;
}

static bool make_parts(Shards *shards, Writer *writer, Error *error) {
  shards->parts = memory_zeroed(shards->count, sizeof *shards->parts);
  if (shards->parts == NULL) return error_memory(error);
  if (!writer_sort(writer, error)) return false;
  for (uint32_t i = 0; i < writer->count; i++) {
    WriterPart *part = &shards->parts[writer->tensors[i].shard];
    if (part->count++ == 0) part->first = i;
    part->nbytes += writer->tensors[i].nbytes;
  }
  return true;
}

bool shards_plan_single(Shards *shards, Writer *writer, Error *error) {
  shards->count = 1;
  return make_parts(shards, writer, error);
}

bool shards_plan(Shards *shards, Writer *writer, uint64_t limit, const char *index_path,
                 Error *error) {
  const char *name = file_of(index_path);
  const char *problem = index_shard_problem(name, strlen(name));
  if (problem != NULL) {
    return error_raise(error, ERROR_ARGUMENT, index_path,
                       "expected a path by which shards can be named, found %s in it", problem);
  }
  shards->count = assign(writer, limit);
  for (uint32_t i = 0; i < shards->count; i++) {
    char *shard = sqlite3_mprintf(file_name, (int)stem_length(name), name, i + 1, shards->count);
    bool added = shard != NULL && path_list_add(&shards->names, NULL, shard);
    memory_free(shard);
    if (!added) return error_memory(error);
  }
  return make_parts(shards, writer, error);
}

/* Takes a run of at least five digits, as "%05u" writes them. */
static bool take_number(const char **at) {
  const char *start = *at;
  while (**at >= '0' && **at <= '9') ++*at;
  return *at - start >= 5;
}

static bool take_text(const char **at, const char *text, uint64_t length) {
  if (strncmp(*at, text, (size_t)length) != 0) return false;
  *at += length;
  return true;
}

bool shards_is_left_over(const Shards *shards, const char *index_path, const char *name) {
  const char *index = file_of(index_path), *at = name;
  if (!take_text(&at, index, stem_length(index)) || !take_text(&at, "-", 1) || !take_number(&at) ||
      !take_text(&at, "-of-", 4) || !take_number(&at) || strcmp(at, ".safetensors") != 0) {
    return false;
  }
  for (uint32_t i = 0; i < shards->count; i++) {
    if (strcmp(shards->names.paths[i], name) == 0) return false;
  }
  return true;
}

void shards_clear(Shards *shards) {
  memory_free(shards->parts);
  path_list_clear(&shards->names);
  *shards = (Shards){0};
}

/* ---- The index ---- */

typedef struct Named {
  const char *name;
  uint32_t length, shard;
} Named;

static int by_name(const void *left, const void *right) {
  const Named *a = left, *b = right;
  return writer_compare_names(a->name, a->length, b->name, b->length);
}

static Named *sort_names(const Writer *writer) {
  Named *rows = memory_zeroed(writer->count, sizeof *rows);
  if (rows == NULL) return NULL;
  for (uint32_t i = 0; i < writer->count; i++) {
    const WriterTensor *tensor = &writer->tensors[i];
    rows[i] = (Named){writer->text + tensor->name.offset, tensor->name.length, tensor->shard};
  }
  if (writer->count > 1) qsort(rows, writer->count, sizeof *rows, by_name);
  return rows;
}

char *shards_index(const Shards *shards, const Writer *writer, const char *subject,
                   uint64_t *length, Error *error) {
  Named *rows = sort_names(writer);
  if (rows == NULL) {
    error_memory(error);
    return NULL;
  }
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendf(out, "{\n  \"metadata\": {\n    \"total_size\": %llu\n  },\n",
                      (unsigned long long)writer->nbytes);
  sqlite3_str_appendall(out, "  \"weight_map\": {");
  for (uint32_t i = 0; i < writer->count; i++) {
    sqlite3_str_appendall(out, i > 0 ? ",\n    " : "\n    ");
    json_string_append(out, rows[i].name, rows[i].length);
    sqlite3_str_appendall(out, ": ");
    const char *shard = shards->names.paths[rows[i].shard];
    json_string_append(out, shard, strlen(shard));
  }
  sqlite3_str_appendall(out, writer->count > 0 ? "\n  }\n}\n" : "}\n}\n");
  memory_free(rows);
  bool good = sqlite3_str_errcode(out) == SQLITE_OK || error_memory(error);
  *length = (uint64_t)sqlite3_str_length(out);
  char *text = sqlite3_str_finish(out);
  if (good && *length > INDEX_MAX_LENGTH) {
    good = error_raise(error, ERROR_ARGUMENT, subject,
                       "expected an index of at most %d bytes, found %llu", INDEX_MAX_LENGTH,
                       (unsigned long long)*length);
  }
  if (good) return text;
  memory_free(text);
  return NULL;
}
