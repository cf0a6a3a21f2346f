#include "format/lint.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/platform.h"
#include "format/hub.h"
#include "format/index.h"
#include "format/lint_header.h"
#include "format/lint_index.h"
#include "format/name_set.h"
#include "format/path_form.h"
#include "format/shard_gaps.h"
#include "format/signature.h"

typedef enum LintStage {
  LINT_START,
  LINT_INDEX,
  LINT_FILE,    /* opens the next one */
  LINT_HEADER,  /* its header */
  LINT_TENSORS, /* its tensors, against the other files' */
  LINT_FILE_END,
  LINT_INDEX_FOUND,
  LINT_BESIDE, /* files beside an index that it does not name */
  LINT_GAPS,
  LINT_DONE
} LintStage;

struct Lint {
  LintStage stage;
  Findings findings;
  Error problem; /* of the path as a whole */
  ResolvedPath resolved;
  const unsigned char *blob;
  uint64_t blob_size;
  uint32_t file; /* the number of the member that is being checked */
  HeaderLint header;
  NameSet names; /* of the tensors of several files */
  /* of a model with an index */
  IndexLint index;
  char *folder;
  bool in_hub; /* it is in the Hugging Face cache */
  PathList beside;
  uint32_t next_beside;
  /* of several files */
  ShardName *shard_names;
  uint32_t shard_name_count, next_shard_name;
};

static void lack_memory(Lint *lint) {
  lint->findings.out_of_memory = true;
}

static bool has_index(const Lint *lint) {
  return lint->resolved.form == PATH_FORM_INDEX;
}

/* ---- Reading ---- */

/* Reports that a file cannot be read, for a reason that is not its contents. */
static void report_unreadable(Lint *lint, Error *error) {
  if (error->code == ERROR_MEMORY) {
    lack_memory(lint);
  } else {
    LintCode code = error->code == ERROR_MISSING ? LINT_MISSING_FILE : LINT_UNREADABLE;
    findings_add(&lint->findings, code, FINDING_NO_OFFSET, "%s", error->message + error->detail);
  }
  error_clear(error);
}

/* Reads `length` bytes behind what header_lint_prefix() has judged, and starts their check. */
static void read_header(Lint *lint, int descriptor, const char *path, uint64_t length) {
  Error error = {0};
  char *text = memory_alloc(length);
  if (text == NULL) {
    lack_memory(lint);
  } else if (descriptor < 0) {
    memcpy(text, lint->blob + HEADER_PREFIX_SIZE, (size_t)length);
  } else if (!platform_read(descriptor, path, text, length, HEADER_PREFIX_SIZE, &error)) {
    report_unreadable(lint, &error);
    memory_free(text);
    text = NULL;
  }
  if (text == NULL) return;
  header_lint_start(&lint->header, text, length);
  lint->stage = LINT_HEADER;
}

static void start_blob(Lint *lint) {
  uint64_t length;
  lint->stage = LINT_FILE_END;
  if (header_lint_prefix(&lint->header, &lint->findings, lint->blob, lint->blob_size, &length)) {
    read_header(lint, -1, NULL, length);
  }
}

/* A shard is missing where the index names it. */
static void report_missing_shard(Lint *lint) {
  const IndexShard *shard = &lint->index.shards[lint->file];
  lint->findings.file = lint->resolved.path;
  findings_add(&lint->findings, LINT_MISSING_SHARD, shard->first_at,
               "expected shard %s, which the index says has %u of the tensors, found no such file",
               shard->name, shard->tensors);
}

static void start_file(Lint *lint, const char *path) {
  unsigned char first[SIGNATURE_SIZE];
  FileIdentity identity;
  Error error = {0};
  uint64_t length;
  int descriptor = platform_open(path, &identity, &error);
  lint->stage = LINT_FILE_END;
  if (descriptor < 0) {
    if (error.code == ERROR_MISSING && has_index(lint)) {
      report_missing_shard(lint);
      error_clear(&error);
    } else {
      report_unreadable(lint, &error);
    }
    return;
  }
  uint64_t size = identity.size < SIGNATURE_SIZE ? identity.size : SIGNATURE_SIZE;
  if (!platform_read(descriptor, path, first, size, 0, &error)) {
    report_unreadable(lint, &error);
  } else if (header_lint_prefix(&lint->header, &lint->findings, first, identity.size, &length)) {
    read_header(lint, descriptor, path, length);
  }
  platform_close(descriptor);
}

