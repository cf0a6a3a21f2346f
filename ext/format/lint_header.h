/*
** The check of one file, in steps: its first bytes, its header, a member at a time, and the layout
** of its tensors, a tensor at a time. Unlike header_parse() it goes on after a fault, as far as the
** JSON can be followed; a header in which it finds no error is one that header_parse() takes, and
** the other way round.
*/
#ifndef SAFETENSORS_FORMAT_LINT_HEADER_H
#define SAFETENSORS_FORMAT_LINT_HEADER_H

#include "format/lint_json.h"

typedef enum HeaderStage {
  HEADER_START,
  HEADER_MEMBERS,
  HEADER_METADATA,      /* its members */
  HEADER_METADATA_KEYS, /* their duplicates */
  HEADER_NAMES,         /* duplicates among the header's own keys */
  HEADER_LAYOUT,
  HEADER_TENSORS, /* the layout, a tensor at a time */
  HEADER_DATA_END,
  HEADER_DONE
} HeaderStage;

/* Starts as {0}, with a Findings whose file is set. */
typedef struct HeaderLint {
  HeaderStage stage;
  JsonWalk walk;
  uint64_t file_size, data_offset;
  char *text;           /* of the header, or of what is there of it */
  TensorEntry *tensors; /* those whose data_offsets are known: the dtype may be DTYPE_COUNT and the
                           shape empty, where these are not */
  uint32_t tensor_count, tensor;
  uint64_t tensor_capacity;
  bool followed; /* the JSON could be followed to its end, and all data_offsets are known */
  bool ordered;  /* so far, the header is in the order of offsets */
  bool cut_reported;
  uint64_t last_begin;           /* in the header's order */
  uint64_t end;                  /* of the tensors that the layout has passed */
  const TensorEntry *end_tensor; /* the one that ends there */
} HeaderLint;

/* Judges the first bytes: of a file, SIGNATURE_SIZE of them if there are as many. Returns how many
** bytes of a header behind them there are to be read and checked, *length; false when none. */
bool header_lint_prefix(HeaderLint *lint, Findings *findings, const unsigned char *first,
                        uint64_t file_size, uint64_t *length);

/* Starts the check of the header. `text`, a block from memory_alloc(), becomes the check's. */
void header_lint_start(HeaderLint *lint, char *text, uint64_t length);

/* Does a step. False when the check is done, or Findings.out_of_memory. */
bool header_lint_step(HeaderLint *lint);

/* Starts over, as {0}; releases all memory. */
void header_lint_clear(HeaderLint *lint);

#endif
