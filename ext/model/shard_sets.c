#include "model/shard_sets.h"

#include <string.h>

#include "base/file_system.h"
#include "base/memory.h"
#include "base/program.h"
#include "format/shard_gaps.h"
#include "model/verify.h"

/* The members that are shards, sorted by model and number. Sets *count to their number. NULL on an
** error. */
static ShardName *shard_sets_list_shards(const Checkpoint *checkpoint, uint32_t *count,
                                         Error *error) {
  uint32_t members = checkpoint_member_count(checkpoint);
  ShardName *names = memory_zeroed((uint64_t)members + 1, sizeof *names);
  *count = 0;
  if (names == NULL) error_memory(error);
  for (uint32_t i = 0; names != NULL && i < members; i++) {
    ShardName *name = &names[*count];
    if (!shard_name_parse(checkpoint_member_path(checkpoint, i), name)) continue;
    name->place = i;
    ++*count;
  }
  if (names != NULL &&
      !shard_names_sort(names, *count, session_cancel(checkpoint_session(checkpoint)),
                        checkpoint_path(checkpoint), error)) {
    memory_free(names);
    names = NULL;
  }
  return names;
}

bool shard_sets_has_any(const Checkpoint *checkpoint) {
  ShardName name;
  uint32_t members = checkpoint_is_directory(checkpoint) ? checkpoint_member_count(checkpoint) : 0;
  for (uint32_t i = 0; i < members; i++) {
    if (shard_name_parse(checkpoint_member_path(checkpoint, i), &name) && name.total > 1) {
      return true;
    }
  }
  return false;
}

/* The end of a message about a set that is not complete. */
#define SHARD_SETS_WAY_OUT "; name the files, or *.safetensors, to read them as they are"

static bool shard_sets_check_numbers(const Checkpoint *checkpoint, const ShardName *names,
                                     uint32_t count, Error *error) {
  uint64_t missing;
  char *numbers = shard_names_missing(names, count, &missing);
  if (numbers == NULL) return error_memory(error);
  if (missing > 0) {
    error_fill(error, ERROR_INVALID, checkpoint_path(checkpoint),
               "expected an index, or all shards that belong to %s, found neither: of %llu there "
               "lack %s" SHARD_SETS_WAY_OUT,
               names[0].name, (unsigned long long)names[0].total, numbers);
  }
  memory_free(numbers);
  return error->code == ERROR_NONE;
}

/* Two sets with the same name but different numbers of shards are an old model and its
** replacement. */
static bool shard_sets_check_generations(const Checkpoint *checkpoint, const ShardName *a,
                                         const ShardName *b, Error *error) {
  if (!shard_names_share_stem(a, b)) return true;
  return error_raise(
      error, ERROR_INVALID, checkpoint_path(checkpoint),
      "expected an index, or the shards of one model, found two: %s and %s" SHARD_SETS_WAY_OUT,
      a->name, b->name);
}

static bool shard_sets_check_tensors(Checkpoint *checkpoint, const ShardName *names, uint32_t count,
                                     FileIdentity *shards, Error *error) {
  uint32_t *members = memory_zeroed(count, sizeof *members);
  if (members == NULL) return error_memory(error);
  for (uint32_t i = 0; i < count; i++) members[i] = names[i].place;
  bool good = shards_are_apart(checkpoint, members, count, shards, error);
  memory_free(members);
  return good;
}

/* A write that replaces a sharded model first puts the existing files aside, beginning with the
** index. */
static bool shard_sets_check_unfinished(const Checkpoint *checkpoint, Error *error) {
  static const char end[] = ".old";
  const char *directory = checkpoint_path(checkpoint);
  PathList names = {0};
  Cancel *cancel = session_cancel(checkpoint_session(checkpoint));
  bool good = file_system_list(directory, &names, cancel, error);
  for (uint32_t i = 0; good && i < names.count; i++) {
    const char *name = names.paths[i];
    size_t length = strlen(name);
    if (strncmp(name, program.temporary, strlen(program.temporary)) != 0 || length < sizeof end ||
        strcmp(name + length - strlen(end), end) != 0) {
      continue;
    }
    good = error_raise(
        error, ERROR_INVALID, directory,
        "expected an index beside the shards, found none, and what a write that was "
        "not finished put aside: %s; if it goes on, run the statement again" SHARD_SETS_WAY_OUT,
        name);
  }
  path_list_clear(&names);
  return good;
}

bool shard_sets_check(Checkpoint *checkpoint, FileIdentity *shards, Error *error) {
  uint32_t count, group;
  ShardName *names = shard_sets_list_shards(checkpoint, &count, error);
  if (names == NULL) return false;
  bool good = shard_sets_check_unfinished(checkpoint, error);
  for (uint32_t first = 0; good && first < count; first += group) {
    group = shard_names_group(names + first, count - first);
    good = (first == 0 ||
            shard_sets_check_generations(checkpoint, &names[first - 1], &names[first], error)) &&
           shard_sets_check_numbers(checkpoint, names + first, group, error) &&
           shard_sets_check_tensors(checkpoint, names + first, group, shards, error);
  }
  memory_free(names);
  return good;
}
