/*
** Arithmetic over arrays of doubles, element by element. Arrays have room for a multiple of
** ELEMENTWISE_ROOM numbers, all of which can be read: what is beyond the count means nothing, before
** and after.
*/
#ifndef SAFETENSORS_EXPRESSION_ELEMENTWISE_H
#define SAFETENSORS_EXPRESSION_ELEMENTWISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arithmetic.h"
#include "expression/operators.h"

enum { ELEMENTWISE_ROOM = 16 };

/* An argument: an array, or one number for all elements. */
typedef struct Operand {
  const double *numbers;
  bool alone;
} Operand;

/* One of add to less_equal and equals. `out` overlaps no operand. */
void elementwise_binary(Operator op, Operand a, Operand b, uint64_t count, double *out);

/* One of isnan and neg to log. */
void elementwise_unary(Operator op, Operand a, uint64_t count, double *out);

/* a where the condition is not 0 (NaN is not), else b. */
void elementwise_where(Operand condition, Operand a, Operand b, uint64_t count, double *out);

/* a + t * (b - a) */
void elementwise_lerp(Operand a, Operand b, double t, uint64_t count, double *out);

/* out / divisor, in place. */
void elementwise_divide(double divisor, uint64_t count, double *out);

/* Elements begin to begin + count of tensor_random(): word i mod 4 of Philox 4x32-10 at counter i div
** 4 with the seed as its key, without its lower 8 bits, times 2^-24. Source: Salmon, Moraes, Dror and
** Shaw, Parallel random numbers: as easy as 1, 2, 3 (2011). */
void elementwise_random(uint64_t seed, uint64_t begin, uint64_t count, double *out);

#endif
