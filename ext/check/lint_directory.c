#include "check/lint_directory.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "base/sort.h"
#include "check/file_stem.h"
#include "format/index.h"

enum { LINT_DIRECTORY_LABEL_SIZE = 160 };

/* ---- Units ---- */

/* The length of what stands before the name. */
static uint64_t lint_directory_length(const char *path) {
  return (uint64_t)(path_name(path) - path);
}

static bool lint_directory_is_same(const char *a, const char *b) {
  uint64_t length = lint_directory_length(a);
  return length == lint_directory_length(b) && memcmp(a, b, (size_t)length) == 0;
}

/* Returns the name of a unit for messages: the name of its file, or
** "model-*-of-00003.safetensors". */
static const char *lint_directory_label_of(const DirectoryUnit *unit, char *label) {
  const char *name = path_name(unit->path);
  if (unit->set == NULL || unit->files == 1) {
    snprintf(label, LINT_DIRECTORY_LABEL_SIZE, "%.*s", ERROR_NAME(name, strlen(name)));
  } else {
    uint64_t prefix = unit->set->prefix_length - (uint64_t)(name - unit->path);
    snprintf(label, LINT_DIRECTORY_LABEL_SIZE, "%.*s*%.30s", ERROR_NAME(name, prefix),
             unit->set->of);
  }
  return label;
}

static bool lint_directory_add_unit(DirectoryLint *lint, DirectoryUnit unit, uint64_t stem_length) {
  unit.stem = file_stem(unit.path, stem_length);
  if (unit.stem == NULL) return findings_fail_memory(lint->findings);
  unit.twin = lint->unit_count;
  lint->units[lint->unit_count++] = unit;
  return true;
}

/* Resizes an array to `count` rows. New rows are zeroed. */
static bool lint_directory_extend(DirectoryLint *lint, void **rows, uint64_t old, uint64_t count,
                                  size_t size) {
  void *block = memory_resize(*rows, count, size);
  if (block == NULL) return findings_fail_memory(lint->findings);
  *rows = block;
  memset((char *)block + old * size, 0, (size_t)((count - old) * size));
  return true;
}

static bool lint_directory_reserve_members(DirectoryLint *lint, uint32_t count) {
  uint32_t old = lint->member_count;
  return lint_directory_extend(lint, (void **)&lint->unit_of, old, count, sizeof *lint->unit_of) &&
         lint_directory_extend(lint, (void **)&lint->distributed, old, count,
                               sizeof *lint->distributed) &&
         lint_directory_extend(lint, (void **)&lint->share_of, old, count,
                               sizeof *lint->share_of) &&
         lint_directory_extend(lint, (void **)&lint->units, lint->unit_count,
                               (uint64_t)lint->unit_count + count, sizeof *lint->units);
}

bool directory_lint_start(DirectoryLint *lint, Findings *findings, const char *path,
                          const PathList *members, uint32_t indexed) {
  lint->findings = findings;
  lint->path = path;
  lint->members = members;
  if (indexed == 0) return true;
  if (!lint_directory_reserve_members(lint, indexed)) return false;
  lint->member_count = indexed;
  const char *end = strstr(path + lint_directory_length(path), INDEX_INFIX);
  uint64_t stem = end != NULL ? (uint64_t)(end - path) : strlen(path);
  return lint_directory_add_unit(
      lint, (DirectoryUnit){.path = path, .files = indexed, .is_indexed = true}, stem);
}

/* Parses the names of members that are shards, and sorts them into sets. */
static bool lint_directory_parse_names(DirectoryLint *lint) {
  const PathList *members = lint->members;
  lint->names = memory_zeroed(members->count, sizeof *lint->names);
  if (lint->names == NULL) return findings_fail_memory(lint->findings);
  for (uint32_t i = lint->member_count; i < members->count; i++) {
    ShardName *name = &lint->names[lint->name_count];
    if (!findings_go_on(lint->findings, i)) return false;
    if (!shard_name_parse(members->paths[i], name)) continue;
    name->place = i;
    lint->name_count++;
  }
  if (shard_names_sort(lint->names, lint->name_count, lint->findings->cancel, lint->path,
                       &lint->findings->problem)) {
    return true;
  }
  lint->findings->failed = true;
  return false;
}

