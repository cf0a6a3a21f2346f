/* Changes that are products of two factors, or of factors of these: LoRA, AdaLoRA, DoRA, LoHa, LoKr. */
#include "expression/plan_delta.h"

/* ---- Products ---- */

uint32_t delta_factors(Formula *formula, const char *role_a, const char *role_b) {
  uint32_t a = formula_part(formula, role_a), b = delta_matrix(formula, role_b);
  FormulaShape shape = formula_shape(formula, a);
  uint32_t product = delta_product(formula, b, delta_as_matrix(formula, a));
  if (shape.rank <= 2 || delta_is_turned(formula)) return product;
  shape.size[0] = formula_size(formula, b, 0);
  return formula_reshape(formula, product, &shape);
}

/* Element [p, r, k..] is the sum over i and j of t[i, j, k..] * wa[i, p] * wb[j, r]. Source: PEFT loha/layer.py,
** HadaWeightCP; lokr/layer.py, make_weight_cp(). */
static uint32_t delta_core(Formula *formula, uint32_t t, uint32_t wa, uint32_t wb) {
  FormulaShape shape = formula_shape(formula, t);
  uint64_t i = shape.size[0], j = shape.size[1], kernel;
  if (!formula->failed && (shape.rank < 2 || formula_numel(formula, t) == 0))
    return formula_refuse_shape(formula, "a core", "[r, r, ...]", t);
  if (formula->failed) return FORMULA_NONE;
  kernel = formula_numel(formula, t) / i / j;
  shape.size[0] = formula_size(formula, wa, 1);
  shape.size[1] = formula_size(formula, wb, 1);
  FormulaShape batch = {3, {i, j, kernel}};
  uint32_t inner =
      formula_matmul(formula, formula_turn(formula, wb), formula_reshape(formula, t, &batch));
  inner = formula_keep(formula, formula_matrix(formula, inner, (int64_t)i, -1));
  return formula_reshape(formula, formula_matmul(formula, formula_turn(formula, wa), inner),
                         &shape);
}

/* Of experts in one tensor, element [e, o, i] is the sum over r of B[o, r, e] * A[e, r, i]. */
static uint32_t delta_experts(Formula *formula) {
  int64_t experts = formula_integer(formula, "experts", 1, INT32_MAX, 1);
  bool transposed = formula_flag(formula, "transposed", false);
  uint32_t a = formula_part(formula, "lora_A"), b = formula_part(formula, "lora_B");
  if (formula->failed) return FORMULA_NONE;
  uint64_t count = (uint64_t)experts, rows = formula_size(formula, a, 0);
  if (formula_rank(formula, a) != 2 || rows % count != 0)
    return formula_refuse_shape(formula, "lora_A", "[experts * r, in]", a);
  if (formula_rank(formula, b) != 2 || formula_size(formula, b, 1) != rows)
    return formula_refuse_shape(formula, "lora_B", "[out, experts * r]", b);
  FormulaShape of_a = {3, {count, rows / count, formula_size(formula, a, 1)}};
  FormulaShape of_b = {3, {formula_size(formula, b, 0), rows / count, count}};
  a = formula_reshape(formula, a, &of_a);
  b = formula_reshape(formula, b, &of_b);
  if (!transposed)
    return formula_matmul(formula, formula_transpose(formula, b, (int64_t[]){2, 0, 1}), a);
  return formula_matmul(formula, formula_turn(formula, a),
                        formula_transpose(formula, b, (int64_t[]){2, 1, 0}));
}

/* lora's product without the scale. */
static uint32_t delta_lora_product(Formula *formula) {
  if (formula_has(formula, "lora_embedding_A")) {
    uint32_t a = delta_matrix(formula, "lora_embedding_A");
    uint32_t b = delta_matrix(formula, "lora_embedding_B");
    return formula_matmul(formula, formula_turn(formula, a), formula_turn(formula, b));
  }
  if (formula_has(formula, "lora_mid")) {
    uint32_t up = formula_turn(formula, delta_matrix(formula, "lora_B"));
    uint32_t down = delta_matrix(formula, "lora_A");
    return delta_core(formula, formula_part(formula, "lora_mid"), up, down);
  }
  if (formula_given(formula, "experts")) return delta_experts(formula);
  return delta_factors(formula, "lora_A", "lora_B");
}

