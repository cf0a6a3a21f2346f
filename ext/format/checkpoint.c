#include "format/checkpoint.h"

#include <string.h>

#include "base/memory.h"
#include "format/hub.h"
#include "format/path_form.h"
#include "format/signature.h"

struct Checkpoint {
  Store *store;
  Error problem; /* of the path as a whole: the error of the one member */
  ResolvedPath resolved;
  /* of a model with an index */
  File *index;
  char *folder;
  bool in_hub;        /* it is in the Hugging Face cache */
  bool *link_checked; /* of each shard */
  /* the open member */
  File *file;
  uint32_t file_number;
  File **kept; /* all that were opened, by number; NULL while one is open at a time */
  /* of a BLOB */
  bool is_blob;
  const unsigned char *blob;
  uint64_t blob_size;
  Header *blob_header;
};

static const char blob_subject[] = "BLOB";

/* ---- Opening ---- */

static bool open_index(Checkpoint *checkpoint, Error *error) {
  ResolvedPath *resolved = &checkpoint->resolved;
  checkpoint->index = store_open_index(checkpoint->store, resolved->path, error);
  if (checkpoint->index == NULL) return false;
  checkpoint->folder = path_folder(resolved->path);
  if (checkpoint->folder == NULL) return error_memory(error);
  checkpoint->in_hub = hub_holds(resolved->path);
  const PathList *shards = &checkpoint->index->index->shards;
  for (uint32_t i = 0; i < shards->count; i++) {
    if (!path_list_add(&resolved->members, checkpoint->folder, shards->paths[i])) {
      return error_memory(error);
    }
  }
  checkpoint->link_checked = memory_zeroed(shards->count, sizeof *checkpoint->link_checked);
  return checkpoint->link_checked != NULL || error_memory(error);
}

Checkpoint *checkpoint_open_path(Store *store, const char *path, uint64_t length, Error *error) {
  if (memchr(path, '\0', (size_t)length) != NULL) {
    error_fill(error, ERROR_ARGUMENT, path, "expected a path without NUL characters");
    return NULL;
  }
  Checkpoint *checkpoint = memory_zeroed(1, sizeof *checkpoint);
  if (checkpoint == NULL) {
    error_memory(error);
    return NULL;
  }
  checkpoint->store = store;
  bool good = path_form_resolve(path, &checkpoint->resolved, &checkpoint->problem) &&
              (checkpoint->resolved.form != PATH_FORM_INDEX ||
               open_index(checkpoint, &checkpoint->problem));
  if (good || checkpoint->problem.code != ERROR_MEMORY) {
    if (checkpoint->resolved.path != NULL) return checkpoint;
    checkpoint->resolved.path = memory_copy_text(path, length); /* for messages */
    if (checkpoint->resolved.path != NULL) return checkpoint;
  }
  checkpoint_close(checkpoint);
  error_memory(error);
  return NULL;
}

Checkpoint *checkpoint_open_blob(Store *store, const unsigned char *blob, uint64_t size,
                                 Error *error) {
  Checkpoint *checkpoint = memory_zeroed(1, sizeof *checkpoint);
  if (checkpoint == NULL) {
    error_memory(error);
    return NULL;
  }
  checkpoint->store = store;
  checkpoint->is_blob = true;
  checkpoint->blob = blob;
  checkpoint->blob_size = size;
  return checkpoint;
}

void checkpoint_close(Checkpoint *checkpoint) {
  if (checkpoint == NULL) return;
  if (checkpoint->kept == NULL) store_unpin(checkpoint->store, checkpoint->file);
  for (uint32_t i = 0; checkpoint->kept != NULL && i < checkpoint->resolved.members.count; i++) {
    store_unpin(checkpoint->store, checkpoint->kept[i]);
  }
  store_unpin(checkpoint->store, checkpoint->index);
  header_free(checkpoint->blob_header);
  resolved_path_clear(&checkpoint->resolved);
  error_clear(&checkpoint->problem);
  memory_free(checkpoint->kept);
  memory_free(checkpoint->link_checked);
  memory_free(checkpoint->folder);
  memory_free(checkpoint);
}

