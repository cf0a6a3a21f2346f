#include "model/model_group.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/path_text.h"
#include "base/sort.h"
#include "base/sqlite.h"
#include "format/index.h"
#include "format/name_set.h"
#include "format/shard_gaps.h"
#include "model/path_form.h"

static void model_group_clear_row(ListedModel *model) {
  memory_free(model->name);
  memory_free(model->path);
  memory_free(model->index);
  memory_free(model->problem);
}

void listed_models_clear(ListedModels *models) {
  for (uint64_t i = 0; i < models->count; i++) model_group_clear_row(&models->rows[i]);
  for (uint64_t i = 0; i < models->index_count; i++) memory_free(models->indexes[i].path);
  memory_free(models->rows);
  memory_free(models->indexes);
  *models = (ListedModels){0};
}

/* ---- Making ---- */

typedef struct ModelGrouping {
  ListedModels *models;
  const ModelSearch *search;
  Session *session;
  Cancel *cancel;
  bool *claimed; /* for each file that was found: it belongs to a model */
  NameSet paths; /* of the files that were found, with their numbers */
  Error *error;
} ModelGrouping;

static char *model_group_copy(const char *text) {
  return memory_copy_text(text, strlen(text));
}

/* Appends a model, which it takes over. Those of its texts that must be there are NULL when memory
** ran out. */
static bool model_group_add(ModelGrouping *grouping, ListedModel model) {
  ListedModels *models = grouping->models;
  void *rows = models->rows;
  bool whole = model.name != NULL && model.path != NULL &&
               (model.form != LISTED_INDEX || model.index != NULL) &&
               (!model.is_missing || model.problem != NULL);
  if (!whole || models->count >= UINT32_MAX ||
      !memory_reserve(&rows, &models->capacity, models->count, sizeof model)) {
    model_group_clear_row(&model);
    return error_memory(grouping->error);
  }
  models->rows = rows;
  models->rows[models->count++] = model;
  return true;
}

static bool model_group_note_paths(ModelGrouping *grouping) {
  const ModelSearch *search = grouping->search;
  for (uint64_t i = 0; i < search->file_count; i++) {
    const char *path = search->files[i].path;
    if (!cancel_go_on_row(grouping->cancel, i, path, grouping->error)) return false;
    if (name_set_add(&grouping->paths, path, strlen(path), (uint32_t)i) == NULL)
      return error_memory(grouping->error);
  }
  return true;
}

/* ---- Models with an index ---- */

static bool model_group_note_index(ModelGrouping *grouping, const char *path, const File *file) {
  ListedModels *models = grouping->models;
  void *rows = models->indexes;
  if (!memory_reserve(&rows, &models->index_capacity, models->index_count, sizeof(ListedIndex)))
    return error_memory(grouping->error);
  models->indexes = rows;
  ListedIndex *state = &models->indexes[models->index_count];
  *state = (ListedIndex){.path = model_group_copy(path)};
  if (state->path == NULL) return error_memory(grouping->error);
  models->index_count++;
  if (file != NULL) {
    state->identity = file->identity;
    state->recent = file->recent;
  } else {
    state->recent = true;
  }
  return true;
}

/* Whether a file is there that was not found. Of the network only the web has such, as others have lists. */
static bool model_group_is_there(ModelGrouping *grouping, const char *path, bool *is_there) {
  FileIdentity identity;
  PathKind kind;
  Error problem = {0};
  *is_there = false;
  if (!network_has(session_network(grouping->session), path)) {
    bool known = file_system_kind(path, &kind, grouping->error);
    *is_there = kind == PATH_OTHER;
    return known;
  }
  if (!network_is_file(path)) return true;
  *is_there = open_files_identify(session_open_files(grouping->session), path, &identity, &problem);
  return error_forgive(grouping->error, &problem);
}

