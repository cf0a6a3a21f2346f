#include "expression/elementwise.h"

#include <math.h>

#include "base/philox.h"
#include "kernels/kernels.h"

/* ---- Two operands ---- */

/* Without branches, which would prevent vectors: all that could trap is computed in any case. The sum of 0 and -0 is 0,
** which is the greater one. */
static inline double elementwise_maximum(double a, double b) {
  double sum = a + b, greater = b > a ? b : a;
  double of_equal = a == b ? sum : greater;
  greater = sum == 0 ? of_equal : greater;
  greater = b != b ? b : greater;
  return a != a ? a : greater;
}

static inline double elementwise_minimum(double a, double b) {
  return -elementwise_maximum(-a, -b);
}

static inline double elementwise_flag(bool condition) {
  return condition ? 1 : 0;
}

/* Compilers make vectors only of loops of a fixed length, so elements are taken in blocks, the last of
** which may reach beyond the count: operands have room for that. */
#define ELEMENTWISE_LOOP(before, expression)                  \
  for (uint64_t at = 0; at < count; at += ELEMENTWISE_ROOM) { \
    for (unsigned i = 0; i < ELEMENTWISE_ROOM; i++) {         \
      before;                                                 \
      out[at + i] = (expression);                             \
    }                                                         \
  }

/* A loop for each operator, and for each operand that is one number. */
#define ELEMENTWISE_LOOPS(expression)                                                        \
  if (a.alone) {                                                                             \
    double x = a.numbers[0];                                                                 \
    if (b.alone) {                                                                           \
      double y = b.numbers[0];                                                               \
      ELEMENTWISE_LOOP((void)0, expression)                                                  \
    } else {                                                                                 \
      ELEMENTWISE_LOOP(double y = b.numbers[at + i], expression)                             \
    }                                                                                        \
  } else if (b.alone) {                                                                      \
    double y = b.numbers[0];                                                                 \
    ELEMENTWISE_LOOP(double x = a.numbers[at + i], expression)                               \
  } else {                                                                                   \
    ELEMENTWISE_LOOP(double x = a.numbers[at + i]; double y = b.numbers[at + i], expression) \
  }

#define ELEMENTWISE_BINARY(name, expression)                                                   \
  static void elementwise_##name(Operand a, Operand b, uint64_t count, double *restrict out) { \
    ELEMENTWISE_LOOPS(expression)                                                              \
  }
ELEMENTWISE_BINARY(add, x + y)
ELEMENTWISE_BINARY(sub, x - y)
ELEMENTWISE_BINARY(mul, x *y)
ELEMENTWISE_BINARY(div, x / y)
ELEMENTWISE_BINARY(minima, elementwise_minimum(x, y))
ELEMENTWISE_BINARY(maxima, elementwise_maximum(x, y))
ELEMENTWISE_BINARY(greater, elementwise_flag(x > y))
ELEMENTWISE_BINARY(greater_equal, elementwise_flag(x >= y))
ELEMENTWISE_BINARY(less, elementwise_flag(x < y))
ELEMENTWISE_BINARY(less_equal, elementwise_flag(x <= y))
ELEMENTWISE_BINARY(equals, elementwise_flag(x == y))
#undef ELEMENTWISE_BINARY

/* What kernels compute: two arrays, or an array times a number. */
static bool elementwise_by_kernel(Operator op, Operand a, Operand b, uint64_t count, double *out) {
  const Kernels *kernels = kernels_chosen();
  const unsigned char *x = (const unsigned char *)a.numbers, *y = (const unsigned char *)b.numbers;
  KernelDoublesOfTwo *compute = op == OPERATOR_IS_ADD   ? kernels->add[DTYPE_F64]
                                : op == OPERATOR_IS_SUB ? kernels->subtract[DTYPE_F64]
                                : op == OPERATOR_IS_MUL ? kernels->multiply[DTYPE_F64]
                                : op == OPERATOR_IS_DIV ? kernels->divide[DTYPE_F64]
                                                        : NULL;
  if (compute != NULL && !a.alone && !b.alone) {
    compute(x, y, 0, count, out);
  } else if (op == OPERATOR_IS_MUL && a.alone != b.alone) {
    kernels->scale[DTYPE_F64](a.alone ? y : x, a.alone ? *a.numbers : *b.numbers, count, out);
  } else {
    return false;
  }
  return true;
}