/* ---- An index ---- */

static void read_index(Lint *lint) {
  const char *path = lint->resolved.path;
  FileIdentity identity;
  Error error = {0};
  char *text = NULL;
  int descriptor = platform_open(path, &identity, &error);
  if (descriptor < 0) {
    report_unreadable(lint, &error);
    return;
  }
  if (identity.size > INDEX_MAX_LENGTH) {
    findings_add(&lint->findings, LINT_UNREADABLE, INDEX_MAX_LENGTH,
                 "expected an index of at most %d bytes, found %llu", INDEX_MAX_LENGTH,
                 (unsigned long long)identity.size);
  } else if (identity.size == 0) {
    findings_add(&lint->findings, LINT_EMPTY, 0, "expected an index, found an empty file");
  } else if ((text = memory_alloc(identity.size)) == NULL) {
    lack_memory(lint);
  } else if (!platform_read(descriptor, path, text, identity.size, 0, &error)) {
    report_unreadable(lint, &error);
    memory_free(text);
  } else {
    index_lint_start(&lint->index, &lint->findings, text, identity.size);
    lint->stage = LINT_INDEX;
  }
  platform_close(descriptor);
}

/* The index has been read: its shards are the members. */
static void take_shards(Lint *lint) {
  lint->stage = LINT_FILE;
  if (lint->index.stage == INDEX_DONE) lint->stage = LINT_DONE;
  lint->folder = path_folder(lint->resolved.path);
  lint->in_hub = hub_holds(lint->resolved.path);
  for (uint32_t i = 0; i < lint->index.shard_count; i++) {
    const char *name = lint->index.shards[i].name;
    if (lint->folder == NULL || !path_list_add(&lint->resolved.members, lint->folder, name)) {
      lack_memory(lint);
    }
  }
}

static void start_shard(Lint *lint, const char *path) {
  const IndexShard *shard = &lint->index.shards[lint->file];
  PathKind kind;
  Error unimportant = {0}; /* start_file() will find it too */
  platform_path_kind(path, &kind, &unimportant);
  error_clear(&unimportant);
  if (path_form_is_shard_place(path, lint->folder, lint->in_hub) || kind == PATH_MISSING) {
    start_file(lint, path);
    return;
  }
  lint->stage = LINT_FILE_END;
  lint->findings.file = lint->resolved.path;
  findings_add(&lint->findings, LINT_BAD_PATH, shard->first_at,
               "expected a shard within the index's folder, found \"%s\": a link that leaves it",
               shard->name);
}

/* ---- Files ---- */

static void end_files(Lint *lint) {
  lint->findings.file = lint->resolved.path;
  lint->stage = has_index(lint) ? LINT_INDEX_FOUND : LINT_GAPS;
  if (has_index(lint)) index_lint_go_on(&lint->index);
}

static void start_next_file(Lint *lint) {
  if (lint->blob != NULL) {
    if (lint->file == 0) {
      start_blob(lint);
    } else {
      lint->stage = LINT_DONE;
    }
    return;
  }
  if (lint->file == lint->resolved.members.count) {
    end_files(lint);
    return;
  }
  const char *path = lint->resolved.members.paths[lint->file];
  lint->findings.file = path;
  if (has_index(lint)) {
    start_shard(lint, path);
  } else {
    start_file(lint, path);
  }
}

static void check_header(Lint *lint) {
  if (header_lint_step(&lint->header)) return;
  if (has_index(lint)) lint->index.shards[lint->file].complete = lint->header.followed;
  lint->header.tensor = 0;
  lint->stage = lint->resolved.form == PATH_FORM_FILE ? LINT_FILE_END : LINT_TENSORS;
}

