/*
** A view selects elements of a tensor: all of them, or a slice. Positions are counted in elements,
** not bytes, so that dtypes smaller than a byte are no special case.
*/
#ifndef SAFETENSORS_TENSOR_VIEW_H
#define SAFETENSORS_TENSOR_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/sqlite.h"

/* What a view selects of one dimension of the tensor: a single index, which drops the dimension, or
** start, start + step, ... */
typedef struct Axis {
  uint64_t size, start, step;
  bool dropped;
} Axis;

/* More dimensions than any tensor has. The memory of a view stays below 50 MB, and below 20 MB
** without a slice. */
enum { VIEW_MAX_RANK = 1 << 20 };

/* A strided window into row-major elements. Starts as {0}, and is released by view_clear(). */
typedef struct View {
  uint32_t rank;
  uint64_t *shape;  /* rank dimensions */
  uint64_t *stride; /* for each dimension, the elements from one index to the next; in the memory of
                    ** shape */
  uint64_t offset;  /* the first element */
  uint64_t numel;   /* elements in the view */
  uint32_t tensor_rank;
  Axis *axes; /* one for each dimension of the tensor; those that are not dropped are the dimensions
              ** of the view, in order. NULL if the view was not sliced, and selects everything */
} View;

/* Opens a view of all elements. `shape` is a JSON array of non-negative integers. Returns false,
** with an error about the tensor, if it is not, if there are more than VIEW_MAX_RANK dimensions, if
** their product overflows, or if memory runs out. */
bool view_open(View *view, const char *shape, uint64_t length, const TensorName *about,
               Error *error);

/* The same for a shape of `rank` numbers. */
bool view_open_shape(View *view, const uint64_t *shape, uint32_t rank, const TensorName *about,
                     Error *error);

/* A copy, without what was known of the tensor behind a slice. */
bool view_copy(View *view, const View *of, Error *error);

/* Narrows the view by a slice. The syntax is NumPy's basic indexing over the leading dimensions:
** integers, ranges start:stop:step with a positive step, and one "...". An integer drops its
** dimension and must be in range; the bounds of a range are clipped. On an error the view is
** unchanged. */
bool view_slice(View *view, const char *slice, uint64_t length, const TensorName *about,
                Error *error);

/* Returns row `row` of the first dimension as a view that borrows the memory of this one: it must
** not be cleared, and must not outlive it. The rank must be at least 1, and the row must exist. */
View view_row(const View *view, uint64_t row);

/* Whether two views have the same shape. */
bool view_same_shape(const View *a, const View *b);

/* Appends the shape as a JSON array. */
void view_append_shape(const View *view, sqlite3_str *out);

/* Appends the slice that selects that row from the whole tensor. */
void view_append_row_slice(const View *view, uint64_t row, sqlite3_str *out);

/* The number, in the tensor, of element number `position` of the view in row-major order. */
uint64_t view_element(const View *view, uint64_t position);

/* Whether the elements follow each other in order and without gaps. */
bool view_is_contiguous(const View *view);

/* Releases the memory of the view, which is {0} afterwards. May be called on {0}. */
void view_clear(View *view);

#endif
