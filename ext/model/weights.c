#include "model/weights.h"

#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "base/sort.h"
#include "format/name_set.h"
#include "format/shard_gaps.h"
#include "model/schemes.h"
#include "model/weight_config.h"

/* How many lists a session keeps that no cursor uses, and how much memory they may occupy; the one
** used last is kept whatever its size. */
enum { WEIGHTS_KEPT = 8 };
static const uint64_t weights_kept_bytes = (uint64_t)128 << 20;

/* The state of a member in which it was read. All zero if it could not be read. */
typedef struct WeightsMember {
  FileIdentity identity;
  uint64_t hash;         /* of its header */
  bool recent;           /* another write might not change its times */
  uint32_t first, count; /* its tensors */
  uint32_t copy_of;      /* the number plus one of the first member that is the same file; else 0 */
} WeightsMember;

struct Weights {
  uint32_t references;
  char *path; /* as it was given; NULL if the list is not for others */
  char **member_paths;
  WeightsMember *members;
  uint32_t member_count;
  WeightConfigs configs;
  WeightList list;
  LinkMode links;  /* the setting with which the configurations were read */
  uint64_t period; /* of the session, in which the files were read */
  Weights *older;  /* in the session, by last use */
};

typedef struct WeightsCache {
  Weights *newest;
} WeightsCache;

const WeightList *weights_list(const Weights *weights) {
  return &weights->list;
}

Weights *weights_retain(Weights *weights) {
  weights->references++;
  return weights;
}

void weights_release(Weights *weights) {
  if (weights == NULL || --weights->references > 0) return;
  for (uint32_t i = 0; weights->member_paths != NULL && i < weights->member_count; i++) {
    memory_free(weights->member_paths[i]);
  }
  weight_configs_clear(&weights->configs);
  weight_list_clear(&weights->list);
  memory_free(weights->member_paths);
  memory_free(weights->members);
  memory_free(weights->path);
  memory_free(weights);
}

/* ---- Reading headers ---- */

/* Opens a member. *there is false if it cannot be read, and may be passed over. */
static bool weights_open_member(Checkpoint *checkpoint, uint32_t number, bool skips, Member *member,
                                bool *there, Error *error) {
  Error problem = {0};
  *there = checkpoint_open_member(checkpoint, number, member, &problem);
  return *there || error_forgive_if(skips && error_is_of_file(problem.code), error, &problem);
}

static WeightsMember weights_state_of(const Member *member) {
  if (member->file == NULL) return (WeightsMember){0};
  return (WeightsMember){.identity = member->file->identity,
                         .hash = member->file->hash,
                         .recent = member->file->recent};
}

/* The bits in what torchao says about a weight: {"_data": {"target_dtype": {"_data": "int3"}, ...}}.
** 0 if it says none. */
static uint32_t weights_bits_in(const char *value, uint64_t length) {
  static const char target[] = "\"target_dtype\"", type[] = "int";
  enum { WEIGHTS_MAX_DESCRIPTION = 4096 };
  if (length > WEIGHTS_MAX_DESCRIPTION) return 0;
  const char *at = memory_find(value, length, target, sizeof target - 1);
  if (at == NULL) return 0;
  at = memory_find(at, length - (uint64_t)(at - value), type, sizeof type - 1);
  if (at == NULL || at + 4 >= value + length || at[4] != '"') return 0;
  return at[3] >= '1' && at[3] <= '8' ? (uint32_t)(at[3] - '0') : 0;
}

static bool weights_read_metadata(WeightList *list, const Header *header, Cancel *cancel,
                                  Error *error) {
  for (uint32_t i = 0; i < header->metadata_count; i++) {
    const MetadataEntry *pair = &header->metadata[i];
    if (!cancel_go_on_row(cancel, i, "safetensors_weights", error)) return false;
    uint32_t bits = weights_bits_in(header->text + pair->value.offset, pair->value.length);
    if (bits > 0 && !weight_list_say_bits(list, header->text + pair->key.offset, pair->key.length,
                                          bits, error)) {
      return false;
    }
  }
  return true;
}

