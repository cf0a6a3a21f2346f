#include "write/seal_shards.h"

#include <string.h>

#include "base/file.h"
#include "base/file_write.h"
#include "base/memory.h"
#include "base/sort.h"
#include "format/index_metadata.h"
#include "format/shard_gaps.h"
#include "format/shards.h"
#include "write/seal_file.h"

typedef struct SealShards {
  Target *target;
  PlaceShards *set;
  Places *places;
  Session *session;
  SealFile file;
  Shards shards; /* those of the new index */
} SealShards;

/* ---- Writing ---- */

static bool seal_shards_write_shard(SealShards *sealing, uint32_t number, Error *error) {
  Place *place = place_shards_add(sealing->set, sealing->shards.names.paths[number], error);
  return place != NULL &&
         seal_file_write_part(&sealing->file, &sealing->shards.parts[number], place->descriptor,
                              error) &&
         place_seal(place, error);
}

/* `metadata` is what else the index contains, besides its weight_map; may be NULL. */
static bool seal_shards_write_index(SealShards *sealing, const char *metadata, Error *error) {
  uint64_t length;
  const char *subject = sealing->target->path;
  char *text =
      shards_index(&sealing->shards, &sealing->file.writer, metadata, subject, &length, error);
  bool good = text != NULL &&
              file_write_at(sealing->set->index.descriptor, subject, text, length, 0, error) &&
              place_shards_seal(sealing->set, error);
  memory_free(text);
  return good;
}

static bool seal_shards_open(SealShards *sealing, PlaceMode mode, const PathList *old,
                             Error *error) {
  const Target *target = sealing->target;
  return place_shards_open(sealing->set, sealing->places, target->path, mode,
                           target->has_expected ? &target->expected : NULL, old,
                           session_cancel(sealing->session), error);
}

/* ---- A new model ---- */

/* Lists the shards that the old index names. If the old file is not a valid index, they are not
** known. */
static bool seal_shards_list_old(const SealShards *sealing, PathList *old, bool *known,
                                 Error *error) {
  Error problem = {0};
  const Target *target = sealing->target;
  *known = true;
  if (!target->has_expected) return true;
  File *file = session_open_index(sealing->session, target->path, NULL, &problem);
  *known = file != NULL;
  if (file == NULL) {
    if (problem.code != ERROR_INVALID) error_repeat(error, &problem);
    error_clear(&problem);
    return error->code == ERROR_NONE;
  }
  bool good = true;
  for (uint32_t i = 0; good && i < file->index->shards.count; i++) {
    good = path_list_add(old, NULL, file->index->shards.paths[i]) || error_memory(error);
  }
  session_unpin(sealing->session, file);
  return good;
}

static bool seal_shards_check_new(const Target *target, Error *error) {
  if (target->options.limit == 0) {
    return error_raise(
        error, ERROR_ARGUMENT, target->path,
        "expected max_shard_bytes, the most bytes of a shard, in one of the rows, found "
        "NULL; a path that ends in .safetensors makes one file");
  }
  return target->pending.tensors->living > 0 ||
         error_raise(error, ERROR_ARGUMENT, target->path,
                     "expected tensors for the index to name, found none");
}

static bool seal_shards_new(SealShards *sealing, Error *error) {
  Target *target = sealing->target;
  SealFile *file = &sealing->file;
  PathList old = {0};
  bool known;
  bool good = seal_shards_check_new(target, error) &&
              seal_shards_list_old(sealing, &old, &known, error) &&
              seal_shards_open(sealing, target->options.mode, known ? &old : NULL, error) &&
              seal_file_take_json(file, target->options.metadata, error) &&
              seal_file_take_tensors(file, error) &&
              shards_plan(&sealing->shards, &file->writer, target->options.limit,
                          target->location.path, sealing->set->generation, error);
  for (uint32_t i = 0; good && i < sealing->shards.count; i++) {
    good = seal_shards_write_shard(sealing, i, error);
  }
  path_list_clear(&old);
  return good && seal_shards_write_index(sealing, NULL, error);
}

/* ---- A model that is edited ---- */

/* What happens to an old shard. */
typedef struct SealShardsMember {
  uint32_t tensors, pairs; /* the number of rows that are unchanged */
  bool is_used;            /* whether it still has tensors */
  bool is_changed;
  uint32_t number; /* among the new shards, if it is used */
} SealShardsMember;

