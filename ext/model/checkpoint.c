#include "model/checkpoint.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/suggest.h"
#include "format/signature.h"
#include "model/path_form.h"

struct Checkpoint {
  Session *session;
  char *path;        /* as it was given; NULL for a BLOB */
  bool look_only;    /* see checkpoint_look_only() */
  uint32_t sought;   /* the number plus one of the member that was looked up last */
  uint32_t expected; /* the members before this number are asked for: see checkpoint_expect() */
  bool damaged;      /* see checkpoint_allow_damage() */
  Error problem;     /* with the path as a whole; it is the error of the only member */
  ResolvedPath resolved;
  /* of a model with an index */
  File *index;
  PathList confines;   /* directories that its files must lie in; empty if they may lie anywhere */
  uint32_t last_entry; /* the number of the entry that was looked up last */
  bool is_gone; /* a shard is missing because the index has been replaced since it was read */
  /* the open member */
  File *file;
  uint32_t file_number;
  File **kept; /* all opened members, by number; NULL as long as only one is open at a time */
  /* of a BLOB */
  bool is_blob;
  const unsigned char *blob;
  uint64_t blob_size, file_size; /* the BLOB may be only the beginning of the file */
  Header *blob_header;
  Salvage *blob_salvage;
};

static const char checkpoint_blob_subject[] = "BLOB";

/* ---- Opening ---- */

static bool checkpoint_open_index(Checkpoint *checkpoint, Error *error) {
  ResolvedPath *resolved = &checkpoint->resolved;
  if (session_settings(checkpoint->session)->links == LINKS_WITHIN &&
      !path_form_confine(resolved->path, &checkpoint->confines, error)) {
    return false;
  }
  checkpoint->index =
      session_open_index(checkpoint->session, resolved->path, &checkpoint->confines, error);
  if (checkpoint->index == NULL) return false;
  char *directory = path_directory(resolved->path);
  bool good = directory != NULL;
  const PathList *shards = &checkpoint->index->index->shards;
  for (uint32_t i = 0; good && i < shards->count; i++) {
    good = path_form_add_member(resolved, directory, shards->paths[i]);
  }
  memory_free(directory);
  return good || error_memory(error);
}

/* Finds out what the path names. Returns false if memory runs out, or on an interrupt. */
static bool checkpoint_resolve(Checkpoint *checkpoint, Error *error) {
  const char *path = checkpoint->path;
  Cancel *cancel = session_cancel(checkpoint->session);
  bool good =
      path_form_resolve(path, &checkpoint->resolved, session_network(checkpoint->session),
                        session_searches(checkpoint->session), cancel, &checkpoint->problem) &&
      (checkpoint->resolved.form != PATH_FORM_INDEX ||
       checkpoint_open_index(checkpoint, &checkpoint->problem));
  if (!good && error_is_fatal(checkpoint->problem.code)) {
    return error_repeat(error, &checkpoint->problem);
  }
  if (checkpoint->resolved.path == NULL) { /* messages need it */
    checkpoint->resolved.path = memory_copy_text(path, strlen(path));
  }
  return checkpoint->resolved.path != NULL || error_memory(error);
}

Checkpoint *checkpoint_open_path(Session *session, const char *path, uint64_t length,
                                 Error *error) {
  if (memchr(path, '\0', (size_t)length) != NULL) {
    error_fill(error, ERROR_ARGUMENT, path, "expected a path without NUL characters");
    return NULL;
  }
  Checkpoint *checkpoint = memory_zeroed(1, sizeof *checkpoint);
  if (checkpoint == NULL) {
    error_memory(error);
    return NULL;
  }
  checkpoint->session = session;
  checkpoint->path = memory_copy_text(path, length);
  if (checkpoint->path != NULL && checkpoint_resolve(checkpoint, error)) return checkpoint;
  checkpoint_close(checkpoint);
  error_memory(error); /* does nothing if there already is an error, such as an interrupt */
  return NULL;
}

void checkpoint_allow_damage(Checkpoint *checkpoint) {
  checkpoint->damaged = true;
}