/* Returns whether a set is left over from another write of the index's model. */
static bool lint_directory_is_left_over(const DirectoryLint *lint, const ShardName *set) {
  ShardName indexed;
  return lint->unit_count > 0 && lint->units[0].is_indexed &&
         shard_name_parse(lint->members->paths[0], &indexed) &&
         shard_names_share_stem(&indexed, set);
}

static bool lint_directory_add_set(DirectoryLint *lint, const ShardName *names, uint32_t count,
                                   bool beside) {
  for (uint32_t i = 0; i < count; i++) lint->unit_of[names[i].place] = lint->unit_count;
  return lint_directory_add_unit(
      lint,
      (DirectoryUnit){.path = names->name,
                      .set = names,
                      .files = count,
                      .is_beside = beside,
                      .is_mixed = beside && lint_directory_is_left_over(lint, names)},
      names->stem_length);
}

bool directory_lint_add(DirectoryLint *lint) {
  const PathList *members = lint->members;
  uint32_t start = lint->member_count, group;
  bool beside = lint->unit_count > 0;
  if (!lint_directory_reserve_members(lint, members->count) || !lint_directory_parse_names(lint))
    return false;
  lint->member_count = members->count;
  for (uint32_t i = start; i < members->count; i++) lint->unit_of[i] = UINT32_MAX;
  for (uint32_t i = 0; i < lint->name_count; i += group) {
    group = shard_names_group(lint->names + i, lint->name_count - i);
    if (!lint_directory_add_set(lint, lint->names + i, group, beside)) return false;
  }
  for (uint32_t i = start; i < members->count; i++) {
    const char *path = members->paths[i];
    if (!findings_go_on(lint->findings, i)) return false;
    if (lint->unit_of[i] != UINT32_MAX) continue;
    lint->unit_of[i] = lint->unit_count;
    DirectoryUnit unit = {.path = path, .files = 1, .is_beside = beside};
    if (!lint_directory_add_unit(lint, unit, strlen(path))) return false;
  }
  return true;
}

/* ---- Noting tensors ---- */

/* Returns whether a tensor has a name as in adapters and embeddings of PEFT, kohya or diffusers. */
static bool lint_directory_is_of_adapter(const char *name, uint64_t length) {
  static const char *const parts[] = {"lora",
                                      "hada_w",
                                      "lokr_w",
                                      "oft_",
                                      "ia3_",
                                      "dora_scale",
                                      "vera_lambda",
                                      "base_model.model.",
                                      "prompt_embeddings",
                                      "emb_params",
                                      "string_to_param",
                                      "clip_l",
                                      "clip_g"};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (memory_find(name, length, parts[i], strlen(parts[i])) != NULL) return true;
  }
  return false;
}

/* Returns a hash of the shape, which is not 0. The shape may be written with white space. */
static uint32_t lint_directory_shape_hash(const char *shape, uint32_t length) {
  uint32_t hash = 0x811c9dc5; /* FNV-1a */
  for (uint32_t i = 0; i < length; i++) {
    if ((unsigned char)shape[i] > ' ') hash = (hash ^ (unsigned char)shape[i]) * 0x01000193;
  }
  return hash | 1;
}

static bool lint_directory_add_share(DirectoryLint *lint, uint32_t file, uint32_t other,
                                     const char *name, const TensorEntry *entry) {
  if (!memory_reserve((void **)&lint->shares, &lint->share_capacity, lint->share_count,
                      sizeof *lint->shares)) {
    return findings_fail_memory(lint->findings);
  }
  char *copy = memory_copy_text(name, entry->name.length);
  if (copy == NULL) return findings_fail_memory(lint->findings);
  lint->shares[lint->share_count++] =
      (DirectoryShare){.file = file,
                       .other = other,
                       .at = HEADER_PREFIX_SIZE + (uint64_t)entry->name.offset - 1,
                       .name = copy,
                       .name_length = entry->name.length};
  lint->share_of[other] = lint->share_count;
  return true;
}

