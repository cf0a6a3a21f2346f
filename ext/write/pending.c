#include "write/pending.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/sort.h"
#include "model/one_state.h"

bool pending_start(Pending *pending, Error *error) {
  *pending = (Pending){.tensors = pending_rows_new(), .pairs = pending_rows_new()};
  if (pending->tensors != NULL && pending->pairs != NULL) return true;
  pending_clear(pending);
  return error_memory(error);
}

void pending_clear(Pending *pending) {
  pending_rows_release(pending->tensors);
  pending_rows_release(pending->pairs);
  for (uint32_t i = 0; i < pending->base.count; i++) {
    memory_free(pending->base.members[i].path);
    memory_free(pending->base.members[i].name);
  }
  memory_free(pending->base.members);
  memory_free(pending->base.path);
  *pending = (Pending){0};
}

void pending_keep_names(Pending *pending) {
  PendingRows *tensors = pending->tensors;
  if (tensors == NULL || tensors->references > 1) return;
  for (uint32_t i = 0; i < tensors->count; i++) {
    PendingTensor *tensor = (PendingTensor *)tensors->slots[i].row;
    if (tensor == NULL || tensor->row.references > 1) continue;
    pending_data_release(tensor->data);
    tensor->data = NULL;
  }
}

bool pending_is_current(const Pending *pending) {
  const PendingBase *base = &pending->base;
  FileIdentity now;
  Error error = {0};
  bool current = base->path != NULL && file_identify(base->path, &now, &error) &&
                 file_identity_unchanged(&now, &base->identity) && !session_is_recent(&now);
  for (uint32_t i = 0; i < base->count && base->is_index && current; i++) {
    current = file_identify(base->members[i].path, &now, &error) &&
              file_identity_unchanged(&now, &base->members[i].identity);
  }
  error_clear(&error);
  return current;
}

/* ---- Loading ---- */

typedef struct PendingLoading {
  Pending *pending;
  const Pending *before; /* its names are known; may be NULL */
  PendingSources *sources;
  int64_t last_tensor, last_pair; /* the greatest rowids so far */
  Error *error;
} PendingLoading;

/* Returns the rowid that the row of this name had before, or a new one. */
static int64_t pending_number(const PendingRows *before, const PendingRow *row, int64_t *last) {
  uint32_t slot;
  if (before != NULL &&
      pending_rows_find_name(before, row->name, row->name_length, UINT32_MAX, &slot)) {
    return before->slots[slot].rowid;
  }
  return ++*last;
}

/* Takes over the reference to the row. */
static bool pending_add(PendingRows *rows, const PendingRows *before, int64_t *last,
                        PendingRow *row, Error *error) {
  if (row == NULL) return error_memory(error);
  if (pending_rows_append(rows, pending_number(before, row, last), row)) return true;
  pending_row_release(row);
  return error_memory(error);
}

static PendingTensor *pending_tensor_of_entry(const Header *header, const TensorEntry *entry,
                                              uint32_t member, PendingSource *source,
                                              Error *error) {
  uint64_t offset = header_data_offset(header) + entry->begin, nbytes = tensor_entry_nbytes(entry);
  PendingTensorParts parts = {.name = header->text + entry->name.offset,
                              .name_length = entry->name.length,
                              .shape = header->text + entry->shape.offset,
                              .shape_length = entry->shape.length,
                              .dtype = entry->dtype,
                              .member = member,
                              .data = pending_data_of_file(pending_source_retain(source), offset,
                                                           nbytes, entry->dtype, error)};
  PendingTensor *tensor = parts.data != NULL ? pending_tensor_new(&parts, error) : NULL;
  if (tensor == NULL) return NULL;
  tensor->on_disk = true;
  tensor->numel = tensor_entry_numel(entry); /* the exact number, also for F4 and empty tensors */
  return tensor;
}

static bool pending_load_tensors(PendingLoading *loading, const Header *header, uint32_t member,
                                 PendingSource *source) {
  const Pending *before = loading->before;
  Cancel *cancel = session_cancel(loading->sources->session);
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    PendingTensor *tensor =
        pending_tensor_of_entry(header, &header->tensors[i], member, source, loading->error);
    if (tensor != NULL) tensor->number = i;
    if (tensor == NULL ||
        !pending_add(loading->pending->tensors, before != NULL ? before->tensors : NULL,
                     &loading->last_tensor, &tensor->row, loading->error) ||
        !cancel_go_on_row(cancel, i, source->path, loading->error)) {
      return false;
    }
  }
  return true;
}

static bool pending_load_pairs(PendingLoading *loading, const Header *header, uint32_t member) {
  const Pending *before = loading->before;
  for (uint32_t i = 0; i < header->metadata_count; i++) {
    const MetadataEntry *entry = &header->metadata[i];
    PendingPair *pair =
        pending_pair_new(header->text + entry->key.offset, entry->key.length,
                         header->text + entry->value.offset, entry->value.length, member);
    if (pair != NULL) pair->on_disk = true;
    if (!pending_add(loading->pending->pairs, before != NULL ? before->pairs : NULL,
                     &loading->last_pair, (PendingRow *)pair, loading->error)) {
      return false;
    }
  }
  return true;
}

static bool pending_load_member(PendingLoading *loading, Checkpoint *checkpoint, uint32_t number) {
  Member member;
  PendingMember *out = &loading->pending->base.members[number];
  if (!checkpoint_open_member(checkpoint, number, &member, loading->error)) return false;
  out->path = memory_copy_text(member.path, strlen(member.path));
  out->identity = member.file->identity;
  out->tensors = member.header->tensor_count;
  out->pairs = member.header->metadata_count;
  if (out->path == NULL) return error_memory(loading->error);
  PendingSource *source =
      pending_source_find(loading->sources, out->path, member.file, loading->error);
  bool good = source != NULL && pending_load_tensors(loading, member.header, number, source) &&
              pending_load_pairs(loading, member.header, number);
  pending_source_release(source);
  return good;
}