/* ---- Members ---- */

uint32_t checkpoint_member_count(const Checkpoint *checkpoint) {
  if (checkpoint->is_blob || checkpoint->problem.code != ERROR_NONE) return 1;
  return checkpoint->resolved.members.count;
}

const char *checkpoint_member_path(const Checkpoint *checkpoint, uint32_t number) {
  if (checkpoint->is_blob) return NULL;
  if (checkpoint->problem.code != ERROR_NONE) return checkpoint->resolved.path;
  return checkpoint->resolved.members.paths[number];
}

static bool open_blob(Checkpoint *checkpoint, Member *member, Error *error) {
  member->size = checkpoint->blob_size;
  if (checkpoint->blob_header == NULL) {
    uint64_t length;
    if (!header_length(checkpoint->blob, checkpoint->blob_size, &length)) {
      uint64_t size =
          checkpoint->blob_size < SIGNATURE_SIZE ? checkpoint->blob_size : SIGNATURE_SIZE;
      return header_refuse(checkpoint->blob, size, checkpoint->blob_size, blob_subject, error);
    }
    char *text = memory_alloc(length);
    if (text == NULL) return error_memory(error);
    memcpy(text, checkpoint->blob + HEADER_PREFIX_SIZE, (size_t)length);
    checkpoint->blob_header =
        header_parse(text, length, checkpoint->blob_size, blob_subject, error);
  }
  member->header = checkpoint->blob_header;
  return member->header != NULL;
}

/* A shard's name stays within the folder, and so must what it links to. */
static bool check_link(const Checkpoint *checkpoint, uint32_t number, const char *path,
                       Error *error) {
  if (checkpoint->folder == NULL || checkpoint->link_checked[number]) return true;
  checkpoint->link_checked[number] =
      path_form_is_shard_place(path, checkpoint->folder, checkpoint->in_hub);
  PathKind kind = PATH_MISSING;
  if (!checkpoint->link_checked[number] && !platform_path_kind(path, &kind, error)) return false;
  return checkpoint->link_checked[number] || kind == PATH_MISSING ||
         error_raise(error, ERROR_INVALID, path,
                     "expected a shard within the index's folder, found a link that leaves it");
}

static bool open_file(Checkpoint *checkpoint, uint32_t number, Member *member, Error *error) {
  member->path = checkpoint_member_path(checkpoint, number);
  if (checkpoint->problem.code != ERROR_NONE) return error_repeat(error, &checkpoint->problem);
  if (checkpoint->file == NULL || checkpoint->file_number != number) {
    if (checkpoint->kept == NULL) store_unpin(checkpoint->store, checkpoint->file);
    checkpoint->file = checkpoint->kept != NULL ? checkpoint->kept[number] : NULL;
    checkpoint->file_number = number;
  }
  if (checkpoint->file == NULL && check_link(checkpoint, number, member->path, error)) {
    checkpoint->file = store_open(checkpoint->store, member->path, error);
    if (checkpoint->kept != NULL) checkpoint->kept[number] = checkpoint->file;
  }
  if (checkpoint->file == NULL) return false;
  member->file = checkpoint->file;
  member->size = checkpoint->file->identity.size;
  member->header = checkpoint->file->header;
  return member->header != NULL;
}

bool checkpoint_keep_open(Checkpoint *checkpoint, Error *error) {
  if (checkpoint->is_blob || checkpoint->problem.code != ERROR_NONE || checkpoint->kept != NULL) {
    return true;
  }
  checkpoint->kept = memory_zeroed(checkpoint->resolved.members.count, sizeof(File *));
  if (checkpoint->kept == NULL) return error_memory(error);
  if (checkpoint->file != NULL) checkpoint->kept[checkpoint->file_number] = checkpoint->file;
  return true;
}

static uint64_t size_of(const char *path) {
  FileIdentity identity;
  Error unimportant = {0};
  bool known = platform_identify(path, &identity, &unimportant);
  error_clear(&unimportant);
  return known ? identity.size : MEMBER_SIZE_UNKNOWN;
}

