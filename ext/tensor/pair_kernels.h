/*
** The loops over two tensors at a time: see kernels.h for the instruction sets that they are made
** for. Sums are kept in PAIR_LANES lanes, element i in lane i % PAIR_LANES, and are the same to the
** last bit in every set: a multiplication and an addition are one instruction only where the product
** is exact, as it is of floats.
*/
#ifndef SAFETENSORS_TENSOR_PAIR_KERNELS_H
#define SAFETENSORS_TENSOR_PAIR_KERNELS_H

#include <stdint.h>

#include "format/dtype.h"

enum { PAIR_LANES = 8 };

/* What comes of pairs of numbers a, b. Where a number is not finite, its squares are not either, and
** nothing else means anything. */
typedef struct PairSums {
  uint64_t unequal;
  double largest;             /* |a - b| */
  double differences;         /* the sum of |a - b| */
  double squared_differences; /* of (a - b)^2 */
  double products;            /* of a * b */
  double a_squares, b_squares;
} PairSums;

/* Numbers are the machine's own floats or doubles, at any address; `count` is a multiple of
** PAIR_LANES. */
typedef struct PairKernels {
  void (*floats)(const void *a, const void *b, uint64_t count, PairSums *out);
  void (*doubles)(const void *a, const void *b, uint64_t count, PairSums *out);

  /* The sum of the squares alone, as `a_squares` would be. */
  double (*float_squares)(const void *data, uint64_t count);
  double (*double_squares)(const void *data, uint64_t count);

  /* What `floats` and `float_squares` give of elements of F16 or BF16 as they are stored, without making
  ** floats of them first. NULL where that is no faster. */
  void (*stored[DTYPE_COUNT])(const void *a, const void *b, uint64_t count, PairSums *out);
  double (*stored_squares[DTYPE_COUNT])(const void *data, uint64_t count);
} PairKernels;

extern const PairKernels pair_kernels_portable;
#if defined(__x86_64__)
extern const PairKernels pair_kernels_avx2;
extern const PairKernels pair_kernels_avx512;
#endif

#endif
