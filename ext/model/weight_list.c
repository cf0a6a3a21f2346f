#include "model/weight_list.h"

#include <string.h>

#include "base/memory.h"

enum { WEIGHT_LIST_FIRST_TEXT = 1 << 12 };

const char *weight_scheme_name(WeightScheme scheme) {
  static const char *const names[] = {
#define X(id, name) name,
      WEIGHT_SCHEMES(X)
#undef X
  };
  return names[scheme];
}

void weight_list_clear(WeightList *list) {
  name_table_free(&list->names);
  name_set_clear(&list->bits);
  memory_free(list->text);
  memory_free(list->tensors);
  memory_free(list->rows);
  memory_free(list->parts);
  memory_free(list->options);
  *list = (WeightList){0};
}

uint64_t weight_list_memory(const WeightList *list) {
  return sizeof *list + list->text_size + list->tensor_size * sizeof(WeightTensor) +
         list->row_size * sizeof(WeightRow) + list->part_size * sizeof(WeightPart) +
         list->option_size * sizeof(WeightOption) +
         (list->bits.slots != NULL ? (list->bits.mask + 1) * sizeof(NameSetSlot) : 0) +
         (list->names.slots != NULL ? (list->names.mask + 1) * sizeof(uint64_t) : 0);
}

/* ---- Texts ---- */

/* Makes room for `length` more bytes and a NUL. Spans end at 2^32, which no block of memory here
** reaches. */
static bool weight_list_reserve_text(WeightList *list, uint64_t length, Error *error) {
  uint64_t needed = list->text_used + length + 1;
  if (needed <= list->text_size) return true;
  uint64_t size = list->text_size > 0 ? list->text_size : WEIGHT_LIST_FIRST_TEXT;
  while (size < needed) size *= 2;
  if (size > MEMORY_MAX && needed <= MEMORY_MAX) size = MEMORY_MAX;
  char *text = memory_resize(list->text, size, 1);
  if (text == NULL) return error_memory(error);
  list->text = text;
  list->text_size = size;
  return true;
}

bool weight_list_add_text(WeightList *list, const char *text, uint64_t length, Span *span,
                          Error *error) {
  if (!weight_list_reserve_text(list, length, error)) return false;
  memcpy(list->text + list->text_used, text, (size_t)length);
  list->text[list->text_used + length] = '\0';
  *span = (Span){(uint32_t)list->text_used, (uint32_t)length};
  list->text_used += length + 1;
  return true;
}

bool weight_list_add_shape(WeightList *list, const uint64_t *dims, uint32_t rank, Span *span,
                           Error *error) {
  char text[WEIGHT_MAX_RANK * 21 + 3];
  uint32_t used = 0;
  text[used++] = '[';
  for (uint32_t i = 0; i < rank; i++) {
    char digits[20];
    uint32_t count = 0;
    uint64_t left = dims[i];
    if (i > 0) text[used++] = ',';
    do digits[count++] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    while (count > 0) text[used++] = digits[--count];
  }
  text[used++] = ']';
  return weight_list_add_text(list, text, used, span, error);
}

bool weight_list_dims(const WeightList *list, const Span *shape, uint64_t *dims, uint32_t *rank) {
  const char *at = list->text + shape->offset, *end = at + shape->length;
  *rank = 0;
  while (at < end) {
    if (*at < '0' || *at > '9') {
      at++;
      continue;
    }
    if (*rank == WEIGHT_MAX_RANK) return false;
    uint64_t value = 0; /* the header was checked: it fits */
    for (; at < end && *at >= '0' && *at <= '9'; at++) value = value * 10 + (uint64_t)(*at - '0');
    dims[(*rank)++] = value;
  }
  return true;
}

bool weight_dims_numel(const uint64_t *dims, uint32_t rank, uint64_t *numel) {
  *numel = 1;
  for (uint32_t i = 0; i < rank; i++) {
    if (dims[i] == 0) {
      *numel = 0;
      return true;
    }
  }
  for (uint32_t i = 0; i < rank; i++) {
    if (__builtin_mul_overflow(*numel, dims[i], numel)) return false;
  }
  return true;
}

/* ---- Tensors and rows ---- */

