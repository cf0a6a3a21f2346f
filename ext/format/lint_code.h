/*
** What can be wrong with a checkpoint, as stable codes: README has the table of their meanings and
** cures, row for row. A code is never renamed nor given another meaning.
*/
#ifndef SAFETENSORS_FORMAT_LINT_CODE_H
#define SAFETENSORS_FORMAT_LINT_CODE_H

#include <stdbool.h>

/* X(identifier, code, severity). An ERROR is what the reference implementation refuses, or this
** extension by one of its documented strictnesses, or where an index and its shards contradict each
** other. All else is a WARNING. */
#define LINT_CODES(X)                                                  \
  /* the file as a whole */                                            \
  X(MISSING_FILE, "missing-file", ERROR)                               \
  X(UNREADABLE, "unreadable", ERROR)                                   \
  X(EMPTY, "empty", ERROR)                                             \
  X(LFS_POINTER, "lfs-pointer", ERROR)                                 \
  X(PICKLE, "pickle", ERROR)                                           \
  X(ZIP, "zip", ERROR)                                                 \
  X(GGUF, "gguf", ERROR)                                               \
  X(HTML, "html", ERROR)                                               \
  X(HDF5, "hdf5", ERROR)                                               \
  X(NUMPY, "numpy", ERROR)                                             \
  X(GZIP, "gzip", ERROR)                                               \
  X(SQLITE, "sqlite", ERROR)                                           \
  /* the header */                                                     \
  X(HEADER_TOO_SMALL, "header-too-small", ERROR)                       \
  X(HEADER_TOO_LARGE, "header-too-large", ERROR)                       \
  X(NOT_UTF8, "not-utf8", ERROR)                                       \
  X(NOT_JSON, "not-json", ERROR)                                       \
  X(NOT_AN_OBJECT, "not-an-object", ERROR)                             \
  X(DUPLICATE_KEY, "duplicate-key", ERROR)                             \
  X(NUL_IN_KEY, "nul-in-key", ERROR)                                   \
  X(BAD_NUMBER, "bad-number", ERROR)                                   \
  X(BAD_ENTRY, "bad-entry", ERROR)                                     \
  X(BAD_DTYPE, "bad-dtype", ERROR)                                     \
  X(BAD_SHAPE, "bad-shape", ERROR)                                     \
  X(BAD_OFFSETS, "bad-offsets", ERROR)                                 \
  X(BAD_METADATA, "bad-metadata", ERROR)                               \
  /* the layout of the data */                                         \
  X(HOLE, "hole", ERROR)                                               \
  X(OVERLAP, "overlap", ERROR)                                         \
  X(SIZE_MISMATCH, "size-mismatch", ERROR)                             \
  X(OVERFLOW, "overflow", ERROR)                                       \
  X(SUB_BYTE_REMAINDER, "sub-byte-remainder", ERROR)                   \
  X(TRUNCATED, "truncated", ERROR)                                     \
  X(TRAILING_BYTES, "trailing-bytes", ERROR)                           \
  /* an index and its shards */                                        \
  X(BAD_WEIGHT_MAP, "bad-weight-map", ERROR)                           \
  X(BAD_PATH, "bad-path", ERROR)                                       \
  X(MISSING_SHARD, "missing-shard", ERROR)                             \
  X(MISSING_TENSOR, "missing-tensor", ERROR)                           \
  X(MISPLACED_TENSOR, "misplaced-tensor", ERROR)                       \
  X(DUPLICATE_ACROSS_SHARDS, "duplicate-across-shards", ERROR)         \
  X(TOTAL_SIZE_DIFFERS, "total-size-differs", ERROR)                   \
  X(UNINDEXED_TENSOR, "unindexed-tensor", WARNING)                     \
  X(UNINDEXED_SHARD, "unindexed-shard", WARNING)                       \
  X(SHARD_GAP, "shard-gap", WARNING)                                   \
  /* advice */                                                         \
  X(DATA_NOT_8_ALIGNED, "data-not-8-aligned", WARNING)                 \
  X(MISALIGNED_TENSOR, "misaligned-tensor", WARNING)                   \
  X(HEADER_NOT_IN_OFFSET_ORDER, "header-not-in-offset-order", WARNING) \
  X(PADDING_NOT_SPACES, "padding-not-spaces", WARNING)                 \
  X(LEADING_WHITESPACE, "leading-whitespace", WARNING)                 \
  X(NULL_METADATA, "null-metadata", WARNING)                           \
  X(DUPLICATE_TENSOR, "duplicate-tensor", WARNING)

typedef enum LintCode {
#define X(identifier, code, severity) LINT_##identifier,
  LINT_CODES(X)
#undef X
      LINT_CODE_COUNT
} LintCode;

/* The code's text, NUL-terminated, valid for ever. */
const char *lint_code_name(LintCode code);

bool lint_code_is_error(LintCode code);

/* The code of that text, which must be one. */
LintCode lint_code_find(const char *name);

#endif
