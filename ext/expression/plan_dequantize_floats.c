/* Codes of four and eight bits that stand for floats, by a table that is fixed or stored; and MLX, which packs
** both such and integers in words. */
#include <string.h>

#include "expression/plan_dequantize.h"

/* ---- bitsandbytes ---- */

/* The scale of each block of the weight. Where it is quantised, too, it is nested_quant_map[absmax] *
** nested_absmax + nested_offset, rounded to double. */
static uint32_t floats_absmax(Formula *formula) {
  uint32_t absmax = formula_part(formula, "absmax");
  int64_t blocks = (int64_t)formula_numel(formula, absmax);
  FormulaShape shape = {2, {1, (uint64_t)blocks}};
  uint64_t block = (uint64_t)formula_integer(formula, "nested_blocksize", 1, INT64_MAX, 256);
  double offset = formula_number(formula, "nested_offset", 0);
  absmax = formula_matrix(formula, absmax, 1, blocks);
  bool nested = formula_has(formula, "nested_absmax") || formula_has(formula, "nested_quant_map");
  if (!nested && formula_dtype(formula, absmax) != DTYPE_U8) return absmax;
  uint32_t scale = formula_part(formula, "nested_absmax");
  uint32_t map = formula_part(formula, "nested_quant_map");
  dequantize_expect(formula, "absmax", absmax, formula_dtype(formula, absmax) == DTYPE_U8,
                    "U8 beside nested_absmax");
  scale = formula_matrix(formula, scale, 1, (int64_t)formula_numel(formula, scale));
  scale = formula_spread(formula, "nested_absmax", scale, &shape, 1, block, FORMULA_NONE);
  uint32_t value = dequantize_mul(formula, formula_lookup(formula, absmax, map), scale);
  return formula_binary(formula, OPERATOR_IS_ADD, value, formula_constant(formula, offset));
}

/* bnb-nf4, bnb-fp4: quant_map[code] * absmax of the block, then option shape. The bytes of weight, of any dtype,
** have two codes each, the higher four bits first; the last may be surplus. Options blocksize,
** nested_blocksize, nested_offset. */
uint32_t dequantize_bnb_4bit(Formula *formula) {
  uint32_t weight = formula_part(formula, "weight"), map = formula_part(formula, "quant_map");
  uint64_t numel, block = (uint64_t)formula_integer(formula, "blocksize", 1, INT64_MAX, 64);
  dequantize_shape(formula, &numel);
  if (formula_rank(formula, weight) == 0) weight = formula_matrix(formula, weight, 1, 1);
  uint32_t bytes = formula_bitcast(formula, weight, DTYPE_U8);
  if (formula->failed) return FORMULA_NONE;
  uint64_t count = formula_numel(formula, bytes);
  if (count != numel / 2 + numel % 2 &&
      (count < numel / 2 || formula_dtype(formula, weight) == DTYPE_U8))
    return formula_refuse_shape(formula, "weight", "that has half as many bytes as elements",
                                weight);
  if (formula_rank(formula, map) != 1 || formula_size(formula, map, 0) != 16)
    return formula_refuse_shape(formula, "quant_map", "[16]", map);
  bytes = formula_matrix(formula, bytes, 1, -1);
  Unpack unpack = {
      .order = UNPACK_WORDS, .bits = 4, .word_bits = 8, .per_word = 2, .shifts = {4, 0}};
  FormulaShape shape = {2, {1, numel}};
  uint32_t codes = formula_unpack(formula, "weight", bytes, &unpack, &shape);
  uint32_t scale =
      formula_spread(formula, "absmax", floats_absmax(formula), &shape, 1, block, FORMULA_NONE);
  return dequantize_mul(formula, formula_lookup(formula, codes, map), scale);
}

/* ---- MXFP4 and NVFP4 ---- */

