/* Changes that scale or project the weight itself: (IA)^3, HiRA, DEFT, DeLoRA, GLoRA. */
#include <string.h>

#include "expression/plan_delta.h"
#include "expression/whole.h"

/* ---- (IA)^3 ---- */

/* The numbers of a convolution's channels, [groups, outputs, inputs, kernel], in the places of the outputs or
** of the inputs. */
static uint32_t ia3_of_channels(Formula *formula, const FormulaShape *shape, uint64_t groups) {
  bool inputs = formula_flag(formula, "feedforward", false);
  uint64_t out = shape->size[0], in = shape->size[1];
  if (out % groups != 0) return formula_refuse(formula, "groups that divide the outputs", "others");
  FormulaShape four = {4, {groups, 1, 1, 1}};
  four.size[inputs ? 2 : 1] = inputs ? in : out / groups;
  uint64_t count = groups * four.size[1] * four.size[2];
  return formula_reshape(formula, delta_vector(formula, "ia3_l", count, 1), &four);
}

/* ia3: W * (l - 1), or W * l if l is counted from 1. */
uint32_t delta_ia3(Formula *formula) {
  uint32_t base = formula_part(formula, "base"), l = formula_part(formula, "ia3_l");
  FormulaShape shape = formula_shape(formula, base);
  int64_t groups = formula_integer(formula, "groups", 1, INT32_MAX, 1);
  bool turned = delta_is_turned(formula), offset = formula_flag(formula, "offset", false);
  bool inputs = formula_flag(formula, "feedforward", false);
  if (formula->failed) return FORMULA_NONE;
  if (shape.rank == 2) {
    bool of_rows = formula_size(formula, l, 1) == 1 && !inputs;
    uint64_t out = shape.size[turned ? 1 : 0], in = shape.size[turned ? 0 : 1];
    if (formula_rank(formula, l) == 2 && formula_size(formula, l, 0) == 1 && in != 1)
      of_rows = false;
    l = delta_vector(formula, "ia3_l", of_rows ? out : 1, of_rows ? 1 : in);
    if (turned)
      l = formula_matrix(formula, l, of_rows ? 1 : (int64_t)in, of_rows ? (int64_t)out : 1);
  } else if (shape.rank < 2) {
    l = formula_reshape(formula, delta_vector(formula, "ia3_l", formula_numel(formula, base), 1),
                        &shape);
  } else {
    l = ia3_of_channels(formula, &shape, (uint64_t)groups);
    uint64_t in = shape.size[1], outs = shape.size[0] / (uint64_t)groups,
             places = in * shape.size[0];
    FormulaShape four = {4, {(uint64_t)groups, outs, in, 1}};
    four.size[3] = places > 0 ? formula_numel(formula, base) / places : 1;
    base = formula_reshape(formula, base, &four);
  }
  if (!offset) l = formula_binary(formula, OPERATOR_IS_SUB, l, formula_constant(formula, 1));
  uint32_t delta = formula_binary(formula, OPERATOR_IS_MUL, base, l);
  return formula_numel(formula, delta) != formula_numel(formula, base)
             ? formula_refuse_shape(formula, "ia3_l", "that fits the weight", l)
             : formula_reshape(formula, delta, &shape);
}

/* ---- HiRA ---- */

/* hira: W * (B A), by elements. */
uint32_t delta_hira(Formula *formula) {
  uint32_t product, base = formula_part(formula, "base");
  if (formula_has(formula, "hira_embedding_A")) {
    uint32_t a = delta_matrix(formula, "hira_embedding_A");
    uint32_t b = delta_matrix(formula, "hira_embedding_B");
    product = formula_matmul(formula, formula_turn(formula, a), formula_turn(formula, b));
  } else {
    product = delta_factors(formula, "hira_A", "hira_B");
  }
  return formula_binary(formula, OPERATOR_IS_MUL, delta_fit(formula, product), base);
}

/* ---- DEFT ---- */

/* deft: P (scale * R - right^T W), with right = relu(P), or both Q of P's QR decomposition. */
uint32_t delta_deft(Formula *formula) {
  uint32_t p = formula_part(formula, "deft_P"), base = delta_base(formula), right;
  const char *method = formula_word(formula, "decomposition_method", "relu");
  uint64_t rows = formula_size(formula, p, 0), columns = formula_size(formula, p, 1);
  if (!formula->failed && (formula_rank(formula, p) != 2 || rows != formula_size(formula, base, 0)))
    return formula_refuse_shape(formula, "deft_P", "[out, r]", p);
  if (strcmp(method, "qr") == 0) {
    if (!formula->failed && columns > rows)
      return formula_refuse_shape(formula, "deft_P", "[out, r], r at most out", p);
    Whole whole = {whole_qr, {0}};
    p = formula_whole(formula, &whole, &p, 1, &(FormulaShape){2, {rows, columns}});
    right = p;
  } else if (strcmp(method, "relu") == 0) {
    right = formula_binary(formula, OPERATOR_IS_MAXIMUM, p, formula_constant(formula, 0));
  } else {
    return formula_refuse(formula, "\"relu\" or \"qr\" as option decomposition_method", method);
  }
  uint32_t factor = formula_matmul(formula, formula_turn(formula, right), base);
  double scale = formula_number(formula, "scale", 1);
  if (formula_has(formula, "deft_R")) {
    uint32_t r = delta_times(formula, formula_part(formula, "deft_R"), scale);
    if (formula_numel(formula, r) != formula_numel(formula, factor))
      return formula_refuse_shape(formula, "deft_R", "[r, in]", r);
    factor = formula_binary(formula, OPERATOR_IS_SUB, r, factor);
  } else {
    factor = delta_times(formula, factor, -1);
  }
  return delta_product(formula, p, formula_keep(formula, factor));
}

