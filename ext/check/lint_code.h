/*
** The codes of everything that can be wrong with a checkpoint. ext/docs/reference.md has a table
** of their meanings and cures, with the same rows. A code is never renamed, and never gets another
** meaning.
*/
#ifndef SAFETENSORS_CHECK_LINT_CODE_H
#define SAFETENSORS_CHECK_LINT_CODE_H

#include <stdbool.h>

/* X(identifier, code, severity). An ERROR is what the reference implementation rejects, what this
** extension rejects by one of its documented strictnesses, or a contradiction between an index and
** its shards. Everything else is a WARNING. */
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
  X(GGML, "ggml", ERROR)                                               \
  X(JSON, "json", ERROR)                                               \
  X(XML, "xml", ERROR)                                                 \
  X(TEXT, "text", ERROR)                                               \
  X(BYTE_ORDER_MARK, "byte-order-mark", ERROR)                         \
  X(ZEROS, "zeros", ERROR)                                             \
  X(APPLE_DOUBLE, "apple-double", ERROR)                               \
  X(POINTER, "pointer", ERROR)                                         \
  X(ARCHIVE, "archive", ERROR)                                         \
  X(OTHER_FORMAT, "other-format", ERROR)                               \
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
  X(TOTAL_SIZE_DIFFERS, "total-size-differs", WARNING)                 \
  X(ODD_INDEX, "odd-index", WARNING)                                   \
  X(UNINDEXED_TENSOR, "unindexed-tensor", WARNING)                     \
  X(UNINDEXED_SHARD, "unindexed-shard", WARNING)                       \
  X(SHARD_GAP, "shard-gap", WARNING)                                   \
  /* the files of a directory */                                       \
  X(MIXED_SHARDS, "mixed-shards", ERROR)                               \
  X(INCOMPLETE_SHARDS, "incomplete-shards", ERROR)                     \
  X(SHARDS_WITHOUT_INDEX, "shards-without-index", WARNING)             \
  X(UNFINISHED_WRITE, "unfinished-write", WARNING)                     \
  X(TWIN_FILES, "twin-files", WARNING)                                 \
  X(DUPLICATE_TENSOR, "duplicate-tensor", WARNING)                     \
  X(DISTRIBUTED_CHECKPOINT, "distributed-checkpoint", WARNING)         \
  /* contents */                                                       \
  X(NO_TENSORS, "no-tensors", WARNING)                                 \
  X(PLACEHOLDERS, "placeholders", WARNING)                             \
  /* advice */                                                         \
  X(DATA_NOT_8_ALIGNED, "data-not-8-aligned", WARNING)                 \
  X(MISALIGNED_TENSOR, "misaligned-tensor", WARNING)                   \
  X(HEADER_NOT_IN_OFFSET_ORDER, "header-not-in-offset-order", WARNING) \
  X(PADDING_NOT_SPACES, "padding-not-spaces", WARNING)                 \
  X(LEADING_WHITESPACE, "leading-whitespace", WARNING)                 \
  X(NULL_METADATA, "null-metadata", WARNING)

typedef enum LintCode {
#define X(identifier, code, severity) LINT_##identifier,
  LINT_CODES(X)
#undef X
      LINT_CODE_COUNT
} LintCode;

/* Returns the text of the code, a static string. */
const char *lint_code_name(LintCode code);

bool lint_code_is_error(LintCode code);

/* Returns the code with that text, which must exist. */
LintCode lint_code_find(const char *name);

#endif