static bool lint_directory_note_share(DirectoryLint *lint, uint32_t file, uint32_t other,
                                      const char *name, const TensorEntry *entry, bool alike) {
  uint32_t number = lint->share_of[other];
  bool known = number > lint->file_shares && number <= lint->share_count &&
               lint->shares[number - 1].other == other;
  if (!known && !lint_directory_add_share(lint, file, other, name, entry)) return false;
  DirectoryShare *share = &lint->shares[lint->share_of[other] - 1];
  share->same++;
  share->alike += alike;
  return true;
}

bool directory_lint_note(DirectoryLint *lint, uint32_t file, const HeaderLint *header,
                         const TensorEntry *entry, uint32_t *first) {
  enum { LINT_DIRECTORY_EXAMINED = 256 };
  const char *name = header->text + entry->name.offset;
  DirectoryUnit *unit = &lint->units[lint->unit_of[file]];
  if (lint->file != file) lint->file_shares = lint->share_count;
  lint->file = file;
  NameSetSlot *slot = name_set_add(&lint->tensors, name, entry->name.length, file);
  if (slot == NULL) return findings_fail_memory(lint->findings);
  uint32_t shape =
      lint_directory_shape_hash(header->text + entry->shape.offset, entry->shape.length);
  uint64_t numel = 0, nbytes = 0;
  if (entry->dtype != DTYPE_COUNT && entry->shape.length > 0) {
    tensor_entry_size(header->text, entry, &numel, &nbytes);
  }
  unit->numel += numel; /* this can only wrap around in files that no model has */
  unit->tensors++;
  if (!unit->is_adapter && unit->examined++ < LINT_DIRECTORY_EXAMINED) {
    unit->is_adapter = lint_directory_is_of_adapter(name, entry->name.length);
  }
  *first = slot->file - 1;
  if (slot->shape == 0) slot->shape = shape;
  if (*first == file) return true;
  if (header->distributed && lint->distributed[*first]) lint->slices = true;
  return lint_directory_note_share(lint, file, *first, name, entry, slot->shape == shape);
}

void directory_lint_end_file(DirectoryLint *lint, uint32_t file, const HeaderLint *header) {
  lint->distributed[file] = header->distributed;
  lint->slices = lint->slices || header->sliced;
  if (header->distributed) lint->units[lint->unit_of[file]].is_distributed = true;
}

/* ---- Stages ---- */

static void lint_directory_next_stage(DirectoryLint *lint) {
  memory_free(lint->order);
  lint->order = NULL;
  lint->at = 0;
  lint->stage++;
}

/* Sorts the units into lint->order, unless that has been done. */
static bool lint_directory_order_units(DirectoryLint *lint,
                                       int (*compare)(const void *, const void *)) {
  Findings *findings = lint->findings;
  if (lint->order != NULL) return true;
  lint->order = memory_zeroed(lint->unit_count, sizeof(DirectoryUnit *));
  if (lint->order == NULL) return findings_fail_memory(findings);
  for (uint32_t i = 0; i < lint->unit_count; i++) lint->order[i] = &lint->units[i];
  if (sort_rows(lint->order, lint->unit_count, sizeof(DirectoryUnit *), compare, findings->cancel,
                lint->path, &findings->problem)) {
    return true;
  }
  findings->failed = true;
  return false;
}

/* Returns how many units, from lint->at on, form a group: neighbours that `belong` together. */
static uint32_t lint_directory_count_group(const DirectoryLint *lint,
                                           bool (*belong)(const DirectoryUnit *,
                                                          const DirectoryUnit *)) {
  uint32_t end = lint->at + 1;
  while (end < lint->unit_count && belong(lint->order[lint->at], lint->order[end])) end++;
  return end - lint->at;
}

static bool lint_directory_is_sliced(const DirectoryLint *lint, const DirectoryUnit *unit) {
  return lint->slices && unit->is_distributed;
}

/* ---- Shards of several writes ---- */

