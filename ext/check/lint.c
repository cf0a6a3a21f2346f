#include "check/lint.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/file_system.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/place.h"
#include "base/program.h"
#include "check/lint_directory.h"
#include "check/lint_header.h"
#include "check/lint_index.h"
#include "format/index.h"
#include "format/shard_gaps.h"
#include "format/signature.h"
#include "model/path_form.h"

typedef enum LintStage {
  LINT_STAGE_START,
  LINT_STAGE_INDEX,
  LINT_STAGE_FILE,    /* open the next file */
  LINT_STAGE_HEADER,  /* check its header */
  LINT_STAGE_TENSORS, /* compare its tensors with those of the other files */
  LINT_STAGE_FILE_END,
  LINT_STAGE_INDEX_FOUND,
  LINT_STAGE_BESIDE,     /* look for files beside an index that it does not name; they are next */
  LINT_STAGE_UNFINISHED, /* look for what writes have left in the directory */
  LINT_STAGE_DIRECTORY_DONE, /* check what the files have in common */
  LINT_STAGE_GAPS,
  LINT_STAGE_DONE
} LintStage;

struct Lint {
  LintStage stage;
  Session *session;
  Findings findings;
  Error problem; /* what is wrong with the path as a whole */
  ResolvedPath resolved;
  const unsigned char *blob;
  uint64_t blob_size;
  uint32_t file; /* the number of the member that is being checked */
  HeaderLint header;
  DirectoryLint several; /* for several files */
  /* For a model with an index. */
  IndexLint index;
  char *directory;
  LinkMode links;
  PathList confines;    /* where its files must be; empty if they may be anywhere */
  uint32_t shard_count; /* the number of members that the index names; the others lie beside it */
  bool looked_beside;
  PathList names; /* the names in the directory */
  /* For an index or pattern. */
  ShardName *shard_names;
  uint32_t shard_name_count, next_shard_name;
};

static void lint_lack_memory(Lint *lint) {
  findings_fail_memory(&lint->findings);
}

static bool lint_has_index(const Lint *lint) {
  return lint->resolved.form == PATH_FORM_INDEX;
}

/* Returns whether the current file is one that the index does not name. Of such a file only what it
** has in common with others is of interest. */
static bool lint_is_beside(const Lint *lint) {
  return lint_has_index(lint) && lint->file >= lint->shard_count;
}

/* ---- Reading ---- */

/* Reports that a file cannot be read for a reason other than its contents. */
static void lint_report_unreadable(Lint *lint, Error *error) {
  if (error->code == ERROR_MEMORY) {
    lint_lack_memory(lint);
  } else if (error->code == ERROR_INTERRUPT) {
    lint->findings.failed = true;
    error_repeat(&lint->findings.problem, error);
  } else {
    LintCode code = error->code == ERROR_MISSING ? LINT_MISSING_FILE : LINT_UNREADABLE;
    findings_add(&lint->findings, code, FINDING_NO_OFFSET, "%s", error->message + error->detail);
  }
  error_clear(error);
}

/* Reads the `length` bytes of the header that header_lint_prefix() has announced, and starts their
** check. */
static void lint_read_header(Lint *lint, int descriptor, const char *path, uint64_t length) {
  Error error = {0};
  char *text = memory_alloc(length);
  if (text == NULL) {
    lint_lack_memory(lint);
  } else if (descriptor < 0) {
    memcpy(text, lint->blob + HEADER_PREFIX_SIZE, (size_t)length);
  } else if (!file_read(descriptor, path, text, length, HEADER_PREFIX_SIZE, &error)) {
    lint_report_unreadable(lint, &error);
    memory_free(text);
    text = NULL;
  }
  if (text == NULL) return;
  header_lint_start(&lint->header, text, length);
  lint->stage = LINT_STAGE_HEADER;
}

static void lint_start_blob(Lint *lint) {
  uint64_t length;
  lint->stage = LINT_STAGE_FILE_END;
  if (header_lint_prefix(&lint->header, &lint->findings, lint->blob, lint->blob_size, &length)) {
    lint_read_header(lint, -1, NULL, length);
  }
}