/* lora: scale * lora_B lora_A. */
uint32_t delta_lora(Formula *formula) {
  return delta_scaled(formula, delta_lora_product(formula));
}

/* adalora: scale * lora_B (lora_E * lora_A). */
uint32_t delta_adalora(Formula *formula) {
  uint32_t a = formula_part(formula, "lora_A"), b = delta_matrix(formula, "lora_B");
  FormulaShape shape = formula_shape(formula, a);
  a = delta_as_matrix(formula, a);
  uint32_t e = delta_vector(formula, "lora_E", formula_size(formula, a, 0), 1);
  uint32_t product = delta_product(formula, b, formula_binary(formula, OPERATOR_IS_MUL, a, e));
  shape.size[0] = formula_size(formula, b, 0);
  if (shape.rank > 2 && !delta_is_turned(formula))
    product = formula_reshape(formula, product, &shape);
  return delta_scaled(formula, product);
}

/* ---- DoRA ---- */

/* The norm of V over all but one dimension, which keeps its place: V is [before, along, behind]. */
static uint32_t delta_norm(Formula *formula, uint32_t v) {
  uint32_t norm = formula_reduce(formula, OPERATOR_IS_NORM, v, 2);
  return formula_reduce(formula, OPERATOR_IS_NORM, norm, 0);
}

/* m * V / |V| - W with V = W + delta, where m has a magnitude for each index along an axis of the weight.
** Source: PEFT lora/dora.py, lora/variants.py. */
static uint32_t delta_decomposed(Formula *formula, uint32_t delta, int64_t axis) {
  uint32_t base = formula_part(formula, "base");
  FormulaShape shape = formula_shape(formula, base), three = {3, {1, 1, 1}}, own = {3, {1, 1, 1}};
  axis = formula_integer(formula, "axis", 0, FORMULA_MAX_RANK - 1, axis);
  delta = delta_fit(formula, delta);
  if (formula->failed) return FORMULA_NONE;
  if (axis >= (int64_t)shape.rank)
    return formula_refuse_shape(formula, "base", "with the dimension that option axis names", base);
  for (uint32_t d = 0; d < shape.rank; d++) /* below 2^64, as it exists */
    three.size[d < axis ? 0 : d > axis ? 2 : 1] *= shape.size[d];
  own.size[1] = three.size[1];
  uint32_t m = delta_vector(formula, "lora_magnitude_vector", three.size[1], 1);
  m = formula_reshape(formula, m, &own);
  base = formula_reshape(formula, base, &three);
  delta = formula_reshape(formula, delta, &three);
  uint32_t v = formula_binary(formula, OPERATOR_IS_ADD, base, delta);
  uint32_t factor = formula_binary(formula, OPERATOR_IS_DIV, m, delta_norm(formula, v));
  factor = formula_keep(formula, factor);
  uint32_t merged = formula_binary(formula, OPERATOR_IS_MUL, v, factor);
  merged = formula_binary(formula, OPERATOR_IS_SUB, merged, base);
  return formula_reshape(formula, merged, &shape);
}

uint32_t delta_dora(Formula *formula) {
  bool columns = delta_is_turned(formula) || formula_has(formula, "lora_embedding_A");
  return delta_decomposed(formula, delta_lora(formula), columns ? 1 : 0);
}

/* The same for kinds that may have magnitudes. */
static uint32_t delta_perhaps_decomposed(Formula *formula, uint32_t delta) {
  if (!formula_has(formula, "lora_magnitude_vector")) return delta;
  return delta_decomposed(formula, delta, 0);
}

/* ---- LoHa ---- */