static bool weights_read_member(Weights *weights, const Member *member, uint32_t number,
                                Cancel *cancel, Error *error) {
  const Header *header = member->header;
  WeightList *list = &weights->list;
  weights->members[number] = weights_state_of(member);
  weights->members[number].first = (uint32_t)list->tensor_count;
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const TensorEntry *entry = &header->tensors[i];
    if (!cancel_go_on_row(cancel, i, "safetensors_weights", error)) return false;
    WeightTensor *tensor = weight_list_add_tensor(list, error);
    if (tensor == NULL) return false;
    tensor->begin = entry->begin;
    tensor->end = entry->end;
    tensor->member = number;
    tensor->dtype = (uint8_t)entry->dtype;
    if (!weight_list_add_text(list, header->text + entry->name.offset, entry->name.length,
                              &tensor->name, error) ||
        !weight_list_add_text(list, header->text + entry->shape.offset, entry->shape.length,
                              &tensor->shape, error)) {
      return false;
    }
  }
  weights->members[number].count = header->tensor_count;
  return weights_read_metadata(list, header, cancel, error);
}

/* Finds members that are the same file under another name, so that their tensors are at the same
** places. */
static bool weights_find_copies(Weights *weights, Error *error) {
  NameSet files = {0};
  bool good = true;
  for (uint32_t i = 0; good && i < weights->member_count; i++) {
    const FileIdentity *identity = &weights->members[i].identity;
    uint64_t key[2] = {identity->device, identity->inode};
    if (weights->members[i].count == 0 || weights->path == NULL) continue;
    const NameSetSlot *slot = name_set_add(&files, (const char *)key, sizeof key, i);
    good = slot != NULL;
    if (good && slot->file != i + 1) weights->members[i].copy_of = slot->file;
  }
  name_set_clear(&files);
  return good || error_memory(error);
}

static bool weights_read_headers(Weights *weights, Checkpoint *checkpoint, bool skips,
                                 Error *error) {
  Cancel *cancel = session_cancel(checkpoint_session(checkpoint));
  for (uint32_t i = 0; i < weights->member_count; i++) {
    Member member;
    bool there;
    if (!cancel_go_on(cancel, "safetensors_weights", error) ||
        !weights_open_member(checkpoint, i, skips, &member, &there, error) ||
        (there && !weights_read_member(weights, &member, i, cancel, error))) {
      return false;
    }
  }
  return weights_find_copies(weights, error);
}

/* ---- Which members are one model ---- */

/* A member, with what it is grouped by. */
typedef struct WeightsPlace {
  const char *path;
  size_t directory; /* the length of the directory in `path` */
  uint32_t member;
  uint32_t group; /* the smallest number of a member of its model */
} WeightsPlace;

static int weights_compare_places(const void *left, const void *right) {
  const WeightsPlace *a = left, *b = right;
  int order = name_table_compare(a->path, a->directory, b->path, b->directory);
  return order != 0 ? order : (a->member > b->member) - (a->member < b->member);
}

static int weights_compare_groups(const void *left, const void *right) {
  const WeightsPlace *a = left, *b = right;
  if (a->group != b->group) return a->group > b->group ? 1 : -1;
  return (a->member > b->member) - (a->member < b->member);
}

/* Sets *apart to whether no tensor is in two of these members. */
static bool weights_are_apart(const Weights *weights, const uint32_t *members, uint32_t count,
                              bool *apart, Error *error) {
  const WeightList *list = &weights->list;
  NameSet names = {0};
  *apart = true;
  for (uint32_t i = 0; *apart && i < count; i++) {
    const WeightsMember *member = &weights->members[members[i]];
    for (uint32_t j = 0; *apart && j < member->count; j++) {
      const Span *name = &list->tensors[member->first + j].name;
      const NameSetSlot *slot = name_set_add(&names, list->text + name->offset, name->length, i);
      if (slot == NULL) {
        name_set_clear(&names);
        return error_memory(error);
      }
      *apart = slot->file == i + 1;
    }
  }
  name_set_clear(&names);
  return true;
}

/* What weights_group_shards() needs for the members of one directory. */
typedef struct WeightsDirectory {
  WeightsPlace *places;
  uint32_t count;
  uint32_t *members; /* room for `count` */
  ShardName *names;  /* the same */
} WeightsDirectory;

