#include "tensor/view.h"

#include <string.h>

#include "base/memory.h"

typedef unsigned long long ViewBig; /* for "%llu" */

/* The rest of a text that is being parsed. */
typedef struct ViewText {
  const char *at, *end;
} ViewText;

/* Whether the next byte is one of `set`, of which a few are looked at one by one. */
static bool view_next_is(const ViewText *text, const char *set) {
  if (text->at >= text->end) return false;
  while (*set != '\0' && *set != *text->at) set++;
  return *set != '\0';
}

static void view_skip_space(ViewText *text) {
  while (view_next_is(text, " \t\r\n")) text->at++;
}

static bool view_take(ViewText *text, char byte) {
  view_skip_space(text);
  if (text->at >= text->end || *text->at != byte) return false;
  text->at++;
  return true;
}

/* Reads digits as a number, which saturates at INT64_MAX and then sets *clipped. Returns false if
** there are no digits. */
static bool view_take_digits(ViewText *text, int64_t *value, bool *clipped) {
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

static bool view_allocate(View *view, uint32_t rank, uint32_t tensor_rank) {
  view->shape = memory_zeroed(2 * (uint64_t)rank, sizeof(uint64_t));
  if (view->shape == NULL) return false;
  view->stride = view->shape + rank;
  view->rank = rank;
  view->tensor_rank = tensor_rank;
  return true;
}

void view_clear(View *view) {
  memory_free(view->shape);
  memory_free(view->axes);
  *view = (View){0};
}

/* Sets row-major strides. If a dimension is 0 there are no elements, and the strides do not
** matter. */
static bool view_set_strides(View *view) {
  bool empty = false;
  for (uint32_t d = 0; d < view->rank; d++) empty = empty || view->shape[d] == 0;
  uint64_t product = 1;
  for (uint32_t d = view->rank; d-- > 0;) {
    view->stride[d] = empty ? 0 : product;
    if (!empty && __builtin_mul_overflow(product, view->shape[d], &product)) return false;
  }
  view->numel = empty ? 0 : product;
  view->tensor_rank = view->rank;
  return true;
}

bool view_open(View *view, const char *shape, uint64_t length, const TensorName *about,
               Error *error) {
  ViewText text = {shape, shape + length};
  uint64_t commas = 0;
  *view = (View){0};
  for (uint64_t i = 0; i < length; i++) commas += shape[i] == ',';
  if (commas >= VIEW_MAX_RANK) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a shape of at most %d dimensions, found %llu",
                              VIEW_MAX_RANK, (ViewBig)commas + 1);
  }
  if (!view_allocate(view, (uint32_t)commas + 1, (uint32_t)commas + 1)) return error_memory(error);
  bool good = view_take(&text, '[');
  if (good && !view_take(&text, ']')) {
    uint32_t rank = 0;
    do {
      int64_t dimension = 0;
      bool clipped;
      view_skip_space(&text);
      good = view_take_digits(&text, &dimension, &clipped) && !clipped;
      if (good) view->shape[rank++] = (uint64_t)dimension;
    } while (good && view_take(&text, ','));
    good = good && view_take(&text, ']');
  } else {
    view->rank = 0;
  }
  view_skip_space(&text);
  if (!good || text.at != text.end) {
    error_fill_tensor(error, ERROR_ARGUMENT, about,
                      "expected a shape, a JSON array of non-negative integers, found \"%.*s\"",
                      ERROR_NAME(shape, length));
  } else if (!view_set_strides(view)) {
    error_fill_tensor(error, ERROR_ARGUMENT, about,
                      "expected a shape below 2^64 elements, found %.*s",
                      ERROR_NAME(shape, length));
  } else {
    return true;
  }
  view_clear(view);
  return false;
}

bool view_open_shape(View *view, const uint64_t *shape, uint32_t rank, const TensorName *about,
                     Error *error) {
  *view = (View){0};
  if (rank > VIEW_MAX_RANK) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "expected a shape of at most %d dimensions, found %u", VIEW_MAX_RANK,
                              rank);
  }
  if (!view_allocate(view, rank, rank)) return error_memory(error);
  for (uint32_t d = 0; d < rank; d++) view->shape[d] = shape[d];
  if (view_set_strides(view)) return true;
  view_clear(view);
  return error_raise_tensor(error, ERROR_ARGUMENT, about,
                            "expected a shape below 2^64 elements, found more");
}

bool view_copy(View *view, const View *of, Error *error) {
  *view = (View){0};
  if (!view_allocate(view, of->rank, of->rank)) return error_memory(error);
  for (uint32_t d = 0; d < of->rank; d++) {
    view->shape[d] = of->shape[d];
    view->stride[d] = of->stride[d];
  }
  view->offset = of->offset;
  view->numel = of->numel;
  return true;
}

