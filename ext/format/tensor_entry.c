#include "format/tensor_entry.h"

#include <string.h>

#include "base/sort.h"
#include "json/json_cursor.h"

/* Only white space has to be removed, because JSON has no leading zeros. */
void tensor_entry_clean_shape(char *text, TensorEntry *entry) {
  Span *span = &entry->shape;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < span->length; i++) {
    char byte = text[span->offset + i];
    if (!json_is_space(byte)) text[span->offset + kept++] = byte;
  }
  span->length = kept;
}

int tensor_entry_compare(const void *left, const void *right) {
  const TensorEntry *a = left, *b = right;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  if (a->end != b->end) return a->end < b->end ? -1 : 1;
  return a->name.offset < b->name.offset ? -1 : 1;
}

bool tensor_entries_sort(TensorEntry *entries, uint32_t count, Cancel *cancel, const char *subject,
                         Error *error) {
  return sort_rows(entries, count, sizeof *entries, tensor_entry_compare, cancel, subject, error);
}

/* Multiplies the dimensions from left to right like the reference implementation, where [MAX,3,0]
** overflows and [0,MAX,3] does not. */
static bool tensor_entry_shape_numel(const char *shape, uint32_t length, uint64_t *numel) {
  uint64_t product = 1, dimension = 0;
  bool in_number = false;
  for (uint32_t i = 0; i < length; i++) {
    if (shape[i] >= '0' && shape[i] <= '9') {
      dimension = dimension * 10 + (uint64_t)(shape[i] - '0');
      in_number = true;
    } else if (in_number) {
      if (__builtin_mul_overflow(product, dimension, &product)) return false;
      dimension = 0;
      in_number = false;
    }
  }
  *numel = product;
  return true;
}

TensorSize tensor_entry_size(const char *text, const TensorEntry *entry, uint64_t *numel,
                             uint64_t *nbytes) {
  bool overflow;
  if (!tensor_entry_shape_numel(text + entry->shape.offset, entry->shape.length, numel))
    return SIZE_OVERFLOW;
  if (dtype_nbytes(entry->dtype, *numel, nbytes, &overflow)) return SIZE_WHOLE;
  return overflow ? SIZE_OVERFLOW : SIZE_PART_OF_BYTE;
}

uint64_t tensor_entry_nbytes(const TensorEntry *entry) {
  return entry->end - entry->begin;
}

uint64_t tensor_entry_numel(const TensorEntry *entry) {
  /* The header is valid, so the bits fit 64 and are a whole number of elements. */
  return tensor_entry_nbytes(entry) * 8 / dtype_bits(entry->dtype);
}