Checkpoint *checkpoint_open_blob(Session *session, const unsigned char *blob, uint64_t size,
                                 Error *error) {
  Checkpoint *checkpoint = memory_zeroed(1, sizeof *checkpoint);
  if (checkpoint == NULL) {
    error_memory(error);
    return NULL;
  }
  checkpoint->session = session;
  checkpoint->is_blob = true;
  checkpoint->blob = blob;
  checkpoint->blob_size = checkpoint->file_size = size;
  return checkpoint;
}

Checkpoint *checkpoint_open_beginning(Session *session, const unsigned char *blob, uint64_t size,
                                      uint64_t file_size, Error *error) {
  Checkpoint *checkpoint = checkpoint_open_blob(session, blob, size, error);
  if (checkpoint != NULL) checkpoint->file_size = file_size;
  return checkpoint;
}

uint64_t checkpoint_blob_size(const Checkpoint *checkpoint) {
  return checkpoint->blob_size;
}

static void checkpoint_close_files(Checkpoint *checkpoint) {
  if (checkpoint->kept == NULL) session_unpin(checkpoint->session, checkpoint->file);
  for (uint32_t i = 0; checkpoint->kept != NULL && i < checkpoint->resolved.members.count; i++) {
    session_unpin(checkpoint->session, checkpoint->kept[i]);
  }
  session_unpin(checkpoint->session, checkpoint->index);
  resolved_path_clear(&checkpoint->resolved);
  error_clear(&checkpoint->problem);
  memory_free(checkpoint->kept);
  path_list_clear(&checkpoint->confines);
  checkpoint->index = checkpoint->file = NULL;
  checkpoint->expected = 0;
  checkpoint->kept = NULL;
}

bool checkpoint_reopen(Checkpoint *checkpoint, Error *error) {
  checkpoint_close_files(checkpoint);
  return checkpoint_resolve(checkpoint, error);
}

void checkpoint_close(Checkpoint *checkpoint) {
  if (checkpoint == NULL) return;
  checkpoint_close_files(checkpoint);
  header_free(checkpoint->blob_header);
  salvage_free(checkpoint->blob_salvage);
  memory_free(checkpoint->path);
  memory_free(checkpoint);
}

static bool checkpoint_same_paths(const PathList *a, const PathList *b) {
  if (a->count != b->count) return false;
  for (uint32_t i = 0; i < a->count; i++) {
    if (strcmp(a->paths[i], b->paths[i]) != 0) return false;
  }
  return true;
}

bool checkpoint_names_the_same(const Checkpoint *checkpoint) {
  const ResolvedPath *was = &checkpoint->resolved;
  ResolvedPath now;
  Error unimportant = {0};
  Cancel *cancel = session_cancel(checkpoint->session);
  bool same = path_form_resolve(checkpoint->path, &now, session_network(checkpoint->session), NULL,
                                cancel, &unimportant) &&
              now.form == was->form && strcmp(now.path, was->path) == 0;
  if (same && now.form != PATH_FORM_INDEX)
    same = checkpoint_same_paths(&now.members, &was->members);
  error_clear(&unimportant);
  resolved_path_clear(&now);
  return same;
}

static bool checkpoint_leads_to(const char *path, const File *file) {
  FileIdentity now;
  Error unimportant = {0};
  bool known = file_identify(path, &now, &unimportant);
  error_clear(&unimportant);
  return known && file_identity_equal(&now, &file->identity);
}

bool checkpoint_is_current(const Checkpoint *checkpoint) {
  const ResolvedPath *resolved = &checkpoint->resolved;
  bool is_plain = !checkpoint->is_blob && checkpoint->problem.code == ERROR_NONE &&
                  (resolved->form == PATH_FORM_FILE || resolved->form == PATH_FORM_INDEX) &&
                  strcmp(resolved->path, checkpoint->path) == 0;
  if (!is_plain || checkpoint->file == NULL || checkpoint->confines.count > 0) return false;
  return (checkpoint->index == NULL || checkpoint_leads_to(resolved->path, checkpoint->index)) &&
         checkpoint_leads_to(checkpoint_member_path(checkpoint, checkpoint->file_number),
                             checkpoint->file);
}

bool checkpoint_is_directory(const Checkpoint *checkpoint) {
  return !checkpoint->is_blob && checkpoint->problem.code == ERROR_NONE &&
         checkpoint->resolved.form == PATH_FORM_DIRECTORY;
}