/* Makes one model of the places numbered by `names`, if no tensor is in two of them. */
static bool weights_group_set(const Weights *weights, WeightsDirectory *directory,
                              const ShardName *names, uint32_t count, Error *error) {
  bool apart;
  uint32_t first = UINT32_MAX;
  for (uint32_t i = 0; i < count; i++) {
    directory->members[i] = directory->places[names[i].place].member;
    if (directory->members[i] < first) first = directory->members[i];
  }
  if (!weights_are_apart(weights, directory->members, count, &apart, error)) return false;
  for (uint32_t i = 0; apart && i < count; i++) directory->places[names[i].place].group = first;
  return true;
}

static bool weights_group_shards(const Weights *weights, WeightsDirectory *directory,
                                 Cancel *cancel, Error *error) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < directory->count; i++) {
    const WeightsPlace *place = &directory->places[i];
    if (!shard_name_parse(path_name(place->path), &directory->names[count])) continue;
    directory->names[count++].place = i;
  }
  if (!shard_names_sort(directory->names, count, cancel, "safetensors_weights", error))
    return false;
  for (uint32_t at = 0, size; at < count; at += size) {
    size = shard_names_group(directory->names + at, count - at);
    if (size == 0) size = 1;
    if (!weights_group_set(weights, directory, directory->names + at, size, error)) return false;
  }
  return true;
}

static bool weights_group_directory(const Weights *weights, WeightsDirectory *directory,
                                    Cancel *cancel, Error *error) {
  bool apart;
  for (uint32_t i = 0; i < directory->count; i++) {
    directory->members[i] = directory->places[i].member;
    directory->places[i].group = directory->places[i].member;
  }
  if (directory->count == 1) return true;
  if (!weights_are_apart(weights, directory->members, directory->count, &apart, error))
    return false;
  if (!apart) return weights_group_shards(weights, directory, cancel, error);
  for (uint32_t i = 0; i < directory->count; i++) {
    directory->places[i].group = directory->members[0];
  }
  return true;
}

static bool weights_group_places(const Weights *weights, WeightsPlace *places, Cancel *cancel,
                                 Error *error) {
  uint32_t count = weights->member_count;
  WeightsDirectory room = {.members = memory_zeroed(count, sizeof(uint32_t)),
                           .names = memory_zeroed(count, sizeof(ShardName))};
  bool good = (room.members != NULL && room.names != NULL) || error_memory(error);
  good = good && sort_rows(places, count, sizeof *places, weights_compare_places, cancel,
                           "safetensors_weights", error);
  for (uint32_t at = 0; good && at < count; at += room.count) {
    room.places = places + at;
    for (room.count = 1; at + room.count < count; room.count++) {
      const WeightsPlace *a = &places[at], *b = &places[at + room.count];
      if (name_table_compare(a->path, a->directory, b->path, b->directory) != 0) break;
    }
    good = weights_group_directory(weights, &room, cancel, error);
  }
  memory_free(room.members);
  memory_free(room.names);
  return good && sort_rows(places, count, sizeof *places, weights_compare_groups, cancel,
                           "safetensors_weights", error);
}

/* The members in the order of their models. NULL on an error. */
static WeightsPlace *weights_find_models(const Weights *weights, const Checkpoint *checkpoint,
                                         Error *error) {
  Cancel *cancel = session_cancel(checkpoint_session(checkpoint));
  WeightsPlace *places = memory_zeroed(weights->member_count, sizeof *places);
  if (places == NULL) {
    error_memory(error);
    return NULL;
  }
  bool is_one = checkpoint_index_path(checkpoint) != NULL || weights->path == NULL;
  for (uint32_t i = 0; i < weights->member_count; i++) {
    const char *path = checkpoint_member_path(checkpoint, i);
    places[i] = (WeightsPlace){.path = path, .member = i, .group = is_one ? 0 : i};
    if (path != NULL) places[i].directory = (size_t)(path_name(path) - path);
  }
  if (is_one || weights->member_count == 1 ||
      weights_group_places(weights, places, cancel, error)) {
    return places;
  }
  memory_free(places);
  return NULL;
}

/* ---- Small tensors ---- */

/* Where schemes read the small tensors that describe packed ones. */
typedef struct WeightsBytes {
  const Weights *weights;
  Checkpoint *checkpoint;
} WeightsBytes;

