/* The check of the layout of a file: its tensors must be adjacent from offset 0 to the end of the
** file, and each must have the size that its dtype and shape imply. */
#ifndef SAFETENSORS_CHECK_LINT_LAYOUT_H
#define SAFETENSORS_CHECK_LINT_LAYOUT_H

#include "check/findings.h"
#include "format/header.h"

/* Must be zeroed before use, except for the first five fields. */
typedef struct LayoutLint {
  Findings *findings;
  const char *text; /* the text of the header */
  uint64_t file_size, data_offset;
  bool followed; /* the whole header could be read, and all data_offsets are known */
  bool cut_reported;
  uint64_t end;                  /* the end of the tensors so far */
  const TensorEntry *end_tensor; /* the tensor that ends there */
  const TensorEntry *misaligned; /* the first misaligned tensor */
  uint32_t misaligned_count, placeholders;
} LayoutLint;

/* Checks a tensor. Tensors must come in the order of their offsets. An unknown dtype is
** DTYPE_COUNT, and an unknown shape is empty. */
void layout_lint_tensor(LayoutLint *lint, const TensorEntry *entry);

/* After the last tensor: checks that the data ends at the end of the file. */
void layout_lint_end(const LayoutLint *lint);

/* Reports, in one finding, tensors whose elements cannot be read in place because they are
** misaligned. */
void layout_lint_alignment(const LayoutLint *lint);

/* Checks that the file, which has `count` tensors, contains anything. */
void layout_lint_contents(const LayoutLint *lint, uint32_t count);

#endif
