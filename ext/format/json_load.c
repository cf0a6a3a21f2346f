#include "format/json_load.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

enum {
  LOAD_FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK,
  /* jansson's lexer starts with a buffer that holds this long a token. */
  LEXER_TOKEN_LENGTH = 15
};

static bool ends_number(const char *text, uint64_t left) {
  return left == 0 || (text[0] != '.' && text[0] != 'e' && text[0] != 'E');
}

JsonExtent json_measure(const char *text, uint64_t left) {
  JsonExtent extent = {.length = left};
  uint64_t level = 0, depth = 0, token = 0;
  bool in_string = false;
  for (uint64_t i = 0; i < left; i++) {
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
    } else if (byte == '{' || byte == '[') {
      level += byte == '{';
      if (++depth > extent.depth) extent.depth = depth;
    } else if (byte == '}' || byte == ']') {
      if (depth > 0) depth--;
      if (byte == '}' && --level == 0) {
        extent.length = i + 1;
        break;
      }
    } else if (byte == '-' && token == 1 && left - i > 1 && text[i + 1] == '0' &&
               ends_number(text + i + 2, left - i - 2)) {
      extent.negative_zero = true;
    }
  }
  return extent;
}

static size_t load_flags(const JsonExtent *extent) {
  return LOAD_FLAGS | (extent->integers_are_reals ? JSON_DECODE_INT_AS_REAL : 0);
}

/* When the lexer's token buffer cannot grow, jansson 2.14 drops a byte and goes on. So a token that
** needs a larger buffer is preceded by one that makes it grow, of which a lost byte does no harm:
** [ "xxx...", {the entry} ]. Returns the array, or NULL. */
static json_t *load_after_padding(const char *text, const JsonExtent *extent,
                                  json_error_t *problem) {
  static const char head[] = "[\"", middle[] = "\",";
  enum { HEAD = sizeof head - 1, MIDDLE = sizeof middle - 1 };
  size_t padding = LEXER_TOKEN_LENGTH + 1, length = (size_t)extent->length;
  while (padding <= extent->longest_token) padding *= 2;
  padding = padding / 2 + 8; /* the buffer doubles at powers of two: well past the last of them */
  size_t size = HEAD + padding + MIDDLE + length + 1;
  char *copy = memory_alloc(size);
  if (copy == NULL) return NULL;
  char *out = copy;
  memcpy(out, head, HEAD);
  memset(out += HEAD, 'x', padding);
  memcpy(out += padding, middle, MIDDLE);
  memcpy(out += MIDDLE, text, length);
  out[length] = ']';
  json_t *array = json_loadb(copy, size, load_flags(extent), problem);
  memory_free(copy);
  problem->position -= HEAD + (int)padding + MIDDLE;
  if (array != NULL && json_string_length(json_array_get(array, 0)) != padding) {
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *try_load(const char *text, const JsonExtent *extent, json_error_t *problem) {
  if (extent->longest_token <= LEXER_TOKEN_LENGTH) {
    return json_loadb(text, (size_t)extent->length, load_flags(extent), problem);
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
static bool is_problem_of_text(const char *text, const JsonExtent *extent, json_t **entry,
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

JsonLoadResult json_load_object(const char *text, const JsonExtent *extent, json_t **object,
                                json_error_t *problem) {
  *problem = (json_error_t){0};
  /* jansson's lexer drops a NUL that it has read ahead, behind a number or a literal. */
  const char *nul = memchr(text, '\0', (size_t)extent->length);
  if (nul != NULL) {
    snprintf(problem->text, sizeof problem->text, "a NUL byte");
    problem->position = (int)(nul - text);
    return JSON_WRONG;
  }
  *object = try_load(text, extent, problem);
  if (*object != NULL) return JSON_LOADED;
  bool text_is_wrong = is_problem_of_text(text, extent, object, problem);
  if (*object != NULL) return JSON_LOADED;
  return text_is_wrong ? JSON_WRONG : JSON_NO_MEMORY;
}

static uint64_t skip_space(const char *text, uint64_t length, uint64_t at) {
  while (at < length && text[at] != '\0' && strchr(" \t\r\n", text[at]) != NULL) at++;
  return at;
}

/* The offset of the object's opening brace; `length` where there is none. */
static uint64_t find_object(const char *text, uint64_t length, const char *subject, Error *error) {
  uint64_t start = skip_space(text, length, 0);
  if (start == length || text[start] != '{') {
    error_fill(error, ERROR_INVALID, subject, "expected a JSON object, found %s",
               length == 0 ? "nothing" : "something else");
    return length;
  }
  uint64_t valid = utf8_valid_length(text, length);
  if (valid == length) return start;
  error_fill(error, ERROR_INVALID, subject,
             "expected JSON in UTF-8, found another byte at offset %llu",
             (unsigned long long)valid);
  return length;
}

bool json_load_document(const char *text, uint64_t length, const char *subject,
                        JsonDocument *document, Error *error) {
  uint64_t start = find_object(text, length, subject, error);
  if (start == length) return false;
  JsonExtent extent = json_measure(text + start, length - start);
  json_error_t problem;
  JsonLoadResult result = json_load_object(text + start, &extent, &document->root, &problem);
  if (result == JSON_WRONG && json_error_code(&problem) == json_error_numeric_overflow) {
    document->integers_are_reals = extent.integers_are_reals = true;
    result = json_load_object(text + start, &extent, &document->root, &problem);
  }
  if (result == JSON_NO_MEMORY) return error_memory(error);
  if (result == JSON_WRONG) {
    return error_raise(error, ERROR_INVALID, subject, "expected JSON, found %s at offset %lld",
                       problem.text, (long long)start + problem.position);
  }
  if (extent.depth > JSON_MAX_DEPTH) {
    return error_raise(error, ERROR_INVALID, subject,
                       "expected at most %d levels of JSON, found more", JSON_MAX_DEPTH);
  }
  uint64_t end = skip_space(text, length, start + extent.length);
  return end == length || error_raise(error, ERROR_INVALID, subject,
                                      "expected the end of the JSON, found more at offset %llu",
                                      (unsigned long long)end);
}

const char *json_type_in_words(const json_t *value) {
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
