#include "tensor/view.h"

#include <string.h>

#include "base/memory.h"

typedef unsigned long long Big; /* for "%llu" */

/* What is left to read of a text. */
typedef struct Text {
  const char *at, *end;
} Text;

/* Whether the next byte is one of `set`. */
static bool next_is(const Text *text, const char *set) {
  return text->at < text->end && *text->at != '\0' && strchr(set, *text->at) != NULL;
}

static void skip_space(Text *text) {
  while (next_is(text, " \t\r\n")) text->at++;
}

static bool take(Text *text, char byte) {
  skip_space(text);
  if (text->at >= text->end || *text->at != byte) return false;
  text->at++;
  return true;
}

/* Digits, as a number that stops growing at INT64_MAX, which *clipped then says. False when there
** are none. */
static bool take_digits(Text *text, int64_t *value, bool *clipped) {
  const char *start = text->at;
  *value = 0;
  *clipped = false;
  for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
    if (*clipped || __builtin_mul_overflow(*value, 10, value) ||
        __builtin_add_overflow(*value, *text->at - '0', value)) {
      *clipped = true;
      *value = INT64_MAX;
    }
  }
  return text->at > start;
}

/* ---- The whole tensor ---- */

static bool allocate(View *view, uint32_t rank, uint32_t tensor_rank) {
  view->shape = memory_zeroed(rank, sizeof(uint64_t));
  view->stride = memory_zeroed(rank, sizeof(uint64_t));
  view->axes = memory_zeroed(tensor_rank, sizeof(Axis));
  view->rank = rank;
  view->tensor_rank = tensor_rank;
  if (view->shape != NULL && view->stride != NULL && view->axes != NULL) return true;
  view_clear(view);
  return false;
}

void view_clear(View *view) {
  memory_free(view->shape);
  memory_free(view->stride);
  memory_free(view->axes);
  *view = (View){0};
}

/* Row-major strides. Where a dimension is 0 there is no element, and no stride matters. */
static bool set_strides(View *view) {
  bool empty = false;
  for (uint32_t d = 0; d < view->rank; d++) empty = empty || view->shape[d] == 0;
  uint64_t product = 1;
  for (uint32_t d = view->rank; d-- > 0;) {
    view->stride[d] = empty ? 0 : product;
    if (!empty && __builtin_mul_overflow(product, view->shape[d], &product)) return false;
  }
  view->numel = empty ? 0 : product;
  view->tensor_rank = view->rank;
  for (uint32_t d = 0; d < view->rank; d++) view->axes[d] = (Axis){view->shape[d], 0, 1, false};
  return true;
}

bool view_open(View *view, const char *shape, uint64_t length, const TensorName *about,
               Error *error) {
  Text text = {shape, shape + length};
  uint64_t commas = 0;
  *view = (View){0};
  for (uint64_t i = 0; i < length; i++) commas += shape[i] == ',';
  if (commas >= VIEW_MAX_RANK) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a shape of at most %d dimensions, found %llu",
                              VIEW_MAX_RANK, (Big)commas + 1);
  }
  if (!allocate(view, (uint32_t)commas + 1, (uint32_t)commas + 1)) return error_memory(error);
  bool good = take(&text, '[');
  if (good && !take(&text, ']')) {
    uint32_t rank = 0;
    do {
      int64_t dimension = 0;
      bool clipped;
      skip_space(&text);
      good = take_digits(&text, &dimension, &clipped) && !clipped;
      if (good) view->shape[rank++] = (uint64_t)dimension;
    } while (good && take(&text, ','));
    good = good && take(&text, ']');
  } else {
    view->rank = 0;
  }
  skip_space(&text);
  if (!good || text.at != text.end) {
    error_fill_tensor(error, ERROR_ARGUMENT, about,
                      "expected a shape, a JSON array of non-negative integers, found \"%.*s\"",
                      ERROR_NAME(shape, length));
  } else if (!set_strides(view)) {
    error_fill_tensor(error, ERROR_ARGUMENT, about,
                      "expected a shape below 2^64 elements, found %.*s",
                      ERROR_NAME(shape, length));
  } else {
    return true;
  }
  view_clear(view);
  return false;
}

/* ---- Slices ---- */

/* One index of a slice: an integer, a range, or "...". Absent bounds are marked so. */
typedef struct Index {
  enum { INDEX_INTEGER, INDEX_RANGE, INDEX_ELLIPSIS } kind;
  bool has_start, has_stop;
  int64_t start, stop, step;
} Index;

/* A slice as it was given, for messages. */
typedef struct Slice {
  const char *text;
  uint64_t length;
  const TensorName *about;
} Slice;

