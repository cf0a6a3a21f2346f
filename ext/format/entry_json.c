#include "format/entry_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum {
  LOAD_FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK,
  /* serde_json refuses the 128th level; the header's own object and the entry are two of them. */
  MAX_ENTRY_DEPTH = 126,
  /* jansson's lexer starts with a buffer that holds this long a token. */
  LEXER_TOKEN_LENGTH = 15
};

/* What a walk over an entry's text finds, without judging it. */
typedef struct Extent {
  uint32_t length;        /* from the opening to the closing brace, or to the header's end */
  uint32_t longest_token; /* at least the longest string or number, quotes included */
  bool negative_zero; /* the number -0 occurs: an integer to jansson, a float to the reference */
} Extent;

static bool ends_number(const char *text, uint32_t left) {
  return left == 0 || (text[0] != '.' && text[0] != 'e' && text[0] != 'E');
}

static Extent measure(const char *text, uint32_t left) {
  Extent extent = {.length = left};
  uint32_t level = 0, token = 0;
  bool in_string = false;
  for (uint32_t i = 0; i < left; i++) {
    char byte = text[i];
    bool structural = !in_string && strchr("{}[],: \t\r\n", byte) != NULL;
    token = structural ? 0 : token + 1;
    if (token > extent.longest_token) extent.longest_token = token;
    if (in_string) {
      if (byte == '\\' && i + 1 < left) {
        i++;
        token++;
      } else if (byte == '"') {
        in_string = false;
      }
    } else if (byte == '"') {
      in_string = true;
    } else if (byte == '{') {
      level++;
    } else if (byte == '}' && --level == 0) {
      extent.length = i + 1;
      break;
    } else if (byte == '-' && token == 1 && left - i > 1 && text[i + 1] == '0' &&
               ends_number(text + i + 2, left - i - 2)) {
      extent.negative_zero = true;
    }
  }
  return extent;
}

