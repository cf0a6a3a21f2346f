#include "check/lint_layout.h"

#include <stdio.h>
#include <string.h>

typedef unsigned long long LintLayoutBig; /* for "%llu" */

static void lint_layout_check_size(const LayoutLint *lint, const TensorEntry *entry) {
  const char *text = lint->text;
  uint64_t numel = 0, nbytes = 0;
  const char *shape = text + entry->shape.offset;
  uint64_t at = HEADER_PREFIX_SIZE + (uint64_t)entry->shape.offset;
  if (entry->dtype == DTYPE_COUNT || entry->shape.length == 0) return;
  switch (tensor_entry_size(text, entry, &numel, &nbytes)) {
    case SIZE_OVERFLOW:
      findings_add(lint->findings, LINT_OVERFLOW, at, "dtype %s and shape %.*s overflow 64 bits",
                   dtype_name(entry->dtype), ERROR_NAME(shape, entry->shape.length));
      return;
    case SIZE_PART_OF_BYTE:
      findings_add(lint->findings, LINT_SUB_BYTE_REMAINDER, at,
                   "dtype %s and shape %.*s end inside a byte: expected %u bits times %llu to be "
                   "whole bytes",
                   dtype_name(entry->dtype), ERROR_NAME(shape, entry->shape.length),
                   dtype_bits(entry->dtype), (LintLayoutBig)numel);
      return;
    case SIZE_WHOLE: break;
  }
  if (nbytes == entry->end - entry->begin) return;
  findings_add(lint->findings, LINT_SIZE_MISMATCH, at,
               "dtype %s and shape %.*s take %llu bytes, found %llu in data_offsets [%llu,%llu]",
               dtype_name(entry->dtype), ERROR_NAME(shape, entry->shape.length),
               (LintLayoutBig)nbytes, (LintLayoutBig)(entry->end - entry->begin),
               (LintLayoutBig)entry->begin, (LintLayoutBig)entry->end);
}

/* Returns the offset in the file of a byte of the data, or the end of the file if the byte is cut
** off. */
static uint64_t lint_layout_data_at(const LayoutLint *lint, uint64_t offset) {
  uint64_t at = lint->data_offset + offset;
  return at < lint->file_size ? at : lint->file_size;
}

/* Checks that the tensor begins where the data so far ends, without a hole or an overlap. While the
** data_offsets of other tensors are unknown, a hole may be theirs, and is not reported. */
static void lint_layout_check_begin(const LayoutLint *lint, const TensorEntry *entry) {
  Findings *findings = lint->findings;
  if (entry->begin > lint->end && lint->followed) {
    findings_add(
        findings, LINT_HOLE, lint_layout_data_at(lint, lint->end),
        "expected data_offsets to begin at %llu, found [%llu,%llu]: %llu bytes belong to no tensor",
        (LintLayoutBig)lint->end, (LintLayoutBig)entry->begin, (LintLayoutBig)entry->end,
        (LintLayoutBig)(entry->begin - lint->end));
  } else if (entry->begin < lint->end) {
    Span other = lint->end_tensor->name;
    findings_add(
        findings, LINT_OVERLAP, lint_layout_data_at(lint, entry->begin),
        "expected data_offsets to begin at %llu, found [%llu,%llu], which overlap those of "
        "tensor \"%.*s\"",
        (LintLayoutBig)lint->end, (LintLayoutBig)entry->begin, (LintLayoutBig)entry->end,
        ERROR_NAME(lint->text + other.offset, other.length));
  }
}

static void lint_layout_check_end(LayoutLint *lint, const TensorEntry *entry) {
  uint64_t end = lint->data_offset + entry->end;
  if (end <= lint->file_size || lint->cut_reported) return;
  lint->cut_reported = true;
  findings_add(lint->findings, LINT_TRUNCATED, lint->file_size,
               "expected at least %llu bytes by the header, found %llu: this tensor is cut short, "
               "and so are those after it",
               (LintLayoutBig)end, (LintLayoutBig)lint->file_size);
}

static void lint_layout_note_alignment(LayoutLint *lint, const TensorEntry *entry) {
  uint64_t offset = lint->data_offset + entry->begin;
  if (entry->dtype == DTYPE_COUNT || entry->begin == entry->end) return;
  unsigned alignment = dtype_bits(entry->dtype) / 8;
  if (alignment < 2 || offset % alignment == 0 || offset >= lint->file_size) return;
  if (lint->misaligned_count++ == 0) lint->misaligned = entry;
}

/* Returns whether the shape is [0], which may be written with white space. */
static bool lint_layout_is_placeholder(const LayoutLint *lint, const TensorEntry *entry) {
  static const char expected[] = "[0]";
  const char *text = lint->text + entry->shape.offset;
  uint32_t seen = 0;
  for (uint32_t i = 0; i < entry->shape.length; i++) {
    if (strchr(" \t\r\n", text[i]) != NULL) continue;
    if (text[i] != expected[seen++]) return false;
  }
  return seen == sizeof expected - 1;
}

void layout_lint_tensor(LayoutLint *lint, const TensorEntry *entry) {
  findings_set_tensor(lint->findings, lint->text + entry->name.offset, entry->name.length);
  lint_layout_check_size(lint, entry);
  lint_layout_check_begin(lint, entry);
  lint_layout_check_end(lint, entry);
  lint_layout_note_alignment(lint, entry);
  lint->placeholders += lint_layout_is_placeholder(lint, entry);
  findings_set_tensor(lint->findings, NULL, 0);
  if (entry->end < lint->end) return;
  lint->end = entry->end;
  lint->end_tensor = entry;
}

void layout_lint_end(const LayoutLint *lint) {
  uint64_t end = lint->data_offset + lint->end;
  if (end >= lint->file_size || !lint->followed) return;
  findings_add(lint->findings, LINT_TRAILING_BYTES, end,
               "expected %llu bytes by the header, found %llu: %llu bytes belong to no tensor",
               (LintLayoutBig)end, (LintLayoutBig)lint->file_size,
               (LintLayoutBig)(lint->file_size - end));
}

void layout_lint_alignment(const LayoutLint *lint) {
  const TensorEntry *entry = lint->misaligned;
  if (entry == NULL) return;
  uint64_t offset = lint->data_offset + entry->begin;
  char others[64] = "";
  if (lint->misaligned_count > 1) {
    snprintf(others, sizeof others, "; %u more of this file lie likewise",
             lint->misaligned_count - 1);
  }
  findings_set_tensor(lint->findings, lint->text + entry->name.offset, entry->name.length);
  findings_add(lint->findings, LINT_MISALIGNED_TENSOR, offset,
               "expected %s at a multiple of %u bytes, found offset %llu%s",
               dtype_name(entry->dtype), dtype_bits(entry->dtype) / 8, (LintLayoutBig)offset,
               others);
}

void layout_lint_contents(const LayoutLint *lint, uint32_t count) {
  if (!lint->followed) return;
  if (count == 0) {
    findings_add(lint->findings, LINT_NO_TENSORS, FINDING_NO_OFFSET,
                 "expected tensors in the file, found none");
  } else if (lint->placeholders > count / 2) {
    findings_add(
        lint->findings, LINT_PLACEHOLDERS, FINDING_NO_OFFSET,
        "expected tensors with elements, found %u of %u with the shape [0], which stand for "
        "those that DeepSpeed's ZeRO-3 had spread over processes",
        lint->placeholders, count);
  }
}