/* Counts the unchanged rows of each shard, and the new tensors that belong to no shard. */
static void seal_shards_count(const Pending *pending, SealShardsMember *members,
                              uint32_t *new_tensors) {
  const PendingRows *tensors = pending->tensors, *pairs = pending->pairs;
  for (uint32_t i = 0; i < tensors->count; i++) {
    const PendingTensor *tensor = (const PendingTensor *)tensors->slots[i].row;
    if (tensor == NULL) continue;
    if (tensor->member == PENDING_NO_MEMBER) {
      ++*new_tensors;
      continue;
    }
    SealShardsMember *member = &members[tensor->member];
    member->is_used = true;
    if (tensor->on_disk) member->tensors++;
    if (!tensor->on_disk) member->is_changed = true;
  }
  for (uint32_t i = 0; i < pairs->count; i++) {
    const PendingPair *pair = (const PendingPair *)pairs->slots[i].row;
    if (pair == NULL) continue;
    for (uint32_t m = 0; m < pending->base.count && pair->member == PENDING_NO_MEMBER; m++) {
      members[m].is_changed = true;
    }
    if (pair->member == PENDING_NO_MEMBER) continue;
    if (pair->on_disk) members[pair->member].pairs++;
    if (!pair->on_disk) members[pair->member].is_changed = true;
  }
}

/* Returns the shard that takes new tensors: the last one that is rewritten anyway, or the only
** one. If there is none, returns `count`, and they get a shard of their own. */
static uint32_t seal_shards_pick(const PendingBase *base, SealShardsMember *members) {
  uint32_t picked = base->count;
  for (uint32_t i = 0; i < base->count; i++) {
    members[i].is_changed |=
        members[i].tensors < base->members[i].tensors || members[i].pairs < base->members[i].pairs;
    if (members[i].is_used && (members[i].is_changed || base->count == 1)) picked = i;
  }
  return picked;
}

/* A used shard, and the number in its name. */
typedef struct SealShardsPlace {
  uint64_t number;
  uint32_t member;
} SealShardsPlace;

static int seal_shards_by_number(const void *left, const void *right) {
  const SealShardsPlace *a = left, *b = right;
  if (a->number != b->number) return a->number < b->number ? -1 : 1;
  return (a->member > b->member) - (a->member < b->member);
}

/* Numbers the used shards in the order of the numbers in their names, so that a rewritten shard
** stays where it was. Returns their count, or 0 on error. */
static uint32_t seal_shards_number(const SealShards *sealing, SealShardsMember *members,
                                   Error *error) {
  const PendingBase *base = &sealing->target->pending.base;
  uint32_t count = 0;
  SealShardsPlace *places = memory_zeroed(base->count, sizeof *places);
  if (places == NULL) return error_memory(error);
  for (uint32_t i = 0; i < base->count; i++) {
    ShardName name;
    if (!members[i].is_used) continue;
    bool has_number = shard_name_parse(base->members[i].name, &name);
    places[count++] = (SealShardsPlace){has_number ? name.number : UINT64_MAX, i};
  }
  if (!sort_rows(places, count, sizeof *places, seal_shards_by_number,
                 session_cancel(sealing->session), sealing->target->path, error)) {
    count = 0;
  }
  for (uint32_t i = 0; i < count; i++) members[places[i].member].number = i;
  memory_free(places);
  return count;
}

/* Returns the name of a shard. A shard that has not changed keeps its name. Returns NULL if
** memory runs out. */
static char *seal_shards_name(const SealShards *sealing, const SealShardsMember *members,
                              uint32_t number, uint32_t count) {
  const PendingBase *base = &sealing->target->pending.base;
  for (uint32_t i = 0; i < base->count; i++) {
    if (!members[i].is_used || members[i].is_changed || members[i].number != number) continue;
    return memory_copy_text(base->members[i].name, strlen(base->members[i].name));
  }
  return shards_name(sealing->target->location.path, sealing->set->generation, number + 1, count);
}

/* Names all shards and, if `more`, the additional one. */
static bool seal_shards_name_all(SealShards *sealing, SealShardsMember *members, bool more,
                                 Error *error) {
  uint32_t count = seal_shards_number(sealing, members, error) + more;
  if (error->code != ERROR_NONE) return false;
  for (uint32_t i = 0; i < count; i++) {
    char *name = seal_shards_name(sealing, members, i, count);
    bool good = name != NULL && path_list_add(&sealing->shards.names, NULL, name);
    memory_free(name);
    if (!good) return error_memory(error);
  }
  return count > 0 || error_raise(error, ERROR_ARGUMENT, sealing->target->path,
                                  "expected tensors for the index to name, found none");
}

/* Assigns each tensor to its shard. */
static bool seal_shards_assign(SealShards *sealing, const SealShardsMember *members,
                               uint32_t picked, Error *error) {
  SealFile *file = &sealing->file;
  const PendingBase *base = &sealing->target->pending.base;
  uint32_t last = sealing->shards.names.count - 1;
  for (uint32_t i = 0; i < file->writer.count; i++) {
    uint32_t member = file->tensors[i]->member;
    if (member == PENDING_NO_MEMBER) member = picked;
    file->writer.tensors[i].shard = member < base->count ? members[member].number : last;
  }
  return shards_plan_given(&sealing->shards, &file->writer, last + 1, error);
}