/* When the lexer's token buffer cannot grow, jansson 2.14 drops a byte and goes on. So a token that
** needs a larger buffer is preceded by one that makes it grow, of which a lost byte does no harm:
** [ "xxx...", {the entry} ]. Returns the array, or NULL. */
static json_t *load_after_padding(const char *text, const Extent *extent, json_error_t *problem) {
  static const char head[] = "[\"", middle[] = "\",";
  enum { HEAD = sizeof head - 1, MIDDLE = sizeof middle - 1 };
  size_t padding = LEXER_TOKEN_LENGTH + 1;
  while (padding <= extent->longest_token) padding *= 2;
  padding = padding / 2 + 8; /* the buffer doubles at powers of two: well past the last of them */
  size_t size = HEAD + padding + MIDDLE + extent->length + 1;
  char *copy = memory_alloc(size);
  if (copy == NULL) return NULL;
  char *out = copy;
  memcpy(out, head, HEAD);
  memset(out += HEAD, 'x', padding);
  memcpy(out += padding, middle, MIDDLE);
  memcpy(out += MIDDLE, text, extent->length);
  out[extent->length] = ']';
  json_t *array = json_loadb(copy, size, LOAD_FLAGS, problem);
  memory_free(copy);
  problem->position -= HEAD + (int)padding + MIDDLE;
  if (array != NULL && json_string_length(json_array_get(array, 0)) != padding) {
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *try_load(const char *text, const Extent *extent, json_error_t *problem) {
  if (extent->longest_token <= LEXER_TOKEN_LENGTH) {
    return json_loadb(text, extent->length, LOAD_FLAGS, problem);
  }
  json_t *array = load_after_padding(text, extent, problem);
  if (array == NULL) return NULL;
  json_t *entry = json_incref(json_array_get(array, 1));
  json_decref(array);
  return entry;
}

/* Whether jansson gets memory now: it reports some failures to allocate as syntax errors. */
static bool jansson_has_memory(void) {
  static const char sample[] = "{\"shape\":[1]}";
  json_t *value = json_loadb(sample, sizeof sample - 1, LOAD_FLAGS, NULL);
  json_decref(value);
  return value != NULL;
}

static bool same_problem(const json_error_t *a, const json_error_t *b) {
  return a->position == b->position && strcmp(a->text, b->text) == 0;
}

/* Whether the text is wrong, as *problem says, or jansson ran out of memory: of some failures to
** allocate it makes syntax errors. What it says twice in a row, while it can get memory, is so. */
static bool is_problem_of_text(const char *text, const Extent *extent, json_t **entry,
                               json_error_t *problem) {
  enum { ATTEMPTS = 4 };
  for (int i = 0; i < ATTEMPTS && *entry == NULL; i++) {
    json_error_t before = *problem;
    *problem = (json_error_t){0};
    *entry = try_load(text, extent, problem);
    if (*entry == NULL && same_problem(&before, problem)) break;
  }
  return problem->text[0] != '\0' && json_error_code(problem) != json_error_out_of_memory &&
         jansson_has_memory();
}

/* Loads the entry that starts where the scanner is. The caller owns the reference. */
static json_t *load_entry(const Scanner *scanner, const TensorEntry *entry, const Extent *extent,
                          Error *error) {
  const char *text = scanner->text + scanner->at;
  json_error_t problem = {0};
  json_t *object = try_load(text, extent, &problem);
  if (object != NULL) return object;
  bool text_is_wrong = is_problem_of_text(text, extent, &object, &problem);
  if (object != NULL) return object;
  if (text_is_wrong) {
    error_fill(error, ERROR_INVALID, scanner->subject,
               "tensor \"%.*s\": expected an entry in JSON, found %s at offset %lld",
               ERROR_NAME(scanner->text + entry->name.offset, entry->name.length), problem.text,
               (long long)scanner->at + problem.position + HEADER_PREFIX_SIZE);
  } else {
    error_memory(error);
  }
  return NULL;
}

static bool bad_entry(const Scanner *scanner, const TensorEntry *entry, Error *error,
                      const char *what, const char *found) {
  return error_raise(error, ERROR_INVALID, scanner->subject, "tensor \"%.*s\": %s, found %s",
                     ERROR_NAME(scanner->text + entry->name.offset, entry->name.length), what,
                     found);
}

static const char *type_in_words(const json_t *value) {
  if (value == NULL) return "none";
  switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return json_integer_value(value) < 0 ? "a negative integer" : "an integer";
    case JSON_REAL: return "a number with a fraction or exponent";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    default: return "null";
  }
}

/* How many levels `value` nests, counted up to `limit`. jansson itself refuses 2048. */
static unsigned depth(json_t *value, unsigned limit) {
  unsigned deepest = 0;
  const char *key;
  json_t *child;
  size_t i;
  if ((!json_is_object(value) && !json_is_array(value)) || limit == 0) return 0;
  json_array_foreach (value, i, child) {
    unsigned below = depth(child, limit - 1);
    if (below > deepest) deepest = below;
  }
  json_object_foreach (value, key, child) {
    unsigned below = depth(child, limit - 1);
    if (below > deepest) deepest = below;
  }
  return deepest + 1;
}

/* Reads a non-negative integer. */
static bool read_integer(const Scanner *scanner, const TensorEntry *entry, const json_t *value,
                         const char *what, uint64_t *number, Error *error) {
  if (!json_is_integer(value) || json_integer_value(value) < 0) {
    return bad_entry(scanner, entry, error, what, type_in_words(value));
  }
  *number = (uint64_t)json_integer_value(value);
  return true;
}

static bool read_dtype(const Scanner *scanner, const json_t *value, TensorEntry *entry,
                       Error *error) {
  if (!json_is_string(value)) {
    return bad_entry(scanner, entry, error, "expected a string as dtype", type_in_words(value));
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
                     type_in_words(value));
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
    return bad_entry(scanner, entry, error, "expected an array as shape", type_in_words(value));
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
  Extent extent = measure(scanner->text + start, scanner->length - start);
  json_t *object = load_entry(scanner, entry, &extent, error);
  if (object == NULL) return false;
  bool read = false;
  if (depth(object, MAX_ENTRY_DEPTH + 1) > MAX_ENTRY_DEPTH) {
    bad_entry(scanner, entry, error, "expected at most 127 levels of JSON", "more");
  } else if (read_dtype(scanner, json_object_get(object, "dtype"), entry, error) &&
             read_data_offsets(scanner, json_object_get(object, "data_offsets"), entry, error) &&
             read_shape(scanner, json_object_get(object, "shape"), start, entry, error)) {
    read = !extent.negative_zero ||
           bad_entry(scanner, entry, error, "expected integers without a sign", "-0");
  }
  json_decref(object);
  scanner->at = start + extent.length;
  return read;
}