static int lint_directory_by_set(const void *left, const void *right) {
  const DirectoryUnit *a = *(DirectoryUnit *const *)left, *b = *(DirectoryUnit *const *)right;
  if (a->set == NULL || b->set == NULL) return (a->set == NULL) - (b->set == NULL);
  if (a->set->stem_length != b->set->stem_length) {
    return a->set->stem_length < b->set->stem_length ? -1 : 1;
  }
  int order = memcmp(a->path, b->path, (size_t)a->set->stem_length);
  if (order == 0) order = strcmp(a->set->suffix, b->set->suffix);
  return order != 0 ? order : natural_compare(a->path, b->path);
}

static bool lint_directory_are_mixed(const DirectoryUnit *a, const DirectoryUnit *b) {
  return a->set != NULL && b->set != NULL && shard_names_share_stem(a->set, b->set);
}

static void lint_directory_check_mixed(DirectoryLint *lint) {
  char first[LINT_DIRECTORY_LABEL_SIZE], second[LINT_DIRECTORY_LABEL_SIZE];
  if (!lint->is_directory || lint->at == lint->unit_count) {
    lint_directory_next_stage(lint);
    return;
  }
  if (!lint_directory_order_units(lint, lint_directory_by_set)) return;
  DirectoryUnit **group = &lint->order[lint->at];
  uint32_t count = lint_directory_count_group(lint, lint_directory_are_mixed);
  lint->at += count;
  if (count < 2 || lint_directory_is_sliced(lint, group[0])) return;
  for (uint32_t i = 0; i < count; i++) group[i]->is_mixed = true;
  lint->findings->file = group[1]->path;
  findings_add(
      lint->findings, LINT_MIXED_SHARDS, FINDING_NO_OFFSET,
      "expected the shards of one model, found those of %u, or what unfinished writes have "
      "left: %s (%u of %llu) and %s (%u of %llu); no index says which count",
      count, lint_directory_label_of(group[0], first), group[0]->files,
      (unsigned long long)group[0]->set->total, lint_directory_label_of(group[1], second),
      group[1]->files, (unsigned long long)group[1]->set->total);
}

/* ---- What units share ---- */

static DirectoryUnit *lint_directory_root_of(const DirectoryLint *lint, DirectoryUnit *unit) {
  while (&lint->units[unit->twin] != unit) unit = &lint->units[unit->twin];
  return unit;
}

static void lint_directory_make_twins(DirectoryLint *lint, DirectoryUnit *a, DirectoryUnit *b) {
  DirectoryUnit *one = lint_directory_root_of(lint, a), *other = lint_directory_root_of(lint, b);
  if (one == other) return;
  DirectoryUnit *first = one < other ? one : other, *second = one < other ? other : one;
  second->twin = first->twin;
  a->twin = b->twin = first->twin;
}

/* Returns whether what two units share is known already, or does not count. */
static bool lint_directory_may_share(const DirectoryLint *lint, const DirectoryUnit *a,
                                     const DirectoryUnit *b) {
  bool mixed = lint_directory_are_mixed(a, b) || (a->is_beside && a->is_mixed) ||
               (b->is_beside && b->is_mixed);
  return mixed || !lint_directory_is_same(a->path, b->path) ||
         (lint_directory_is_sliced(lint, a) && lint_directory_is_sliced(lint, b));
}

static int lint_directory_compare_numbers(uint64_t a, uint64_t b) {
  return a < b ? -1 : a > b;
}

/* A share with the numbers of its units, by which it is sorted. */
typedef struct LintDirectorySortedShare {
  uint32_t high, low;
  DirectoryShare share;
} LintDirectorySortedShare;

static int lint_directory_by_units(const void *left, const void *right) {
  const LintDirectorySortedShare *a = left, *b = right;
  if (a->high != b->high) return lint_directory_compare_numbers(a->high, b->high);
  return lint_directory_compare_numbers(a->low, b->low);
}