static bool weights_read_bytes(void *context, uint32_t number, void *buffer, uint64_t size,
                               Error *error) {
  WeightsBytes *bytes = context;
  const WeightTensor *tensor = &bytes->weights->list.tensors[number];
  const WeightsMember *was = &bytes->weights->members[tensor->member];
  TensorEntry entry = {.begin = tensor->begin, .end = tensor->end};
  Member member;
  if (!checkpoint_open_member(bytes->checkpoint, tensor->member, &member, error)) return false;
  if (member.file != NULL && (!file_identity_equal(&member.file->identity, &was->identity) ||
                              member.file->hash != was->hash)) {
    return file_record_raise_changed(member.path, "overwritten", error);
  }
  Source source = checkpoint_source(bytes->checkpoint, &member, &entry);
  Reader reader;
  bool good = reader_open(&reader, &source, error);
  const unsigned char *data = good ? reader_bytes(&reader, 0, size, error) : NULL;
  if (data != NULL) memcpy(buffer, data, (size_t)size);
  reader_close(&reader);
  return data != NULL;
}

/* ---- Building ---- */

/* The directory with the configuration of a model: where its index is, or else its files. *text is
** NULL for a BLOB. */
static bool weights_directory(const Checkpoint *checkpoint, uint32_t member, char **text,
                              Error *error) {
  const char *path = checkpoint_index_path(checkpoint);
  if (path == NULL) path = checkpoint_member_path(checkpoint, member);
  *text = path != NULL ? path_directory(path) : NULL;
  return path == NULL || *text != NULL || error_memory(error);
}

/* Recognises the weights of the model whose members are at `places`. */
static bool weights_add_model(Weights *weights, Checkpoint *checkpoint, const WeightsPlace *places,
                              uint32_t count, Error *error) {
  WeightsBytes bytes = {weights, checkpoint};
  Session *session = checkpoint_session(checkpoint);
  SchemeModel model = {.list = &weights->list,
                       .cancel = session_cancel(session),
                       .read = weights_read_bytes,
                       .context = &bytes};
  uint64_t used = 0;
  for (uint32_t i = 0; i < count; i++) model.count += weights->members[places[i].member].count;
  uint32_t *numbers = memory_zeroed(model.count, sizeof *numbers);
  char *directory = NULL;
  bool good = (numbers != NULL || error_memory(error)) &&
              weights_directory(checkpoint, places[0].member, &directory, error);
  for (uint32_t i = 0; good && i < count; i++) {
    const WeightsMember *member = &weights->members[places[i].member];
    for (uint32_t j = 0; j < member->count; j++) numbers[used++] = member->first + j;
  }
  model.tensors = numbers;
  model.configs = &weights->configs;
  model.session = session;
  model.directory = directory;
  good = good && schemes_recognise(&model, error);
  memory_free(numbers);
  memory_free(directory);
  return good;
}

/* Sets copy_of of the rows of files that are there under another name as well. */
static void weights_mark_copies(Weights *weights) {
  WeightList *list = &weights->list;
  for (uint64_t i = 0; i < list->row_count; i++) {
    WeightRow *row = &list->rows[i];
    const WeightsMember *member = &weights->members[list->tensors[row->tensor].member];
    if (member->copy_of != 0 && row->nbytes > 0) row->copy_of = row->name;
  }
}

static bool weights_build(Weights *weights, Checkpoint *checkpoint, bool skips, Error *error) {
  if (!weights_read_headers(weights, checkpoint, skips, error)) return false;
  WeightsPlace *places = weights_find_models(weights, checkpoint, error);
  bool good = places != NULL;
  for (uint32_t at = 0, count; good && at < weights->member_count; at += count) {
    for (count = 1; at + count < weights->member_count; count++) {
      if (places[at + count].group != places[at].group) break;
    }
    good = weights_add_model(weights, checkpoint, places + at, count, error);
  }
  memory_free(places);
  if (!good) return false;
  weights_mark_copies(weights);
  return weight_list_index(&weights->list, error);
}

/* ---- Lists that the session keeps ---- */

static void weights_release_cache(void *guest) {
  WeightsCache *cache = guest;
  for (Weights *weights = cache->newest, *older; weights != NULL; weights = older) {
    older = weights->older;
    weights_release(weights);
  }
  memory_free(cache);
}

static WeightsCache *weights_cache(Session *session) {
  SessionGuest *guest = session_weights(session);
  if (guest->guest == NULL) {
    *guest = (SessionGuest){memory_zeroed(1, sizeof(WeightsCache)), weights_release_cache};
  }
  return guest->guest;
}

