#include "tensor/text.h"

#include <string.h>

#include "tensor/decimal.h"
#include "tensor/decode.h"

enum { TEXT_VALUE_TEXT_SIZE = 80, TEXT_CHUNK = 4096, TEXT_ASK_BYTES = 1 << 16 };

static int text_format_real(double value, char *out) {
  if ((double_bits(value) >> 52 & 0x7ff) != 0x7ff) return decimal_format(value, out);
  memcpy(out, "null", 4);
  return 4;
}

static int text_format_unsigned(uint64_t value, char *out) {
  char reversed[24];
  int digits = 0, length = 0;
  do {
    reversed[digits++] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (digits > 0) out[length++] = reversed[--digits];
  return length;
}

static int text_format_integer(int64_t value, char *out) {
  if (value >= 0) return text_format_unsigned((uint64_t)value, out);
  *out = '-';
  return 1 + text_format_unsigned(0 - (uint64_t)value, out + 1);
}

/* `out` has room for TEXT_VALUE_TEXT_SIZE bytes. Returns the length. */
static int text_format_value(const Value *value, char *out) {
  switch (value->kind) {
    case VALUE_INTEGER: return text_format_integer(value->integer, out);
    case VALUE_REAL: return text_format_real(value->real, out);
    case VALUE_BOOLEAN: {
      const char *word = value->integer != 0 ? "true" : "false";
      memcpy(out, word, strlen(word));
      return (int)strlen(word);
    }
    case VALUE_COMPLEX: break;
  }
  int length = 0;
  out[length++] = '[';
  length += text_format_real(value->real, out + length);
  out[length++] = ',';
  length += text_format_real(value->imaginary, out + length);
  out[length++] = ']';
  return length;
}

void text_append_value(sqlite3_str *out, const Value *value) {
  char text[TEXT_VALUE_TEXT_SIZE];
  sqlite3_str_append(out, text, text_format_value(value, text));
}

void text_append_coordinates(sqlite3_str *out, const View *view, uint64_t position) {
  uint64_t left = view->numel;
  sqlite3_str_appendchar(out, 1, '[');
  for (uint32_t d = 0; d < view->rank; d++) {
    char digits[24];
    left /= view->shape[d];
    int length = text_format_integer((int64_t)(position / left), digits);
    if (d > 0) sqlite3_str_appendchar(out, 1, ',');
    sqlite3_str_append(out, digits, length);
    position %= left;
  }
  sqlite3_str_appendchar(out, 1, ']');
}

/* ---- Nested arrays ---- */

/* The number of dimensions that get brackets: all, or those before the first of size 0, in whose
** place an empty array is written. */
static uint32_t text_bracket_rank(const View *view) {
  uint32_t rank = 0;
  while (rank < view->rank && view->shape[rank] != 0) rank++;
  return rank;
}

/* Saturating arithmetic: UINT64_MAX stands for everything larger. */
static uint64_t text_plus(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t text_times(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

uint64_t text_min_length(const View *view) {
  uint64_t arrays = 1, length = 0;
  uint32_t rank = text_bracket_rank(view);
  for (uint32_t d = 0; d < rank;
       d++) { /* two brackets, and a comma before every item except the first */
    length = text_plus(length, text_times(arrays, text_plus(view->shape[d], 1)));
    arrays = text_times(arrays, view->shape[d]);
  }
  return text_plus(length, text_times(arrays, view->numel > 0 ? 1 : 2));
}

/* A dimension larger than 1, and the writer's index in it. */
typedef struct TextNestingDimension {
  uint32_t number;
  uint64_t size, index;
} TextNestingDimension;

/* The writer's position in the nested arrays. */
typedef struct TextNesting {
  sqlite3_str *out;
  uint32_t rank;
  unsigned walked_count;
  TextNestingDimension walked[64]; /* a text of fewer than 2^64 bytes cannot have more */
} TextNesting;

static void text_append_repeated(sqlite3_str *out, uint32_t count, char byte) {
  sqlite3_str_appendchar(out, (int)count, byte);
}

/* Returns false if the text would not fit in any memory. */
static bool text_nesting_open(TextNesting *nesting, const View *view, sqlite3_str *out) {
  *nesting = (TextNesting){.out = out, .rank = text_bracket_rank(view)};
  if (text_min_length(view) == UINT64_MAX) return false;
  for (uint32_t d = 0; d < nesting->rank; d++) {
    if (view->shape[d] == 1) continue;
    nesting->walked[nesting->walked_count++] =
        (TextNestingDimension){.number = d, .size = view->shape[d]};
  }
  text_append_repeated(out, nesting->rank, '[');
  return true;
}

/* After a leaf, closes the arrays that are full and opens the next ones. Returns false after the
** last leaf. */
static bool text_go_on(TextNesting *nesting) {
  unsigned at = nesting->walked_count;
  uint32_t full = nesting->rank;
  while (at > 0 && ++nesting->walked[at - 1].index == nesting->walked[at - 1].size) {
    nesting->walked[--at].index = 0;
  }
  if (at > 0) full = nesting->rank - nesting->walked[at - 1].number - 1;
  text_append_repeated(nesting->out, full, ']');
  if (at == 0) return false;
  sqlite3_str_appendchar(nesting->out, 1, ',');
  text_append_repeated(nesting->out, full, '[');
  return true;
}

/* Whether to continue. Checked again after every TEXT_ASK_BYTES of text, because there may be two
** million brackets between two elements. */
static bool text_is_wanted(const Host *host, const TextNesting *nesting, int *asked_at,
                           uint64_t done, Error *error) {
  int length = sqlite3_str_length(nesting->out);
  if (length - *asked_at < TEXT_ASK_BYTES) return true;
  *asked_at = length;
  return host_go_on(host, done, error);
}

static int text_format_element(Dtype dtype, const unsigned char *data, uint64_t index, char *out) {
  if (dtype == DTYPE_U64) return text_format_unsigned(element_load(data, 64, index), out);
  Value value;
  decode_value(dtype, data, index, &value);
  return text_format_value(&value, out);
}

static void text_append_elements(TextNesting *nesting, Dtype dtype, Walk *walk, const Host *host,
                                 Error *error) {
  Chunk chunk;
  int asked_at = 0;
  for (uint64_t done = 0;
       host_go_on(host, done, error) && walk_next(walk, TEXT_CHUNK, &chunk, error);
       done += chunk.count) {
    for (uint64_t i = 0; i < chunk.count; i++) {
      char text[TEXT_VALUE_TEXT_SIZE];
      int length = text_format_element(dtype, chunk.data, chunk.first + i * chunk.stride, text);
      sqlite3_str_append(nesting->out, text, length);
      text_go_on(nesting);
      if (sqlite3_str_errcode(nesting->out) != SQLITE_OK ||
          !text_is_wanted(host, nesting, &asked_at, done, error)) {
        return;
      }
    }
  }
}

/* For a tensor without elements, whose shape may still ask for any number of empty arrays. */
static void text_append_empties(TextNesting *nesting, const Host *host, Error *error) {
  int asked_at = 0;
  do {
    sqlite3_str_append(nesting->out, "[]", 2);
    if (!text_is_wanted(host, nesting, &asked_at, 0, error)) return;
  } while (sqlite3_str_errcode(nesting->out) == SQLITE_OK && text_go_on(nesting));
}

bool text_append_view(sqlite3_str *out, Dtype dtype, const View *view, Reader *reader,
                      const Host *host, Error *error) {
  TextNesting nesting;
  Walk walk;
  if (!text_nesting_open(&nesting, view, out)) return error_memory(error);
  if (!walk_open(&walk, view, dtype_bits(dtype), reader, error)) return false;
  if (view->numel > 0) {
    text_append_elements(&nesting, dtype, &walk, host, error);
  } else {
    text_append_empties(&nesting, host, error);
  }
  walk_close(&walk);
  return error->code == ERROR_NONE;
}
