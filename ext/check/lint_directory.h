/*
** The check of what the files of a directory have in common: whether they are one model, several
** models, or one model twice. Its units are models: a set of files -0000N-of-0000M, all shards of
** an index, or any other single file.
**
** Two units of a directory are twins, because of which a sum over the directory counts every
** tensor twice, if they share half of the tensors of the smaller one by name and shape, or if
** their names say that they are variants of one model (file_stem.h) and they share a tensor or
** have equally many elements. Adapters are models of their own, whatever they share. What two
** other units share is reported once, and so is what a set of shards contains twice.
**
** First the tensors of all files are noted, and then each step produces one finding.
*/
#ifndef SAFETENSORS_CHECK_LINT_DIRECTORY_H
#define SAFETENSORS_CHECK_LINT_DIRECTORY_H

#include "base/path_list.h"
#include "check/lint_header.h"
#include "format/name_set.h"
#include "format/shard_gaps.h"

typedef struct DirectoryUnit {
  const char *path;     /* the path of its first file, or of its index */
  char *stem;           /* see file_stem.h */
  const ShardName *set; /* the first name of a set; NULL for other units */
  uint32_t files, tensors, examined;
  uint64_t numel;
  bool is_adapter, is_indexed;
  bool is_beside;      /* there is an index, which does not name it */
  bool is_distributed; /* it contains slices of tensors */
  bool is_mixed;       /* it is a set, and another set has the same stem */
  uint32_t twin;       /* the number of a unit that contains the same tensors; its own number if
                          there is none */
} DirectoryUnit;

/* What a file shares with an earlier file. */
typedef struct DirectoryShare {
  uint32_t file, other;
  uint32_t same, alike; /* the number of equal names, and of equal names with equal shapes */
  uint64_t at;          /* the offset of the first of the names in `file` */
  char *name;
  uint64_t name_length;
} DirectoryShare;

typedef enum DirectoryLintStage {
  DIRECTORY_LINT_DISTRIBUTED,
  DIRECTORY_LINT_MIXED,
  DIRECTORY_LINT_SHARES,
  DIRECTORY_LINT_STEMS,
  DIRECTORY_LINT_TWINS,
  DIRECTORY_LINT_BESIDE,
  DIRECTORY_LINT_SETS,
  DIRECTORY_LINT_DONE
} DirectoryLintStage;

/* Must be zeroed before use; directory_lint_clear() releases it. */
typedef struct DirectoryLint {
  DirectoryLintStage stage;
  Findings *findings;
  const char *path;          /* the path of the directory, pattern or index */
  const PathList *members;   /* the paths of the files */
  bool is_directory;         /* set by the caller: a directory without an index, rather than a
                                pattern */
  bool slices, distribution; /* there are slices of tensors; there are files of
                                torch.distributed.checkpoint */
  ShardName *names;          /* the names of members in sets; those of a unit are adjacent */
  uint32_t name_count;
  DirectoryUnit *units;
  uint32_t unit_count;
  uint32_t member_count; /* the number of members that belong to a unit */
  uint32_t *unit_of;     /* the unit of each member */
  bool *distributed;     /* for each member */
  NameSet tensors;
  DirectoryShare *shares;
  uint32_t share_count;
  uint64_t share_capacity;
  uint32_t *share_of; /* the current file's share with each other file, plus one; valid from
                         file_shares on */
  uint32_t file, file_shares;
  DirectoryUnit **order; /* the units in the order of the current stage */
  uint32_t at;
} DirectoryLint;

/* Starts with no member noted. The first `indexed` members, if any, are the shards of the index
** `path`. Returns false if the check cannot continue. */
bool directory_lint_start(DirectoryLint *lint, Findings *findings, const char *path,
                          const PathList *members, uint32_t indexed);

/* Creates units for the members that belong to none. If there is an index, they lie beside it. Must
** be called once, before those members are noted, and they must keep their positions. */
bool directory_lint_add(DirectoryLint *lint);

/* Notes a tensor of member number `file`. The tensors of a member must come together. Sets *first
** to the number of the member that first had the name, which is `file` itself for a new name.
** Returns false if the check cannot continue. */
bool directory_lint_note(DirectoryLint *lint, uint32_t file, const HeaderLint *header,
                         const TensorEntry *entry, uint32_t *first);

/* Notes that all tensors of the member have been noted. */
void directory_lint_end_file(DirectoryLint *lint, uint32_t file, const HeaderLint *header);

/* Does a step, which produces at most one finding. Returns false if there are no more, or if the
** check cannot continue. */
bool directory_lint_step(DirectoryLint *lint);

/* Returns whether some members are shards of sets of more than one file. */
bool directory_lint_has_sets(const DirectoryLint *lint);

/* Reports that this many files contain slices of tensors. */
void lint_report_distributed(Findings *findings, uint32_t count);

void directory_lint_clear(DirectoryLint *lint);

#endif
