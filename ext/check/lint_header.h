/*
** The check of one file in steps: its first bytes, the members of its header one at a time, and
** the layout of its tensors, one tensor at a time. Unlike header_parse() it continues after a
** fault as far as the JSON can be followed. It finds no error in a header if and only if
** header_parse() accepts that header.
*/
#ifndef SAFETENSORS_CHECK_LINT_HEADER_H
#define SAFETENSORS_CHECK_LINT_HEADER_H

#include "check/lint_layout.h"
#include "format/header_reader.h"

typedef enum HeaderLintStage {
  HEADER_LINT_START,
  HEADER_LINT_MEMBERS,
  HEADER_LINT_METADATA_KEYS, /* duplicates among the keys of the metadata */
  HEADER_LINT_NAMES,         /* duplicates among the keys of the header itself */
  HEADER_LINT_LAYOUT,
  HEADER_LINT_TENSORS, /* the layout, one tensor at a time */
  HEADER_LINT_DATA_END,
  HEADER_LINT_ALIGNMENT,
  HEADER_LINT_CONTENTS,
  HEADER_LINT_DONE
} HeaderLintStage;

/* Must be zeroed before use. */
typedef struct HeaderLint {
  HeaderLintStage stage;
  Findings *findings;
  HeaderReader reader;
  LayoutLint layout;
  uint64_t file_size;
  char *text;           /* the header, or the part of it that exists */
  TensorEntry *tensors; /* those with known data_offsets; an unknown dtype is DTYPE_COUNT, and an
                           unknown shape is empty */
  uint32_t tensor_count, tensor;
  uint64_t tensor_capacity;
  Span *keys; /* the keys of the header, followed by those of the __metadata__ that is being read */
  uint32_t key_count, first_pair_key;
  uint64_t key_capacity;
  NameTable names; /* for stages that look for duplicates, with the current key */
  uint32_t key;
  bool followed;       /* the whole header could be read, and all data_offsets are known */
  bool ordered;        /* the tensors so far are in the order of their offsets */
  uint64_t last_begin; /* the begin of the last tensor in the header */
  bool distributed;    /* the file is a shard of torch.distributed.checkpoint */
  bool sliced;         /* it contains slices that do not begin their tensors */
} HeaderLint;

/* Checks the first bytes of a file, of which there must be SIGNATURE_SIZE, or all if the file has
** fewer. The file that `findings` is about must be set. Sets *length to the number of bytes of the
** header behind them that can be checked. Returns false if there are none. */
bool header_lint_prefix(HeaderLint *lint, Findings *findings, const unsigned char *first,
                        uint64_t file_size, uint64_t *length);

/* Starts the check of the header. `text` is a block from memory_alloc(), which the check takes
** over. */
void header_lint_start(HeaderLint *lint, char *text, uint64_t length);

/* Does a step. Returns false if the check is complete, or if Findings.failed is set. */
bool header_lint_step(HeaderLint *lint);

/* Releases all memory, and zeroes the check for its next use. */
void header_lint_clear(HeaderLint *lint);

#endif
