#include "json/json_load.h"

#include <stdio.h>
#include <string.h>

#include "base/float_environment.h"
#include "base/memory.h"
#include "base/plain_locale.h"
#include "base/utf8.h"
#include "json/json_walk.h"

enum {
  JSON_LOAD_FLAGS = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK,
  /* The longest token that the initial buffer of jansson's lexer can hold. */
  JSON_LOAD_LEXER_TOKEN_LENGTH = 15
};

/* The properties of an object's text that determine how it is loaded. The text need not be
** valid. */
typedef struct JsonLoadExtent {
  uint64_t length;         /* from the opening brace to the closing one, or to the end of the
                              text */
  uint64_t longest_token;  /* an upper bound of the longest string or number, including quotes */
  uint64_t depth;          /* the number of levels of objects and arrays, including the object
                              itself */
  bool integers_are_reals; /* load integers as reals, so that none is too large */
} JsonLoadExtent;

typedef enum JsonLoadResult { JSON_LOADED, JSON_WRONG, JSON_NO_MEMORY } JsonLoadResult;

static bool json_load_is_structural(char byte) {
  switch (byte) {
    case '{':
    case '}':
    case '[':
    case ']':
    case ',':
    case ':':
    case ' ':
    case '\t':
    case '\r':
    case '\n':
    case '\0': return true;
    default: return false;
  }
}

/* Measures the object whose opening brace `text` begins with. */
static JsonLoadExtent json_load_measure(const char *text, uint64_t left) {
  JsonLoadExtent extent = {.length = left};
  uint64_t level = 0, depth = 0, token = 0;
  bool in_string = false;
  for (uint64_t i = 0; i < left; i++) {
    char byte = text[i];
    bool structural = !in_string && json_load_is_structural(byte);
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
    }
  }
  return extent;
}

static size_t json_load_flags(const JsonLoadExtent *extent) {
  return JSON_LOAD_FLAGS | (extent->integers_are_reals ? JSON_DECODE_INT_AS_REAL : 0);
}

static json_t *json_load_in_plain_locale(const char *text, size_t length, size_t flags,
                                         json_error_t *problem) {
  PlainLocale locale;
  FloatEnvironment host;
  plain_locale_enter(&locale);
  float_environment_enter(&host);
  json_t *value = json_loadb(text, length, flags, problem);
  float_environment_leave(&host);
  plain_locale_leave(&locale);
  return value;
}

/* jansson 2.14 drops a byte when the token buffer of its lexer cannot grow. To make that harmless,
** a token that needs a larger buffer is preceded by a string of padding that makes the buffer grow
** first: ["xxx...", {the object}]. If a byte of the padding is missing afterwards, memory ran out.
** Returns the array, or NULL. */
static json_t *json_load_after_padding(const char *text, const JsonLoadExtent *extent,
                                       json_error_t *problem) {
  static const char head[] = "[\"", middle[] = "\",";
  enum { JSON_LOAD_HEAD = sizeof head - 1, JSON_LOAD_MIDDLE = sizeof middle - 1 };
  size_t padding = JSON_LOAD_LEXER_TOKEN_LENGTH + 1, length = (size_t)extent->length;
  while (padding <= extent->longest_token) padding *= 2;
  padding = padding / 2 + 8; /* the buffer doubles at powers of two: well past the last of them */
  size_t size = JSON_LOAD_HEAD + padding + JSON_LOAD_MIDDLE + length + 1;
  char *copy = memory_alloc(size);
  if (copy == NULL) return NULL;
  char *out = copy;
  memcpy(out, head, JSON_LOAD_HEAD);
  memset(out += JSON_LOAD_HEAD, 'x', padding);
  memcpy(out += padding, middle, JSON_LOAD_MIDDLE);
  memcpy(out += JSON_LOAD_MIDDLE, text, length);
  out[length] = ']';
  json_t *array = json_load_in_plain_locale(copy, size, json_load_flags(extent), problem);
  memory_free(copy);
  problem->position -= JSON_LOAD_HEAD + (int)padding + JSON_LOAD_MIDDLE;
  if (array != NULL && json_string_length(json_array_get(array, 0)) != padding) {
    json_decref(array);
    return NULL;
  }
  return array;
}