/* Sorts the shares so that those of the same two units are adjacent. */
static bool lint_directory_sort_shares(DirectoryLint *lint) {
  Findings *findings = lint->findings;
  LintDirectorySortedShare *sorted = memory_zeroed(lint->share_count, sizeof *sorted);
  if (sorted == NULL) return findings_fail_memory(findings);
  for (uint32_t i = 0; i < lint->share_count; i++) {
    uint32_t a = lint->unit_of[lint->shares[i].file], b = lint->unit_of[lint->shares[i].other];
    sorted[i] = (LintDirectorySortedShare){a > b ? a : b, a > b ? b : a, lint->shares[i]};
  }
  bool good = sort_rows(sorted, lint->share_count, sizeof *sorted, lint_directory_by_units,
                        findings->cancel, lint->path, &findings->problem);
  findings->failed = findings->failed || !good;
  for (uint32_t i = 0; good && i < lint->share_count; i++) lint->shares[i] = sorted[i].share;
  memory_free(sorted);
  return good;
}

/* In a set of shards a duplicate is an error, as it is with an index. */
static void lint_directory_report_duplicate(DirectoryLint *lint, const DirectoryShare *share,
                                            uint32_t same) {
  const DirectoryUnit *unit = &lint->units[lint->unit_of[share->file]];
  bool in_set = lint->is_directory && lint->unit_of[share->other] == lint->unit_of[share->file] &&
                unit->set != NULL && unit->set->total > 1;
  char others[48] = "";
  if (same > 1) snprintf(others, sizeof others, ", as are %u more tensors of this file", same - 1);
  lint->findings->file = lint->members->paths[share->file];
  findings_set_tensor(lint->findings, share->name, share->name_length);
  findings_add(lint->findings, in_set ? LINT_DUPLICATE_ACROSS_SHARDS : LINT_DUPLICATE_TENSOR,
               share->at, "found in %s too%s", lint->members->paths[share->other], others);
}

/* Returns whether two units are twins: they share half of the tensors of the smaller one by name
** and shape; or any tensor, if their file names say so; or half by name alone in that case, because
** packing with another number of bits changes all shapes. */
static bool lint_directory_are_twins(const DirectoryUnit *a, const DirectoryUnit *b, uint32_t same,
                                     uint32_t alike) {
  uint32_t smaller = a->tensors < b->tensors ? a->tensors : b->tensors;
  bool same_stem = strcmp(a->stem, b->stem) == 0;
  if (same_stem && (alike > 0 || (uint64_t)same * 2 >= smaller)) return true;
  return !a->is_adapter && !b->is_adapter && (uint64_t)alike * 2 >= smaller;
}

static void lint_directory_check_shares(DirectoryLint *lint) {
  if (lint->at == lint->share_count) {
    lint_directory_next_stage(lint);
    return;
  }
  if (lint->at == 0 && !lint_directory_sort_shares(lint)) return;
  const DirectoryShare *share = &lint->shares[lint->at++];
  DirectoryUnit *a = &lint->units[lint->unit_of[share->file]];
  DirectoryUnit *b = &lint->units[lint->unit_of[share->other]];
  uint32_t same = share->same, alike = share->alike;
  if (a == b) {
    bool known =
        a->is_indexed || (lint->distributed[share->file] && lint_directory_is_sliced(lint, a));
    if (!known) lint_directory_report_duplicate(lint, share, same);
    return;
  }
  for (; lint->at < lint->share_count; lint->at++) {
    const DirectoryShare *next = &lint->shares[lint->at];
    DirectoryUnit *c = &lint->units[lint->unit_of[next->file]];
    DirectoryUnit *d = &lint->units[lint->unit_of[next->other]];
    if (!((a == c && b == d) || (a == d && b == c))) break;
    same += next->same;
    alike += next->alike;
  }
  if (lint_directory_may_share(lint, a, b)) return;
  bool of_their_own = a->is_adapter || b->is_adapter || a->is_beside || b->is_beside || alike == 0;
  if (lint_directory_are_twins(a, b, same, alike)) {
    lint_directory_make_twins(lint, a, b);
  } else if (!of_their_own) {
    lint_directory_report_duplicate(lint, share, same);
  }
}

/* ---- Twins ---- */