/* weight U8 [E, out, in / 32, 16], scale [E, out, in / 32]: the result is the transpose of the last two
** dimensions, [E, in, out]. Both are read transposed, so nothing is kept. */
static uint32_t floats_gpt_oss(Formula *formula, uint32_t weight, uint32_t scale) {
  FormulaShape own = formula_shape(formula, weight);
  bool fits = own.rank >= 3 && own.size[own.rank - 1] == 16;
  if (!fits) return formula_refuse_shape(formula, "weight", "[experts, n, k / 32, 16]", weight);
  dequantize_expect(formula, "weight", weight, formula_dtype(formula, weight) == DTYPE_U8, "U8");
  own.rank--;
  uint64_t rows = own.size[own.rank - 2],
           halves = own.size[own.rank - 1] * 16; /* it is in a file */
  own.size[own.rank - 1] = halves;
  FormulaShape shape = own;
  shape.size[shape.rank - 2] = 2 * halves;
  shape.size[shape.rank - 1] = rows;
  Unpack unpack = {.order = UNPACK_INTERLEAVED,
                   .bits = 4,
                   .word_bits = 8,
                   .per_word = 2,
                   .shifts = {0, 4},
                   .values = DEQUANTIZE_E2M1};
  weight = formula_turn(formula, formula_reshape(formula, weight, &own));
  uint32_t value = formula_unpack(formula, "weight", weight, &unpack, &shape);
  scale = formula_turn(formula, scale);
  scale = formula_spread(formula, "scale", scale, &shape, 32, 1, FORMULA_NONE);
  return dequantize_mul(formula, value, scale);
}

/* mxfp4: E2M1 * 2^(scale - 127), by groups of 32 columns. weight is U8 [n, k / 2] or F4 [n, k], scale U8 or
** F8_E8M0 [n, k / 32]. Option layout: "gpt-oss", or not there. */
uint32_t dequantize_mxfp4(Formula *formula) {
  uint32_t weight = formula_part(formula, "weight");
  uint32_t scale = dequantize_exponents(formula, formula_part(formula, "scale"));
  const char *layout = formula_word(formula, "layout", NULL);
  uint64_t group = (uint64_t)formula_integer(formula, "group_size", 32, 32, 32);
  if (formula->failed) return FORMULA_NONE;
  if (layout != NULL && strcmp(layout, "gpt-oss") == 0)
    return floats_gpt_oss(formula, weight, scale);
  if (layout != NULL) return formula_refuse(formula, "\"gpt-oss\" as option layout", layout);
  uint32_t value = dequantize_e2m1(formula, "weight", weight);
  FormulaShape shape = formula_shape(formula, value);
  scale = formula_spread(formula, "scale", scale, &shape, 1, group, FORMULA_NONE);
  return dequantize_mul(formula, value, scale);
}

/* E2M1 * scale, by groups of 16 columns; the scale is F8_E4M3, also where it is stored as U8. */
static uint32_t floats_nvfp4(Formula *formula, const char *role, uint32_t weight, uint32_t scale) {
  if (formula_dtype(formula, scale) == DTYPE_U8)
    scale = formula_bitcast(formula, scale, DTYPE_F8_E4M3);
  uint64_t group = (uint64_t)formula_integer(formula, "group_size", 16, 16, 16);
  uint32_t value = dequantize_e2m1(formula, "weight", weight);
  FormulaShape shape = formula_shape(formula, value);
  scale = formula_spread(formula, role, scale, &shape, 1, group, FORMULA_NONE);
  return dequantize_mul(formula, value, scale);
}

