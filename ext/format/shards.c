#include "format/shards.h"

#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "base/sort.h"
#include "format/index.h"
#include "json/json_string.h"

static uint64_t shards_stem_length(const char *path) {
  uint64_t length = strlen(path), suffix = strlen(INDEX_SUFFIX);
  if (length < suffix || strcmp(path + length - suffix, INDEX_SUFFIX) != 0) return 0;
  length -= suffix;
  return length > 0 && !path_is_separator(path[length - 1]) ? length : 0;
}

bool shards_is_index_path(const char *path) {
  return shards_stem_length(path) > 0;
}

/* ---- Splitting ---- */

/* The state of the split. A shard that begins first may be completed, and numbered, later. */
typedef struct ShardsSplit {
  uint32_t completed;
  bool open;        /* there is a current shard */
  uint32_t current; /* the first tensor of the current shard */
  uint64_t nbytes;  /* the number of bytes of its tensors */
} ShardsSplit;

#define SHARDS_CURRENT UINT32_MAX /* marks a tensor of the shard that is not complete yet */

static void shards_complete_current(ShardsSplit *split, Writer *writer, uint32_t end) {
  for (uint32_t i = split->current; i < end; i++) {
    if (writer->tensors[i].shard == SHARDS_CURRENT) writer->tensors[i].shard = split->completed;
  }
  split->completed++;
  split->open = false;
}

/* Assigns each tensor to a shard. Returns the number of shards. */
static uint32_t shards_assign(Writer *writer, uint64_t limit) {
  ShardsSplit split = {0};
  for (uint32_t i = 0; i < writer->count; i++) {
    WriterTensor *tensor = &writer->tensors[i];
    if (tensor->nbytes > limit) {
      tensor->shard = split.completed++;
      continue;
    }
    if (split.open && tensor->nbytes > limit - split.nbytes)
      shards_complete_current(&split, writer, i);
    if (!split.open)
      split = (ShardsSplit){.completed = split.completed, .current = i, .open = true};
    tensor->shard = SHARDS_CURRENT;
    split.nbytes += tensor->nbytes;
  }
  if (split.open || split.completed == 0) shards_complete_current(&split, writer, writer->count);
  return split.completed;
}

static bool shards_make_parts(Shards *shards, Writer *writer, Error *error) {
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
  return shards_make_parts(shards, writer, error);
}

bool shards_plan_given(Shards *shards, Writer *writer, uint32_t count, Error *error) {
  shards->count = count;
  return shards_make_parts(shards, writer, error);
}

bool shards_plan(Shards *shards, Writer *writer, uint64_t limit, const char *index_path,
                 uint64_t generation, Error *error) {
  const char *name = path_name(index_path);
  const char *problem = index_shard_problem(name, strlen(name));
  if (problem != NULL) {
    return error_raise(error, ERROR_ARGUMENT, index_path,
                       "expected a path by which shards can be named, found %s in it", problem);
  }
  shards->count = shards_assign(writer, limit);
  for (uint32_t i = 0; i < shards->count; i++) {
    char *shard = shards_name(index_path, generation, i + 1, shards->count);
    bool added = shard != NULL && path_list_add(&shards->names, NULL, shard);
    memory_free(shard);
    if (!added) return error_memory(error);
  }
  return shards_make_parts(shards, writer, error);
}

void shards_clear(Shards *shards) {
  memory_free(shards->parts);
  path_list_clear(&shards->names);
  *shards = (Shards){0};
}

/* ---- Names ---- */

char *shards_name(const char *index_path, uint64_t generation, uint32_t number, uint32_t total) {
  const char *name = path_name(index_path);
  int stem = (int)shards_stem_length(name);
  if (generation <= SHARDS_FIRST_GENERATION) {
    return sqlite3_mprintf("%.*s-%05u-of-%05u.safetensors", stem, name, number, total);
  }
  return sqlite3_mprintf("%.*s-r%llu-%05u-of-%05u.safetensors", stem, name,
                         (unsigned long long)generation, number, total);
}

/* Takes a run of at least `min` and at most 18 digits. */
static bool shards_take_number(const char **at, unsigned min, uint64_t *number) {
  unsigned digits = 0;
  for (*number = 0; **at >= '0' && **at <= '9'; ++*at, digits++) {
    if (digits == 18) return false;
    *number = *number * 10 + (uint64_t)(**at - '0');
  }
  return digits >= min;
}

static bool shards_take_text(const char **at, const char *text, uint64_t length) {
  if (strncmp(*at, text, (size_t)length) != 0) return false;
  *at += length;
  return true;
}