/* ---- DeLoRA ---- */

/* A norm, at least 1e-4. */
static uint32_t delora_norm(Formula *formula, uint32_t of, int64_t axis) {
  uint32_t norm = formula_reduce(formula, OPERATOR_IS_NORM, of, axis);
  return formula_binary(formula, OPERATOR_IS_MAXIMUM, norm, formula_constant(formula, 1e-4));
}

/* delora: B diag(lambda / r / (|A_i| |B^i|)) A * w_norm. */
uint32_t delta_delora(Formula *formula) {
  uint32_t a = formula_part(formula, "delora_A"), b = formula_part(formula, "delora_B");
  uint32_t lambda = delta_vector(formula, "delora_lambda", 1, 1);
  uint64_t rank = formula_size(formula, a, 0), in = formula_size(formula, a, 1);
  if (!formula->failed && (formula_rank(formula, a) != 2 || rank == 0))
    return formula_refuse_shape(formula, "delora_A", "[r, in]", a);
  if (!formula->failed && (formula_rank(formula, b) != 2 || formula_size(formula, b, 1) != rank))
    return formula_refuse_shape(formula, "delora_B", "[out, r]", b);
  uint32_t of_a = formula_matrix(formula, delora_norm(formula, a, 1), 1, (int64_t)rank);
  uint32_t norms = formula_binary(formula, OPERATOR_IS_MUL, of_a, delora_norm(formula, b, 0));
  uint32_t diagonal = delta_times(formula, lambda, 1 / (double)rank);
  diagonal = formula_binary(formula, OPERATOR_IS_DIV, diagonal, norms);
  b = formula_binary(formula, OPERATOR_IS_MUL, b, formula_keep(formula, diagonal));
  a = formula_binary(formula, OPERATOR_IS_MUL, a, delta_vector(formula, "delora_w_norm", 1, in));
  return formula_matmul(formula, b, a);
}

/* ---- GLoRA ---- */

/* A letter of GLoRA, as two factors, a vector or a number; FORMULA_NONE without an error if it is absent. */
static uint32_t glora_letter(Formula *formula, const char *const roles[3]) {
  if (formula_has(formula, roles[0])) {
    return formula_matmul(formula, formula_part(formula, roles[0]),
                          formula_part(formula, roles[1]));
  }
  return formula_has(formula, roles[2]) ? formula_part(formula, roles[2]) : FORMULA_NONE;
}

/* `base` times a factor, plus a summand, of which either may be FORMULA_NONE. */
static uint32_t glora_sum(Formula *formula, uint32_t base, uint32_t factor, uint32_t summand) {
  uint32_t none = formula_constant(formula, 0);
  uint32_t product = factor != FORMULA_NONE ? formula_binary(formula, OPERATOR_IS_MUL, base, factor)
                                            : formula_where(formula, none, base, none);
  if (summand == FORMULA_NONE || formula->failed) return product;
  return formula_binary(formula, OPERATOR_IS_ADD, product, summand);
}

/* glora: W * A + B. */
uint32_t delta_glora(Formula *formula) {
  static const char *const A[] = {"glora_A.Xd", "glora_A.Xu", "glora_A.X"};
  static const char *const B[] = {"glora_B.Xd", "glora_B.Xu", "glora_B.X"};
  uint32_t base = formula_part(formula, "base");
  uint32_t a = glora_letter(formula, A), b = glora_letter(formula, B);
  return glora_sum(formula, base, a, b);
}

/* glora_bias: b * D + E + W C. */
uint32_t delta_glora_bias(Formula *formula) {
  static const char *const C[] = {"glora_C.Xd", "glora_C.Xu", "glora_C.X"};
  static const char *const D[] = {"", "", "glora_D.X"}, *const E[] = {"", "", "glora_E.X"};
  uint32_t base = formula_part(formula, "base"), c = glora_letter(formula, C);
  uint32_t d = glora_letter(formula, D), e = glora_letter(formula, E);
  uint32_t sum = glora_sum(formula, base, d, e);
  if (c == FORMULA_NONE || formula->failed) return sum;
  c = formula_matrix(formula, c, -1, 1);
  uint32_t product = formula_matmul(formula, formula_part(formula, "weight"), c);
  product = formula_matrix(formula, product, 1, -1);
  return formula_binary(
      formula, OPERATOR_IS_ADD, sum,
      formula_reshape(formula, product, &(FormulaShape){1, {formula_numel(formula, product)}}));
}