void elementwise_binary(Operator op, Operand a, Operand b, uint64_t count, double *out) {
  if (elementwise_by_kernel(op, a, b, count, out)) return;
  switch (op) {
    case OPERATOR_IS_ADD: elementwise_add(a, b, count, out); break;
    case OPERATOR_IS_SUB: elementwise_sub(a, b, count, out); break;
    case OPERATOR_IS_MUL: elementwise_mul(a, b, count, out); break;
    case OPERATOR_IS_DIV: elementwise_div(a, b, count, out); break;
    case OPERATOR_IS_MINIMUM: elementwise_minima(a, b, count, out); break;
    case OPERATOR_IS_MAXIMUM: elementwise_maxima(a, b, count, out); break;
    case OPERATOR_IS_GREATER: elementwise_greater(a, b, count, out); break;
    case OPERATOR_IS_GREATER_EQUAL: elementwise_greater_equal(a, b, count, out); break;
    case OPERATOR_IS_LESS: elementwise_less(a, b, count, out); break;
    case OPERATOR_IS_LESS_EQUAL: elementwise_less_equal(a, b, count, out); break;
    default: elementwise_equals(a, b, count, out); break;
  }
}

void elementwise_lerp(Operand a, Operand b, double t, uint64_t count, double *restrict out) {
  if (!a.alone && !b.alone) {
    kernels_chosen()->lerp[DTYPE_F64]((const unsigned char *)a.numbers,
                                      (const unsigned char *)b.numbers, t, count, out);
  } else {
    ELEMENTWISE_LOOPS(x + t * (y - x))
  }
}

/* ---- One operand ---- */

static inline double elementwise_sign(double x) {
  double sign = x == 0 ? 0 : x;
  sign = x < 0 ? -1 : sign;
  return x > 0 ? 1 : sign;
}

#define ELEMENTWISE_UNARY(name, expression)                                               \
  static void elementwise_##name(const double *a, uint64_t count, double *restrict out) { \
    ELEMENTWISE_LOOP(double x = a[at + i], expression)                                    \
  }
ELEMENTWISE_UNARY(isnan, elementwise_flag(x != x))
ELEMENTWISE_UNARY(neg, -x)
ELEMENTWISE_UNARY(abs, fabs(x))
ELEMENTWISE_UNARY(signs, elementwise_sign(x))
ELEMENTWISE_UNARY(sqrt, sqrt(x))
ELEMENTWISE_UNARY(exp, exp(x))
ELEMENTWISE_UNARY(log, log(x))
#undef ELEMENTWISE_UNARY

void elementwise_unary(Operator op, Operand a, uint64_t count, double *out) {
  switch (op) {
    case OPERATOR_IS_ISNAN: elementwise_isnan(a.numbers, count, out); break;
    case OPERATOR_IS_NEG: elementwise_neg(a.numbers, count, out); break;
    case OPERATOR_IS_ABS: elementwise_abs(a.numbers, count, out); break;
    case OPERATOR_IS_SIGN: elementwise_signs(a.numbers, count, out); break;
    case OPERATOR_IS_SQRT: elementwise_sqrt(a.numbers, count, out); break;
    case OPERATOR_IS_EXP: elementwise_exp(a.numbers, count, out); break;
    default: elementwise_log(a.numbers, count, out); break;
  }
}

/* ---- More ---- */

void elementwise_where(Operand condition, Operand a, Operand b, uint64_t count,
                       double *restrict out) {
  const double *is = condition.numbers;
  if (condition.alone) {
    a = *is != 0 ? a : b;
    ELEMENTWISE_LOOP((void)0, a.numbers[a.alone ? 0 : at + i])
  } else {
    ELEMENTWISE_LOOPS(is[at + i] != 0 ? x : y)
  }
}

void elementwise_divide(double divisor, uint64_t count, double *out) {
  ELEMENTWISE_LOOP((void)0, out[at + i] / divisor)
}

void elementwise_random(uint64_t seed, uint64_t begin, uint64_t count, double *out) {
  uint32_t word[PHILOX_WORDS];
  for (uint64_t i = begin; i < begin + count; i++) {
    if (i == begin || i % PHILOX_WORDS == 0) philox_words(seed, i / PHILOX_WORDS, word);
    out[i - begin] = philox_share(word[i % PHILOX_WORDS]);
  }
}