static void check_against_others(Lint *lint, const TensorEntry *entry, const NameSetSlot *slot) {
  uint64_t at = HEADER_PREFIX_SIZE + (uint64_t)entry->name.offset - 1;
  const char *name = lint->header.text + entry->name.offset;
  bool first = slot->file == lint->file + 1;
  if (has_index(lint)) {
    bool known = index_lint_note(&lint->index, lint->file, name, entry->name.length,
                                 entry->end - entry->begin);
    if (!known && !lint->index.cut_off) {
      findings_add(&lint->findings, LINT_UNINDEXED_TENSOR, at,
                   "expected the tensor in the index, found none of that name");
    }
    if (!first) {
      findings_add(&lint->findings, LINT_DUPLICATE_ACROSS_SHARDS, at,
                   "expected in one shard, found in %s too",
                   lint->resolved.members.paths[slot->file - 1]);
    }
  } else if (!first && !slot->repeated) {
    findings_add(&lint->findings, LINT_DUPLICATE_TENSOR, at, "found in %s too",
                 lint->resolved.members.paths[slot->file - 1]);
  }
}

static void check_tensor(Lint *lint) {
  if (lint->header.tensor == lint->header.tensor_count) {
    lint->stage = LINT_FILE_END;
    return;
  }
  const TensorEntry *entry = &lint->header.tensors[lint->header.tensor++];
  const char *name = lint->header.text + entry->name.offset;
  NameSetSlot *slot = name_set_add(&lint->names, name, entry->name.length, lint->file);
  if (slot == NULL) {
    lack_memory(lint);
    return;
  }
  findings_set_tensor(&lint->findings, name, entry->name.length);
  check_against_others(lint, entry, slot);
  findings_set_tensor(&lint->findings, NULL, 0);
  slot->repeated = slot->repeated || slot->file != lint->file + 1;
}

/* ---- After the files ---- */

static int compare_shard(const void *name, const void *shard) {
  return natural_compare(name, ((const IndexShard *)shard)->name);
}

static bool is_shard(const Lint *lint, const char *name) {
  return bsearch(name, lint->index.shards, lint->index.shard_count, sizeof(IndexShard),
                 compare_shard) != NULL;
}

static void list_beside(Lint *lint) {
  Error error = {0};
  const char *folder = lint->folder[0] != '\0' ? lint->folder : ".";
  if (!platform_list_folder(folder, &lint->beside, &error)) {
    report_unreadable(lint, &error);
  }
  path_list_sort(&lint->beside);
}

static void check_beside(Lint *lint) {
  static const char suffix[] = ".safetensors";
  if (lint->next_beside == 0) list_beside(lint);
  if (lint->next_beside == lint->beside.count) {
    lint->stage = LINT_GAPS;
    return;
  }
  const char *name = lint->beside.paths[lint->next_beside++];
  size_t length = strlen(name), suffix_length = sizeof suffix - 1;
  if (name[0] == '.' || length < suffix_length ||
      strcmp(name + length - suffix_length, suffix) != 0 || is_shard(lint, name)) {
    return;
  }
  findings_add(&lint->findings, LINT_UNINDEXED_SHARD, FINDING_NO_OFFSET,
               "found %s beside the index, which names no tensor of it", name);
}

static const char *member_name(const Lint *lint, uint32_t number) {
  return has_index(lint) ? lint->index.shards[number].name : lint->resolved.members.paths[number];
}

static void parse_shard_names(Lint *lint) {
  uint32_t count = lint->resolved.members.count;
  lint->shard_names = memory_zeroed(count, sizeof *lint->shard_names);
  if (lint->shard_names == NULL) {
    lack_memory(lint);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    ShardName *name = &lint->shard_names[lint->shard_name_count];
    if (!shard_name_parse(member_name(lint, i), name)) continue;
    name->place = i;
    lint->shard_name_count++;
  }
  shard_names_sort(lint->shard_names, lint->shard_name_count);
}

static void check_gap(Lint *lint) {
  if (lint->shard_names == NULL) parse_shard_names(lint);
  if (lint->next_shard_name == lint->shard_name_count || lint->resolved.form == PATH_FORM_FILE) {
    lint->stage = LINT_DONE;
    return;
  }
  const ShardName *names = &lint->shard_names[lint->next_shard_name];
  uint32_t count = shard_names_group(names, lint->shard_name_count - lint->next_shard_name);
  uint64_t lacking;
  char *numbers = shard_names_lacking(names, count, &lacking);
  lint->next_shard_name += count;
  if (numbers == NULL) {
    lack_memory(lint);
  } else if (lacking > 0) {
    uint64_t offset = FINDING_NO_OFFSET;
    lint->findings.file = lint->resolved.members.paths[names->place];
    if (has_index(lint)) {
      lint->findings.file = lint->resolved.path;
      offset = lint->index.shards[names->place].first_at;
    }
    findings_add(&lint->findings, LINT_SHARD_GAP, offset,
                 "expected %llu shards %.*s..., found %llu missing: %s",
                 (unsigned long long)names->total, ERROR_NAME(names->name, names->prefix_length),
                 (unsigned long long)lacking, numbers);
  }
  memory_free(numbers);
}