/* Reports that a shard that the index names is missing. */
static void lint_report_missing_shard(Lint *lint, const char *path) {
  const IndexShard *shard = &lint->index.shards[lint->file];
  lint->findings.file = lint->resolved.path;
  findings_add(&lint->findings, LINT_MISSING_SHARD, shard->first_at,
               "expected shard %s, which the index says has %u of the tensors, found %s",
               shard->name, shard->tensors,
               file_system_exists(path) ? "a link to where nothing is" : "no such file");
}

/* Reports that a file lies where files of the model must not be. */
static void lint_report_place(Lint *lint, Error *error) {
  bool outside = error->code == ERROR_INVALID;
  bool is_shard =
      lint->findings.file != NULL && strcmp(lint->findings.file, lint->resolved.path) != 0;
  if (!outside || (is_shard && lint_is_beside(lint))) {
    lint_report_unreadable(lint, error);
    return;
  }
  lint->findings.file = lint->resolved.path;
  findings_add(&lint->findings, LINT_BAD_PATH,
               is_shard ? lint->index.shards[lint->file].first_at : FINDING_NO_OFFSET, "%s: %s",
               is_shard ? lint->index.shards[lint->file].name : "the index",
               error->message + error->detail);
  error_clear(error);
}

static void lint_start_file(Lint *lint, const char *path) {
  unsigned char first[SIGNATURE_SIZE];
  FileIdentity identity;
  Error error = {0};
  uint64_t length;
  int descriptor = open_files_open(session_open_files(lint->session), path, &identity, &error);
  lint->stage = LINT_STAGE_FILE_END;
  if (descriptor < 0) {
    if (error.code == ERROR_MISSING && lint_has_index(lint) && !lint_is_beside(lint)) {
      lint_report_missing_shard(lint, path);
      error_clear(&error);
    } else {
      lint_report_unreadable(lint, &error);
    }
    return;
  }
  uint64_t size = identity.size < SIGNATURE_SIZE ? identity.size : SIGNATURE_SIZE;
  if (!file_record_check_within(descriptor, path, &lint->confines, &error)) {
    lint_report_place(lint, &error);
  } else if (!file_read(descriptor, path, first, size, 0, &error)) {
    lint_report_unreadable(lint, &error);
  } else if (header_lint_prefix(&lint->header, &lint->findings, first, identity.size, &length)) {
    lint_read_header(lint, descriptor, path, length);
  }
  file_close(descriptor);
}

/* ---- An index ---- */

static void lint_read_index(Lint *lint) {
  const char *path = lint->resolved.path;
  FileIdentity identity;
  Error error = {0};
  char *text = NULL;
  if (lint->links == LINKS_WITHIN && !path_form_confine(path, &lint->confines, &error)) {
    lint_report_unreadable(lint, &error);
    return;
  }
  int descriptor = open_files_open(session_open_files(lint->session), path, &identity, &error);
  if (descriptor < 0) {
    lint_report_unreadable(lint, &error);
    return;
  }
  if (!file_record_check_within(descriptor, path, &lint->confines, &error)) {
    lint_report_place(lint, &error);
  } else if (identity.size > INDEX_MAX_LENGTH) {
    findings_add(&lint->findings, LINT_UNREADABLE, INDEX_MAX_LENGTH,
                 "expected an index of at most %d bytes, found %llu", INDEX_MAX_LENGTH,
                 (unsigned long long)identity.size);
  } else if (identity.size == 0) {
    findings_add(&lint->findings, LINT_EMPTY, 0, "expected an index, found an empty file");
  } else if ((text = memory_alloc(identity.size)) == NULL) {
    lint_lack_memory(lint);
  } else if (!file_read(descriptor, path, text, identity.size, 0, &error)) {
    lint_report_unreadable(lint, &error);
    memory_free(text);
  } else {
    index_lint_start(&lint->index, &lint->findings, text, identity.size);
    lint->stage = LINT_STAGE_INDEX;
  }
  file_close(descriptor);
}