/* Claims a shard that an index names. Counts it if it is there. */
static bool model_group_claim_shard(ModelGrouping *grouping, const char *path, ListedModel *model,
                                    bool *is_wanted) {
  const ModelSearch *search = grouping->search;
  uint32_t none = (uint32_t)search->file_count;
  const NameSetSlot *slot = name_set_add(&grouping->paths, path, strlen(path), none);
  if (slot == NULL) return error_memory(grouping->error);
  uint32_t number = slot->file - 1;
  if (number < none) {
    grouping->claimed[number] = true;
    *is_wanted |= search->files[number].is_wanted;
    model->file_count++;
    return true;
  }
  bool is_there; /* not listed: the index was named by itself, or the name leads through a link */
  if (!model_group_is_there(grouping, path, &is_there)) return false;
  model->file_count += is_there;
  return true;
}

static bool model_group_claim_shards(ModelGrouping *grouping, const Index *index,
                                     ListedModel *model, bool *is_wanted) {
  char *directory = path_directory(model->path);
  bool good = directory != NULL || error_memory(grouping->error);
  for (uint32_t i = 0; good && i < index->shards.count; i++) {
    char *path = path_join(directory, index->shards.paths[i]);
    good = cancel_go_on_row(grouping->cancel, i, model->path, grouping->error) &&
           (path != NULL || error_memory(grouping->error)) &&
           model_group_claim_shard(grouping, path, model, is_wanted);
    memory_free(path);
  }
  memory_free(directory);
  return good;
}

/* The shards of an index that cannot be read are those of its name: of model.safetensors.index.json
** model-00001-of-00002.safetensors. */
static bool model_group_claim_by_stem(ModelGrouping *grouping, ListedModel *model,
                                      bool *is_wanted) {
  const ModelSearch *search = grouping->search;
  const char *name = path_name(model->path), *end = strstr(name, INDEX_INFIX);
  size_t stem = (size_t)(end - model->path);
  for (uint64_t i = 0; i < search->file_count; i++) {
    const FoundFile *file = &search->files[i];
    ShardName shard;
    if (!cancel_go_on_row(grouping->cancel, i, model->path, grouping->error)) return false;
    if (file->directory != model->directory || file->is_index ||
        !shard_name_parse(file->path, &shard) || shard.stem_length <= stem ||
        strncmp(file->path, model->path, stem) != 0 ||
        (file->path[stem] != '-' && file->path[stem] != '.')) {
      continue;
    }
    grouping->claimed[i] = true;
    *is_wanted |= file->is_wanted;
    model->file_count++;
  }
  return true;
}

/* Whether the directory, as a path, means this index: see path_form.h. */
static bool model_group_is_chosen(const FoundDirectory *directory, const char *index) {
  const char *name = path_name(index);
  size_t length = strlen(name), suffix = strlen(INDEX_SUFFIX);
  if (length < suffix || strcmp(name + length - suffix, INDEX_SUFFIX) != 0) return false;
  return directory->index_count == 1 || strcmp(name, "model" INDEX_SUFFIX) == 0;
}

/* Reads an index. *file is NULL if it is not valid, and *problem says why. */
static bool model_group_open_index(ModelGrouping *grouping, const char *path, File **file,
                                   char **problem) {
  Session *session = grouping->session;
  PathList confines = {0};
  Error found = {0};
  char *here = path_form_here(path, session_network(session), grouping->cancel, grouping->error);
  bool good = here != NULL && (session_settings(session)->links != LINKS_WITHIN ||
                               path_form_confine(here, &confines, grouping->error));
  *file = good ? session_open_index(session, here, &confines, &found) : NULL;
  path_list_clear(&confines);
  memory_free(here);
  if (!good || *file != NULL) return good;
  if (error_is_fatal(found.code)) return error_forgive(grouping->error, &found);
  *problem = error_take(&found);
  return *problem != NULL || error_memory(grouping->error);
}