/* ---- Slices ---- */

/* What the view selects of dimension `i` of the tensor, which is its own dimension `d` if it is not
** dropped. */
static Axis view_axis_of(const View *view, uint32_t i, uint32_t d) {
  return view->axes != NULL ? view->axes[i] : (Axis){view->shape[d], 0, 1, false};
}

/* One index of a slice: an integer, a range, or "...". */
typedef struct ViewIndex {
  enum { VIEW_INDEX_INTEGER, VIEW_INDEX_RANGE, VIEW_INDEX_ELLIPSIS } kind;
  bool has_start, has_stop;
  int64_t start, stop, step;
} ViewIndex;

/* The slice as it was given, for messages. */
typedef struct ViewSlice {
  const char *text;
  uint64_t length;
  const TensorName *about;
} ViewSlice;

static bool view_bad_slice(const ViewSlice *slice, const char *expected, const ViewText *rest,
                           Error *error) {
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

static bool view_take_integer(ViewText *text, int64_t *value) {
  bool negative = view_take(text, '-'), clipped; /* a clipped index is out of range like any
                                                 ** other */
  view_skip_space(text);
  if (!view_take_digits(text, value, &clipped)) return false;
  if (negative) *value = -*value;
  return true;
}

static const char view_syntax[] =
    "integers, ranges start:stop:step and one '...', separated by commas";

/* Returns NULL, or what was expected at the position where the text then stands. */
static const char *view_take_index(ViewText *text, ViewIndex *index) {
  *index = (ViewIndex){.kind = VIEW_INDEX_INTEGER, .step = 1};
  view_skip_space(text);
  if (text->end - text->at >= 3 && memcmp(text->at, "...", 3) == 0) {
    text->at += 3;
    index->kind = VIEW_INDEX_ELLIPSIS;
    return NULL;
  }
  if (!view_next_is(text, ":")) {
    if (!view_take_integer(text, &index->start)) return view_syntax;
    index->has_start = true;
  }
  if (!view_take(text, ':')) return NULL;
  index->kind = VIEW_INDEX_RANGE;
  view_skip_space(text);
  if (view_next_is(text, "-0123456789")) {
    if (!view_take_integer(text, &index->stop)) return view_syntax;
    index->has_stop = true;
  }
  if (!view_take(text, ':')) return NULL;
  view_skip_space(text);
  if (!view_next_is(text, "-0123456789")) return NULL;
  const char *step = text->at;
  if (!view_take_integer(text, &index->step)) return view_syntax;
  if (index->step > 0) return NULL;
  text->at = step;
  return "a positive step";
}

/* Clips a bound as Python does: a negative one counts from the end, and one out of range becomes
** the nearest end. */
static uint64_t view_clip_bound(int64_t bound, uint64_t size) {
  if (bound >= 0) return (uint64_t)bound < size ? (uint64_t)bound : size;
  uint64_t back = (uint64_t)-bound;
  return back < size ? size - back : 0;
}

static void view_apply_range(View *out, const View *in, uint32_t d, Axis *axis,
                             const ViewIndex *index) {
  uint64_t size = in->shape[d], step = index->step > 1 ? (uint64_t)index->step : 1;
  uint64_t start = index->has_start ? view_clip_bound(index->start, size) : 0;
  uint64_t stop = index->has_stop ? view_clip_bound(index->stop, size) : size;
  uint64_t count = stop > start ? (stop - start - 1) / step + 1 : 0;
  out->shape[out->rank] = count;
  /* A step beyond the end of the dimension is never taken, but its product must not overflow. */
  out->stride[out->rank++] = count > 1 ? in->stride[d] * step : in->stride[d];
  if (count > 0) out->offset += start * in->stride[d];
  axis->start += count > 0 ? start * axis->step : 0;
  if (count > 1) axis->step *= step;
}

static bool view_apply_integer(View *out, const View *in, uint32_t d, Axis *axis,
                               const ViewIndex *index, const ViewSlice *slice, Error *error) {
  uint64_t size = in->shape[d];
  bool in_range =
      index->start >= 0 ? (uint64_t)index->start < size : (uint64_t)-index->start <= size;
  if (!in_range) {
    return error_raise_tensor(
        error, ERROR_ARGUMENT, slice->about,
        "slice \"%.*s\": expected an index within dimension %u, of size %llu, found %lld",
        ERROR_NAME(slice->text, slice->length), d, (ViewBig)size, (long long)index->start);
  }
  uint64_t at = index->start >= 0 ? (uint64_t)index->start : size - (uint64_t)-index->start;
  out->offset += at * in->stride[d];
  axis->start += at * axis->step;
  axis->dropped = true;
  return true;
}

static void view_keep_dimension(View *out, const View *in, uint32_t d) {
  out->shape[out->rank] = in->shape[d];
  out->stride[out->rank++] = in->stride[d];
}

static void view_count_elements(View *view) {
  view->numel = 1;
  for (uint32_t d = 0; d < view->rank; d++)
    view->numel *= view->shape[d]; /* no more than the source has */
}

/* Counts the indices that use up a dimension. Returns NULL, or what was expected at the position
** where the text then stands. */
static const char *view_count_indices(ViewText *text, uint32_t *count) {
  bool ellipsis = false;
  *count = 0;
  for (;;) {
    ViewIndex index;
    const char *start = text->at, *expected = view_take_index(text, &index);
    if (expected != NULL) return expected;
    if (index.kind != VIEW_INDEX_ELLIPSIS) {
      ++*count;
    } else if (ellipsis) {
      text->at = start;
      return "at most one '...'";
    } else {
      ellipsis = true;
    }
    bool comma = view_take(text, ',');
    view_skip_space(text);
    if (text->at == text->end) return NULL; /* Python, too, allows a trailing comma */
    if (!comma) return view_syntax;
  }
}

/* The axis that the next dimension of the view belongs to. */
static Axis *view_next_axis(Axis *axis) {
  while (axis->dropped) axis++;
  return axis;
}

static bool view_apply(View *out, const View *in, uint32_t index_count, const ViewSlice *slice,
                       Error *error) {
  ViewText text = {slice->text, slice->text + slice->length};
  uint32_t d = 0;
  Axis *axis = out->axes;
  for (uint32_t i = 0; i < in->tensor_rank; i++) axis[i] = view_axis_of(in, i, i);
  out->offset = in->offset;
  out->rank = 0;
  do {
    ViewIndex index;
    view_skip_space(&text);
    if (text.at == text.end) break;
    view_take_index(&text, &index);
    if (index.kind == VIEW_INDEX_ELLIPSIS) {
      for (uint32_t skipped = in->rank - index_count; skipped > 0; skipped--) {
        axis = view_next_axis(axis) + 1;
        view_keep_dimension(out, in, d++);
      }
      continue;
    }
    axis = view_next_axis(axis);
    if (index.kind == VIEW_INDEX_RANGE) {
      view_apply_range(out, in, d++, axis, &index);
    } else if (!view_apply_integer(out, in, d++, axis, &index, slice, error)) {
      return false;
    }
    axis++;
  } while (view_take(&text, ','));
  while (d < in->rank) view_keep_dimension(out, in, d++);
  view_count_elements(out);
  return true;
}

bool view_slice(View *view, const char *text, uint64_t length, const TensorName *about,
                Error *error) {
  ViewSlice slice = {text, length, about};
  ViewText rest = {text, text + length};
  uint32_t index_count;
  const char *expected = view_count_indices(&rest, &index_count);
  if (expected != NULL) return view_bad_slice(&slice, expected, &rest, error);
  if (index_count > view->rank) {
    return error_raise_tensor(error, ERROR_ARGUMENT, about,
                              "slice \"%.*s\": expected no more indices than the tensor has "
                              "dimensions, %u, found %u",
                              ERROR_NAME(text, length), view->rank, index_count);
  }
  View narrowed = {0};
  if (!view_allocate(&narrowed, view->rank, view->tensor_rank)) return error_memory(error);
  narrowed.axes = memory_zeroed(view->tensor_rank, sizeof(Axis));
  if (narrowed.axes == NULL) {
    view_clear(&narrowed);
    return error_memory(error);
  }
  if (!view_apply(&narrowed, view, index_count, &slice, error)) {
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
    sqlite3_str_appendf(out, d > 0 ? ",%llu" : "%llu", (ViewBig)view->shape[d]);
  }
  sqlite3_str_appendchar(out, 1, ']');
}

void view_append_row_slice(const View *view, uint64_t row, sqlite3_str *out) {
  uint32_t d = 0;
  for (uint32_t i = 0; i < view->tensor_rank; i++) {
    Axis axis = view_axis_of(view, i, d);
    if (i > 0) sqlite3_str_appendchar(out, 1, ',');
    if (axis.dropped) {
      sqlite3_str_appendf(out, "%llu", (ViewBig)axis.start);
      continue;
    }
    uint64_t count = view->shape[d++], end = axis.start + (count > 0 ? count - 1 : 0) * axis.step;
    if (d == 1) {
      sqlite3_str_appendf(out, "%llu", (ViewBig)(axis.start + row * axis.step));
    } else if (count == axis.size) {
      sqlite3_str_appendchar(out, 1, ':');
    } else {
      sqlite3_str_appendf(out, "%llu:%llu", (ViewBig)axis.start,
                          (ViewBig)(count > 0 ? end + 1 : end));
      if (axis.step > 1) sqlite3_str_appendf(out, ":%llu", (ViewBig)axis.step);
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
