#include "format/verify.h"

#include <string.h>

#include "base/memory.h"

/* A tensor that the index does not know. */
typedef struct Stranger {
  Span name; /* first: NameTable reads it there */
  uint32_t shard;
} Stranger;

typedef struct Verification {
  Checkpoint *checkpoint;
  Index *index;
  uint32_t *found; /* for each entry of the index: the shard it was found in, plus one */
  Stranger *strangers;
  uint32_t stranger_count, stranger_capacity;
  char *text; /* of the strangers' names: their shards' headers may be gone by then */
  uint64_t text_length, text_capacity;
  FileIdentity *shards; /* as they were when they were looked through */
  bool settled;         /* no shard was written so lately that its identity says too little */
} Verification;

static bool raise_several(const Verification *verification, const char *name, uint64_t length,
                          uint32_t first, uint32_t second, Error *error) {
  char *const *shards = verification->index->shards.paths;
  return error_raise(error, ERROR_INVALID, checkpoint_index_path(verification->checkpoint),
                     "tensor \"%.*s\": expected in one shard, found in several: %s and %s",
                     ERROR_NAME(name, length), shards[first], shards[second]);
}

static bool note_stranger(Verification *verification, const char *name, uint32_t length,
                          uint32_t shard, Error *error) {
  if (verification->stranger_count == verification->stranger_capacity) {
    uint32_t capacity = verification->stranger_capacity * 2 + 16;
    Stranger *strangers = memory_resize(verification->strangers, capacity, sizeof *strangers);
    if (strangers == NULL) return error_memory(error);
    verification->strangers = strangers;
    verification->stranger_capacity = capacity;
  }
  uint64_t offset = verification->text_length, end = offset + length;
  if (end > UINT32_MAX) {
    return error_raise(error, ERROR_INVALID, checkpoint_index_path(verification->checkpoint),
                       "expected the tensors to be in the index, found 4 GB of names that are not");
  }
  if (verification->text == NULL || end > verification->text_capacity) {
    char *text = memory_resize(verification->text, end * 2, 1);
    if (text == NULL) return error_memory(error);
    verification->text = text;
    verification->text_capacity = end * 2;
  }
  memcpy(verification->text + offset, name, length);
  verification->text_length = end;
  verification->strangers[verification->stranger_count++] =
      (Stranger){{(uint32_t)offset, length}, shard};
  return true;
}

static bool look_through(Verification *verification, uint32_t shard, Error *error) {
  Member member;
  if (!checkpoint_open_member(verification->checkpoint, shard, &member, error)) return false;
  verification->shards[shard] = member.file->identity;
  if (member.file->recent) verification->settled = false;
  for (uint32_t i = 0; i < member.header->tensor_count; i++) {
    const Span *span = &member.header->tensors[i].name;
    const char *name = member.header->text + span->offset;
    uint32_t entry;
    if (!index_find(verification->index, name, span->length, &entry)) {
      if (!note_stranger(verification, name, span->length, shard, error)) return false;
      continue;
    }
    uint32_t *found = &verification->found[entry];
    if (*found != 0) {
      return raise_several(verification, name, span->length, *found - 1, shard, error);
    }
    *found = shard + 1;
  }
  return true;
}

static bool check_found(const Verification *verification, Error *error) {
  const Index *index = verification->index;
  for (uint32_t i = 0; i < index->entry_count; i++) {
    const IndexEntry *entry = &index->entries[i];
    uint32_t found = verification->found[i];
    if (found == entry->shard + 1) continue;
    return error_raise(error, ERROR_INVALID, checkpoint_index_path(verification->checkpoint),
                       "tensor \"%.*s\": expected in shard %s by the index, found %s%s",
                       ERROR_NAME(index->text + entry->name.offset, entry->name.length),
                       index->shards.paths[entry->shard], found == 0 ? "in none" : "in ",
                       found == 0 ? "" : index->shards.paths[found - 1]);
  }
  return true;
}

/* The same name twice among the strangers can only be in two shards: a header has it once. */
static bool check_strangers(const Verification *verification, Error *error) {
  const Stranger *strangers = verification->strangers;
  const char *text = verification->text;
  NameTable table;
  uint32_t second, first = 0;
  if (verification->stranger_count == 0) return true;
  switch (name_table_build(&table, text, strangers, sizeof *strangers, verification->stranger_count,
                           &second)) {
    case NAME_TABLE_NO_MEMORY: return error_memory(error);
    case NAME_TABLE_BUILT: name_table_free(&table); return true;
    case NAME_TABLE_DUPLICATE: break;
  }
  Span name = strangers[second].name;
  while (strangers[first].name.length != name.length ||
         memcmp(text + strangers[first].name.offset, text + name.offset, name.length) != 0) {
    first++;
  }
  return raise_several(verification, text + name.offset, name.length, strangers[first].shard,
                       strangers[second].shard, error);
}

/* Whether every shard still is what it was when it was found good. */
static bool is_unchanged(const Checkpoint *checkpoint, const Index *index) {
  for (uint32_t i = 0; index->verified_shards != NULL && i < index->shards.count; i++) {
    FileIdentity now;
    Error unimportant = {0};
    bool same = platform_identify(checkpoint_member_path(checkpoint, i), &now, &unimportant) &&
                platform_identity_equal(&now, &index->verified_shards[i]);
    error_clear(&unimportant);
    if (!same) return false;
  }
  return index->verified_shards != NULL;
}

static bool look_through_all(Verification *verification, Error *error) {
  for (uint32_t i = 0; i < verification->index->shards.count; i++) {
    if (!look_through(verification, i, error)) return false;
  }
  return check_found(verification, error) && check_strangers(verification, error);
}

bool verify_shards(Checkpoint *checkpoint, Error *error) {
  Index *index = checkpoint_index(checkpoint);
  if (index == NULL || checkpoint_problem(checkpoint) != NULL) return true;
  if (is_unchanged(checkpoint, index)) return true;
  Verification verification = {
      .checkpoint = checkpoint,
      .index = index,
      .settled = true,
      .found = memory_zeroed(index->entry_count, sizeof *verification.found),
      .shards = memory_zeroed(index->shards.count, sizeof *verification.shards),
  };
  bool good = false;
  if (verification.found == NULL || verification.shards == NULL) {
    error_memory(error);
  } else {
    good = look_through_all(&verification, error);
  }
  memory_free(index->verified_shards);
  index->verified_shards = good && verification.settled ? verification.shards : NULL;
  if (index->verified_shards == NULL) memory_free(verification.shards);
  memory_free(verification.found);
  memory_free(verification.strangers);
  memory_free(verification.text);
  return good;
}
