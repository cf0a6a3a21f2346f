/* A tensor and a pair of metadata, as a header describes them. */
#ifndef SAFETENSORS_FORMAT_TENSOR_ENTRY_H
#define SAFETENSORS_FORMAT_TENSOR_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/span.h"
#include "format/dtype.h"

/* A tensor. The offsets count from the start of the data, and begin <= end. `shape` is canonical
** JSON, without spaces or leading zeros. Name and shape are followed by a NUL, because SQLite would
** otherwise copy them to append one. */
typedef struct TensorEntry {
  Span name; /* first: NameTable reads it there */
  Span shape;
  uint64_t begin, end;
  Dtype dtype;
} TensorEntry;

typedef struct MetadataEntry {
  Span key; /* first: NameTable reads it there */
  Span value;
} MetadataEntry;

/* Return the number of stored bytes and of elements of a tensor. */
uint64_t tensor_entry_nbytes(const TensorEntry *entry);
uint64_t tensor_entry_numel(const TensorEntry *entry);

/* Makes the shape of an entry that has just been read canonical, in place. */
void tensor_entry_clean_shape(char *text, TensorEntry *entry);

typedef enum TensorSize {
  SIZE_WHOLE,
  SIZE_OVERFLOW,    /* the number of elements, or of their bits, exceeds 64 bits */
  SIZE_PART_OF_BYTE /* the last element of less than a byte ends inside a byte */
} TensorSize;

/* Computes the size of a tensor from its dtype and its shape in `text`. Sets *nbytes on SIZE_WHOLE,
** and *numel unless that overflows. */
TensorSize tensor_entry_size(const char *text, const TensorEntry *entry, uint64_t *numel,
                             uint64_t *nbytes);

/* For sort_rows(): compares rows that begin with a TensorEntry by (begin, end), and equal ones by
** their order in the header. */
int tensor_entry_compare(const void *left, const void *right);

/* Sorts entries in that order. Returns false if memory runs out or `cancel` says so. */
bool tensor_entries_sort(TensorEntry *entries, uint32_t count, Cancel *cancel, const char *subject,
                         Error *error);

#endif