static bool seal_shards_write_changed(SealShards *sealing, const SealShardsMember *members,
                                      bool more, Error *error) {
  const PendingBase *base = &sealing->target->pending.base;
  for (uint32_t i = 0; i < base->count; i++) {
    if (!members[i].is_used) continue;
    bool good = members[i].is_changed
                    ? seal_file_take_pairs(&sealing->file, i, error) &&
                          seal_shards_write_shard(sealing, members[i].number, error)
                    : place_shards_keep(sealing->set, base->members[i].name, error);
    if (!good) return false;
  }
  /* Loaders may need some of the metadata in each shard, so the new one gets that of the first. */
  return !more || (seal_file_take_pairs(&sealing->file, 0, error) &&
                   seal_shards_write_shard(sealing, sealing->shards.names.count - 1, error));
}

/* Returns what else the old index contains, besides its weight_map. */
static char *seal_shards_read_metadata(const SealShards *sealing, Error *error) {
  FileIdentity found;
  const PendingBase *base = &sealing->target->pending.base;
  int descriptor = file_open(base->path, &found, error);
  if (descriptor < 0) return NULL;
  const IndexInput input = {.path = base->path, .descriptor = descriptor, .size = found.size};
  char *metadata = NULL;
  if (file_identity_unchanged(&found, &base->identity)) {
    metadata = index_metadata(&input, session_cancel(sealing->session), error);
  } else {
    error_fill(
        error, ERROR_SNAPSHOT, sealing->target->path,
        "expected the index as it was when it was read, found that somebody else has written it "
        "since");
  }
  file_close(descriptor);
  return metadata;
}

static bool seal_shards_write_edited(SealShards *sealing, SealShardsMember *members, Error *error) {
  const Pending *pending = &sealing->target->pending;
  uint32_t new_tensors = 0;
  seal_shards_count(pending, members, &new_tensors);
  uint32_t picked = seal_shards_pick(&pending->base, members);
  bool more = new_tensors > 0 && picked == pending->base.count;
  if (new_tensors > 0 && !more) members[picked].is_changed = true;
  if (!seal_file_take_tensors(&sealing->file, error) ||
      !seal_shards_name_all(sealing, members, more, error) ||
      !seal_shards_assign(sealing, members, picked, error) ||
      !seal_shards_write_changed(sealing, members, more, error)) {
    return false;
  }
  char *metadata = seal_shards_read_metadata(sealing, error);
  bool good = metadata != NULL && seal_shards_write_index(sealing, metadata, error);
  memory_free(metadata);
  return good;
}

static bool seal_shards_edited(SealShards *sealing, Error *error) {
  const PendingBase *base = &sealing->target->pending.base;
  PathList old = {0};
  bool good = true;
  for (uint32_t i = 0; good && i < base->count; i++) {
    good = path_list_add(&old, NULL, base->members[i].name) || error_memory(error);
  }
  good = good && seal_shards_open(sealing, PLACE_REPLACE, &old, error);
  path_list_clear(&old);
  if (!good) return false;
  SealShardsMember *members = memory_zeroed(base->count, sizeof *members);
  if (members == NULL) return error_memory(error);
  good = seal_shards_write_edited(sealing, members, error);
  memory_free(members);
  return good;
}

/* ---- Either ---- */

bool seal_shards(Target *target, PlaceShards *set, Places *places, Session *session, Error *error) {
  SealShards sealing = {
      .target = target,
      .set = set,
      .places = places,
      .session = session,
      .file = {.session = session, .pending = &target->pending, .subject = target->path}};
  bool good = target->use == TARGET_NEW ? seal_shards_new(&sealing, error)
                                        : seal_shards_edited(&sealing, error);
  shards_clear(&sealing.shards);
  seal_file_clear(&sealing.file);
  return good;
}

bool seal_shards_check(const Target *target, const PlaceShards *set, Error *error) {
  const PendingBase *base = &target->pending.base;
  for (uint32_t i = 0; i < base->count && target->use == TARGET_EDITED; i++) {
    FileIdentity found;
    const PendingMember *member = &base->members[i];
    uint32_t name = 0;
    while (name < set->names.count && strcmp(set->names.paths[name], member->name) != 0) name++;
    if (name == set->names.count) continue;
    if (!file_identify(member->path, &found, error)) return false;
    if (file_identity_unchanged(&found, &member->identity)) continue;
    return error_raise(
        error, ERROR_SNAPSHOT, member->path,
        "expected the shard as it was when it was read, found that somebody else has "
        "written it since");
  }
  return true;
}