/* Returns whether the rest of a name is "-00001-of-00002.safetensors". "%05u" writes at least five
** digits. */
static bool shards_is_tail(const char *at) {
  uint64_t number, total;
  return shards_take_text(&at, "-", 1) && shards_take_number(&at, 5, &number) &&
         shards_take_text(&at, "-of-", 4) && shards_take_number(&at, 5, &total) &&
         strcmp(at, ".safetensors") == 0;
}

bool shards_parse_name(const char *index_path, const char *name, uint64_t *generation) {
  const char *index = path_name(index_path), *at = name;
  *generation = SHARDS_FIRST_GENERATION;
  if (!shards_take_text(&at, index, shards_stem_length(index))) return false;
  if (shards_is_tail(at)) return true;
  return shards_take_text(&at, "-r", 2) && *at != '0' && shards_take_number(&at, 1, generation) &&
         *generation > SHARDS_FIRST_GENERATION && shards_is_tail(at);
}

uint64_t shards_next_generation(const char *index_path, const PathList *names) {
  uint64_t next = SHARDS_FIRST_GENERATION, generation;
  for (uint32_t i = 0; i < names->count; i++) {
    if (shards_parse_name(index_path, names->paths[i], &generation) && generation >= next) {
      next = generation + 1;
    }
  }
  return next;
}

bool shards_is_left_over(const char *index_path, const char *name, const PathList *named) {
  uint64_t generation;
  if (!shards_parse_name(index_path, name, &generation)) return false;
  for (uint32_t i = 0; i < named->count; i++) {
    if (strcmp(named->paths[i], name) == 0) return false;
  }
  return true;
}

bool shards_is_abandoned(const char *index_path, const char *name, const PathList *named) {
  uint64_t generation, other, greatest = 0;
  if (!shards_parse_name(index_path, name, &generation) || generation == SHARDS_FIRST_GENERATION) {
    return false;
  }
  for (uint32_t i = 0; i < named->count; i++) {
    if (strcmp(named->paths[i], name) == 0) return false;
    bool is_of_model = shards_parse_name(index_path, named->paths[i], &other);
    if (is_of_model && other > greatest) greatest = other;
  }
  return generation != greatest;
}

/* ---- The index ---- */

typedef struct ShardsNamed {
  const char *name;
  uint32_t length, shard;
} ShardsNamed;

static int shards_by_name(const void *left, const void *right) {
  const ShardsNamed *a = left, *b = right;
  return name_table_compare(a->name, a->length, b->name, b->length);
}

static ShardsNamed *shards_sort_names(const Writer *writer, const char *subject, Error *error) {
  ShardsNamed *rows = memory_zeroed(writer->count, sizeof *rows);
  if (rows == NULL) {
    error_memory(error);
    return NULL;
  }
  for (uint32_t i = 0; i < writer->count; i++) {
    const WriterTensor *tensor = &writer->tensors[i];
    rows[i] = (ShardsNamed){writer->text + tensor->name.offset, tensor->name.length, tensor->shard};
  }
  if (sort_rows(rows, writer->count, sizeof *rows, shards_by_name, writer->cancel, subject,
                error)) {
    return rows;
  }
  memory_free(rows);
  return NULL;
}

/* Appends "metadata" with the old keys in their order, followed by the size. */
static void shards_append_metadata(sqlite3_str *out, const char *kept, uint64_t nbytes) {
  bool has_more = kept != NULL && kept[0] != '\0';
  sqlite3_str_appendall(out, "{\n  \"metadata\": {\n    ");
  if (has_more) sqlite3_str_appendf(out, "%s,\n    ", kept);
  sqlite3_str_appendf(out, "\"total_size\": %llu\n  },\n", (unsigned long long)nbytes);
}

char *shards_index(const Shards *shards, const Writer *writer, const char *metadata,
                   const char *subject, uint64_t *length, Error *error) {
  ShardsNamed *rows = shards_sort_names(writer, subject, error);
  if (rows == NULL) return NULL;
  bool good = true;
  sqlite3_str *out = sqlite3_str_new(NULL);
  shards_append_metadata(out, metadata, writer->nbytes);
  sqlite3_str_appendall(out, "  \"weight_map\": {");
  for (uint32_t i = 0; good && i < writer->count; i++) {
    good = cancel_go_on_row(writer->cancel, i, subject, error);
    sqlite3_str_appendall(out, i > 0 ? ",\n    " : "\n    ");
    json_string_append(out, rows[i].name, rows[i].length);
    sqlite3_str_appendall(out, ": ");
    const char *shard = shards->names.paths[rows[i].shard];
    json_string_append(out, shard, strlen(shard));
  }
  sqlite3_str_appendall(out, writer->count > 0 ? "\n  }\n}\n" : "}\n}\n");
  memory_free(rows);
  if (good && sqlite3_str_errcode(out) != SQLITE_OK) good = error_memory(error);
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