static bool model_group_take_index(ModelGrouping *grouping, const FoundFile *found) {
  const FoundDirectory *directory = &grouping->search->directories[found->directory];
  bool is_wanted = found->is_wanted;
  File *file;
  ListedModel model = {.form = LISTED_INDEX, .directory = found->directory};
  model.path = model_group_copy(found->path);
  bool good = model.path != NULL || error_memory(grouping->error);
  good = good && model_group_open_index(grouping, found->path, &file, &model.problem);
  if (good) {
    good = model_group_note_index(grouping, found->path, file) &&
           (file != NULL ? model_group_claim_shards(grouping, file->index, &model, &is_wanted)
                         : model_group_claim_by_stem(grouping, &model, &is_wanted));
    session_unpin(grouping->session, file);
  }
  if (!good || !is_wanted) {
    model_group_clear_row(&model);
    return good;
  }
  model.index = model_search_text(directory, found->path);
  model.name = model_group_is_chosen(directory, found->path)
                   ? model_search_text(directory, NULL)
                   : model_search_text(directory, found->path);
  return model_group_add(grouping, model);
}

/* ---- Sets without an index ---- */

/* The pattern of a set's files: model-?????-of-00005.safetensors. NULL when memory runs out. */
static char *model_group_pattern(const ShardName *shard) {
  size_t name = (size_t)(path_name(shard->name) - shard->name);
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_append(out, shard->name, (int)name);
  for (const char *at = shard->name + name; *at != '\0'; at++) {
    size_t offset = (size_t)(at - shard->name);
    if (offset >= shard->prefix_length && at < shard->of) {
      sqlite3_str_appendchar(out, 1, '?');
    } else if (*at == '*' || *at == '?' || *at == '[') {
      sqlite3_str_appendf(out, "[%c]", *at);
    } else {
      if (*at == '\\') sqlite3_str_appendchar(out, 1, '\\');
      sqlite3_str_appendchar(out, 1, *at);
    }
  }
  return sqlite3_str_finish(out);
}

/* Sets the problem of a set in which shards are missing. */
static bool model_group_check_numbers(ModelGrouping *grouping, const ShardName *names,
                                      uint32_t count, ListedModel *model) {
  uint64_t missing;
  char *numbers = shard_names_missing(names, count, &missing);
  if (numbers == NULL) return error_memory(grouping->error);
  if (missing > 0) {
    Error problem = {0};
    error_fill(&problem, ERROR_MISSING, names[0].name,
               "expected %llu shards of this name, found %u; missing: %s",
               (unsigned long long)names[0].total, count, numbers);
    model->is_missing = true;
    model->problem = error_take(&problem);
  }
  memory_free(numbers);
  return !model->is_missing || model->problem != NULL || error_memory(grouping->error);
}

/* Shards of a set of which an index names some belong to its model, named or not. */
static bool model_group_take_set(ModelGrouping *grouping, const ShardName *names, uint32_t count) {
  const ModelSearch *search = grouping->search;
  const FoundFile *first = &search->files[names[0].place];
  const FoundDirectory *directory = &search->directories[first->directory];
  bool is_wanted = false, has_index = false, is_listed = false;
  for (uint32_t i = 0; i < count; i++) {
    bool wanted = search->files[names[i].place].is_wanted,
         claimed = grouping->claimed[names[i].place];
    is_wanted |= wanted;
    has_index |= claimed;
    is_listed |= claimed && wanted;
  }
  if (has_index && !is_listed)
    return true; /* a pattern matches those alone that it does not name */
  for (uint32_t i = 0; i < count; i++) grouping->claimed[names[i].place] = true;
  if (!is_wanted || has_index) return true;
  ListedModel model = {.form = LISTED_SET, .directory = first->directory, .file_count = count};
  model.path = model_group_copy(first->path);
  if (model.path == NULL) return error_memory(grouping->error);
  if (!model_group_check_numbers(grouping, names, count, &model)) {
    model_group_clear_row(&model);
    return false;
  }
  if (directory->index_count == 0 && directory->file_count == count) {
    model.name = model_search_text(directory, NULL);
  } else {
    char *pattern = model_group_pattern(&names[0]);
    model.name = pattern != NULL ? model_search_text(directory, pattern) : NULL;
    memory_free(pattern);
  }
  return model_group_add(grouping, model);
}

