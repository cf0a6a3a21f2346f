#include "format/entry_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format/json_load.h"

static json_t *load_entry(const Scanner *scanner, const TensorEntry *entry,
                          const JsonExtent *extent, Error *error) {
  json_error_t problem;
  json_t *object = NULL;
  switch (json_load_object(scanner->text + scanner->at, extent, &object, &problem)) {
    case JSON_NO_MEMORY: error_memory(error); break;
    case JSON_WRONG:
      error_fill(error, ERROR_INVALID, scanner->subject,
                 "tensor \"%.*s\": expected an entry in JSON, found %s at offset %lld",
                 ERROR_NAME(scanner->text + entry->name.offset, entry->name.length), problem.text,
                 (long long)scanner->at + problem.position + HEADER_PREFIX_SIZE);
      break;
    case JSON_LOADED: break;
  }
  return object;
}

static bool bad_entry(const Scanner *scanner, const TensorEntry *entry, Error *error,
                      const char *what, const char *found) {
  return error_raise(error, ERROR_INVALID, scanner->subject, "tensor \"%.*s\": %s, found %s",
                     ERROR_NAME(scanner->text + entry->name.offset, entry->name.length), what,
                     found);
}

/* Reads a non-negative integer. */
static bool read_integer(const Scanner *scanner, const TensorEntry *entry, const json_t *value,
                         const char *what, uint64_t *number, Error *error) {
  if (!json_is_integer(value) || json_integer_value(value) < 0) {
    return bad_entry(scanner, entry, error, what, json_type_in_words(value));
  }
  *number = (uint64_t)json_integer_value(value);
  return true;
}

static bool read_dtype(const Scanner *scanner, const json_t *value, TensorEntry *entry,
                       Error *error) {
  if (!json_is_string(value)) {
    return bad_entry(scanner, entry, error, "expected a string as dtype",
                     json_type_in_words(value));
  }
  const char *name = json_string_value(value);
  size_t length = json_string_length(value);
  if (dtype_find(name, length, &entry->dtype)) return true;
  char quoted[128];
  snprintf(quoted, sizeof quoted, "\"%.*s\"", error_clip(name, length), name);
  return bad_entry(scanner, entry, error, "expected a known dtype", quoted);
}

static bool read_data_offsets(const Scanner *scanner, const json_t *value, TensorEntry *entry,
                              Error *error) {
  static const char what[] = "expected non-negative integers in data_offsets";
  if (!json_is_array(value)) {
    return bad_entry(scanner, entry, error, "expected data_offsets [begin, end]",
                     json_type_in_words(value));
  }
  if (json_array_size(value) != 2) {
    return bad_entry(scanner, entry, error, "expected two data_offsets [begin, end]",
                     json_array_size(value) < 2 ? "fewer" : "more");
  }
  return read_integer(scanner, entry, json_array_get(value, 0), what, &entry->begin, error) &&
         read_integer(scanner, entry, json_array_get(value, 1), what, &entry->end, error);
}

/* Checks the shape and writes it at `start`, over the JSON that it was read from: each dimension
** stood there with at least as many bytes. */
static bool read_shape(Scanner *scanner, const json_t *value, uint32_t start, TensorEntry *entry,
                       Error *error) {
  if (!json_is_array(value)) {
    return bad_entry(scanner, entry, error, "expected an array as shape",
                     json_type_in_words(value));
  }
  char *out = scanner->text + start;
  *out++ = '[';
  for (size_t i = 0; i < json_array_size(value); i++) {
    uint64_t dimension;
    char digits[24];
    if (!read_integer(scanner, entry, json_array_get(value, i),
                      "expected non-negative integers in shape", &dimension, error)) {
      return false;
    }
    int length = snprintf(digits, sizeof digits, "%s%" PRIu64, i > 0 ? "," : "", dimension);
    memcpy(out, digits, (size_t)length);
    out += length;
  }
  *out++ = ']';
  entry->shape = (Span){start, (uint32_t)(out - scanner->text) - start};
  return true;
}

bool entry_json_parse(Scanner *scanner, TensorEntry *entry, Error *error) {
  uint32_t start = scanner->at;
  if (start >= scanner->length) return scanner_expected(scanner, "a tensor's entry", error);
  if (scanner->text[start] != '{') {
    return bad_entry(scanner, entry, error, "expected an object with dtype, shape and data_offsets",
                     scanner_next_kind(scanner));
  }
  JsonExtent extent = json_measure(scanner->text + start, scanner->length - start);
  json_t *object = load_entry(scanner, entry, &extent, error);
  if (object == NULL) return false;
  bool read = false;
  if (1 + extent.depth > JSON_MAX_DEPTH) { /* the header's object is a level too */
    bad_entry(scanner, entry, error, "expected at most 127 levels of JSON", "more");
  } else if (read_dtype(scanner, json_object_get(object, "dtype"), entry, error) &&
             read_data_offsets(scanner, json_object_get(object, "data_offsets"), entry, error) &&
             read_shape(scanner, json_object_get(object, "shape"), start, entry, error)) {
    read = !extent.negative_zero ||
           bad_entry(scanner, entry, error, "expected integers without a sign", "-0");
  }
  json_decref(object);
  scanner->at = start + (uint32_t)extent.length;
  return read;
}