/* ---- Steps ---- */

static void start(Lint *lint) {
  lint->findings.file = lint->blob == NULL ? lint->resolved.path : NULL;
  lint->stage = LINT_FILE;
  if (lint->problem.code != ERROR_NONE) {
    lint->stage = LINT_DONE;
    report_unreadable(lint, &lint->problem);
  } else if (has_index(lint)) {
    lint->stage = LINT_DONE;
    read_index(lint);
  }
}

static void step(Lint *lint) {
  switch (lint->stage) {
    case LINT_START: start(lint); break;
    case LINT_INDEX:
      if (!index_lint_step(&lint->index)) take_shards(lint);
      break;
    case LINT_FILE: start_next_file(lint); break;
    case LINT_HEADER: check_header(lint); break;
    case LINT_TENSORS: check_tensor(lint); break;
    case LINT_FILE_END:
      header_lint_clear(&lint->header);
      lint->file++;
      lint->stage = LINT_FILE;
      break;
    case LINT_INDEX_FOUND:
      if (!index_lint_step(&lint->index)) {
        bool complete = !lint->index.cut_off && lint->index.shard_count > 0;
        lint->stage = complete ? LINT_BESIDE : LINT_GAPS;
      }
      break;
    case LINT_BESIDE: check_beside(lint); break;
    case LINT_GAPS: check_gap(lint); break;
    case LINT_DONE: break;
  }
}

bool lint_step(Lint *lint, const Finding **finding, bool *done, Error *error) {
  enum { STEPS = 1000 };
  *finding = findings_take(&lint->findings);
  for (int i = 0; *finding == NULL && lint->stage != LINT_DONE && i < STEPS; i++) {
    findings_clear(&lint->findings);
    step(lint);
    if (lint->findings.out_of_memory) return error_memory(error);
    *finding = findings_take(&lint->findings);
  }
  *done = *finding == NULL && lint->stage == LINT_DONE;
  return true;
}

/* ---- Opening and closing ---- */

static Lint *lint_new(Error *error) {
  Lint *lint = memory_zeroed(1, sizeof *lint);
  if (lint == NULL) error_memory(error);
  return lint;
}

Lint *lint_path(const char *path, uint64_t length, Error *error) {
  if (memchr(path, '\0', (size_t)length) != NULL) {
    error_fill(error, ERROR_ARGUMENT, path, "expected a path without NUL characters");
    return NULL;
  }
  Lint *lint = lint_new(error);
  if (lint == NULL) return NULL;
  bool resolved = path_form_resolve(path, &lint->resolved, &lint->problem);
  if (!resolved && lint->problem.code != ERROR_MEMORY && lint->resolved.path == NULL) {
    lint->resolved.path = memory_copy_text(path, length); /* to be named */
  }
  if (lint->problem.code != ERROR_MEMORY && lint->resolved.path != NULL) return lint;
  lint_close(lint);
  error_memory(error);
  return NULL;
}

Lint *lint_blob(const unsigned char *blob, uint64_t size, Error *error) {
  Lint *lint = lint_new(error);
  if (lint == NULL) return NULL;
  lint->blob = blob;
  lint->blob_size = size;
  return lint;
}

void lint_close(Lint *lint) {
  if (lint == NULL) return;
  findings_clear(&lint->findings);
  error_clear(&lint->problem);
  header_lint_clear(&lint->header);
  index_lint_clear(&lint->index);
  name_set_clear(&lint->names);
  resolved_path_clear(&lint->resolved);
  path_list_clear(&lint->beside);
  memory_free(lint->shard_names);
  memory_free(lint->folder);
  memory_free(lint);
}