static bool bad_slice(const Slice *slice, const char *expected, const Text *rest, Error *error) {
  uint64_t length = (uint64_t)(rest->end - rest->at);
  if (length == 0) {
    return error_raise_tensor(error, ERROR_ARGUMENT, slice->about,
                              "slice \"%.*s\": expected %s, found its end",
                              ERROR_NAME(slice->text, slice->length), expected);
  }
  return error_raise_tensor(
      error, ERROR_ARGUMENT, slice->about, "slice \"%.*s\": expected %s, found \"%.*s\"",
      ERROR_NAME(slice->text, slice->length), expected, ERROR_NAME(rest->at, length));
}

static bool take_integer(Text *text, int64_t *value) {
  bool negative = take(text, '-'), clipped; /* out of range by that much is out of range */
  skip_space(text);
  if (!take_digits(text, value, &clipped)) return false;
  if (negative) *value = -*value;
  return true;
}

static const char syntax[] = "integers, ranges start:stop:step and one '...', separated by commas";

/* Returns NULL, or what was expected where the text then stands. */
static const char *take_index(Text *text, Index *index) {
  *index = (Index){.kind = INDEX_INTEGER, .step = 1};
  skip_space(text);
  if (text->end - text->at >= 3 && memcmp(text->at, "...", 3) == 0) {
    text->at += 3;
    index->kind = INDEX_ELLIPSIS;
    return NULL;
  }
  if (!next_is(text, ":")) {
    if (!take_integer(text, &index->start)) return syntax;
    index->has_start = true;
  }
  if (!take(text, ':')) return NULL;
  index->kind = INDEX_RANGE;
  skip_space(text);
  if (next_is(text, "-0123456789")) {
    if (!take_integer(text, &index->stop)) return syntax;
    index->has_stop = true;
  }
  if (!take(text, ':')) return NULL;
  skip_space(text);
  if (!next_is(text, "-0123456789")) return NULL;
  const char *step = text->at;
  if (!take_integer(text, &index->step)) return syntax;
  if (index->step > 0) return NULL;
  text->at = step;
  return "a positive step";
}

/* A bound as Python has it: negative counts from the end, and what is beyond clips. */
static uint64_t clip_bound(int64_t bound, uint64_t size) {
  if (bound >= 0) return (uint64_t)bound < size ? (uint64_t)bound : size;
  uint64_t back = (uint64_t)-bound;
  return back < size ? size - back : 0;
}

static void apply_range(View *out, const View *in, uint32_t d, Axis *axis, const Index *index) {
  uint64_t size = in->shape[d], step = index->step > 1 ? (uint64_t)index->step : 1;
  uint64_t start = index->has_start ? clip_bound(index->start, size) : 0;
  uint64_t stop = index->has_stop ? clip_bound(index->stop, size) : size;
  uint64_t count = stop > start ? (stop - start - 1) / step + 1 : 0;
  out->shape[out->rank] = count;
  /* A step past the end of the dimension is never taken; it must not overflow either. */
  out->stride[out->rank++] = count > 1 ? in->stride[d] * step : in->stride[d];
  if (count > 0) out->offset += start * in->stride[d];
  axis->start += count > 0 ? start * axis->step : 0;
  if (count > 1) axis->step *= step;
}

static bool apply_integer(View *out, const View *in, uint32_t d, Axis *axis, const Index *index,
                          const Slice *slice, Error *error) {
  uint64_t size = in->shape[d];
  bool in_range =
      index->start >= 0 ? (uint64_t)index->start < size : (uint64_t)-index->start <= size;
  if (!in_range) {
    return error_raise_tensor(
        error, ERROR_ARGUMENT, slice->about,
        "slice \"%.*s\": expected an index within dimension %u, of size %llu, found %lld",
        ERROR_NAME(slice->text, slice->length), d, (Big)size, (long long)index->start);
  }
  uint64_t at = index->start >= 0 ? (uint64_t)index->start : size - (uint64_t)-index->start;
  out->offset += at * in->stride[d];
  axis->start += at * axis->step;
  axis->dropped = true;
  return true;
}

static void keep_dimension(View *out, const View *in, uint32_t d) {
  out->shape[out->rank] = in->shape[d];
  out->stride[out->rank++] = in->stride[d];
}

static void count_elements(View *view) {
  view->numel = 1;
  for (uint32_t d = 0; d < view->rank; d++)
    view->numel *= view->shape[d]; /* at most the source's */
}

/* Counts the indices that use up a dimension. Returns NULL, or what was expected where the text then
** stands. */
static const char *count_indices(Text *text, uint32_t *count) {
  bool ellipsis = false;
  *count = 0;
  for (;;) {
    Index index;
    const char *start = text->at, *expected = take_index(text, &index);
    if (expected != NULL) return expected;
    if (index.kind != INDEX_ELLIPSIS) {
      ++*count;
    } else if (ellipsis) {
      text->at = start;
      return "at most one '...'";
    } else {
      ellipsis = true;
    }
    bool comma = take(text, ',');
    skip_space(text);
    if (text->at == text->end) return NULL; /* a trailing comma is Python's way too */
    if (!comma) return syntax;
  }
}

