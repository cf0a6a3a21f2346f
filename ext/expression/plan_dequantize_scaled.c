/*
** Weights of 8 bits, of which each stands for itself: with a scale for all, for each row, block, group or
** expert. Products of such elements with scales of 24 bits or less are exact in double, and so is the
** difference of two of them before.
*/
#include <string.h>

#include "expression/plan_dequantize.h"

enum { SCALED_USUAL_BLOCK = 128 };

/* (weight - zero_point) * scale. Option block: the rows and columns that share a scale. */
static uint32_t scaled_formula(Formula *formula, const char *role, uint32_t weight, uint32_t scale,
                               uint64_t usual) {
  FormulaShape shape = formula_shape(formula, weight), own = shape, block = {0};
  if (formula_sizes(formula, "block", &block) &&
      (block.rank != 2 || block.size[0] == 0 || block.size[1] == 0))
    return formula_refuse(formula, "two sizes above 0 as option block", "others");
  if (shape.rank < 2) {
    weight = formula_matrix(formula, weight, 1, -1);
    shape = formula_shape(formula, weight);
  }
  uint32_t value = weight;
  if (formula_has(formula, "zero_point")) {
    uint32_t zero = formula_part(formula, "zero_point");
    zero = dequantize_spread(formula, "zero_point", zero, &shape, &block, usual);
    value = dequantize_sub(formula, value, zero);
  }
  scale = dequantize_spread(formula, role, scale, &shape, &block, usual);
  value = dequantize_mul(formula, value, scale);
  return own.rank < 2 ? formula_reshape(formula, value, &own) : value;
}

static uint32_t scaled_divided(Formula *formula, uint32_t value) {
  double divide = formula_number(formula, "divide", 1);
  if (divide == 1) return value;
  return formula_binary(formula, OPERATOR_IS_DIV, value, formula_constant(formula, divide));
}

uint32_t dequantize_fp8(Formula *formula) {
  uint32_t weight = formula_part(formula, "weight");
  dequantize_expect(formula, "weight", weight, dequantize_is_fp8(formula, weight),
                    "F8_E4M3 or F8_E5M2");
  uint32_t scale = dequantize_exponents(formula, formula_part(formula, "scale"));
  return scaled_divided(formula,
                        scaled_formula(formula, "scale", weight, scale, SCALED_USUAL_BLOCK));
}

uint32_t dequantize_int8(Formula *formula) {
  uint32_t weight = formula_part(formula, "weight"), scale = formula_part(formula, "scale");
  dequantize_expect(formula, "weight", weight, dequantize_is_int8(formula, weight), "I8 or U8");
  return scaled_divided(formula, scaled_formula(formula, "scale", weight, scale, 0));
}

/* mxfp8: weight F8_E4M3 [n, k], scale U8 or F8_E8M0 [n, k / 32]. */
uint32_t dequantize_mxfp8(Formula *formula) {
  uint32_t weight = formula_part(formula, "weight");
  dequantize_expect(formula, "weight", weight, dequantize_is_fp8(formula, weight),
                    "F8_E4M3 or F8_E5M2");
  uint32_t scale = dequantize_exponents(formula, formula_part(formula, "scale"));
  uint64_t group = (uint64_t)formula_integer(formula, "group_size", 1, INT64_MAX, 32);
  FormulaShape shape = formula_shape(formula, weight);
  scale = formula_spread(formula, "scale", scale, &shape, 1, group, FORMULA_NONE);
  return dequantize_mul(formula, weight, scale);
}

/* bnb-int8: weight I8 [n, k] * SCB F32 [n] / 127. The quotient is as exact as a double: the product is an
** integer of 32 bits times a power of two, so it is not so close to the middle between two floats that
** rounding it twice would matter. */
uint32_t dequantize_bnb_int8(Formula *formula) {
  uint32_t weight = formula_part(formula, "weight"), scale = formula_part(formula, "SCB");
  dequantize_expect(formula, "weight", weight, formula_dtype(formula, weight) == DTYPE_I8, "I8");
  FormulaShape shape = formula_shape(formula, weight);
  if (shape.rank != 2) return formula_refuse_shape(formula, "weight", "[n, k]", weight);
  if (formula_rank(formula, scale) != 1 || formula_size(formula, scale, 0) != shape.size[0])
    return formula_refuse_shape(formula, "SCB", "[n], as the weight has rows", scale);
  uint32_t value =
      dequantize_mul(formula, weight, dequantize_spread(formula, "SCB", scale, &shape, NULL, 0));
  return formula_binary(formula, OPERATOR_IS_DIV, value, formula_constant(formula, 127));
}

/* torchao: (qdata - zero_point) * scale, by rows, or groups of columns as option block says. */
uint32_t dequantize_torchao(Formula *formula) {
  uint32_t weight = formula_part(formula, "qdata"), scale = formula_part(formula, "scale");
  bool fits = dequantize_is_int8(formula, weight) || dequantize_is_fp8(formula, weight);
  dequantize_expect(formula, "qdata", weight, fits, "I8, U8, F8_E4M3 or F8_E5M2");
  return scaled_formula(formula, "scale", weight, scale, 0);
}

/* ---- quanto ---- */

/* Of 2 or 4 bits: data * scale - shift, then option shape. data is U8 with the numbers in slices of its rows,
** the lowest bits first. The product is exact in double, the difference is rounded there, too. */
static uint32_t scaled_quanto_packed(Formula *formula, unsigned bits) {
  uint32_t data = formula_part(formula, "data"), scale = formula_part(formula, "scale");
  uint32_t shift = formula_part(formula, "shift");
  uint64_t numel, columns = formula_size(formula, data, -1);
  dequantize_shape(formula, &numel);
  if (formula->failed) return FORMULA_NONE;
  if (columns == 0 || numel % columns != 0)
    return formula_refuse_shape(formula, "data", "[..., m], m a divisor of the elements", data);
  Unpack unpack = {.order = UNPACK_SLICES, .bits = bits, .word_bits = 8, .per_word = 8 / bits};
  for (unsigned i = 0; i < unpack.per_word; i++) unpack.shifts[i] = (uint8_t)(bits * i);
  FormulaShape shape = {2, {numel / columns, columns}};
  uint32_t value = formula_unpack(formula, "data", data, &unpack, &shape);
  scale = formula_spread(formula, "scale", scale, &shape, 1, 1, FORMULA_NONE);
  shift = formula_spread(formula, "shift", shift, &shape, 1, 1, FORMULA_NONE);
  return dequantize_sub(formula, dequantize_mul(formula, value, scale), shift);
}

/* quanto: option bits, 8 (weight * scale, integers or floats), 4 or 2. */
uint32_t dequantize_quanto(Formula *formula) {
  int64_t bits = formula_integer(formula, "bits", 2, 8, 8);
  if (bits == 2 || bits == 4) return scaled_quanto_packed(formula, (unsigned)bits);
  if (bits != 8) return formula_refuse(formula, "2, 4 or 8 as option bits", "another");
  uint32_t weight = formula_part(formula, "weight"), scale = formula_part(formula, "scale");
  bool fits = dequantize_is_int8(formula, weight) || dequantize_is_fp8(formula, weight);
  dequantize_expect(formula, "weight", weight, fits, "I8, F8_E4M3 or F8_E5M2");
  return scaled_formula(formula, "scale", weight, scale, 0);
}
