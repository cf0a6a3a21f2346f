#include "expression/plan_delta.h"

#include <string.h>

/* A factor of matrices as two dimensions: the first, and the product of all others. */
static uint32_t delta_matrix(Formula *formula, const char *role) {
  uint32_t part = formula_part(formula, role);
  if (formula_rank(formula, part) == 2) return part;
  return formula_matrix(formula, part, (int64_t)formula_size(formula, part, 0), -1);
}

/* Option fan_in_fan_out: the weight is stored transposed. Option shape: that of the weight. */
static uint32_t delta_laid_out(Formula *formula, uint32_t delta) {
  FormulaShape shape;
  if (formula_flag(formula, "fan_in_fan_out", false)) delta = formula_turn(formula, delta);
  return formula_sizes(formula, "shape", &shape) ? formula_reshape(formula, delta, &shape) : delta;
}

static uint32_t delta_scaled(Formula *formula, uint32_t delta) {
  double scale = formula_number(formula, "scale", 1);
  if (scale == 1) return delta;
  return formula_binary(formula, OPERATOR_IS_MUL, delta, formula_constant(formula, scale));
}

/* lora: scale * lora_B lora_A. */
static uint32_t delta_lora(Formula *formula) {
  uint32_t a = delta_matrix(formula, "lora_A"), b = delta_matrix(formula, "lora_B");
  return delta_laid_out(formula, delta_scaled(formula, formula_matmul(formula, b, a)));
}

/* full: saved - base. */
static uint32_t delta_full(Formula *formula) {
  uint32_t saved = formula_part(formula, "saved");
  return formula_binary(formula, OPERATOR_IS_SUB, saved, formula_part(formula, "base"));
}

static const struct {
  const char *name;
  Delta *formula;
} DELTA[] = {
    {"lora", delta_lora},
    {"full", delta_full},
};

uint32_t plan_delta(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  Formula formula;
  formula_open(&formula, plan, node, args, error);
  for (size_t i = 0; i < sizeof DELTA / sizeof DELTA[0]; i++) {
    if (strlen(DELTA[i].name) == node->text_length &&
        memcmp(DELTA[i].name, node->text, (size_t)node->text_length) == 0)
      return formula_close(&formula, DELTA[i].formula(&formula));
  }
  return formula_close(&formula, formula_refuse(&formula, "a known kind", "another"));
}