/* Takes the list of that path out of the cache. */
static Weights *weights_take(WeightsCache *cache, const char *path) {
  for (Weights **link = &cache->newest; *link != NULL; link = &(*link)->older) {
    Weights *weights = *link;
    if (strcmp(weights->path, path) != 0) continue;
    *link = weights->older;
    weights->older = NULL;
    return weights;
  }
  return NULL;
}

static uint64_t weights_memory(const Weights *weights) {
  return weight_list_memory(&weights->list) + weights->member_count * sizeof(WeightsMember);
}

/* Puts a list first, and drops those that are too many. */
static void weights_keep(WeightsCache *cache, Weights *weights) {
  uint64_t bytes = 0;
  uint32_t count = 0;
  weights->older = cache->newest;
  cache->newest = weights;
  for (Weights **link = &cache->newest; *link != NULL;) {
    Weights *kept = *link;
    bytes += weights_memory(kept);
    if (count++ == 0 || (count <= WEIGHTS_KEPT && bytes <= weights_kept_bytes)) {
      link = &kept->older;
      continue;
    }
    *link = kept->older;
    weights_release(kept);
  }
}

/* Sets *same to whether the files are what the list was made from. */
static bool weights_are_current(const Weights *weights, Checkpoint *checkpoint, bool skips,
                                bool *same, Error *error) {
  Session *session = checkpoint_session(checkpoint);
  *same = weights->member_count == checkpoint_member_count(checkpoint) &&
          weights->links == session_settings(session)->links;
  for (uint32_t i = 0; *same && i < weights->member_count; i++) {
    Member member;
    bool there;
    const WeightsMember *was = &weights->members[i];
    if (!weights_open_member(checkpoint, i, skips, &member, &there, error)) return false;
    WeightsMember now = there ? weights_state_of(&member) : (WeightsMember){0};
    *same = strcmp(weights->member_paths[i], checkpoint_member_path(checkpoint, i)) == 0 &&
            file_identity_equal(&now.identity, &was->identity) && now.hash == was->hash &&
            (!was->recent || weights->period == session_period(session));
  }
  *same = *same && weight_configs_are_current(&weights->configs, session);
  return true;
}

static bool weights_name_members(Weights *weights, const Checkpoint *checkpoint, Error *error) {
  weights->member_count = checkpoint_member_count(checkpoint);
  weights->members = memory_zeroed(weights->member_count, sizeof *weights->members);
  weights->member_paths = memory_zeroed(weights->member_count, sizeof *weights->member_paths);
  if (weights->members == NULL || weights->member_paths == NULL) return error_memory(error);
  for (uint32_t i = 0; weights->path != NULL && i < weights->member_count; i++) {
    const char *path = checkpoint_member_path(checkpoint, i);
    weights->member_paths[i] = memory_copy_text(path, strlen(path));
    if (weights->member_paths[i] == NULL) return error_memory(error);
  }
  return true;
}

static Weights *weights_new(Checkpoint *checkpoint, const char *path, bool skips, Error *error) {
  Weights *weights = memory_zeroed(1, sizeof *weights);
  if (weights == NULL) {
    error_memory(error);
    return NULL;
  }
  Session *session = checkpoint_session(checkpoint);
  weights->references = 1;
  weights->links = session_settings(session)->links;
  weights->period = session_period(session);
  if (path != NULL) weights->path = memory_copy_text(path, strlen(path));
  bool good = path == NULL || weights->path != NULL || error_memory(error);
  if (good && weights_name_members(weights, checkpoint, error) &&
      weights_build(weights, checkpoint, skips, error)) {
    return weights;
  }
  weights_release(weights);
  return NULL;
}

Weights *weights_open(Checkpoint *checkpoint, const char *path, bool skips, Error *error) {
  if (path == NULL) return weights_new(checkpoint, NULL, skips, error);
  WeightsCache *cache = weights_cache(checkpoint_session(checkpoint));
  if (cache == NULL) {
    error_memory(error);
    return NULL;
  }
  Weights *weights = weights_take(cache, path);
  bool same = false;
  if (weights != NULL && !weights_are_current(weights, checkpoint, skips, &same, error)) {
    weights_release(weights);
    return NULL;
  }
  if (!same) {
    weights_release(weights);
    weights = weights_new(checkpoint, path, skips, error);
  }
  if (weights == NULL) return NULL;
  weights->references++;
  weights_keep(cache, weights);
  return weights;
}