/* Makes the shards of the index, which has been read, the members. */
static void lint_take_shards(Lint *lint) {
  lint->stage = LINT_STAGE_FILE;
  if (lint->index.stage == INDEX_LINT_DONE) lint->stage = LINT_STAGE_DONE;
  lint->directory = path_directory(lint->resolved.path);
  for (uint32_t i = 0; i < lint->index.shard_count; i++) {
    const char *name = lint->index.shards[i].name;
    if (lint->directory == NULL || !path_list_add(&lint->resolved.members, lint->directory, name)) {
      lint_lack_memory(lint);
      return;
    }
  }
  lint->shard_count = lint->index.shard_count;
  directory_lint_start(&lint->several, &lint->findings, lint->resolved.path,
                       &lint->resolved.members, lint->shard_count);
}

/* ---- Files ---- */

static void lint_end_files(Lint *lint) {
  lint->findings.file = lint->resolved.path;
  lint->findings.muted = false;
  if (lint->resolved.form == PATH_FORM_FILE) {
    lint->stage = LINT_STAGE_DONE;
  } else if (!lint_has_index(lint) || lint->looked_beside) {
    lint->stage = LINT_STAGE_UNFINISHED;
  } else {
    lint->stage = LINT_STAGE_INDEX_FOUND;
    index_lint_go_on(&lint->index);
  }
}

static void lint_start_next_file(Lint *lint) {
  if (lint->blob != NULL) {
    if (lint->file == 0) {
      lint_start_blob(lint);
    } else {
      lint->stage = LINT_STAGE_DONE;
    }
    return;
  }
  if (lint->file == lint->resolved.members.count) {
    lint_end_files(lint);
    return;
  }
  const char *path = lint->resolved.members.paths[lint->file];
  lint->findings.file = path;
  lint->findings.muted = lint_is_beside(lint);
  lint_start_file(lint, path);
}

static void lint_check_header(Lint *lint) {
  if (header_lint_step(&lint->header)) return;
  if (lint_has_index(lint) && !lint_is_beside(lint)) {
    lint->index.shards[lint->file].complete = lint->header.followed;
  }
  lint->header.tensor = 0;
  lint->stage = lint->resolved.form == PATH_FORM_FILE ? LINT_STAGE_FILE_END : LINT_STAGE_TENSORS;
}

static void lint_check_against_index(Lint *lint, const TensorEntry *entry, uint32_t first) {
  uint64_t at = HEADER_PREFIX_SIZE + (uint64_t)entry->name.offset - 1;
  const char *name = lint->header.text + entry->name.offset;
  bool known = index_lint_note(&lint->index, lint->file, name, entry->name.length,
                               entry->end - entry->begin);
  if (!known && !lint->index.cut_off) {
    findings_add(&lint->findings, LINT_UNINDEXED_TENSOR, at,
                 "expected the tensor in the index, found none of that name");
  }
  if (first != lint->file && !(lint->header.distributed && lint->several.distributed[first])) {
    findings_add(&lint->findings, LINT_DUPLICATE_ACROSS_SHARDS, at,
                 "expected in one shard, found in %s too", lint->resolved.members.paths[first]);
  }
}

static void lint_check_tensor(Lint *lint) {
  if (lint->header.tensor == lint->header.tensor_count) {
    lint->stage = LINT_STAGE_FILE_END;
    return;
  }
  const TensorEntry *entry = &lint->header.tensors[lint->header.tensor++];
  uint32_t first = 0;
  if (!directory_lint_note(&lint->several, lint->file, &lint->header, entry, &first)) return;
  if (!lint_has_index(lint) || lint_is_beside(lint)) return;
  findings_set_tensor(&lint->findings, lint->header.text + entry->name.offset, entry->name.length);
  lint_check_against_index(lint, entry, first);
  findings_set_tensor(&lint->findings, NULL, 0);
}

