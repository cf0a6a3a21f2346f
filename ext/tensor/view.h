/*
** Which elements of a tensor are meant: all of them, or a slice. Counted in elements, not bytes, so
** that dtypes of less than a byte need no rule of their own.
*/
#ifndef SAFETENSORS_TENSOR_VIEW_H
#define SAFETENSORS_TENSOR_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sqlite.h"

/* What a view takes of one dimension of the tensor: one index, which drops the dimension, or start,
** start + step, ... */
typedef struct Axis {
  uint64_t size, start, step;
  bool dropped;
} Axis;

/* More dimensions than any tensor has: memory for a view stays below 50 MB. */
enum { VIEW_MAX_RANK = 1 << 20 };

/* A strided window on row-major elements. Starts as {0}; view_clear() releases it. */
typedef struct View {
  uint32_t rank;
  uint64_t *shape;  /* rank dimensions */
  uint64_t *stride; /* elements from one index to the next, for each dimension */
  uint64_t offset;  /* of the first element */
  uint64_t numel;   /* elements in the view */
  uint32_t tensor_rank;
  Axis *axes; /* tensor_rank of them; those not dropped are the view's dimensions, in order */
} View;

/* A view of all elements. `shape` is a JSON array of integers. False, with a message about
** the tensor, when it is not, has more than VIEW_MAX_RANK of them, or a product that overflows. */
bool view_open(View *view, const char *shape, uint64_t length, const TensorName *about,
               Error *error);

/* Narrows the view by a slice: NumPy basic indexing over the leading dimensions, integers, ranges
** start:stop:step with a positive step, and one "...". An integer drops its dimension and must be
** in range; the bounds of a range clip. On error the view is unchanged. */
bool view_slice(View *view, const char *slice, uint64_t length, const TensorName *about,
                Error *error);

/* Index `row` of the first dimension, as a view of its own that borrows from this one: it must not
** be cleared, and lives no longer. The rank is at least 1, and the row there. */
View view_row(const View *view, uint64_t row);

/* Whether two views have the same dimensions. */
bool view_same_shape(const View *a, const View *b);

/* Appends the shape, as a JSON array. */
void view_append_shape(const View *view, sqlite3_str *out);

/* Appends the slice that takes that row from the whole tensor. */
void view_append_row_slice(const View *view, uint64_t row, sqlite3_str *out);

/* The place in the tensor of the view's element number `position`, row-major. */
uint64_t view_element(const View *view, uint64_t position);

/* Whether the elements follow one another without gaps, in order. */
bool view_is_contiguous(const View *view);

void view_clear(View *view);

#endif
