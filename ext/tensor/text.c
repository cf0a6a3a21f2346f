#include "tensor/text.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/decimal.h"
#include "tensor/decode.h"

enum { VALUE_TEXT_SIZE = 80, CHUNK = 4096 };

static int format_real(double value, char *out) {
  if (isfinite(value)) return decimal_format(value, out);
  memcpy(out, "null", 4);
  return 4;
}

static int format_integer(int64_t value, char *out) {
  char reversed[24];
  int digits = 0, length = 0;
  uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  do {
    reversed[digits++] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest > 0);
  if (value < 0) out[length++] = '-';
  while (digits > 0) out[length++] = reversed[--digits];
  return length;
}

/* `out` has VALUE_TEXT_SIZE bytes. */
static int format_value(const Value *value, char *out) {
  switch (value->kind) {
    case VALUE_INTEGER: return format_integer(value->integer, out);
    case VALUE_REAL: return format_real(value->real, out);
    case VALUE_BOOLEAN: {
      const char *word = value->integer != 0 ? "true" : "false";
      memcpy(out, word, strlen(word));
      return (int)strlen(word);
    }
    case VALUE_COMPLEX: break;
  }
  int length = 0;
  out[length++] = '[';
  length += format_real(value->real, out + length);
  out[length++] = ',';
  length += format_real(value->imaginary, out + length);
  out[length++] = ']';
  return length;
}

void text_append_value(sqlite3_str *out, const Value *value) {
  char text[VALUE_TEXT_SIZE];
  sqlite3_str_append(out, text, format_value(value, text));
}

void text_append_coordinates(sqlite3_str *out, const View *view, uint64_t position) {
  uint64_t left = view->numel;
  sqlite3_str_appendchar(out, 1, '[');
  for (uint32_t d = 0; d < view->rank; d++) {
    char digits[24];
    left /= view->shape[d];
    int length = format_integer((int64_t)(position / left), digits);
    if (d > 0) sqlite3_str_appendchar(out, 1, ',');
    sqlite3_str_append(out, digits, length);
    position %= left;
  }
  sqlite3_str_appendchar(out, 1, ']');
}

/* ---- Nested arrays ---- */

/* The dimensions that brackets are written for: all, or those before the first of size 0, at which
** an empty array stands in the place of an element. */
static uint32_t bracket_rank(const View *view) {
  uint32_t rank = 0;
  while (rank < view->rank && view->shape[rank] != 0) rank++;
  return rank;
}

uint64_t text_least_length(const View *view) {
  uint64_t leaves = 1;
  uint32_t rank = bracket_rank(view);
  for (uint32_t d = 0; d < rank; d++) {
    if (__builtin_mul_overflow(leaves, view->shape[d], &leaves)) return UINT64_MAX;
  }
  return leaves > UINT64_MAX / 4 ? UINT64_MAX : leaves * 2 - 1 + 2 * (uint64_t)rank;
}

/* Where the writer stands in the nested arrays. */
typedef struct Nesting {
  sqlite3_str *out;
  const View *view;
  uint32_t rank;
  uint64_t *index; /* rank of them */
} Nesting;

static void append_repeated(sqlite3_str *out, uint32_t count, char byte) {
  sqlite3_str_appendchar(out, (int)count, byte);
}

/* After a leaf: closes the arrays that are full, and opens their successors. False after the last.
 */
static bool go_on(Nesting *nesting) {
  uint32_t full = 0;
  for (uint32_t d = nesting->rank; d-- > 0; full++) {
    if (++nesting->index[d] < nesting->view->shape[d]) break;
    nesting->index[d] = 0;
  }
  if (full > 0) append_repeated(nesting->out, full, ']');
  if (full == nesting->rank) return false;
  sqlite3_str_appendchar(nesting->out, 1, ',');
  if (full > 0) append_repeated(nesting->out, full, '[');
  return true;
}

static void append_elements(Nesting *nesting, Dtype dtype, Walk *walk, const PassHost *host,
                            Error *error) {
  Asking asking = asking_begin(host);
  Chunk chunk;
  for (uint64_t done = 0;
       asking_go_on(&asking, done, error) && walk_next(walk, CHUNK, &chunk, error);
       done += chunk.count) {
    for (uint64_t i = 0; i < chunk.count; i++) {
      Value value;
      decode_value(dtype, chunk.data, chunk.first + i * chunk.step, &value);
      text_append_value(nesting->out, &value);
      go_on(nesting);
    }
    if (sqlite3_str_errcode(nesting->out) != SQLITE_OK) return;
  }
}

/* Of a tensor without elements, of which a shape may promise any number. */
static void append_empties(Nesting *nesting, const PassHost *host, Error *error) {
  Asking asking = asking_begin(host);
  uint64_t count = 0;
  do {
    sqlite3_str_append(nesting->out, "[]", 2);
    if (++count % CHUNK == 0 && !asking_go_on(&asking, 0, error)) return;
  } while (sqlite3_str_errcode(nesting->out) == SQLITE_OK && go_on(nesting));
}

bool text_append_view(sqlite3_str *out, Dtype dtype, const View *view, Reader *reader,
                      const PassHost *host, Error *error) {
  Nesting nesting = {.out = out, .view = view, .rank = bracket_rank(view)};
  Walk walk;
  if (!walk_open(&walk, view, dtype_bits(dtype), reader, error)) return false;
  nesting.index = memory_zeroed(nesting.rank, sizeof(uint64_t));
  if (nesting.index == NULL) {
    error_memory(error);
  } else {
    append_repeated(out, nesting.rank, '[');
    if (view->numel > 0) {
      append_elements(&nesting, dtype, &walk, host, error);
    } else {
      append_empties(&nesting, host, error);
    }
  }
  memory_free(nesting.index);
  walk_close(&walk);
  return error->code == ERROR_NONE;
}