/* Makes room for one more. Their numbers have 32 bits, with one to spare for "none". */
static bool weight_list_reserve(void **rows, uint64_t *size, uint64_t count, uint64_t row_size,
                                Error *error) {
  if (count >= UINT32_MAX - 1) {
    return error_raise(error, ERROR_RESOURCE, "safetensors_weights",
                       "expected fewer than 2^32 tensors, found more");
  }
  return memory_reserve(rows, size, count, row_size) || error_memory(error);
}

WeightTensor *weight_list_add_tensor(WeightList *list, Error *error) {
  if (!weight_list_reserve((void **)&list->tensors, &list->tensor_size, list->tensor_count,
                           sizeof(WeightTensor), error)) {
    return NULL;
  }
  WeightTensor *tensor = &list->tensors[list->tensor_count++];
  *tensor = (WeightTensor){0};
  return tensor;
}

WeightRow *weight_list_add_row(WeightList *list, Error *error) {
  if (!weight_list_reserve((void **)&list->rows, &list->row_size, list->row_count,
                           sizeof(WeightRow), error)) {
    return NULL;
  }
  WeightRow *row = &list->rows[list->row_count++];
  *row = (WeightRow){.first_part = (uint32_t)list->part_count,
                     .first_option = (uint32_t)list->option_count};
  return row;
}

bool weight_list_add_part(WeightList *list, const char *role, uint32_t tensor, bool is_read,
                          Error *error) {
  if (!weight_list_reserve((void **)&list->parts, &list->part_size, list->part_count,
                           sizeof(WeightPart), error)) {
    return false;
  }
  list->parts[list->part_count++] =
      (WeightPart){.role = role, .tensor = tensor, .is_read = is_read};
  return true;
}

WeightOption *weight_list_add_option(WeightList *list, const char *name, WeightOptionKind kind,
                                     Error *error) {
  if (!weight_list_reserve((void **)&list->options, &list->option_size, list->option_count,
                           sizeof(WeightOption), error)) {
    return NULL;
  }
  WeightOption *option = &list->options[list->option_count++];
  *option = (WeightOption){.name = name, .kind = kind};
  return option;
}

bool weight_list_add_plain(WeightList *list, uint32_t number, WeightRole role, Error *error) {
  WeightRow *row = weight_list_add_row(list, error);
  if (row == NULL) return false;
  WeightTensor *tensor = &list->tensors[number];
  unsigned bits = dtype_bits((Dtype)tensor->dtype);
  row->name = tensor->name;
  row->shape = tensor->shape;
  row->nbytes = tensor->end - tensor->begin;
  row->numel = row->nbytes / bits * 8 + row->nbytes % bits * 8 / bits;
  row->tensor = number;
  row->scheme = WEIGHT_SCHEME_NONE;
  row->role = (uint8_t)role;
  row->dtype = tensor->dtype;
  row->bits = (uint8_t)bits;
  row->has_numel = true;
  tensor->used = true;
  return true;
}

bool weight_list_index(WeightList *list, Error *error) {
  if (!name_table_start(&list->names, list->text, list->rows, sizeof(WeightRow),
                        (uint32_t)list->row_count)) {
    return error_memory(error);
  }
  for (uint32_t i = (uint32_t)list->row_count; i > 0; i--) { /* so that it finds the first */
    uint32_t later;
    if (!name_table_add(&list->names, i - 1, &later)) list->rows[i - 1].next_same = later + 1;
  }
  return true;
}

bool weight_list_say_bits(WeightList *list, const char *name, uint64_t length, uint32_t bits,
                          Error *error) {
  NameSetSlot *slot = name_set_add(&list->bits, name, length, 0);
  if (slot == NULL) return error_memory(error);
  slot->shape = bits;
  return true;
}

uint32_t weight_list_said_bits(WeightList *list, const char *name, uint64_t length) {
  if (list->bits.count == 0) return 0;
  const NameSetSlot *slot = name_set_add(&list->bits, name, length, 0);
  return slot != NULL ? slot->shape : 0;
}

bool weight_list_find(const WeightList *list, const char *name, uint64_t length, uint32_t *row) {
  return name_table_find(&list->names, name, length, row);
}