static void lint_end_file(Lint *lint) {
  if (lint->resolved.form != PATH_FORM_FILE) {
    directory_lint_end_file(&lint->several, lint->file, &lint->header);
  } else if (lint->header.sliced) {
    lint_report_distributed(&lint->findings, 1);
  }
  header_lint_clear(&lint->header);
  lint->findings.muted = false;
  lint->file++;
  lint->stage = LINT_STAGE_FILE;
}

/* ---- After the files ---- */

static int lint_compare_shard(const void *name, const void *shard) {
  return natural_compare(name, ((const IndexShard *)shard)->name);
}

static bool lint_is_shard(const Lint *lint, const char *name) {
  return bsearch(name, lint->index.shards, lint->index.shard_count, sizeof(IndexShard),
                 lint_compare_shard) != NULL;
}

static bool lint_list_names(Lint *lint) {
  Error error = {0};
  const char *directory = lint_has_index(lint) ? lint->directory : lint->resolved.path;
  if (directory == NULL) return false; /* memory ran out, which has been reported */
  if (lint->names.count > 0) return true;
  if (!open_files_list(session_open_files(lint->session), directory[0] != '\0' ? directory : ".",
                       &lint->names, lint->findings.cancel, &error) ||
      !path_list_order(&lint->names, lint->findings.cancel, directory, &error)) {
    lint_report_unreadable(lint, &error);
  }
  return !lint->findings.failed;
}

