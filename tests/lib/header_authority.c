#include "header_authority.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- The authority ---- */

/* The following return NULL, or what is wrong. */

static unsigned levels_of(const json_t *value) {
  unsigned most = 0;
  const char *key;
  json_t *child;
  size_t i;
  if (!json_is_object(value) && !json_is_array(value)) return 0;
  json_array_foreach (value, i, child) {
    unsigned levels = levels_of(child);
    if (levels > most) most = levels;
  }
  json_object_foreach ((json_t *)(uintptr_t)value, key, child) {
    unsigned levels = levels_of(child);
    if (levels > most) most = levels;
  }
  return most + 1;
}

static size_t number_length(const char *text, size_t left) {
  size_t length = 0;
  while (length < left && text[length] != '\0' && strchr("+-.eE0123456789", text[length])) length++;
  return length;
}

/* jansson reads -0 as the integer 0, the reference implementation as a float: so it is looked for
** in the text, which is known to be JSON by now. */
static bool has_negative_zero(const char *text, size_t length) {
  bool in_string = false;
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '"') in_string = !in_string;
    if (in_string && text[i] == '\\') i++;
    if (in_string) continue;
    size_t number = number_length(text + i, length - i);
    if (number == 2 && text[i] == '-' && text[i + 1] == '0') return true;
    if (number > 0) i += number - 1;
  }
  return false;
}

static const Type *find_type(const json_t *value) {
  if (!json_is_string(value)) return NULL;
  for (uint32_t i = 0; i < COUNT_OF(types); i++) {
    if (strlen(types[i].name) == json_string_length(value) &&
        strcmp(types[i].name, json_string_value(value)) == 0) {
      return &types[i];
    }
  }
  return NULL;
}

static bool is_natural_array(const json_t *value) {
  json_t *number;
  size_t i;
  if (!json_is_array(value)) return false;
  json_array_foreach (value, i, number) {
    if (!json_is_integer(number) || json_integer_value(number) < 0) return false;
  }
  return true;
}

static uint64_t natural_at(const json_t *array, size_t index) {
  return (uint64_t)json_integer_value(json_array_get(array, index));
}

static const char *judge_entry(const char *name, const json_t *entry, ExpectedTensor *tensor) {
  const json_t *offsets = json_object_get(entry, "data_offsets");
  tensor->name = name;
  if (!json_is_object(entry)) return "an entry that is no object";
  tensor->type = find_type(json_object_get(entry, "dtype"));
  tensor->shape = json_object_get(entry, "shape");
  if (tensor->type == NULL) return "dtype";
  if (!is_natural_array(tensor->shape)) return "shape";
  if (!is_natural_array(offsets) || json_array_size(offsets) != 2) return "data_offsets";
  tensor->begin = natural_at(offsets, 0);
  tensor->end = natural_at(offsets, 1);
  return NULL;
}

static const char *judge_metadata(const json_t *metadata) {
  const char *key;
  json_t *value;
  if (json_is_null(metadata)) return NULL;
  if (!json_is_object(metadata)) return "metadata that is no object";
  json_object_foreach ((json_t *)(uintptr_t)metadata, key, value) {
    if (!json_is_string(value)) return "metadata that is no string";
  }
  return NULL;
}

static const char *judge_members(Expected *expected) {
  const char *key, *problem = NULL;
  json_t *value;
  expected->tensors =
      must_have(calloc(json_object_size(expected->root) + 1, sizeof(ExpectedTensor)));
  json_object_foreach (expected->root, key, value) {
    if (strcmp(key, "__metadata__") == 0) {
      if (!json_is_null(value)) expected->metadata = value;
      problem = judge_metadata(value);
    } else {
      ExpectedTensor *tensor = &expected->tensors[expected->tensor_count];
      tensor->position = expected->tensor_count++;
      problem = judge_entry(key, value, tensor);
    }
    if (problem != NULL) return problem;
  }
  return NULL;
}

static int by_place(const void *left, const void *right) {
  const ExpectedTensor *a = left, *b = right;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  if (a->end != b->end) return a->end < b->end ? -1 : 1;
  return a->position < b->position ? -1 : 1;
}