const char *checkpoint_path(const Checkpoint *checkpoint) {
  return checkpoint->is_blob ? checkpoint_blob_subject : checkpoint->resolved.path;
}

Session *checkpoint_session(const Checkpoint *checkpoint) {
  return checkpoint->session;
}

void checkpoint_look_only(Checkpoint *checkpoint, bool on) {
  checkpoint->look_only = on;
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

static bool checkpoint_parse_blob(Checkpoint *checkpoint, Error *error) {
  const unsigned char *blob = checkpoint->blob;
  uint64_t blob_size = checkpoint->blob_size, file_size = checkpoint->file_size, length,
           announced = 0;
  Cancel *cancel = session_cancel(checkpoint->session);
  if (!(checkpoint->damaged
            ? salvage_header_length(blob, blob_size, &length, &announced)
            : blob_size >= HEADER_PREFIX_SIZE && header_length(blob, file_size, &length))) {
    uint64_t size = blob_size < SIGNATURE_SIZE ? blob_size : SIGNATURE_SIZE;
    return header_refuse(blob, size, blob_size < HEADER_PREFIX_SIZE ? blob_size : file_size,
                         checkpoint_blob_subject, error);
  }
  if (length > blob_size - HEADER_PREFIX_SIZE) {
    return error_raise(error, ERROR_INVALID, checkpoint_blob_subject,
                       "expected the whole header, the first %llu bytes of the file, found %llu",
                       (unsigned long long)length + HEADER_PREFIX_SIZE,
                       (unsigned long long)blob_size);
  }
  HeaderBuffers *buffers = session_header_buffers(checkpoint->session);
  char *text = checkpoint->damaged ? memory_alloc(length) : header_buffers_text(buffers, length);
  if (text == NULL) return error_memory(error);
  memcpy(text, blob + HEADER_PREFIX_SIZE, (size_t)length);
  if (checkpoint->damaged) {
    checkpoint->blob_salvage =
        salvage_parse(text, length, announced, blob_size, checkpoint_blob_subject, cancel, error);
    return checkpoint->blob_salvage != NULL;
  }
  checkpoint->blob_header =
      header_parse(buffers, length, file_size, checkpoint_blob_subject, cancel, error);
  header_buffers_trim(buffers);
  return checkpoint->blob_header != NULL;
}

static bool checkpoint_open_blob_member(Checkpoint *checkpoint, Member *member, Error *error) {
  member->size = checkpoint->file_size;
  bool parsed = checkpoint->blob_header != NULL || checkpoint->blob_salvage != NULL;
  if (!parsed && !checkpoint_parse_blob(checkpoint, error)) return false;
  member->salvage = checkpoint->blob_salvage;
  member->header = member->salvage != NULL ? member->salvage->header : checkpoint->blob_header;
  return true;
}

bool checkpoint_see_place(const Checkpoint *checkpoint, Error *error) {
  if (checkpoint->is_blob || checkpoint->problem.code != ERROR_NONE) return true;
  return session_see_place(checkpoint->session, checkpoint->path, checkpoint->resolved.path, error);
}

/* Commits the statement to the index, because another index may name shards in other places. */
static bool checkpoint_see_index(const Checkpoint *checkpoint, Error *error) {
  return checkpoint->index == NULL || session_see(checkpoint->session, checkpoint->resolved.path,
                                                  &checkpoint->index->identity, error);
}

/* Whether the index has been replaced since it was read. */
static bool checkpoint_is_replaced(const Checkpoint *checkpoint) {
  FileIdentity now;
  Error ignored = {0};
  if (checkpoint->index == NULL) return false;
  bool known = open_files_identify(session_open_files(checkpoint->session),
                                   checkpoint->resolved.path, &now, &ignored);
  error_clear(&ignored);
  return known && !file_identity_unchanged(&now, &checkpoint->index->identity);
}

/* How many bytes the headers of the shards take, by what the index says, and 4 kB for their metadata. NULL if there is no
** index, or no memory for them. */
static uint64_t *checkpoint_header_sizes(const Checkpoint *checkpoint) {
  enum { CHECKPOINT_METADATA = 4 << 10 };
  uint32_t count = checkpoint->resolved.members.count;
  if (checkpoint->index == NULL) return NULL;
  uint64_t *sizes = memory_zeroed(count, sizeof *sizes);
  for (uint32_t i = 0; sizes != NULL && i < count; i++) sizes[i] = CHECKPOINT_METADATA;
  if (sizes != NULL) index_estimate_headers(checkpoint->index->index, sizes);
  return sizes;
}

/* When a member of the network is opened, it and some behind it are asked for, so that their answers come together; it alone
** if it was looked up. */
static void checkpoint_expect(Checkpoint *checkpoint, uint32_t number) {
  enum { CHECKPOINT_AHEAD = 32, CHECKPOINT_EXPECTED = 64 };
  const PathList *members = &checkpoint->resolved.members;
  uint32_t first = number > checkpoint->expected ? number : checkpoint->expected;
  uint32_t end =
      members->count - first < CHECKPOINT_EXPECTED ? members->count : first + CHECKPOINT_EXPECTED;
  bool alone = number + 1 == checkpoint->sought;
  if (alone) {
    first = number;
    end = number + 1;
  }
  if (first == members->count || (uint64_t)number + CHECKPOINT_AHEAD < checkpoint->expected) return;
  if (!network_has(session_network(checkpoint->session), members->paths[number])) return;
  if (!alone) checkpoint->expected = end;
  uint64_t *sizes = checkpoint_header_sizes(checkpoint);
  network_expect(session_network(checkpoint->session), members->paths + first,
                 sizes != NULL ? sizes + first : NULL, end - first);
  memory_free(sizes);
}

/* Opens the file, unless the statement has seen it in another state. The shards of a model are
** removed when it is replaced, so a missing shard is only an error of the model if the index still
** names it. */
static File *checkpoint_open_once(Checkpoint *checkpoint, const char *path, Error *error) {
  File *file = (checkpoint->damaged ? session_open_damaged : session_open_within)(
      checkpoint->session, path, &checkpoint->confines, error);
  checkpoint->is_gone =
      file == NULL && error->code == ERROR_MISSING && checkpoint_is_replaced(checkpoint);
  if (checkpoint->is_gone) {
    error_clear(error);
    error_fill(error, ERROR_CHANGED, checkpoint->resolved.path,
               "expected the shard %s, found that the model was replaced while it was read; run "
               "the statement again",
               path);
  }
  if (file == NULL || checkpoint->look_only ||
      (checkpoint_see_place(checkpoint, error) && checkpoint_see_index(checkpoint, error) &&
       session_see(checkpoint->session, path, &file->identity, error))) {
    return file;
  }
  session_unpin(checkpoint->session, file);
  return NULL;
}

static bool checkpoint_open_file(Checkpoint *checkpoint, uint32_t number, Member *member,
                                 Error *error) {
  member->path = checkpoint_member_path(checkpoint, number);
  if (checkpoint->problem.code != ERROR_NONE) return error_repeat(error, &checkpoint->problem);
  if (checkpoint->file == NULL || checkpoint->file_number != number) {
    if (checkpoint->kept == NULL) session_unpin(checkpoint->session, checkpoint->file);
    checkpoint->file = checkpoint->kept != NULL ? checkpoint->kept[number] : NULL;
    checkpoint->file_number = number;
  }
  if (checkpoint->file == NULL) {
    checkpoint_expect(checkpoint, number);
    checkpoint->file = checkpoint_open_once(checkpoint, member->path, error);
    if (checkpoint->kept != NULL) checkpoint->kept[number] = checkpoint->file;
  }
  if (checkpoint->file == NULL) return false;
  member->file = checkpoint->file;
  member->size = checkpoint->file->identity.size;
  member->salvage = checkpoint->file->salvage;
  member->header = member->salvage != NULL ? member->salvage->header : checkpoint->file->header;
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

bool checkpoint_look_at_member(Checkpoint *checkpoint, uint32_t number, FileIdentity *identity,
                               Error *error) {
  const char *path = checkpoint_member_path(checkpoint, number);
  Error unimportant = {0};
  if (path != NULL && checkpoint->problem.code == ERROR_NONE) checkpoint_expect(checkpoint, number);
  bool known = path != NULL && open_files_identify(session_open_files(checkpoint->session), path,
                                                   identity, &unimportant);
  error_forgive(error, &unimportant);
  return known;
}

static uint64_t checkpoint_size_of(Checkpoint *checkpoint, uint32_t number, Error *error) {
  FileIdentity identity;
  return checkpoint_look_at_member(checkpoint, number, &identity, error) ? identity.size
                                                                         : MEMBER_SIZE_UNKNOWN;
}

bool checkpoint_open_member(Checkpoint *checkpoint, uint32_t number, Member *member, Error *error) {
  *member = (Member){0};
  if (checkpoint->is_blob) return checkpoint_open_blob_member(checkpoint, member, error);
  if (checkpoint_open_file(checkpoint, number, member, error)) return true;
  member->size = checkpoint_size_of(checkpoint, number, error);
  return false;
}

Source checkpoint_bytes(const Checkpoint *checkpoint, const Member *member, uint64_t offset,
                        uint64_t nbytes) {
  return (Source){
      .memory = member->file == NULL ? checkpoint->blob + offset : NULL,
      .session = checkpoint->session,
      .file = member->file,
      .path = member->path,
      .offset = offset,
      .nbytes = nbytes,
      .mode = session_settings(checkpoint->session)->io,
  };
}

Source checkpoint_source(const Checkpoint *checkpoint, const Member *member,
                         const TensorEntry *entry) {
  uint64_t offset = header_data_offset(member->header) + entry->begin;
  return checkpoint_bytes(checkpoint, member, offset, entry->end - entry->begin);
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

bool checkpoint_member_of(Checkpoint *checkpoint, const char *name, uint64_t length,
                          uint32_t *number) {
  const Index *index = checkpoint_index(checkpoint);
  if (index == NULL || !index_find_next(index, name, length, &checkpoint->last_entry)) return false;
  *number = index->entries[checkpoint->last_entry].shard;
  checkpoint->sought = *number + 1;
  return true;
}

/* ---- One tensor ---- */

static const TensorEntry *checkpoint_find_in(Checkpoint *checkpoint, uint32_t number,
                                             const char *name, uint64_t length, Member *member,
                                             Error *error) {
  if (!checkpoint_open_member(checkpoint, number, member, error)) return NULL;
  return header_find(member->header, name, length);
}

/* Searches all members. The one that has the tensor is looked up again at the end, and so stays
** open. */
static const TensorEntry *checkpoint_find_in_all(Checkpoint *checkpoint, const char *name,
                                                 uint64_t length, Member *member, Error *error) {
  uint32_t count = checkpoint_member_count(checkpoint), holder = count;
  for (uint32_t i = 0; i < count; i++) {
    bool has = checkpoint_find_in(checkpoint, i, name, length, member, error) != NULL;
    if (error->code != ERROR_NONE) return NULL;
    if (has && holder < count) {
      error_fill(error, ERROR_ARGUMENT, checkpoint->resolved.path,
                 "tensor \"%.*s\": expected in one file, found in several: %s and %s",
                 ERROR_NAME(name, length), checkpoint_member_path(checkpoint, holder),
                 checkpoint_member_path(checkpoint, i));
      return NULL;
    }
    if (has) holder = i;
  }
  return holder < count ? checkpoint_find_in(checkpoint, holder, name, length, member, error)
                        : NULL;
}

/* Offers the names of a member. Returns false if the search has to end. The member stays open. */
static bool checkpoint_offer_member(Checkpoint *checkpoint, uint32_t number, Suggest *suggest,
                                    Error *error) {
  Member member;
  Error problem = {0};
  if (!checkpoint_open_member(checkpoint, number, &member, &problem)) {
    return error_forgive(error, &problem);
  }
  const Header *header = member.header;
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const Span *name = &header->tensors[i].name;
    if (!cancel_go_on_row(session_cancel(checkpoint->session), i, member.path, error)) return false;
    suggest_offer(suggest, header->text + name->offset, name->length);
  }
  return true;
}

/* Copies the names that were kept, because the member that contains their texts will be closed. */
static bool checkpoint_pin_names(Suggest *suggest, PathList *texts) {
  for (uint32_t i = 0; i < suggest->count; i++) {
    char *text = memory_copy_text(suggest->names[i].text, suggest->names[i].length);
    bool added = text != NULL && path_list_add(texts, NULL, text);
    memory_free(text);
    if (!added) return false;
    suggest->names[i].text = texts->paths[texts->count - 1];
  }
  return true;
}

/* Names similar to one that no member has, or that the shard named by the index does not have: see
** suggest_text(). Only the first files of very many are searched, and none if session_searches()
** does not allow it. */
static char *checkpoint_hint_near(Checkpoint *checkpoint, const char *name, uint64_t length,
                                  Error *error) {
  enum { CHECKPOINT_MAX_MEMBERS = 256 };
  Suggest suggest = {.word = name, .length = length};
  PathList texts = {0};
  bool good = true, search = suggest_may_search(session_searches(checkpoint->session));
  uint32_t count = search ? checkpoint_member_count(checkpoint) : 0;
  for (uint32_t i = 0; good && i < count && i < CHECKPOINT_MAX_MEMBERS; i++) {
    good = checkpoint_offer_member(checkpoint, i, &suggest, error) &&
           (checkpoint_pin_names(&suggest, &texts) || error_memory(error));
  }
  char *hint = good ? suggest_text(&suggest, "") : NULL;
  if (good && hint == NULL) error_memory(error);
  path_list_clear(&texts);
  return hint;
}

/* Raises the reason why a tensor of a damaged file cannot be opened, and nothing if no file has
** it. */
static void checkpoint_explain_damage(Checkpoint *checkpoint, const char *name, uint64_t length,
                                      Error *error) {
  uint32_t count = checkpoint->damaged ? checkpoint_member_count(checkpoint) : 0;
  for (uint32_t i = 0; i < count && error->code == ERROR_NONE; i++) {
    Member member;
    SalvageRow row;
    if (!checkpoint_open_member(checkpoint, i, &member, error)) return;
    if (!salvage_find(member.salvage, name, length, 0, &row)) continue;
    char *message = salvage_message(member.salvage, &row);
    error_fill_tensor(error, message != NULL ? ERROR_INVALID : ERROR_MEMORY,
                      &(TensorName){member.path, name, length}, "is not whole: %s", message);
    memory_free(message);
  }
}

static const TensorEntry *checkpoint_find_once(Checkpoint *checkpoint, const char *name,
                                               uint64_t length, Member *member, Error *error) {
  const char *path = checkpoint->resolved.path;
  uint32_t number = 0;
  if (checkpoint->resolved.form == PATH_FORM_GLOB && checkpoint->problem.code == ERROR_NONE) {
    error_fill(error, ERROR_ARGUMENT, path,
               "expected the path of one checkpoint in a ref, found a pattern");
    return NULL;
  }
  bool indexed = checkpoint_member_of(checkpoint, name, length, &number);
  const TensorEntry *entry =
      indexed ? checkpoint_find_in(checkpoint, number, name, length, member, error)
              : checkpoint_find_in_all(checkpoint, name, length, member, error);
  if (entry == NULL && error->code == ERROR_NONE)
    checkpoint_explain_damage(checkpoint, name, length, error);
  if (entry == NULL && error->code == ERROR_NONE) {
    char *hint = checkpoint_hint_near(checkpoint, name, length, error);
    if (hint == NULL) return NULL;
    error_fill(error, indexed ? ERROR_INVALID : ERROR_ARGUMENT, path,
               "expected a tensor \"%.*s\"%s%s, found none%s", ERROR_NAME(name, length),
               indexed ? " in shard " : "",
               indexed ? checkpoint_member_path(checkpoint, number) : "", hint);
    memory_free(hint);
  }
  return entry;
}

const TensorEntry *checkpoint_find(Checkpoint *checkpoint, const char *name, uint64_t length,
                                   Member *member, Error *error) {
  const TensorEntry *entry = checkpoint_find_once(checkpoint, name, length, member, error);
  if (entry != NULL || !checkpoint->is_gone) return entry;
  error_clear(error);
  return checkpoint_reopen(checkpoint, error)
             ? checkpoint_find_once(checkpoint, name, length, member, error)
             : NULL;
}
