/*
** The operators of computed tensors, in one table from which the reader of expressions, the builders
** in SQL and the evaluation are made. docs/reference.md says what each computes.
**
** An expression is a JSON object: {"op":NAME, "args":[...], and a member for each attribute}. An
** argument is a ref or an expression as a text, an expression as an object, or a number. Where arguments
** have roles, they are not in an array but in an object, {"parts":{ROLE:ARGUMENT, ...}}.
*/
#ifndef SAFETENSORS_EXPRESSION_OPERATORS_H
#define SAFETENSORS_EXPRESSION_OPERATORS_H

#include <stdbool.h>
#include <stdint.h>

/* What an operator has besides its arguments: members of the object, under these names. */
typedef enum OperatorAttribute {
  OPERATOR_AXIS = 1 << 0,     /* "axis": an integer, from the end if negative */
  OPERATOR_AXES = 1 << 1,     /* "axes": a permutation; may be left out: the reverse order */
  OPERATOR_SHAPE = 1 << 2,    /* "shape": an array of dimensions; one of reshape may be -1 */
  OPERATOR_SLICE = 1 << 3,    /* "slice": a text, as in a ref */
  OPERATOR_INDICES = 1 << 4,  /* "indices": an array of integers, from the end if negative */
  OPERATOR_DTYPE = 1 << 5,    /* "dtype": the name of a dtype */
  OPERATOR_VALUE = 1 << 6,    /* "value": a number */
  OPERATOR_SEED = 1 << 7,     /* "seed": an integer of 64 bits */
  OPERATOR_T = 1 << 8,        /* "t": a number */
  OPERATOR_WEIGHTS = 1 << 9,  /* "weights": an array of numbers, one for each argument; may be left
                             ** out: all 1 */
  OPERATOR_NUMBERS = 1 << 10, /* no member: arguments may be numbers, but not all of them */
  OPERATOR_SCHEME = 1 << 11,  /* "scheme": the name of a way to pack or scale weights */
  OPERATOR_KIND = 1 << 12,    /* "kind": the name of a kind of adapter */
  OPERATOR_OPTIONS = 1 << 13, /* "options": an object; may be left out: an empty one */
  OPERATOR_PARTS = 1 << 14    /* no member: arguments have roles */
} OperatorAttribute;

/* The maximum number of arguments where there is no other limit than the size of the text. */
#define OPERATOR_ANY UINT32_MAX

/* The maximum number of arguments that have roles. */
enum { OPERATOR_MAX_PARTS = 32 };

/* X(identifier, name, fewest arguments, most arguments, attributes). The first two have no name in
** a text: the leaves of an expression. */
#define OPERATORS(X)                                        \
  X(TENSOR, NULL, 0, 0, 0)                                  \
  X(NUMBER, NULL, 0, 0, 0)                                  \
  X(ADD, "add", 2, 2, OPERATOR_NUMBERS)                     \
  X(SUB, "sub", 2, 2, OPERATOR_NUMBERS)                     \
  X(MUL, "mul", 2, 2, OPERATOR_NUMBERS)                     \
  X(DIV, "div", 2, 2, OPERATOR_NUMBERS)                     \
  X(MINIMUM, "minimum", 2, 2, OPERATOR_NUMBERS)             \
  X(MAXIMUM, "maximum", 2, 2, OPERATOR_NUMBERS)             \
  X(GREATER, "greater", 2, 2, OPERATOR_NUMBERS)             \
  X(GREATER_EQUAL, "greater_equal", 2, 2, OPERATOR_NUMBERS) \
  X(LESS, "less", 2, 2, OPERATOR_NUMBERS)                   \
  X(LESS_EQUAL, "less_equal", 2, 2, OPERATOR_NUMBERS)       \
  X(EQUALS, "equals", 2, 2, OPERATOR_NUMBERS)               \
  X(ISNAN, "isnan", 1, 1, 0)                                \
  X(WHERE, "where", 3, 3, OPERATOR_NUMBERS)                 \
  X(NEG, "neg", 1, 1, 0)                                    \
  X(ABS, "abs", 1, 1, 0)                                    \
  X(SIGN, "sign", 1, 1, 0)                                  \
  X(SQRT, "sqrt", 1, 1, 0)                                  \
  X(EXP, "exp", 1, 1, 0)                                    \
  X(LOG, "log", 1, 1, 0)                                    \
  X(NORM, "norm", 1, 1, OPERATOR_AXIS)                      \
  X(TOTAL, "total", 1, 1, OPERATOR_AXIS)                    \
  X(LERP, "lerp", 2, 2, OPERATOR_T)                         \
  X(SLERP, "slerp", 2, 2, OPERATOR_T)                       \
  X(MATMUL, "matmul", 2, 2, 0)                              \
  X(TRANSPOSE, "transpose", 1, 1, OPERATOR_AXES)            \
  X(RESHAPE, "reshape", 1, 1, OPERATOR_SHAPE)               \
  X(SLICE, "slice", 1, 1, OPERATOR_SLICE)                   \
  X(TAKE, "take", 1, 1, OPERATOR_INDICES | OPERATOR_AXIS)   \
  X(CONCAT, "concat", 1, OPERATOR_ANY, OPERATOR_AXIS)       \
  X(CONVERT, "convert", 1, 1, OPERATOR_DTYPE)               \
  X(FULL, "full", 0, 0, OPERATOR_SHAPE | OPERATOR_VALUE)    \
  X(RANDOM, "random", 0, 0, OPERATOR_SHAPE | OPERATOR_SEED) \
  X(SUM, "sum", 1, OPERATOR_ANY, OPERATOR_WEIGHTS)          \
  X(AVERAGE, "average", 1, OPERATOR_ANY, OPERATOR_WEIGHTS)  \
  X(STACK, "stack", 1, OPERATOR_ANY, 0)                     \
  X(DEQUANTIZE, "dequantize", 1, OPERATOR_MAX_PARTS,        \
    OPERATOR_SCHEME | OPERATOR_OPTIONS | OPERATOR_PARTS)    \
  X(DELTA, "delta", 1, OPERATOR_MAX_PARTS, OPERATOR_KIND | OPERATOR_OPTIONS | OPERATOR_PARTS)

typedef enum Operator {
#define OPERATOR_ID(id, name, fewest, most, attributes) OPERATOR_IS_##id,
  OPERATORS(OPERATOR_ID)
#undef OPERATOR_ID
      OPERATOR_COUNT
} Operator;

typedef struct OperatorTraits {
  const char *name;
  uint32_t fewest, most; /* arguments */
  unsigned attributes;   /* a set of OperatorAttribute */
} OperatorTraits;

/* Indexed by Operator. */
extern const OperatorTraits OPERATOR_TRAITS[OPERATOR_COUNT];

/* The operator of that name, which need not end with NUL. Returns false if there is none. */
bool operator_find(const char *name, uint64_t length, Operator *found);

#endif
