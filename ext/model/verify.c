#include "model/verify.h"

#include <string.h>

#include "base/memory.h"

/* A tensor that is not in the index. */
typedef struct VerifyStranger {
  Span name; /* must come first, because NameTable expects it there */
  uint32_t shard;
} VerifyStranger;

typedef struct VerifyVerification {
  Checkpoint *checkpoint;
  Index *index;
  uint32_t *found; /* for each entry of the index: the shard in which it was found, plus one */
  VerifyStranger *strangers;
  uint32_t stranger_count, stranger_capacity;
  char *text; /* copies of the names of the strangers, because the headers of their shards may be
              ** released by then */
  uint64_t text_length, text_capacity;
  FileIdentity *shards; /* by their numbers, in the state in which they were examined */
  bool surely;          /* no shard was written so recently that its identity proves too little */
} VerifyVerification;

static void verify_verification_clear(VerifyVerification *verification) {
  memory_free(verification->found);
  memory_free(verification->strangers);
  memory_free(verification->text);
}

/* The index of the model, or its directory. */
static const char *verify_subject(const VerifyVerification *verification) {
  const char *index = checkpoint_index_path(verification->checkpoint);
  return index != NULL ? index : checkpoint_path(verification->checkpoint);
}

/* The name in the index, or the path. */
static const char *verify_shard_name(const VerifyVerification *verification, uint32_t shard) {
  return verification->index != NULL ? verification->index->shards.paths[shard]
                                     : checkpoint_member_path(verification->checkpoint, shard);
}

static bool verify_raise_several(const VerifyVerification *verification, const char *name,
                                 uint64_t length, uint32_t first, uint32_t second, Error *error) {
  return error_raise(error, ERROR_INVALID, verify_subject(verification),
                     "tensor \"%.*s\": expected in one shard, found in several: %s and %s",
                     ERROR_NAME(name, length), verify_shard_name(verification, first),
                     verify_shard_name(verification, second));
}

static bool verify_note_stranger(VerifyVerification *verification, const char *name,
                                 uint32_t length, uint32_t shard, Error *error) {
  if (verification->stranger_count == verification->stranger_capacity) {
    uint32_t capacity = verification->stranger_capacity * 2 + 16;
    VerifyStranger *strangers = memory_resize(verification->strangers, capacity, sizeof *strangers);
    if (strangers == NULL) return error_memory(error);
    verification->strangers = strangers;
    verification->stranger_capacity = capacity;
  }
  uint64_t offset = verification->text_length, end = offset + length;
  if (end > UINT32_MAX) {
    return error_raise(error, ERROR_INVALID, verify_subject(verification),
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
      (VerifyStranger){{(uint32_t)offset, length}, shard};
  return true;
}

static bool verify_look_through(VerifyVerification *verification, uint32_t shard, Error *error) {
  Member member;
  if (!checkpoint_open_member(verification->checkpoint, shard, &member, error)) return false;
  verification->shards[shard] = member.file->identity;
  if (member.file->recent) verification->surely = false;
  uint32_t entry = 0;
  for (uint32_t i = 0; i < member.header->tensor_count; i++) {
    const Span *span = &member.header->tensors[i].name;
    const char *name = member.header->text + span->offset;
    if (verification->index == NULL ||
        !index_find_next(verification->index, name, span->length, &entry)) {
      if (!verify_note_stranger(verification, name, span->length, shard, error)) return false;
      continue;
    }
    uint32_t *found = &verification->found[entry];
    if (*found != 0) {
      return verify_raise_several(verification, name, span->length, *found - 1, shard, error);
    }
    *found = shard + 1;
  }
  return true;
}

static bool verify_check_found(const VerifyVerification *verification, Error *error) {
  const Index *index = verification->index;
  for (uint32_t i = 0; i < index->entry_count; i++) {
    const IndexEntry *entry = &index->entries[i];
    uint32_t found = verification->found[i];
    if (found == entry->shard + 1) continue;
    const char *path = checkpoint_index_path(verification->checkpoint);
    char *name = index_entry_name(index, i, path, error);
    if (name == NULL) return false;
    error_fill(error, ERROR_INVALID, path,
               "tensor \"%.*s\": expected in shard %s by the index, found %s%s",
               ERROR_NAME(name, strlen(name)), index->shards.paths[entry->shard],
               found == 0 ? "in none" : "in ", found == 0 ? "" : index->shards.paths[found - 1]);
    memory_free(name);
    return false;
  }
  return true;
}

/* If a name occurs twice among the strangers it must be in two shards, since a header contains it
** once. */
static bool verify_check_strangers(const VerifyVerification *verification, Error *error) {
  const VerifyStranger *strangers = verification->strangers;
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
  return verify_raise_several(verification, text + name.offset, name.length, strangers[first].shard,
                              strangers[second].shard, error);
}

bool shards_agree(Checkpoint *checkpoint, FileIdentity *shards, bool *surely, Error *error) {
  Index *index = checkpoint_index(checkpoint);
  VerifyVerification verification = {
      .checkpoint = checkpoint,
      .index = index,
      .surely = true,
      .found = memory_zeroed(index->entry_count, sizeof *verification.found),
      .shards = shards,
  };
  bool good = verification.found != NULL || error_memory(error);
  for (uint32_t i = 0; good && i < index->shards.count; i++) {
    good = verify_look_through(&verification, i, error);
  }
  good = good && verify_check_found(&verification, error) &&
         verify_check_strangers(&verification, error);
  *surely = verification.surely;
  verify_verification_clear(&verification);
  return good;
}

bool shards_are_apart(Checkpoint *checkpoint, const uint32_t *members, uint32_t count,
                      FileIdentity *shards, Error *error) {
  VerifyVerification verification = {.checkpoint = checkpoint, .shards = shards};
  bool good = true;
  for (uint32_t i = 0; good && i < count; i++) {
    good = verify_look_through(&verification, members[i], error);
  }
  good = good && verify_check_strangers(&verification, error);
  verify_verification_clear(&verification);
  return good;
}