bool checkpoint_open_member(Checkpoint *checkpoint, uint32_t number, Member *member, Error *error) {
  *member = (Member){0};
  if (checkpoint->is_blob) return open_blob(checkpoint, member, error);
  if (open_file(checkpoint, number, member, error)) return true;
  member->size = size_of(member->path);
  return false;
}

Source checkpoint_source(const Checkpoint *checkpoint, const Member *member,
                         const TensorEntry *entry) {
  uint64_t offset = header_data_offset(member->header) + entry->begin;
  return (Source){
      .memory = member->file == NULL ? checkpoint->blob + offset : NULL,
      .file = member->file,
      .path = member->path,
      .offset = offset,
      .nbytes = entry->end - entry->begin,
      .mode = store_settings(checkpoint->store)->io,
  };
}

/* ---- The index ---- */

Index *checkpoint_index(const Checkpoint *checkpoint) {
  return checkpoint->index != NULL ? checkpoint->index->index : NULL;
}

const char *checkpoint_index_path(const Checkpoint *checkpoint) {
  return checkpoint->index != NULL ? checkpoint->resolved.path : NULL;
}

const Error *checkpoint_problem(const Checkpoint *checkpoint) {
  return checkpoint->problem.code != ERROR_NONE ? &checkpoint->problem : NULL;
}

bool checkpoint_member_of(const Checkpoint *checkpoint, const char *name, uint64_t length,
                          uint32_t *number) {
  const Index *index = checkpoint_index(checkpoint);
  uint32_t entry;
  if (index == NULL || !index_find(index, name, length, &entry)) return false;
  *number = index->entries[entry].shard;
  return true;
}

/* ---- One tensor ---- */

static const TensorEntry *find_in(Checkpoint *checkpoint, uint32_t number, const char *name,
                                  uint64_t length, Member *member, Error *error) {
  if (!checkpoint_open_member(checkpoint, number, member, error)) return NULL;
  return header_find(member->header, name, length);
}

/* Looks through all members. One that has the tensor stays open, being the last looked at again. */
static const TensorEntry *find_in_all(Checkpoint *checkpoint, const char *name, uint64_t length,
                                      Member *member, Error *error) {
  uint32_t count = checkpoint_member_count(checkpoint), holder = count;
  for (uint32_t i = 0; i < count; i++) {
    bool has = find_in(checkpoint, i, name, length, member, error) != NULL;
    if (error->code != ERROR_NONE) return NULL;
    if (has && holder < count) {
      error_fill(error, ERROR_INVALID, checkpoint->resolved.path,
                 "tensor \"%.*s\": expected in one file, found in several: %s and %s",
                 ERROR_NAME(name, length), checkpoint_member_path(checkpoint, holder),
                 checkpoint_member_path(checkpoint, i));
      return NULL;
    }
    if (has) holder = i;
  }
  return holder < count ? find_in(checkpoint, holder, name, length, member, error) : NULL;
}

const TensorEntry *checkpoint_find(Checkpoint *checkpoint, const char *name, uint64_t length,
                                   Member *member, Error *error) {
  const char *path = checkpoint->resolved.path;
  uint32_t number;
  if (checkpoint->resolved.form == PATH_FORM_GLOB && checkpoint->problem.code == ERROR_NONE) {
    error_fill(error, ERROR_ARGUMENT, path,
               "expected the path of one checkpoint in a ref, found a glob");
    return NULL;
  }
  bool indexed = checkpoint_member_of(checkpoint, name, length, &number);
  const TensorEntry *entry = indexed ? find_in(checkpoint, number, name, length, member, error)
                                     : find_in_all(checkpoint, name, length, member, error);
  if (entry == NULL && error->code == ERROR_NONE) {
    error_fill(error, indexed ? ERROR_INVALID : ERROR_ARGUMENT, path,
               "expected a tensor \"%.*s\"%s%s, found none", ERROR_NAME(name, length),
               indexed ? " in shard " : "", indexed ? member->path : "");
  }
  return entry;
}
