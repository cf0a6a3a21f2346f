/*
** "dequantize": what packed and scaled weights stand for, scheme by scheme. Each formula says which parts
** and options it takes; docs/weights.md has the sources of all. The result is F32, each element the exact
** value rounded once, unless a formula says otherwise.
*/
#include <string.h>

#include "expression/formula.h"

typedef uint32_t Dequantize(Formula *formula);

/* ---- One scale for an element, a row, a block or all ---- */

/* The scale or zero point of a part, for each element of the weight: dimension by dimension, aligned at
** the end, but one that has only as many as there are rows, or as there are experts, is for these. */
static uint32_t dequantize_scaled_part(Formula *formula, const char *role, uint32_t weight,
                                       uint64_t block_rows, uint64_t block_columns) {
  uint32_t scale = formula_part(formula, role);
  FormulaShape shape = formula_shape(formula, weight), own = formula_shape(formula, scale);
  if (formula->failed) return FORMULA_NONE;
  bool per_first =
      own.rank == 1 && shape.rank >= 2 && own.size[0] == shape.size[0] && own.size[0] != 1;
  if (per_first) {
    FormulaShape first = {.rank = shape.rank};
    for (uint32_t d = 0; d < shape.rank; d++) first.size[d] = d == 0 ? own.size[0] : 1;
    scale = formula_reshape(formula, scale, &first);
  }
  if (shape.rank < 2) return scale;
  return formula_spread(formula, role, scale, &shape, block_rows, block_columns, FORMULA_NONE);
}

/* fp8, fp8-scaled, int8: (weight - zero_point) * scale [/ divide]. Option block: the rows and columns that
** share a scale, where there is more than one scale and less than one for each. */
static uint32_t dequantize_scaled(Formula *formula) {
  uint32_t weight = formula_part(formula, "weight"), value = weight;
  FormulaShape block = {0};
  if (formula_sizes(formula, "block", &block) && block.rank != 2)
    return formula_refuse(formula, "two sizes as option block", "others");
  uint64_t rows = block.rank == 2 ? block.size[0] : 1,
           columns = block.rank == 2 ? block.size[1] : 1;
  double divide = formula_number(formula, "divide", 1);
  if (formula_has(formula, "zero_point")) {
    uint32_t zero = dequantize_scaled_part(formula, "zero_point", weight, rows, columns);
    value = formula_binary(formula, OPERATOR_IS_SUB, value, zero);
  }
  uint32_t scale = dequantize_scaled_part(formula, "scale", weight, rows, columns);
  value = formula_binary(formula, OPERATOR_IS_MUL, value, scale);
  if (divide == 1) return value;
  return formula_binary(formula, OPERATOR_IS_DIV, value, formula_constant(formula, divide));
}

/* ---- GPTQ ---- */

/* gptq: (q - z) * scales, by groups of columns. qweight is I32 [k * bits / 32, n], qzeros I32 [groups, n *
** bits / 32], scales [groups, n]; g_idx, if there is one, has the group of each of the k columns. Options
** bits, group_size, zero: "stored", or "plus_one" where it is one less than it means. */
static uint32_t dequantize_gptq(Formula *formula) {
  uint32_t qweight = formula_part(formula, "qweight"), index = FORMULA_NONE;
  Unpack unpack = {.order = UNPACK_STREAM, .word_bits = 32};
  unpack.bits = (unsigned)formula_integer(formula, "bits", 1, 8, 4);
  uint64_t columns = formula_size(formula, qweight, 0) * 32 / unpack.bits;
  uint64_t rows = formula_size(formula, qweight, 1);
  int64_t group = formula_integer(formula, "group_size", -1, INT64_MAX, -1);
  const char *zero = formula_word(formula, "zero", "stored");
  uint32_t q = formula_unpack(formula, formula_turn(formula, qweight), &unpack, rows, columns);
  uint32_t qzeros = formula_part(formula, "qzeros");
  uint64_t groups = formula_size(formula, qzeros, 0);
  uint32_t z = formula_turn(formula, formula_unpack(formula, qzeros, &unpack, groups, rows));
  if (strcmp(zero, "plus_one") == 0) {
    double values = (double)(1u << unpack.bits);
    z = formula_binary(formula, OPERATOR_IS_ADD, z, formula_constant(formula, 1));
    uint32_t beyond =
        formula_binary(formula, OPERATOR_IS_EQUALS, z, formula_constant(formula, values));
    z = formula_where(formula, beyond, formula_constant(formula, 0), z);
  } else if (strcmp(zero, "stored") != 0) {
    return formula_refuse(formula, "\"stored\" or \"plus_one\" as option zero", zero);
  }
  if (formula_has(formula, "g_idx")) index = formula_part(formula, "g_idx");
  uint64_t size = group > 0 ? (uint64_t)group : columns;
  FormulaShape shape = {2, {rows, columns}};
  uint32_t scale = formula_turn(formula, formula_part(formula, "scales"));
  scale = formula_spread(formula, "scales", scale, &shape, 1, size, index);
  z = formula_spread(formula, "qzeros", z, &shape, 1, size, index);
  return formula_binary(formula, OPERATOR_IS_MUL, formula_binary(formula, OPERATOR_IS_SUB, q, z),
                        scale);
}

/* ---- All of them ---- */

static const struct {
  const char *name;
  Dequantize *formula;
} DEQUANTIZE[] = {
    {"fp8", dequantize_scaled},
    {"fp8-scaled", dequantize_scaled},
    {"int8", dequantize_scaled},
    {"gptq", dequantize_gptq},
};

uint32_t plan_dequantize(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  Formula formula;
  formula_open(&formula, plan, node, args, error);
  for (size_t i = 0; i < sizeof DEQUANTIZE / sizeof DEQUANTIZE[0]; i++) {
    if (strlen(DEQUANTIZE[i].name) == node->text_length &&
        memcmp(DEQUANTIZE[i].name, node->text, (size_t)node->text_length) == 0)
      return formula_close(&formula, DEQUANTIZE[i].formula(&formula));
  }
  return formula_close(&formula, formula_refuse(&formula, "a known scheme", "another"));
}
