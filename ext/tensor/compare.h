/*
** Two tensors with as many elements each, of any dtypes, compared element by element.
**
** Elements are compared as numbers: integers with integers exactly, all others as doubles (exact but
** for 64-bit integers beyond 2^53); BOOL is 0 or 1; a real number is a complex one without an
** imaginary part. 0 and -0 are equal. The difference of two elements is |a - b|, of complex ones the
** modulus. What is not a finite number:
**
**   NaN and NaN              equal, and counted; in none of the numbers
**   NaN and a number         not equal, and counted; in none of the numbers
**   infinity and the same    equal; a difference of 0; in no norm and no product
**   infinity and another     not equal; a difference of infinity
**
** A complex number is a NaN if a part of it is, and else infinite if a part of it is.
**
** Sums are of doubles, in spans whose sums are added up with twice the precision: what a number comes
** to does not depend on threads or kernels, and its relative error is below 1e-13, but for the cosine
** of what is nearly orthogonal. The squares of F64 neither overflow nor vanish.
*/
#ifndef SAFETENSORS_TENSOR_COMPARE_H
#define SAFETENSORS_TENSOR_COMPARE_H

#include "format/dtype.h"
#include "tensor/double_double.h"
#include "tensor/numbers.h"
#include "tensor/pass.h"

typedef enum CompareGoal {
  COMPARE_BYTES,  /* whether the bytes are the same; ends at the first difference */
  COMPARE_EQUAL,  /* whether the elements are equal; ends at the first difference */
  COMPARE_CLOSE,  /* whether they are close; ends at the first two that are not */
  COMPARE_NUMBERS /* all that a Comparison has */
} CompareGoal;

/* sum * 2^exponent */
typedef struct ScaledSum {
  DoubleDouble sum;
  int exponent;
} ScaledSum;

typedef struct Comparison {
  bool bytes_differ;   /* or the dtypes do */
  bool far;            /* some are not close */
  uint64_t count;      /* of pairs of elements, and of those that are */
  uint64_t n_diff;     /*   not equal */
  uint64_t n_nan;      /*   NaN and NaN */
  uint64_t n_nan_one;  /* NaN and a number */
  uint64_t n_infinite; /* differences of infinity */
  double largest;      /* finite difference */
  ScaledSum differences, squared_differences, products, a_squares, b_squares;
} Comparison;

typedef struct CompareTask {
  Dtype a, b;
  CompareGoal goal;
  double rtol, atol; /* close: |a - b| <= atol + rtol * |b|; a NaN is close to nothing */
  Comparison found;  /* starts as {0} */
  /* private */
  Numbers a_numbers, b_numbers;
} CompareTask;

/* Compares the elements of two views, which are as many. False on error. */
bool compare_run(CompareTask *task, const Source *a, const View *a_view, const Source *b,
                 const View *b_view, const PassHost *host, Error *error);

/* The numbers of a Comparison; a NaN where there is none. */

/* Over the differences; none if there are no two numbers to compare. */
double compare_max_abs_diff(const Comparison *found);
double compare_mean_abs_diff(const Comparison *found);
double compare_rmse(const Comparison *found);

/* The Euclidean norms of a - b, a and b. */
double compare_l2_diff(const Comparison *found);
double compare_l2_a(const Comparison *found);
double compare_l2_b(const Comparison *found);

/* l2_diff / l2_a: 0 if nothing differs, infinity if only a is all zero. */
double compare_rel_l2(const Comparison *found);

/* The cosine of the angle between the two as vectors (of twice the length, if complex). None if
** one of them is all zero, or if a difference is infinite. */
double compare_cosine(const Comparison *found);

#endif
