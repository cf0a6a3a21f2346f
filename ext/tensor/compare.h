/*
** Compares two tensors element by element. They have the same number of elements, of any dtypes.
**
** Elements are compared as numbers. Two integers are compared exactly, everything else as doubles,
** which is exact except for 64-bit integers beyond 2^53. BOOL is 0 or 1. A real number is a complex
** number without an imaginary part. 0 and -0 are equal. The difference of two elements is |a - b|,
** which for complex numbers is the modulus. Elements that are not finite numbers:
**
**   NaN and NaN              equal, and counted; not included in any number
**   NaN and a number         not equal, and counted; not included in any number
**   infinity and the same    equal, with difference 0; not included in norms and products
**   infinity and another     not equal, with an infinite difference
**
** A complex number is a NaN if one of its parts is, and otherwise infinite if one of its parts is.
**
** Sums are computed in doubles over spans, and the sums of the spans are added with twice the
** precision. The results do not depend on threads or kernels. Their relative error is below 1e-13,
** except for the cosine of nearly orthogonal tensors. The squares of F64 neither overflow nor
** underflow.
*/
#ifndef SAFETENSORS_TENSOR_COMPARE_H
#define SAFETENSORS_TENSOR_COMPARE_H

#include "format/dtype.h"
#include "tensor/double_double.h"
#include "tensor/numbers.h"
#include "tensor/pass.h"

typedef enum CompareGoal {
  COMPARE_BYTES,  /* whether the bytes are the same; stops at the first difference */
  COMPARE_EQUAL,  /* whether the elements are equal; stops at the first difference */
  COMPARE_CLOSE,  /* whether the elements are close; stops at the first pair that is not */
  COMPARE_NUMBERS /* everything in Comparison */
} CompareGoal;

/* The number sum * 2^exponent. */
typedef struct ScaledSum {
  DoubleDouble sum;
  int exponent;
} ScaledSum;

typedef struct Comparison {
  bool bytes_differ;   /* or the dtypes differ */
  bool far;            /* some pairs are not close */
  uint64_t count;      /* pairs of elements; below, how many of them are: */
  uint64_t n_diff;     /* not equal */
  uint64_t n_nan;      /* NaN and NaN */
  uint64_t n_nan_one;  /* NaN and a number */
  uint64_t n_infinite; /* infinitely far apart */
  double largest;      /* the largest finite difference */
  ScaledSum differences, squared_differences, products, a_squares, b_squares;
} Comparison;

typedef struct CompareTask {
  Dtype a, b;
  CompareGoal goal;
  double rtol, atol; /* close means |a - b| <= atol + rtol * |b|; a NaN is close to nothing */
  Comparison found;  /* starts as {0} */
  /* private */
  Numbers a_numbers, b_numbers;
} CompareTask;

/* Compares the elements of two views, which have the same number of elements. `a` and `b` are the
** sources of the tensors. `host` may be NULL: then no other threads are used, and the work cannot
** be cancelled. Returns false on an error. */
bool compare_run(CompareTask *task, const Source *a, const View *a_view, const Source *b,
                 const View *b_view, const Host *host, Error *error);

/* The same for elements at hand, at most PASS_BLOCK of each, on this thread alone. First compare_open(), for a
** task whose dtypes are set; threads may share it. `scratch` is as for Pass.scratch_size. Sets `to`, which is {0}
** before. */
void compare_open(CompareTask *task);
uint64_t compare_scratch_size(void);
void compare_elements(const CompareTask *task, const PassElements elements[2], uint64_t count,
                      void *scratch, Comparison *to);

/* Adds what was found in the elements that follow. */
void compare_add_found(Comparison *to, const Comparison *more);

/* The numbers of a Comparison. NaN stands for a number that does not exist. */

/* Over the differences. They do not exist if there is no pair without a NaN. */
double compare_max_abs_diff(const Comparison *found);
double compare_mean_abs_diff(const Comparison *found);
double compare_rmse(const Comparison *found);

/* The Euclidean norms of a - b, a and b. They do not exist if there is no pair without a NaN. */
double compare_l2_diff(const Comparison *found);
double compare_l2_a(const Comparison *found);
double compare_l2_b(const Comparison *found);

/* l2_diff / l2_a: 0 if nothing differs, and infinity if a is all zero and b is not. */
double compare_rel_l2(const Comparison *found);

/* The cosine of the angle between the tensors as vectors (of twice the length, if they are
** complex). It does not exist if one of them is all zero, or if a difference is infinite. */
double compare_cosine(const Comparison *found);

#endif