/* nvfp4: E2M1 * scale * multiply, or / divide, which have one element, or one for each expert. weight is U8
** [n, k / 2] or F4 [n, k], scale F8_E4M3 [n, k / 16]. The product of the first two has few bits, so neither
** another product with a float nor a quotient is rounded twice. */
uint32_t dequantize_nvfp4(Formula *formula) {
  uint32_t weight = formula_part(formula, "weight"), scale = formula_part(formula, "scale");
  uint32_t value = floats_nvfp4(formula, "scale", weight, scale);
  FormulaShape shape = formula_shape(formula, value);
  if (formula_has(formula, "multiply")) {
    uint32_t factor = formula_part(formula, "multiply");
    factor = dequantize_spread(formula, "multiply", factor, &shape, NULL, 0);
    value = dequantize_mul(formula, value, factor);
  }
  if (formula_has(formula, "divide")) {
    uint32_t factor = formula_part(formula, "divide");
    factor = dequantize_spread(formula, "divide", factor, &shape, NULL, 0);
    value = formula_binary(formula, OPERATOR_IS_DIV, value, factor);
  }
  return value;
}

/* ---- MLX ---- */

/* u * scales + biases, by groups of columns; u without gaps along the row. The product is exact in double,
** the sum is rounded there, too. */
static uint32_t floats_affine(Formula *formula, uint32_t weight, uint32_t scales) {
  uint32_t biases = formula_part(formula, "biases");
  uint64_t groups = formula_size(formula, scales, -1), words = formula_size(formula, weight, -1);
  Unpack unpack = {.order = UNPACK_STREAM, .word_bits = 32};
  unpack.bits = (unsigned)formula_integer(formula, "bits", 1, 8, 4);
  FormulaShape shape = dequantize_columns(formula, weight, words * 32 / unpack.bits);
  uint32_t value = formula_unpack(formula, "weight", weight, &unpack, &shape);
  uint64_t group =
      dequantize_group(formula, shape.rank > 0 ? shape.size[shape.rank - 1] : 0, groups);
  scales = formula_spread(formula, "scales", scales, &shape, 1, group, FORMULA_NONE);
  biases = formula_spread(formula, "biases", biases, &shape, 1, group, FORMULA_NONE);
  value = dequantize_mul(formula, value, scales);
  return formula_binary(formula, OPERATOR_IS_ADD, value, biases);
}

/* E4M3 or E2M1 * 2^(scales - 127), by groups of 32. */
static uint32_t floats_mlx_mx(Formula *formula, uint32_t weight, uint32_t scales, unsigned bits) {
  uint64_t group = (uint64_t)formula_integer(formula, "group_size", 32, 32, 32);
  formula_integer(formula, "bits", bits, bits, bits);
  scales = dequantize_exponents(formula, scales);
  uint32_t value = bits == 8 ? formula_bitcast(formula, weight, DTYPE_F8_E4M3)
                             : dequantize_e2m1(formula, "weight", weight);
  FormulaShape shape = formula_shape(formula, value);
  scales = formula_spread(formula, "scales", scales, &shape, 1, group, FORMULA_NONE);
  return dequantize_mul(formula, value, scales);
}

/* mlx: weight U32 [n, k * bits / 32], scales and biases [n, k / group_size]. Options bits, group_size, mode:
** "affine", "mxfp4", "mxfp8" or "nvfp4". */
uint32_t dequantize_mlx(Formula *formula) {
  uint32_t weight = formula_part(formula, "weight"), scales = formula_part(formula, "scales");
  const char *mode = formula_word(formula, "mode", "affine");
  dequantize_expect(formula, "weight", weight, formula_dtype(formula, weight) == DTYPE_U32, "U32");
  if (formula->failed) return FORMULA_NONE;
  if (strcmp(mode, "affine") == 0) return floats_affine(formula, weight, scales);
  if (strcmp(mode, "mxfp4") == 0) return floats_mlx_mx(formula, weight, scales, 4);
  if (strcmp(mode, "mxfp8") == 0) return floats_mlx_mx(formula, weight, scales, 8);
  if (strcmp(mode, "nvfp4") == 0) {
    formula_integer(formula, "bits", 4, 4, 4);
    return floats_nvfp4(formula, "scales", weight, scales);
  }
  return formula_refuse(formula, "\"affine\", \"mxfp4\", \"mxfp8\" or \"nvfp4\" as option mode",
                        mode);
}