/* The shards are those of the index, in the same order. */
static bool pending_take_names(PendingBase *base, const Index *index, Error *error) {
  for (uint32_t i = 0; i < base->count && i < index->shards.count; i++) {
    const char *name = index->shards.paths[i];
    base->members[i].name = memory_copy_text(name, strlen(name));
    if (base->members[i].name == NULL) return error_memory(error);
  }
  return base->count == index->shards.count ||
         error_raise(
             error, ERROR_CHANGED, base->path,
             "expected the index as it was a moment ago, found that it names other shards; run "
             "the statement again");
}

/* Identifies the file or the index. Shards are identified when they are loaded. */
static bool pending_load_identity(PendingLoading *loading, const Checkpoint *checkpoint) {
  PendingBase *base = &loading->pending->base;
  const char *index = checkpoint_index_path(checkpoint);
  const char *path = index != NULL ? index : checkpoint_member_path(checkpoint, 0);
  base->is_index = index != NULL;
  base->path = memory_copy_text(path, strlen(path));
  if (base->path == NULL) return error_memory(loading->error);
  if (!base->is_index) {
    base->identity = base->members[0].identity;
    return true;
  }
  Session *session = loading->sources->session;
  File *file = session_open_index(session, index, NULL, loading->error);
  if (file == NULL) return false;
  base->identity = file->identity;
  bool good = pending_take_names(base, file->index, loading->error);
  session_unpin(session, file);
  return good;
}

static bool pending_load_checkpoint(PendingLoading *loading, Checkpoint *checkpoint) {
  PendingBase *base = &loading->pending->base;
  if (!verify_shards(checkpoint, loading->error)) return false;
  if (checkpoint_problem(checkpoint) != NULL)
    return error_repeat(loading->error, checkpoint_problem(checkpoint));
  base->count = checkpoint_member_count(checkpoint);
  base->members = memory_zeroed(base->count, sizeof *base->members);
  if (base->members == NULL) {
    base->count = 0;
    return error_memory(loading->error);
  }
  for (uint32_t i = 0; i < base->count; i++) {
    if (!pending_load_member(loading, checkpoint, i)) return false;
  }
  return pending_load_identity(loading, checkpoint);
}

/* An empty file counts as one without tensors, because another process may be about to write it. */
static bool pending_load_empty(PendingLoading *loading, const char *path, bool *is_empty) {
  PendingBase *base = &loading->pending->base;
  FileIdentity identity;
  Error problem = {0};
  *is_empty = file_identify(path, &identity, &problem) && identity.size == 0;
  error_clear(&problem);
  if (!*is_empty) return true;
  base->path = memory_copy_text(path, strlen(path));
  base->identity = identity;
  base->members = memory_zeroed(1, sizeof *base->members);
  base->count = base->members != NULL;
  if (base->count == 0 || base->path == NULL) return error_memory(loading->error);
  base->members[0].identity = identity;
  base->members[0].path = memory_copy_text(path, strlen(path));
  return base->members[0].path != NULL || error_memory(loading->error);
}

static bool pending_load_path(PendingLoading *loading, const char *path) {
  Session *session = loading->sources->session;
  bool is_empty;
  if (!pending_load_empty(loading, path, &is_empty)) return false;
  if (is_empty) return true;
  Checkpoint *checkpoint = checkpoint_open_path(session, path, strlen(path), loading->error);
  bool good = checkpoint != NULL && pending_load_checkpoint(loading, checkpoint);
  checkpoint_close(checkpoint);
  return good;
}

static int pending_by_rowid(const void *left, const void *right) {
  const PendingSlot *a = left, *b = right;
  return (a->rowid > b->rowid) - (a->rowid < b->rowid);
}

/* Sorts a copy, because a sort that is cancelled can leave rows twice. */
static bool pending_sort(PendingRows *rows, PendingSources *sources, const char *path,
                         Error *error) {
  uint32_t sorted = 1;
  while (sorted < rows->count && rows->slots[sorted - 1].rowid < rows->slots[sorted].rowid)
    sorted++;
  if (sorted >= rows->count) return true;
  PendingSlot *slots = memory_resize(NULL, rows->count, sizeof *slots);
  if (slots == NULL) return error_memory(error);
  memcpy(slots, rows->slots, rows->count * sizeof *slots);
  bool good = sort_rows(slots, rows->count, sizeof *slots, pending_by_rowid,
                        session_cancel(sources->session), path, error);
  if (good) memcpy(rows->slots, slots, rows->count * sizeof *slots);
  memory_free(slots);
  return good;
}

bool pending_load(Pending *pending, PendingSources *sources, const char *path,
                  const Pending *before, Error *error) {
  if (!pending_start(pending, error)) return false;
  PendingLoading loading = {
      .pending = pending, .before = before, .sources = sources, .error = error};
  if (before != NULL) {
    loading.last_tensor = pending_rows_last_rowid(before->tensors);
    loading.last_pair = pending_rows_last_rowid(before->pairs);
    if (!pending_rows_know_names(before->tensors) || !pending_rows_know_names(before->pairs)) {
      pending_clear(pending);
      return error_memory(error);
    }
  }
  if (pending_load_path(&loading, path) && pending_sort(pending->tensors, sources, path, error) &&
      pending_sort(pending->pairs, sources, path, error)) {
    return true;
  }
  pending_clear(pending);
  return false;
}
