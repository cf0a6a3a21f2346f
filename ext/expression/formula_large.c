/* Steps of formulas that are computed in tiles, however large: see formula.h. */
#include <string.h>

#include "expression/formula.h"
#include "expression/whole.h"

typedef unsigned long long LargeBig; /* for "%llu" */

/* The most indices of waves, and columns of a block, which are in memory together. */
enum { LARGE_MAX_WAVES = 1 << 18, LARGE_MAX_BLOCK = 1 << 20 };

uint32_t formula_keep(Formula *formula, uint32_t a) {
  if (formula_view(formula, a) == NULL) return formula_fail(formula);
  uint32_t kept = plan_keep(formula->plan, a, formula->error);
  return kept != PLAN_NONE ? kept : formula_fail(formula);
}

/* ---- What is computed as a whole ---- */

static bool whole_is_bounded(Formula *formula, const uint32_t *args, uint32_t count,
                             const FormulaShape *shape) {
  uint64_t numel = 1;
  bool fits = true;
  for (uint32_t d = 0; d < shape->rank && fits; d++)
    fits = !__builtin_mul_overflow(numel, shape->size[d], &numel);
  for (uint32_t i = 0; i < count && fits; i++)
    fits = !__builtin_add_overflow(numel, formula_numel(formula, args[i]), &numel);
  if (fits && numel <= WHOLE_MAX_NUMBERS) return true;
  char expected[96];
  sqlite3_snprintf((int)sizeof expected, expected,
                   "at most %llu numbers in what is computed as a whole",
                   (LargeBig)WHOLE_MAX_NUMBERS);
  formula_refuse(formula, expected, "more");
  return false;
}

uint32_t formula_whole(Formula *formula, const Whole *whole, const uint32_t *args, uint32_t count,
                       const FormulaShape *shape) {
  for (uint32_t i = 0; i < count; i++) {
    if (formula_view(formula, args[i]) == NULL) return FORMULA_NONE;
  }
  if (!whole_is_bounded(formula, args, count, shape)) return FORMULA_NONE;
  for (uint32_t i = 0; i < count; i++) {
    if (formula_dtype(formula, args[i]) == DTYPE_C64)
      return formula_refuse(formula, "real numbers", "a tensor of dtype C64");
  }
  Plan *plan = formula->plan;
  uint32_t added =
      plan_add_shaped(plan, STEP_WHOLE, DTYPE_F32, count, shape->size, shape->rank, formula->error);
  if (added == PLAN_NONE) return formula_fail(formula);
  Whole *copy = graph_alloc(&plan->graph, 1, sizeof *copy);
  if (copy == NULL) {
    plan_no_memory(formula->error);
    return formula_fail(formula);
  }
  *copy = *whole;
  plan->steps[added].whole = copy;
  plan->steps[added].nested = 1;
  for (uint32_t i = 0; i < count; i++) plan->steps[added].args[i] = args[i];
  return formula_keep(formula, added);
}

/* ---- Products by blocks ---- */

/* The shape of the product, without the last dimension of `left`; false if they don't fit. */
static bool formula_blocks_shape(const FormulaShape *left, const FormulaShape *right,
                                 FormulaShape *shape, uint64_t *outer) {
  if (left->rank < 3 || right->rank < 3) return false;
  uint32_t batch = left->rank - 3;
  const uint64_t *l = left->size + batch, *r = right->size + (right->rank - 3);
  bool same = right->rank == 3 || right->rank == left->rank;
  for (uint32_t d = 0; same && right->rank > 3 && d < batch; d++)
    same = left->size[d] == right->size[d];
  if (!same || (r[0] != l[1] && r[0] != 1) || r[1] != l[2]) return false;
  *outer = right->rank > 3 ? plan_product(left->size, batch) : 1;
  *shape = *left;
  shape->size[shape->rank - 1] = r[2];
  return true;
}

/* Whether the numbers of multiplications, and of elements, are within bounds. */
static bool formula_blocks_bounded(const FormulaShape *shape, uint64_t length) {
  uint64_t product = length > 0 ? length : 1;
  for (uint32_t d = 0; d < shape->rank; d++) {
    if (__builtin_mul_overflow(product, shape->size[d], &product)) return false;
  }
  return product <= PLAN_MAX_MULTIPLICATIONS;
}