static const char *judge_size(const ExpectedTensor *tensor) {
  uint64_t product = 1;
  for (size_t i = 0; i < json_array_size(tensor->shape); i++) {
    uint64_t dimension = natural_at(tensor->shape, i);
    if (dimension != 0 && product > UINT64_MAX / dimension) return "a shape that overflows";
    product *= dimension;
  }
  if (product > UINT64_MAX / tensor->type->bits) return "bits that overflow";
  product *= tensor->type->bits;
  if (product % 8 != 0) return "elements that end inside a byte";
  return product / 8 == tensor->end - tensor->begin ? NULL : "a size unlike the shape's";
}

static const char *judge_layout(Expected *expected, uint64_t data_size) {
  uint64_t end = 0;
  qsort(expected->tensors, expected->tensor_count, sizeof(ExpectedTensor), by_place);
  for (size_t i = 0; i < expected->tensor_count; i++) {
    const ExpectedTensor *tensor = &expected->tensors[i];
    if (tensor->begin != end) return "a hole or an overlap";
    if (tensor->end < tensor->begin) return "an end before its begin";
    const char *problem = judge_size(tensor);
    if (problem != NULL) return problem;
    end = tensor->end;
  }
  return end == data_size ? NULL : "a file of another size";
}

const char *judge(const char *text, size_t length, uint64_t data_size, Expected *expected) {
  json_error_t error;
  expected->root = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  if (expected->root == NULL) {
    memcpy(expected->problem, error.text, sizeof expected->problem);
    return expected->problem;
  }
  if (!json_is_object(expected->root)) return "a header that is no object";
  if (has_negative_zero(text, length)) return "-0";
  if (levels_of(expected->root) > 127) return "more than 127 levels";
  const char *problem = judge_members(expected);
  return problem != NULL ? problem : judge_layout(expected, data_size);
}

void forget_expected(Expected *expected) {
  json_decref(expected->root);
  free(expected->tensors);
}

/* ---- Comparing ---- */

static bool span_is(const Header *header, Span span, const char *bytes, size_t length) {
  return span.length == length && memcmp(header->text + span.offset, bytes, length) == 0;
}

static bool ends_with_nul(const Header *header, Span span) {
  return header->text[span.offset + span.length] == '\0';
}

static bool same_shape(const Header *header, const TensorEntry *entry, const json_t *shape) {
  Text text = {0};
  put(&text, "[");
  for (size_t i = 0; i < json_array_size(shape); i++) {
    put_format(&text, "%s%" PRIu64, i > 0 ? "," : "", natural_at(shape, i));
  }
  put(&text, "]");
  bool same = span_is(header, entry->shape, text.bytes, text.length);
  free(text.bytes);
  return same && tensor_entry_rank(header, entry) == json_array_size(shape);
}

/* Returns NULL, or what differs. */
static const char *compare_tensor(const Header *header, const TensorEntry *entry,
                                  const ExpectedTensor *tensor) {
  size_t length = strlen(tensor->name);
  if (!span_is(header, entry->name, tensor->name, length)) return "name";
  if (strcmp(dtype_name(entry->dtype), tensor->type->name) != 0) return "dtype";
  if (dtype_bits(entry->dtype) != tensor->type->bits) return "bits";
  if (!same_shape(header, entry, tensor->shape)) return "shape";
  if (entry->begin != tensor->begin || entry->end != tensor->end) return "data_offsets";
  if (!ends_with_nul(header, entry->name) || !ends_with_nul(header, entry->shape)) return "NUL";
  return header_find(header, tensor->name, length) == entry ? NULL : "lookup by name";
}

static const char *compare_metadata(const Header *header, const json_t *metadata) {
  size_t row = 0;
  const char *key;
  json_t *value;
  if (header->metadata_count != json_object_size(metadata)) return "number of metadata keys";
  json_object_foreach ((json_t *)(uintptr_t)metadata, key, value) {
    const MetadataEntry *entry = &header->metadata[row++];
    if (!span_is(header, entry->key, key, strlen(key))) return "metadata key";
    if (!span_is(header, entry->value, json_string_value(value), json_string_length(value))) {
      return "metadata value";
    }
  }
  return NULL;
}

const char *compare(const Header *header, const Expected *expected) {
  if (header->tensor_count != expected->tensor_count) return "number of tensors";
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const char *what = compare_tensor(header, &header->tensors[i], &expected->tensors[i]);
    if (what != NULL) return what;
  }
  return compare_metadata(header, expected->metadata);
}
