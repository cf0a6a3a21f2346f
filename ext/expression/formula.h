/*
** Formulas over tensors: what "dequantize" and "delta" compute is written as a formula, whose steps
** are those of other operators, and of four that only formulas have (bitcast, unpack, spread, lookup).
**
** A Formula has named parts, which are steps of the plan, and options. A function that adds steps takes
** and gives their numbers. Once one has failed, it and all later ones give FORMULA_NONE, so a formula is
** written without a check after each; formula_close() reports the first error.
*/
#ifndef SAFETENSORS_EXPRESSION_FORMULA_H
#define SAFETENSORS_EXPRESSION_FORMULA_H

#include <jansson.h>

#include "expression/plan.h"

#define FORMULA_NONE PLAN_NONE

/* The most dimensions of the shapes that formulas know. */
enum { FORMULA_MAX_RANK = 8, FORMULA_MAX_OPTIONS = 64 };

/* The most groups of a row that an index names, and the most entries of a table: those of a tile. */
enum { FORMULA_MAX_GROUPS = 4096 };

typedef struct FormulaShape {
  uint32_t rank;
  uint64_t size[FORMULA_MAX_RANK];
} FormulaShape;

typedef struct Formula {
  Plan *plan;
  const Node *node;
  const uint32_t *args; /* the parts, in the order of the roles */
  json_t *options;
  uint32_t taken;                         /* bit i: args[i] was asked for */
  const char *known[FORMULA_MAX_OPTIONS]; /* the options that were asked for */
  uint32_t known_count;
  bool failed;
  Error *error;
} Formula;

/* Begins the formula of a node with parts and options. formula_close() must follow, also after an
** error, which it returns. */
void formula_open(Formula *formula, Plan *plan, const Node *node, const uint32_t *args,
                  Error *error);

/* Ends it with its result, as F32. It is an error if parts or options were never asked for. Returns the
** result, or PLAN_NONE with an error. */
uint32_t formula_close(Formula *formula, uint32_t result);

/* Raises an error about the formula, unless there is one already: "expected X, found Y". Returns
** FORMULA_NONE. */
uint32_t formula_refuse(Formula *formula, const char *expected, const char *found);

/* The same, where the found is the shape of a step; `role` names it. */
uint32_t formula_refuse_shape(Formula *formula, const char *role, const char *expected,
                              uint32_t step);

/* ---- Parts ---- */

bool formula_has(Formula *formula, const char *role);

/* The step of a part. It is an error if there is none. */
uint32_t formula_part(Formula *formula, const char *role);

/* Valid as long as no step is added. NULL after an error. */
const View *formula_view(const Formula *formula, uint32_t step);

/* The rank of a step, and the size of one of its dimensions, the last ones as -1, -2, ...; 0 if it has
** none, or after an error. */
uint32_t formula_rank(const Formula *formula, uint32_t step);
uint64_t formula_size(const Formula *formula, uint32_t step, int dimension);
uint64_t formula_numel(const Formula *formula, uint32_t step);
Dtype formula_dtype(const Formula *formula, uint32_t step);

/* The shape of a step; an error if it has more dimensions than formulas know. */
FormulaShape formula_shape(Formula *formula, uint32_t step);

/* ---- Options ---- */

/* Each raises an error if the option is there and is of another type, or out of range. */
bool formula_given(Formula *formula, const char *name);
int64_t formula_integer(Formula *formula, const char *name, int64_t least, int64_t greatest,
                        int64_t otherwise);
double formula_number(Formula *formula, const char *name, double otherwise);
bool formula_flag(Formula *formula, const char *name, bool otherwise);
/* Valid until formula_close(). */
const char *formula_word(Formula *formula, const char *name, const char *otherwise);
/* An array of sizes; returns false if it is not there. */
bool formula_sizes(Formula *formula, const char *name, FormulaShape *shape);
/* An array of integers, in the memory of the graph; returns NULL if it is not there, or after an
** error. */
const int64_t *formula_integers(Formula *formula, const char *name, uint64_t *count);

/* ---- Steps of operators ---- */

