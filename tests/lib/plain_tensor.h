/*
** The operators of computed tensors on tiny tensors: slowly, one element after the other, each from
** its coordinates. Only the numbers of dtypes are the extension's own (decode.h, encode.h).
**
** A function returns false if the operator does not take such tensors; then *out is unspecified. It
** may be one of the arguments. PLAIN_LIMIT_* are not the extension's limits: what is beyond them is
** refused here and must not be asked of it.
*/
#ifndef SAFETENSORS_TESTS_PLAIN_TENSOR_H
#define SAFETENSORS_TESTS_PLAIN_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "format/dtype.h"

enum { PLAIN_LIMIT_RANK = 4, PLAIN_LIMIT_NUMEL = 256 };

typedef struct Plain {
  Dtype dtype;
  bool is_number; /* a number as an argument; has no shape and promotes nothing */
  bool stored;    /* elements of the dtype that at most have moved */
  uint32_t rank, numel;
  uint32_t shape[PLAIN_LIMIT_RANK];
  double values[PLAIN_LIMIT_NUMEL];
} Plain;

typedef enum PlainResult {
  PLAIN_REFUSED, /* by the operator's rules */
  PLAIN_LARGE,   /* beyond the limits here */
  PLAIN_GOOD
} PlainResult;

/* Sets rank, shape and numel. Returns false beyond the limits. */
bool plain_set_shape(Plain *tensor, const uint32_t *shape, uint32_t rank);

Plain plain_number(double value);

/* Any function of one, two or three elements; unused ones are 0. */
typedef double (*PlainFunction)(double a, double b, double c);

/* `dtype_given` is that of the result, or DTYPE_COUNT: that of arithmetic. */
PlainResult plain_elementwise(PlainFunction function, const Plain *const *arguments, uint32_t count,
                              Dtype dtype_given, Plain *out);

/* The root of the sum of squares, or the sum, along an axis. */
PlainResult plain_over_axis(const Plain *tensor, int64_t axis, bool squares, Plain *out);

PlainResult plain_matmul(const Plain *a, const Plain *b, Plain *out);

PlainResult plain_transpose(const Plain *tensor, const int64_t *axes, uint32_t count, Plain *out);

/* One dimension may be -1. */
PlainResult plain_reshape(const Plain *tensor, const int64_t *shape, uint32_t rank, Plain *out);

/* start, start + step, ... of each dimension, `shape` elements of it. */
PlainResult plain_slice(const Plain *tensor, const uint32_t *start, const uint32_t *step,
                        const uint32_t *shape, Plain *out);

PlainResult plain_take(const Plain *tensor, const int64_t *indices, uint32_t count, int64_t axis,
                       Plain *out);

PlainResult plain_concat(const Plain *const *tensors, uint32_t count, int64_t axis, Plain *out);

PlainResult plain_stack(const Plain *const *tensors, uint32_t count, Plain *out);

/* An U64 beyond 2^53 is large, because a double may be another number. */
PlainResult plain_convert(const Plain *tensor, Dtype dtype, Plain *out);

/* Of weights[i] * tensors[i], divided by the sum of the weights if `average`. */
PlainResult plain_sum(const Plain *const *tensors, const double *weights, uint32_t count,
                      bool average, Plain *out);

PlainResult plain_slerp(const Plain *a, const Plain *b, double t, Plain *out);

/* Element `index` of tensor_random(). */
double plain_random(uint64_t seed, uint64_t index);

#endif