static bool model_group_take_sets(ModelGrouping *grouping) {
  const ModelSearch *search = grouping->search;
  uint32_t count = 0, group;
  ShardName *names = memory_zeroed(search->file_count, sizeof *names);
  if (names == NULL) return error_memory(grouping->error);
  for (uint64_t i = 0; i < search->file_count; i++) {
    const FoundFile *file = &search->files[i];
    if (file->is_index || !shard_name_parse(file->path, &names[count]) || names[count].total < 2) {
      continue;
    }
    names[count++].place = (uint32_t)i;
  }
  bool good =
      shard_names_sort(names, count, grouping->cancel, "safetensors_models", grouping->error);
  for (uint32_t at = 0; good && at < count; at += group) {
    group = shard_names_group(names + at, count - at);
    good = model_group_take_set(grouping, names + at, group);
  }
  memory_free(names);
  return good;
}

/* ---- All others ---- */

static bool model_group_take_file(ModelGrouping *grouping, const FoundFile *found) {
  ListedModel model = {.form = LISTED_FILE, .directory = found->directory, .file_count = 1};
  model.path = model_group_copy(found->path);
  model.name = model_search_text(&grouping->search->directories[found->directory], found->path);
  return model_group_add(grouping, model);
}

static bool model_group_take_directory(ModelGrouping *grouping, uint32_t number) {
  const FoundDirectory *directory = &grouping->search->directories[number];
  ListedModel model = {.form = LISTED_DIRECTORY, .directory = number};
  model.path = model_group_copy(directory->path);
  model.problem = model_group_copy(directory->problem);
  model.name = model.problem != NULL ? model_search_text(directory, NULL) : NULL;
  return model_group_add(grouping, model);
}

static int model_group_compare(const void *left, const void *right) {
  const ListedModel *a = left, *b = right;
  return natural_compare(a->name, b->name);
}

static bool model_group_take_all(ModelGrouping *grouping, bool is_alone) {
  const ModelSearch *search = grouping->search;
  bool good = model_group_note_paths(grouping);
  for (uint64_t i = 0; good && i < search->file_count; i++) {
    if (search->files[i].is_index) good = model_group_take_index(grouping, &search->files[i]);
  }
  if (good && !is_alone) good = model_group_take_sets(grouping);
  for (uint64_t i = 0; good && i < search->file_count; i++) {
    const FoundFile *file = &search->files[i];
    good = cancel_go_on_row(grouping->cancel, i, file->path, grouping->error);
    if (!good || grouping->claimed[i] || file->is_index || !file->is_wanted) continue;
    good = model_group_take_file(grouping, file);
  }
  for (uint64_t i = 0; good && i < search->directory_count; i++) {
    if (search->directories[i].problem != NULL)
      good = model_group_take_directory(grouping, (uint32_t)i);
  }
  return good &&
         sort_rows(grouping->models->rows, grouping->models->count, sizeof(ListedModel),
                   model_group_compare, grouping->cancel, "safetensors_models", grouping->error);
}

bool model_group_make(ListedModels *models, const ModelSearch *search, bool is_alone,
                      Session *session, Error *error) {
  ModelGrouping grouping = {.models = models,
                            .search = search,
                            .session = session,
                            .cancel = session_cancel(session),
                            .error = error};
  grouping.claimed = memory_zeroed(search->file_count, sizeof *grouping.claimed);
  bool good = (grouping.claimed != NULL || error_memory(error)) &&
              model_group_take_all(&grouping, is_alone);
  name_set_clear(&grouping.paths);
  memory_free(grouping.claimed);
  return good;
}

/* ---- Using ---- */

bool listed_models_find(const ListedModels *models, const char *name, uint64_t *row) {
  uint64_t low = 0, high = models->count;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    int order = natural_compare(models->rows[middle].name, name);
    if (order == 0) {
      *row = middle;
      return true;
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

bool listed_models_are_current(const ListedModels *models) {
  for (uint64_t i = 0; i < models->index_count; i++) {
    const ListedIndex *index = &models->indexes[i];
    FileIdentity now;
    Error ignored = {0};
    bool known = !index->recent && file_identify(index->path, &now, &ignored);
    error_clear(&ignored);
    if (!known || !file_identity_equal(&now, &index->identity)) return false;
  }
  return true;
}