static int lint_directory_by_stem(const void *left, const void *right) {
  const DirectoryUnit *a = *(DirectoryUnit *const *)left, *b = *(DirectoryUnit *const *)right;
  uint64_t length = lint_directory_length(a->path), other = lint_directory_length(b->path);
  if (length != other) return length < other ? -1 : 1;
  int order = memcmp(a->path, b->path, (size_t)length);
  if (order == 0) order = strcmp(a->stem, b->stem);
  if (order == 0) order = lint_directory_compare_numbers(a->numel, b->numel);
  return order != 0 ? order : a < b ? -1 : a > b;
}

/* Finds units whose names say that they are one model, and which have equally many elements,
** although the names of their tensors may differ. An example is consolidated.safetensors beside the
** shards that transformers reads. */
static void lint_directory_check_stems(DirectoryLint *lint) {
  if (lint->at + 1 >= lint->unit_count) {
    lint_directory_next_stage(lint);
    return;
  }
  if (!lint_directory_order_units(lint, lint_directory_by_stem)) return;
  DirectoryUnit *a = lint->order[lint->at], *b = lint->order[lint->at + 1];
  lint->at++;
  bool named_alike = lint_directory_is_same(a->path, b->path) && strcmp(a->stem, b->stem) == 0;
  if (named_alike && a->numel > 0 && a->numel == b->numel && !lint_directory_may_share(lint, a, b))
    lint_directory_make_twins(lint, a, b);
}

static int lint_directory_by_twin(const void *left, const void *right) {
  const DirectoryUnit *a = *(DirectoryUnit *const *)left, *b = *(DirectoryUnit *const *)right;
  if (a->twin != b->twin) return a->twin < b->twin ? -1 : 1;
  if (a->is_indexed != b->is_indexed) return a->is_indexed ? -1 : 1;
  return natural_compare(a->path, b->path);
}

static bool lint_directory_are_of_one_twin(const DirectoryUnit *a, const DirectoryUnit *b) {
  return a->twin == b->twin;
}

static void lint_directory_check_twins(DirectoryLint *lint) {
  char first[LINT_DIRECTORY_LABEL_SIZE], second[LINT_DIRECTORY_LABEL_SIZE], others[32] = "";
  /* lint_directory_check_beside() reports what lies beside an index. */
  if (lint->at == lint->unit_count || lint->units[0].is_indexed) {
    lint_directory_next_stage(lint);
    return;
  }
  for (uint32_t i = 0; lint->order == NULL && i < lint->unit_count; i++) {
    if (!findings_go_on(lint->findings, i)) return;
    lint->units[i].twin = lint_directory_root_of(lint, &lint->units[i])->twin;
  }
  if (!lint_directory_order_units(lint, lint_directory_by_twin)) return;
  DirectoryUnit **group = &lint->order[lint->at];
  uint32_t count = lint_directory_count_group(lint, lint_directory_are_of_one_twin);
  lint->at += count;
  if (count < 2) return;
  if (count > 2) snprintf(others, sizeof others, " and %u more", count - 2);
  lint->findings->file = group[1]->path;
  findings_add(lint->findings, LINT_TWIN_FILES, FINDING_NO_OFFSET,
               "found the tensors of %s in %s%s once more: what sums over all of them counts them "
               "%u times",
               lint_directory_label_of(group[0], first), lint_directory_label_of(group[1], second),
               others, count);
}

/* ---- Beside an index, and without one ---- */

static void lint_directory_check_beside(DirectoryLint *lint) {
  char label[LINT_DIRECTORY_LABEL_SIZE], model[LINT_DIRECTORY_LABEL_SIZE],
      twin[LINT_DIRECTORY_LABEL_SIZE + 64] = "";
  if (lint->at == lint->unit_count) {
    lint_directory_next_stage(lint);
    return;
  }
  DirectoryUnit *unit = &lint->units[lint->at++];
  if (!unit->is_beside) return;
  const DirectoryUnit *root = lint_directory_root_of(lint, unit);
  if (unit->is_mixed) {
    snprintf(twin, sizeof twin, ": left by another write of the model");
  } else if (root->is_indexed) {
    snprintf(twin, sizeof twin, ": it holds the tensors of %s once more",
             lint_directory_label_of(root, model));
  }
  lint->findings->file = lint->path;
  findings_add(lint->findings, LINT_UNINDEXED_SHARD, FINDING_NO_OFFSET,
               "found %s beside the index, which names no tensor of it%s",
               lint_directory_label_of(unit, label), twin);
}