uint32_t formula_constant(Formula *formula, double value);
uint32_t formula_unary(Formula *formula, Operator op, uint32_t a);
uint32_t formula_binary(Formula *formula, Operator op, uint32_t a, uint32_t b);
uint32_t formula_matmul(Formula *formula, uint32_t a, uint32_t b);
uint32_t formula_where(Formula *formula, uint32_t condition, uint32_t a, uint32_t b);
/* NORM or TOTAL over an axis, which stays with length 1. */
uint32_t formula_reduce(Formula *formula, Operator op, uint32_t a, int64_t axis);
/* axes: a permutation, of as many as the tensor has dimensions; NULL: the reverse order. */
uint32_t formula_transpose(Formula *formula, uint32_t a, const int64_t *axes);
/* The last two dimensions exchanged. */
uint32_t formula_turn(Formula *formula, uint32_t a);
uint32_t formula_reshape(Formula *formula, uint32_t a, const FormulaShape *shape);
/* formula_reshape() to two dimensions, either of which may be -1. */
uint32_t formula_matrix(Formula *formula, uint32_t a, int64_t rows, int64_t columns);
uint32_t formula_slice(Formula *formula, uint32_t a, const char *slice);
uint32_t formula_take(Formula *formula, uint32_t a, const int64_t *indices, uint64_t count,
                      int64_t axis);
uint32_t formula_concat(Formula *formula, const uint32_t *parts, uint32_t count, int64_t axis);

/* ---- Steps that only formulas have ---- */

/* The bytes of a tensor as elements of another dtype; the last dimension changes its length. `a` must be
** stored. */
uint32_t formula_bitcast(Formula *formula, uint32_t a, Dtype dtype);

/* The numbers in the words of a stored matrix of integers: see Unpack in plan.h. The result has the given
** shape, of two dimensions or more; all dimensions but the last count as rows, as those of `a` do. */
uint32_t formula_unpack(Formula *formula, const char *role, uint32_t a, const Unpack *unpack,
                        const FormulaShape *shape);

/* Room for the values of all codes of so many bits, zeroed, which lives as long as the plan. NULL after an
** error. */
double *formula_values(Formula *formula, unsigned bits);

/* `a` repeated: element [..., i, j] of the result, which has the given shape of two dimensions or more,
** is a[..., i / block_rows, j / block_columns]. Leading dimensions of `a` are those of the shape, or 1, or
** missing. With `index`, of as many elements as the shape has columns, column j is in group index[j]
** instead, where that is not -1. It is an error if `a` does not have just as many rows and columns as that
** takes, or one, which is then everywhere. */
uint32_t formula_spread(Formula *formula, const char *role, uint32_t a, const FormulaShape *shape,
                        uint64_t block_rows, uint64_t block_columns, uint32_t index);

/* table[codes], for each code; the table has one dimension, of at most FORMULA_MAX_GROUPS elements. Codes that
** it does not have are an error when they are read. */
uint32_t formula_lookup(Formula *formula, uint32_t codes, uint32_t table);

/* What `a` is computed to, once: for what is small, and read more than once or in another order. */
uint32_t formula_keep(Formula *formula, uint32_t a);

/* What a function makes of all arguments, computed once and kept: see whole.h. It is an error if these and the
** result have more than WHOLE_MAX_NUMBERS together. */
struct Whole;
uint32_t formula_whole(Formula *formula, const struct Whole *whole, const uint32_t *args,
                       uint32_t count, const FormulaShape *shape);

/* Products by blocks: of `left` [..., rows, blocks, length] and `right` [..., blocks, length, inner], which has
** the same dimensions before these or none, [..., rows, blocks, inner]. One block in `right` is for all. */
uint32_t formula_blocks(Formula *formula, uint32_t left, uint32_t right);

/* Circulant matrices: of `a` [m, n, b], [m b, n b], where element [i b + p, j b + q] is a[i, j, (q - p) mod b]. */
uint32_t formula_circle(Formula *formula, uint32_t a);

/* Waves: [rows, 2 count], where element [i, j] is cos(2 pi i indices[j] / rows), and [i, count + j] less the sine; or,
** turned, [2 count, rows] of the same with the sine itself. `indices` are in the memory of the graph. */
uint32_t formula_waves(Formula *formula, uint64_t rows, const int64_t *indices, uint64_t count,
                       bool turned);

/* A tensor of that shape that is 0 but for the values at places of the flat tensor, which add up where they
** are the same. `places` [n] are flat, or [2, n] rows and columns of a matrix. */
uint32_t formula_scatter(Formula *formula, uint32_t places, uint32_t values,
                         const FormulaShape *shape);

/* ---- For the files that add steps ---- */

/* Says that the formula has failed, with the error that there is. Returns FORMULA_NONE. */
uint32_t formula_fail(Formula *formula);

/* What is given of a step that was added, or of none. */
uint32_t formula_added(Formula *formula, uint32_t added);

#endif