uint32_t formula_blocks(Formula *formula, uint32_t left, uint32_t right) {
  FormulaShape l = formula_shape(formula, left), r = formula_shape(formula, right), shape;
  uint64_t outer;
  if (formula->failed) return FORMULA_NONE;
  if (!formula_blocks_shape(&l, &r, &shape, &outer))
    return formula_refuse_shape(formula, "blocks", "that fits the other factor", right);
  if (shape.size[shape.rank - 1] > LARGE_MAX_BLOCK || l.size[l.rank - 1] > LARGE_MAX_BLOCK)
    return formula_refuse(formula, "blocks of at most 2^20 rows and columns", "more");
  if (!formula_blocks_bounded(&shape, l.size[l.rank - 1]))
    return formula_refuse(formula, "at most 2^60 multiplications", "more");
  right = formula_keep(formula, right);
  if (right == FORMULA_NONE) return FORMULA_NONE;
  uint32_t added = plan_add_shaped(formula->plan, STEP_BLOCKS, DTYPE_F32, 2, shape.size, shape.rank,
                                   formula->error);
  if (added == PLAN_NONE) return formula_fail(formula);
  Step *step = &formula->plan->steps[added];
  step->args[0] = left;
  step->args[1] = right;
  step->outer = outer;
  step->rows = plan_product(shape.size, shape.rank - 2);
  if (outer > 0) step->rows /= outer;
  step->blocks = shape.size[shape.rank - 2];
  step->length = l.size[l.rank - 1];
  step->inner = shape.size[shape.rank - 1];
  step->spread.per_batch = r.size[r.rank - 3] == step->blocks;
  return formula_added(formula, added);
}

/* ---- Circulant matrices, waves ---- */

uint32_t formula_circle(Formula *formula, uint32_t a) {
  FormulaShape own = formula_shape(formula, a);
  uint64_t shape[2];
  if (formula->failed) return FORMULA_NONE;
  bool sound = own.rank == 3 && own.size[2] > 0 &&
               !__builtin_mul_overflow(own.size[0], own.size[2], &shape[0]) &&
               !__builtin_mul_overflow(own.size[1], own.size[2], &shape[1]);
  if (!sound) return formula_refuse_shape(formula, "a kernel", "[m, n, b]", a);
  a = formula_keep(formula, a);
  if (a == FORMULA_NONE) return FORMULA_NONE;
  uint32_t added =
      plan_add_shaped(formula->plan, STEP_CIRCLE, DTYPE_F32, 1, shape, 2, formula->error);
  if (added == PLAN_NONE) return formula_fail(formula);
  Step *step = &formula->plan->steps[added];
  step->args[0] = a;
  step->outer = own.size[0];
  step->inner = own.size[1];
  step->length = own.size[2];
  return formula_added(formula, added);
}

uint32_t formula_waves(Formula *formula, uint64_t rows, const int64_t *indices, uint64_t count,
                       bool turned) {
  if (formula->failed) return FORMULA_NONE;
  if (count > LARGE_MAX_WAVES)
    return formula_refuse(formula, "a spectrum of at most 262144 numbers", "more");
  uint64_t shape[2] = {turned ? 2 * count : rows, turned ? rows : 2 * count};
  uint32_t added =
      plan_add_shaped(formula->plan, STEP_WAVES, DTYPE_F32, 0, shape, 2, formula->error);
  if (added == PLAN_NONE) return formula_fail(formula);
  Step *step = &formula->plan->steps[added];
  step->indices = indices;
  step->rows = shape[0];
  step->inner = shape[1];
  step->length = rows;
  step->value = turned ? 1 : 0;
  return formula_added(formula, added);
}

/* ---- Values at places ---- */

uint32_t formula_scatter(Formula *formula, uint32_t places, uint32_t values,
                         const FormulaShape *shape) {
  uint64_t count = formula_numel(formula, values), numel = 1;
  bool pairs = formula_rank(formula, places) == 2;
  if (formula->failed) return FORMULA_NONE;
  bool sound = formula_rank(formula, values) == 1 && formula_size(formula, places, -1) == count &&
               (pairs ? formula_size(formula, places, 0) == 2 && shape->rank == 2
                      : formula_rank(formula, places) == 1);
  if (!sound)
    return formula_refuse_shape(formula, "places", "[n] or [2, n], as many as values", places);
  for (uint32_t d = 0; d < shape->rank; d++) {
    if (__builtin_mul_overflow(numel, shape->size[d], &numel) || numel > PLAN_MAX_NUMEL)
      return formula_refuse(formula, "a shape of at most 2^57 elements", "more");
  }
  Whole whole = {whole_pairs, {(double)numel, pairs ? (double)shape->size[1] : 0}};
  uint32_t sorted = formula_whole(formula, &whole, (uint32_t[]){places, values}, 2,
                                  &(FormulaShape){2, {2, count}});
  if (sorted == FORMULA_NONE) return FORMULA_NONE;
  uint32_t added = plan_add_shaped(formula->plan, STEP_SCATTER, DTYPE_F32, 1, shape->size,
                                   shape->rank, formula->error);
  if (added == PLAN_NONE) return formula_fail(formula);
  Step *step = &formula->plan->steps[added];
  step->args[0] = sorted;
  step->length = count;
  return formula_added(formula, added);
}
