#include "format/lint_layout.h"

typedef unsigned long long Big; /* for "%llu" */

static void check_size(HeaderLint *lint, const TensorEntry *entry) {
  const char *text = lint->text;
  uint64_t numel = 0, nbytes = 0, at = entry->shape.offset;
  if (entry->dtype == DTYPE_COUNT || entry->shape.length == 0) return;
  switch (tensor_entry_size(text, entry, &numel, &nbytes)) {
    case SIZE_OVERFLOW:
      json_walk_report(&lint->walk, LINT_OVERFLOW, at, "dtype %s and shape %.*s overflow 64 bits",
                       dtype_name(entry->dtype), ERROR_NAME(text + at, entry->shape.length));
      return;
    case SIZE_PART_OF_BYTE:
      json_walk_report(
          &lint->walk, LINT_SUB_BYTE_REMAINDER, at,
          "dtype %s and shape %.*s end inside a byte: expected %u bits times %llu to be "
          "whole bytes",
          dtype_name(entry->dtype), ERROR_NAME(text + at, entry->shape.length),
          dtype_bits(entry->dtype), (Big)numel);
      return;
    case SIZE_WHOLE: break;
  }
  if (nbytes == entry->end - entry->begin) return;
  json_walk_report(
      &lint->walk, LINT_SIZE_MISMATCH, at,
      "dtype %s and shape %.*s take %llu bytes, found %llu in data_offsets [%llu,%llu]",
      dtype_name(entry->dtype), ERROR_NAME(text + at, entry->shape.length), (Big)nbytes,
      (Big)(entry->end - entry->begin), (Big)entry->begin, (Big)entry->end);
}

/* The offset in the file of a byte of the data; of one that is cut off, the file's end. */
static uint64_t data_at(const HeaderLint *lint, uint64_t offset) {
  uint64_t at = lint->data_offset + offset;
  return at < lint->file_size ? at : lint->file_size;
}

/* `entry` begins where the data so far ends; or there is a hole, or an overlap. When other tensors'
** data_offsets are not known, a hole may be theirs. */
static void check_begin(HeaderLint *lint, const TensorEntry *entry) {
  Findings *findings = lint->walk.findings;
  if (entry->begin > lint->end && lint->followed) {
    findings_add(
        findings, LINT_HOLE, data_at(lint, lint->end),
        "expected data_offsets to begin at %llu, found [%llu,%llu]: %llu bytes belong to no tensor",
        (Big)lint->end, (Big)entry->begin, (Big)entry->end, (Big)(entry->begin - lint->end));
  } else if (entry->begin < lint->end) {
    Span other = lint->end_tensor->name;
    findings_add(
        findings, LINT_OVERLAP, data_at(lint, entry->begin),
        "expected data_offsets to begin at %llu, found [%llu,%llu], which overlap those of "
        "tensor \"%.*s\"",
        (Big)lint->end, (Big)entry->begin, (Big)entry->end,
        ERROR_NAME(lint->text + other.offset, other.length));
  }
}

static void check_end(HeaderLint *lint, const TensorEntry *entry) {
  uint64_t end = lint->data_offset + entry->end;
  if (end <= lint->file_size || lint->cut_reported) return;
  lint->cut_reported = true;
  findings_add(lint->walk.findings, LINT_TRUNCATED, lint->file_size,
               "expected at least %llu bytes by the header, found %llu: this tensor is cut short, "
               "and so are those after it",
               (Big)end, (Big)lint->file_size);
}

static void check_alignment(HeaderLint *lint, const TensorEntry *entry) {
  uint64_t offset = lint->data_offset + entry->begin;
  if (entry->dtype == DTYPE_COUNT || entry->begin == entry->end) return;
  unsigned alignment = dtype_bits(entry->dtype) / 8;
  if (alignment < 2 || offset % alignment == 0 || offset >= lint->file_size) return;
  findings_add(lint->walk.findings, LINT_MISALIGNED_TENSOR, offset,
               "expected %s at a multiple of %u bytes, found offset %llu", dtype_name(entry->dtype),
               alignment, (Big)offset);
}

void lint_layout_tensor(HeaderLint *lint) {
  const TensorEntry *entry = &lint->tensors[lint->tensor];
  findings_set_tensor(lint->walk.findings, lint->text + entry->name.offset, entry->name.length);
  check_size(lint, entry);
  check_begin(lint, entry);
  check_end(lint, entry);
  check_alignment(lint, entry);
  findings_set_tensor(lint->walk.findings, NULL, 0);
  if (entry->end < lint->end) return;
  lint->end = entry->end;
  lint->end_tensor = entry;
}

void lint_layout_end(HeaderLint *lint) {
  uint64_t end = lint->data_offset + lint->end;
  if (end >= lint->file_size || !lint->followed) return;
  findings_add(lint->walk.findings, LINT_TRAILING_BYTES, end,
               "expected %llu bytes by the header, found %llu: %llu bytes belong to no tensor",
               (Big)end, (Big)lint->file_size, (Big)(lint->file_size - end));
}