static json_t *json_load_try_load(const char *text, const JsonLoadExtent *extent,
                                  json_error_t *problem) {
  if (extent->longest_token <= JSON_LOAD_LEXER_TOKEN_LENGTH) {
    return json_load_in_plain_locale(text, (size_t)extent->length, json_load_flags(extent),
                                     problem);
  }
  json_t *array = json_load_after_padding(text, extent, problem);
  if (array == NULL) return NULL;
  json_t *entry = json_incref(json_array_get(array, 1));
  json_decref(array);
  return entry;
}

/* Returns whether jansson can allocate memory at present. */
static bool json_load_jansson_has_memory(void) {
  static const char sample[] = "{\"shape\":[1]}";
  json_t *value = json_load_in_plain_locale(sample, sizeof sample - 1, JSON_LOAD_FLAGS, NULL);
  json_decref(value);
  return value != NULL;
}

static bool json_load_same_problem(const json_error_t *a, const json_error_t *b) {
  return a->position == b->position && strcmp(a->text, b->text) == 0;
}

/* Returns whether the text is invalid, as *problem describes, rather than memory having run out,
** which jansson may also report as a syntax error. A problem that it reports twice in a row, while
** it can allocate memory, is one of the text. */
static bool json_load_is_problem_of_text(const char *text, const JsonLoadExtent *extent,
                                         json_t **entry, json_error_t *problem) {
  enum { JSON_LOAD_ATTEMPTS = 4 };
  for (int i = 0; i < JSON_LOAD_ATTEMPTS && *entry == NULL; i++) {
    json_error_t before = *problem;
    *problem = (json_error_t){0};
    *entry = json_load_try_load(text, extent, problem);
    if (*entry == NULL && json_load_same_problem(&before, problem)) break;
  }
  return problem->text[0] != '\0' && json_error_code(problem) != json_error_out_of_memory &&
         json_load_jansson_has_memory();
}

/* Loads the object, rejecting duplicate keys and NUL in keys. NUL in values is kept. On JSON_LOADED
** the caller owns *object. On JSON_WRONG problem->text describes the error, and problem->position
** is its offset from `text`. */
static JsonLoadResult json_load_object(const char *text, const JsonLoadExtent *extent,
                                       json_t **object, json_error_t *problem) {
  *problem = (json_error_t){0};
  /* jansson's lexer ignores a NUL directly behind a number or a literal. */
  const char *nul = memchr(text, '\0', (size_t)extent->length);
  if (nul != NULL) {
    snprintf(problem->text, sizeof problem->text, "a NUL byte");
    problem->position = (int)(nul - text);
    return JSON_WRONG;
  }
  *object = json_load_try_load(text, extent, problem);
  if (*object != NULL) return JSON_LOADED;
  bool text_is_wrong = json_load_is_problem_of_text(text, extent, object, problem);
  if (*object != NULL) return JSON_LOADED;
  return text_is_wrong ? JSON_WRONG : JSON_NO_MEMORY;
}

static uint64_t json_load_skip_space(const char *text, uint64_t length, uint64_t at) {
  while (at < length && text[at] != '\0' && strchr(" \t\r\n", text[at]) != NULL) at++;
  return at;
}

/* Returns the offset of the object's opening brace, or `length` with an error if the text does not
** begin with one or is not UTF-8. */
static uint64_t json_load_find_object(const char *text, uint64_t length, const char *subject,
                                      Error *error) {
  uint64_t start = json_load_skip_space(text, length, 0);
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
  uint64_t start = json_load_find_object(text, length, subject, error);
  if (start == length) return false;
  JsonLoadExtent extent = json_load_measure(text + start, length - start);
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
  document->depth = extent.depth;
  if (extent.depth > JSON_MAX_DEPTH) {
    return error_raise(error, ERROR_INVALID, subject,
                       "expected at most %d levels of JSON, found more", JSON_MAX_DEPTH);
  }
  uint64_t end = json_load_skip_space(text, length, start + extent.length);
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