static uint32_t delta_hada(Formula *formula, const char *t, const char *a, const char *b) {
  uint32_t wa = formula_part(formula, a), wb = formula_part(formula, b);
  if (!formula_has(formula, t)) return formula_matmul(formula, wa, wb);
  return delta_core(formula, formula_part(formula, t), wa, wb);
}

/* loha: scale * (w1_a w1_b) * (w2_a w2_b), by elements. */
uint32_t delta_loha(Formula *formula) {
  uint32_t first = delta_hada(formula, "hada_t1", "hada_w1_a", "hada_w1_b");
  uint32_t second = delta_hada(formula, "hada_t2", "hada_w2_a", "hada_w2_b");
  uint32_t delta = formula_binary(formula, OPERATOR_IS_MUL, first, second);
  return delta_perhaps_decomposed(formula, delta_scaled(formula, delta));
}

/* ---- LoKr ---- */

/* A factor of the Kronecker product, whole or as a product. */
static uint32_t delta_kron_factor(Formula *formula, const char *whole, const char *t, const char *a,
                                  const char *b) {
  if (formula_has(formula, whole)) return formula_part(formula, whole);
  uint32_t wa = formula_part(formula, a), wb = formula_part(formula, b);
  if (t == NULL || !formula_has(formula, t)) return formula_matmul(formula, wa, wb);
  return delta_core(formula, formula_part(formula, t), wa, wb);
}

/* The Kronecker product of two tensors of `rank` dimensions. */
static uint32_t delta_kron(Formula *formula, uint32_t a, const FormulaShape *of_a, uint32_t b,
                           const FormulaShape *of_b) {
  FormulaShape wide_a = {0}, wide_b = {0}, shape = {of_a->rank, {0}};
  if (2 * of_a->rank > FORMULA_MAX_RANK)
    return formula_refuse(formula, "factors of at most 4 dimensions", "more");
  for (uint32_t d = 0; d < of_a->rank; d++) {
    wide_a.size[wide_a.rank++] = of_a->size[d];
    wide_a.size[wide_a.rank++] = 1;
    wide_b.size[wide_b.rank++] = 1;
    wide_b.size[wide_b.rank++] = of_b->size[d];
    if (__builtin_mul_overflow(of_a->size[d], of_b->size[d], &shape.size[d]))
      return formula_refuse(formula, "a product of at most 2^57 elements", "more");
  }
  a = formula_keep(formula, formula_reshape(formula, a, &wide_a));
  b = formula_keep(formula, formula_reshape(formula, b, &wide_b));
  return formula_reshape(formula, formula_binary(formula, OPERATOR_IS_MUL, a, b), &shape);
}

/* lokr: scale * the Kronecker product of w1 and w2. */
uint32_t delta_lokr(Formula *formula) {
  uint32_t w1 = delta_kron_factor(formula, "lokr_w1", NULL, "lokr_w1_a", "lokr_w1_b");
  uint32_t w2 = delta_kron_factor(formula, "lokr_w2", "lokr_t2", "lokr_w2_a", "lokr_w2_b");
  bool trailing = formula_flag(formula, "trailing", false);
  FormulaShape first = formula_shape(formula, w1), second = formula_shape(formula, w2);
  if (formula->failed) return FORMULA_NONE;
  if (first.rank < 2) return formula_refuse_shape(formula, "lokr_w1", "[a, b]", w1);
  if (second.rank < first.rank)
    return formula_refuse_shape(formula, "lokr_w2", "[c, d, ...], no fewer than lokr_w1", w2);
  FormulaShape wide = {second.rank, {0}};
  uint32_t more = second.rank - first.rank, before = second.rank == 3 && !trailing ? more : 0;
  for (uint32_t d = 0; d < second.rank; d++)
    wide.size[d] = d < before || d >= before + first.rank ? 1 : first.size[d - before];
  uint32_t delta = delta_kron(formula, w1, &wide, w2, &second);
  return delta_perhaps_decomposed(formula, delta_scaled(formula, delta));
}