static void lint_directory_check_sets(DirectoryLint *lint) {
  char label[LINT_DIRECTORY_LABEL_SIZE];
  if (!lint->is_directory || lint->at == lint->unit_count) {
    lint_directory_next_stage(lint);
    return;
  }
  const DirectoryUnit *unit = &lint->units[lint->at++];
  if (unit->set == NULL || unit->set->total < 2 || unit->is_mixed ||
      lint_directory_is_sliced(lint, unit))
    return;
  uint64_t missing;
  char *numbers = shard_names_missing(unit->set, unit->files, &missing);
  lint->findings->file = unit->path;
  if (numbers == NULL) {
    findings_fail_memory(lint->findings);
  } else if (missing > 0) {
    findings_add(lint->findings, LINT_INCOMPLETE_SHARDS, FINDING_NO_OFFSET,
                 "expected %llu shards %s, found %llu missing: %s; and no index",
                 (unsigned long long)unit->set->total, lint_directory_label_of(unit, label),
                 (unsigned long long)missing, numbers);
  } else {
    findings_add(lint->findings, LINT_SHARDS_WITHOUT_INDEX, FINDING_NO_OFFSET,
                 "expected an index beside the shards %s, found none",
                 lint_directory_label_of(unit, label));
  }
  memory_free(numbers);
}

static void lint_directory_check_distributed(DirectoryLint *lint) {
  uint32_t count = 0;
  lint_directory_next_stage(lint);
  if (!lint->slices) return;
  for (uint32_t i = 0; i < lint->member_count; i++) count += lint->distributed[i];
  lint->findings->file = lint->path;
  lint_report_distributed(lint->findings, count);
}

bool directory_lint_has_sets(const DirectoryLint *lint) {
  for (uint32_t i = 0; i < lint->unit_count; i++) {
    if (lint->units[i].set != NULL && lint->units[i].set->total > 1) return true;
  }
  return false;
}

void lint_report_distributed(Findings *findings, uint32_t count) {
  findings_add(findings, LINT_DISTRIBUTED_CHECKPOINT, FINDING_NO_OFFSET,
               "expected whole tensors, found %u file%s of torch.distributed.checkpoint, each with "
               "its slice of every tensor: keep them all; torch.distributed.checkpoint makes whole "
               "tensors of them (consolidate_safetensors_files)",
               count, count == 1 ? "" : "s");
}

bool directory_lint_step(DirectoryLint *lint) {
  switch (lint->stage) {
    case DIRECTORY_LINT_DISTRIBUTED: lint_directory_check_distributed(lint); break;
    case DIRECTORY_LINT_MIXED: lint_directory_check_mixed(lint); break;
    case DIRECTORY_LINT_SHARES: lint_directory_check_shares(lint); break;
    case DIRECTORY_LINT_STEMS: lint_directory_check_stems(lint); break;
    case DIRECTORY_LINT_TWINS: lint_directory_check_twins(lint); break;
    case DIRECTORY_LINT_BESIDE: lint_directory_check_beside(lint); break;
    case DIRECTORY_LINT_SETS: lint_directory_check_sets(lint); break;
    case DIRECTORY_LINT_DONE: return false;
  }
  findings_set_tensor(lint->findings, NULL, 0);
  return !lint->findings->failed;
}

void directory_lint_clear(DirectoryLint *lint) {
  for (uint32_t i = 0; i < lint->share_count; i++) memory_free(lint->shares[i].name);
  for (uint32_t i = 0; i < lint->unit_count; i++) memory_free(lint->units[i].stem);
  name_set_clear(&lint->tensors);
  memory_free(lint->shares);
  memory_free(lint->share_of);
  memory_free(lint->distributed);
  memory_free(lint->unit_of);
  memory_free(lint->units);
  memory_free(lint->names);
  memory_free(lint->order);
  *lint = (DirectoryLint){0};
}