static bool lint_ends_with(const char *text, const char *suffix) {
  size_t length = strlen(text), suffix_length = strlen(suffix);
  return length >= suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

/* Appends the files beside the index that it does not name to the members, so that they are
** read. */
static void lint_look_beside(Lint *lint) {
  lint->looked_beside = true;
  lint->stage = LINT_STAGE_FILE;
  if (!lint_list_names(lint)) return;
  for (uint32_t i = 0; i < lint->names.count; i++) {
    const char *name = lint->names.paths[i];
    if (!findings_go_on(&lint->findings, i)) return;
    if (name[0] == '.' || !lint_ends_with(name, ".safetensors") || lint_is_shard(lint, name))
      continue;
    if (!path_list_add(&lint->resolved.members, lint->directory, name)) {
      lint_lack_memory(lint);
      return;
    }
  }
  directory_lint_add(&lint->several);
}

static bool lint_is_left_over(const Lint *lint, const char *name) {
  const char *directory = lint_has_index(lint) ? lint->directory : lint->resolved.path;
  if (strncmp(name, program.temporary, strlen(program.temporary)) != 0) return false;
  return lint_ends_with(name, ".old") ||
         place_is_left_over(directory[0] != '\0' ? directory : ".", name, program.temporary);
}

/* Reports temporary files of writes that were interrupted, but not of those in progress, and what earlier
** versions put aside. A directory with the index of a variant counts as having an index, although that
** index is not the directory's own, because its shards are not on their own. */
static void lint_check_unfinished(Lint *lint) {
  uint32_t count = 0;
  const char *first = NULL, *aside = NULL;
  lint->stage = LINT_STAGE_DIRECTORY_DONE;
  if (lint->resolved.form != PATH_FORM_DIRECTORY && !lint_has_index(lint)) return;
  if (!lint_list_names(lint)) return;
  for (uint32_t i = 0; i < lint->names.count && findings_go_on(&lint->findings, i); i++) {
    const char *name = lint->names.paths[i];
    bool is_index = lint_ends_with(name, ".json") && strstr(name, INDEX_INFIX) != NULL;
    if (is_index) lint->several.is_directory = false;
    if (!lint_is_left_over(lint, name)) continue;
    if (count++ == 0) first = name;
    if (lint_ends_with(name, ".old")) aside = name;
  }
  if (count == 0) return;
  if (aside != NULL && lint->several.is_directory && directory_lint_has_sets(&lint->several)) {
    findings_add(&lint->findings, LINT_MIXED_SHARDS, FINDING_NO_OFFSET,
                 "expected an index beside the shards, found none, and what a write that was not "
                 "finished put aside: %s",
                 aside);
  }
  findings_add(&lint->findings, LINT_UNFINISHED_WRITE, FINDING_NO_OFFSET,
               "found %u file%s of a write into this directory that has not been finished: %s%s",
               count, count == 1 ? "" : "s", first, count == 1 ? "" : ", ...");
}

static void lint_check_directory(Lint *lint) {
  if (directory_lint_step(&lint->several) || lint->findings.failed) return;
  lint->stage = lint->several.is_directory ? LINT_STAGE_DONE : LINT_STAGE_GAPS;
}

static const char *lint_member_name(const Lint *lint, uint32_t number) {
  return lint_has_index(lint) ? lint->index.shards[number].name
                              : lint->resolved.members.paths[number];
}

static void lint_parse_shard_names(Lint *lint) {
  uint32_t count = lint_has_index(lint) ? lint->shard_count : lint->resolved.members.count;
  lint->shard_names = memory_zeroed(count, sizeof *lint->shard_names);
  if (lint->shard_names == NULL) {
    lint_lack_memory(lint);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    ShardName *name = &lint->shard_names[lint->shard_name_count];
    if (!findings_go_on(&lint->findings, i)) return;
    if (!shard_name_parse(lint_member_name(lint, i), name)) continue;
    name->place = i;
    lint->shard_name_count++;
  }
  if (!shard_names_sort(lint->shard_names, lint->shard_name_count, lint->findings.cancel,
                        lint->resolved.path, &lint->findings.problem)) {
    lint->findings.failed = true;
  }
}

static void lint_check_gap(Lint *lint) {
  if (lint->shard_names == NULL) lint_parse_shard_names(lint);
  if (lint->next_shard_name == lint->shard_name_count) {
    lint->stage = LINT_STAGE_DONE;
    return;
  }
  const ShardName *names = &lint->shard_names[lint->next_shard_name];
  uint32_t left = lint->shard_name_count - lint->next_shard_name;
  uint32_t edited = shard_names_edited(names, left);
  if (edited > 0) {
    lint->next_shard_name += edited;
    return;
  }
  uint32_t count = shard_names_group(names, left);
  uint64_t missing;
  char *numbers = shard_names_missing(names, count, &missing);
  lint->next_shard_name += count;
  if (numbers == NULL) {
    lint_lack_memory(lint);
  } else if (missing > 0) {
    uint64_t offset = FINDING_NO_OFFSET;
    lint->findings.file = lint->resolved.members.paths[names->place];
    if (lint_has_index(lint)) {
      lint->findings.file = lint->resolved.path;
      offset = lint->index.shards[names->place].first_at;
    }
    findings_add(&lint->findings, LINT_SHARD_GAP, offset,
                 "expected %llu shards %.*s..., found %llu missing: %s",
                 (unsigned long long)names->total, ERROR_NAME(names->name, names->prefix_length),
                 (unsigned long long)missing, numbers);
  }
  memory_free(numbers);
}

/* ---- Steps ---- */

static void lint_start(Lint *lint) {
  lint->findings.file = lint->blob == NULL ? lint->resolved.path : NULL;
  lint->stage = LINT_STAGE_FILE;
  if (lint->problem.code != ERROR_NONE) {
    lint->stage = LINT_STAGE_DONE;
    lint_report_unreadable(lint, &lint->problem);
  } else if (lint_has_index(lint)) {
    lint->stage = LINT_STAGE_DONE;
    lint_read_index(lint);
  } else if (lint->resolved.form != PATH_FORM_FILE) {
    lint->several.is_directory = lint->resolved.form == PATH_FORM_DIRECTORY;
    if (directory_lint_start(&lint->several, &lint->findings, lint->resolved.path,
                             &lint->resolved.members, 0)) {
      directory_lint_add(&lint->several);
    }
  }
}

static void lint_step_once(Lint *lint) {
  switch (lint->stage) {
    case LINT_STAGE_START: lint_start(lint); break;
    case LINT_STAGE_INDEX:
      if (!index_lint_step(&lint->index)) lint_take_shards(lint);
      break;
    case LINT_STAGE_FILE: lint_start_next_file(lint); break;
    case LINT_STAGE_HEADER: lint_check_header(lint); break;
    case LINT_STAGE_TENSORS: lint_check_tensor(lint); break;
    case LINT_STAGE_FILE_END: lint_end_file(lint); break;
    case LINT_STAGE_INDEX_FOUND:
      if (!index_lint_step(&lint->index)) {
        bool complete = !lint->index.cut_off && lint->index.shard_count > 0;
        lint->stage = complete ? LINT_STAGE_BESIDE : LINT_STAGE_UNFINISHED;
      }
      break;
    case LINT_STAGE_BESIDE: lint_look_beside(lint); break;
    case LINT_STAGE_UNFINISHED: lint_check_unfinished(lint); break;
    case LINT_STAGE_DIRECTORY_DONE: lint_check_directory(lint); break;
    case LINT_STAGE_GAPS: lint_check_gap(lint); break;
    case LINT_STAGE_DONE: break;
  }
}

bool lint_step(Lint *lint, const Finding **finding, bool *done, Error *error) {
  enum { LINT_STEPS = 1000 };
  *finding = findings_take(&lint->findings);
  for (int i = 0; *finding == NULL && lint->stage != LINT_STAGE_DONE && i < LINT_STEPS; i++) {
    findings_clear(&lint->findings);
    lint_step_once(lint);
    if (lint->findings.failed) {
      *error = lint->findings.problem;
      lint->findings.problem = (Error){0};
      return false;
    }
    *finding = findings_take(&lint->findings);
  }
  *done = *finding == NULL && lint->stage == LINT_STAGE_DONE;
  return true;
}

/* ---- Opening and closing ---- */

static Lint *lint_new(Session *session, Error *error) {
  Lint *lint = memory_zeroed(1, sizeof *lint);
  if (lint == NULL) {
    error_memory(error);
  } else {
    lint->session = session;
    lint->findings.cancel = session_cancel(session);
  }
  return lint;
}

Lint *lint_path(Session *session, const char *path, uint64_t length, Error *error) {
  if (memchr(path, '\0', (size_t)length) != NULL) {
    error_fill(error, ERROR_ARGUMENT, path, "expected a path without NUL characters");
    return NULL;
  }
  Lint *lint = lint_new(session, error);
  if (lint == NULL) return NULL;
  lint->links = session_settings(session)->links;
  bool resolved =
      path_form_resolve(path, &lint->resolved, session_network(session), session_searches(session),
                        session_cancel(session), &lint->problem);
  if (lint->problem.code == ERROR_INTERRUPT) {
    error_repeat(error, &lint->problem);
    lint_close(lint);
    return NULL;
  }
  if (!resolved && lint->problem.code != ERROR_MEMORY && lint->resolved.path == NULL) {
    lint->resolved.path = memory_copy_text(path, length); /* for the findings to name */
  }
  if (lint->problem.code != ERROR_MEMORY && lint->resolved.path != NULL) return lint;
  lint_close(lint);
  error_memory(error);
  return NULL;
}

Lint *lint_blob(Session *session, const unsigned char *blob, uint64_t size, Error *error) {
  Lint *lint = lint_new(session, error);
  if (lint == NULL) return NULL;
  lint->blob = blob;
  lint->blob_size = size;
  return lint;
}

void lint_close(Lint *lint) {
  if (lint == NULL) return;
  findings_clear(&lint->findings);
  error_clear(&lint->findings.problem);
  error_clear(&lint->problem);
  header_lint_clear(&lint->header);
  index_lint_clear(&lint->index);
  directory_lint_clear(&lint->several);
  resolved_path_clear(&lint->resolved);
  path_list_clear(&lint->names);
  path_list_clear(&lint->confines);
  memory_free(lint->shard_names);
  memory_free(lint->directory);
  memory_free(lint);
}
