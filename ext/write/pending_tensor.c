#include "write/pending_tensor.h"

#include <string.h>

#include "base/memory.h"
#include "base/path_text.h"

/* ---- Tensors ---- */

static void pending_tensor_free(PendingRow *row) {
  PendingTensor *tensor = (PendingTensor *)row;
  pending_data_release(tensor->data);
  pending_row_release((PendingRow *)tensor->origin);
  memory_free(tensor);
}

static uint32_t pending_tensor_rank(const char *shape, uint64_t length) {
  uint32_t commas = 0;
  for (uint64_t i = 0; i < length; i++) commas += shape[i] == ',';
  return length > 2 ? commas + 1 : 0; /* "[]" */
}

/* Name and shape are stored behind the struct, each with a NUL. */
PendingTensor *pending_tensor_new(const PendingTensorParts *parts, Error *error) {
  uint64_t texts = parts->name_length + parts->shape_length + 2;
  PendingTensor *tensor = memory_alloc(sizeof *tensor + texts);
  if (tensor == NULL) {
    pending_data_release(parts->data);
    error_memory(error);
    return NULL;
  }
  char *name = (char *)(tensor + 1), *shape = name + parts->name_length + 1;
  memcpy(name, parts->name, (size_t)parts->name_length);
  memcpy(shape, parts->shape, (size_t)parts->shape_length);
  name[parts->name_length] = shape[parts->shape_length] = '\0';
  *tensor = (PendingTensor){.row = {.references = 1,
                                    .name_length = (uint32_t)parts->name_length,
                                    .name = name,
                                    .free = pending_tensor_free},
                            .dtype = parts->dtype,
                            .member = parts->member,
                            .numel = parts->data->numel,
                            .nbytes = parts->data->numel * dtype_bits(parts->dtype) / 8,
                            .shape = shape,
                            .shape_length = (uint32_t)parts->shape_length,
                            .rank = pending_tensor_rank(shape, parts->shape_length),
                            .data = parts->data,
                            .origin = parts->origin};
  if (tensor->origin != NULL) pending_row_retain(&tensor->origin->row);
  return tensor;
}

PendingTensorParts pending_tensor_parts(PendingTensor *tensor) {
  return (PendingTensorParts){.name = tensor->row.name,
                              .name_length = tensor->row.name_length,
                              .shape = tensor->shape,
                              .shape_length = tensor->shape_length,
                              .dtype = tensor->dtype,
                              .member = tensor->member,
                              .data = pending_data_retain(tensor->data),
                              .origin = tensor->on_disk ? tensor : tensor->origin};
}

TensorName pending_tensor_name(const PendingTensor *tensor, const char *subject) {
  return (TensorName){subject, tensor->row.name, tensor->row.name_length};
}

const PendingTensor *pending_tensor_origin(const PendingTensor *tensor) {
  return tensor->on_disk ? tensor : tensor->origin;
}

bool pending_tensor_append_ref(const PendingTensor *tensor, sqlite3_str *out) {
  const PendingTensor *origin = pending_tensor_origin(tensor);
  if (tensor->data->ref != NULL) {
    sqlite3_str_appendf(out, "%s", tensor->data->ref);
    return true;
  }
  if (origin == NULL) return false;
  const char *path = origin->data->source->path;
  char *text = path_text_is_plain(path, strlen(path)) ? NULL : path_text_escape(path, strlen(path));
  if (text != NULL) path = text;
  ref_append(out, &(Ref){.path = path,
                         .path_length = strlen(path),
                         .name = origin->row.name,
                         .name_length = origin->row.name_length});
  memory_free(text);
  return true;
}

/* ---- Pairs ---- */

enum {
  PENDING_PAIR_MEMBER = 1 + sizeof(uint32_t)
}; /* a NUL, which no key contains, and the member */

static void pending_pair_free(PendingRow *row) {
  memory_free(row);
}

static void pending_pair_put_member(char *at, uint32_t member) {
  at[0] = '\0';
  memcpy(at + 1, &member, sizeof member);
}

PendingPair *pending_pair_new(const char *key, uint64_t key_length, const char *value,
                              uint64_t value_length, uint32_t member) {
  uint64_t name_length = key_length + PENDING_PAIR_MEMBER;
  PendingPair *pair = memory_alloc(sizeof *pair + name_length + value_length + 2);
  if (pair == NULL) return NULL;
  char *name = (char *)(pair + 1), *text = name + name_length + 1;
  memcpy(name, key, (size_t)key_length);
  pending_pair_put_member(name + key_length, member);
  memcpy(text, value, (size_t)value_length);
  name[name_length] = text[value_length] = '\0';
  *pair = (PendingPair){.row = {.references = 1,
                                .name_length = (uint32_t)name_length,
                                .name = name,
                                .free = pending_pair_free},
                        .value = text,
                        .value_length = value_length,
                        .key_length = (uint32_t)key_length,
                        .member = member};
  return pair;
}

bool pending_pair_find(const PendingRows *rows, const char *key, uint64_t length, uint32_t member,
                       uint32_t but, uint32_t *slot) {
  char *name = memory_alloc(length + PENDING_PAIR_MEMBER);
  if (name == NULL) return false; /* COMMIT checks all keys, so a conflict is still found */
  memcpy(name, key, (size_t)length);
  pending_pair_put_member(name + length, member);
  bool found = pending_rows_find_name(rows, name, length + PENDING_PAIR_MEMBER, but, slot);
  memory_free(name);
  return found;
}