/* The axis that the next dimension is of. */
static Axis *next_axis(Axis *axis) {
  while (axis->dropped) axis++;
  return axis;
}

static bool apply(View *out, const View *in, uint32_t index_count, const Slice *slice,
                  Error *error) {
  Text text = {slice->text, slice->text + slice->length};
  uint32_t d = 0;
  Axis *axis = out->axes;
  if (in->tensor_rank > 0) memcpy(axis, in->axes, in->tensor_rank * sizeof(Axis));
  out->offset = in->offset;
  out->rank = 0;
  do {
    Index index;
    skip_space(&text);
    if (text.at == text.end) break;
    take_index(&text, &index);
    if (index.kind == INDEX_ELLIPSIS) {
      for (uint32_t skipped = in->rank - index_count; skipped > 0; skipped--) {
        axis = next_axis(axis) + 1;
        keep_dimension(out, in, d++);
      }
      continue;
    }
    axis = next_axis(axis);
    if (index.kind == INDEX_RANGE) {
      apply_range(out, in, d++, axis, &index);
    } else if (!apply_integer(out, in, d++, axis, &index, slice, error)) {
      return false;
    }
    axis++;
  } while (take(&text, ','));
  while (d < in->rank) keep_dimension(out, in, d++);
  count_elements(out);
  return true;
}

bool view_slice(View *view, const char *text, uint64_t length, const TensorName *about,
                Error *error) {
  Slice slice = {text, length, about};
  Text rest = {text, text + length};
  uint32_t index_count;
  const char *expected = count_indices(&rest, &index_count);
  if (expected != NULL) return bad_slice(&slice, expected, &rest, error);
  if (index_count > view->rank) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "slice \"%.*s\": expected no more indices than the tensor has "
                              "dimensions, %u, found %u",
                              ERROR_NAME(text, length), view->rank, index_count);
  }
  View narrowed = {0};
  if (!allocate(&narrowed, view->rank, view->tensor_rank)) return error_memory(error);
  if (!apply(&narrowed, view, index_count, &slice, error)) {
    view_clear(&narrowed);
    return false;
  }
  view_clear(view);
  *view = narrowed;
  return true;
}

bool view_is_contiguous(const View *view) {
  uint64_t expected = 1;
  if (view->numel <= 1) return true;
  for (uint32_t d = view->rank; d-- > 0;) {
    if (view->shape[d] == 1) continue;
    if (view->stride[d] != expected) return false;
    expected *= view->shape[d];
  }
  return true;
}

View view_row(const View *view, uint64_t row) {
  return (View){.rank = view->rank - 1,
                .shape = view->shape + 1,
                .stride = view->stride + 1,
                .offset = view->offset + row * view->stride[0],
                .numel = view->numel / view->shape[0]};
}

bool view_same_shape(const View *a, const View *b) {
  if (a->rank != b->rank) return false;
  for (uint32_t d = 0; d < a->rank; d++) {
    if (a->shape[d] != b->shape[d]) return false;
  }
  return true;
}

void view_append_shape(const View *view, sqlite3_str *out) {
  sqlite3_str_appendchar(out, 1, '[');
  for (uint32_t d = 0; d < view->rank; d++) {
    sqlite3_str_appendf(out, d > 0 ? ",%llu" : "%llu", (Big)view->shape[d]);
  }
  sqlite3_str_appendchar(out, 1, ']');
}

void view_append_row_slice(const View *view, uint64_t row, sqlite3_str *out) {
  uint32_t d = 0;
  for (uint32_t i = 0; i < view->tensor_rank; i++) {
    const Axis *axis = &view->axes[i];
    if (i > 0) sqlite3_str_appendchar(out, 1, ',');
    if (axis->dropped) {
      sqlite3_str_appendf(out, "%llu", (Big)axis->start);
      continue;
    }
    uint64_t count = view->shape[d++], end = axis->start + (count > 0 ? count - 1 : 0) * axis->step;
    if (d == 1) {
      sqlite3_str_appendf(out, "%llu", (Big)(axis->start + row * axis->step));
    } else if (count == axis->size) {
      sqlite3_str_appendchar(out, 1, ':');
    } else {
      sqlite3_str_appendf(out, "%llu:%llu", (Big)axis->start, (Big)(count > 0 ? end + 1 : end));
      if (axis->step > 1) sqlite3_str_appendf(out, ":%llu", (Big)axis->step);
    }
  }
}

uint64_t view_element(const View *view, uint64_t position) {
  uint64_t element = view->offset;
  for (uint32_t d = view->rank; d-- > 0;) {
    uint64_t size = view->shape[d];
    if (size == 0) break; /* no element has a position */
    if (size == 1) continue;
    element += position % size * view->stride[d];
    position /= size;
  }
  return element;
}
