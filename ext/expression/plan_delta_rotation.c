/* Changes that multiply the weight by a rotation or reflections: OFT, BOFT, HRA, RoAd. */
#include <math.h>
#include <string.h>

#include "expression/plan_delta.h"
#include "expression/whole.h"

/* The most rows of a block, whose inverse is computed at once, and reflections. */
enum { ROTATION_MAX_BLOCK = 1024, ROTATION_MAX_REFLECTIONS = 1024 };

/* Multiplies each block of the columns of a matrix by its own matrix, or by the only one. */
static uint32_t rotation_blocks(Formula *formula, uint32_t weight, uint32_t rotations) {
  uint64_t rows = formula_size(formula, weight, 0), columns = formula_size(formula, weight, 1);
  uint64_t count = formula_size(formula, rotations, 0), size = formula_size(formula, rotations, 1);
  if (formula->failed) return FORMULA_NONE;
  if (size == 0 || columns % size != 0 || (count != 1 && count != columns / size))
    return formula_refuse_shape(formula, "base", "whose columns the blocks divide", weight);
  FormulaShape blocks = {3, {rows, columns / size, size}};
  uint32_t product = formula_blocks(formula, formula_reshape(formula, weight, &blocks), rotations);
  return formula_matrix(formula, product, (int64_t)rows, (int64_t)columns);
}

/* The size b of blocks that have b (b - 1) / 2 numbers; 0 if there is none. */
static uint64_t rotation_size(uint64_t numbers) {
  for (uint64_t b = 2; b <= ROTATION_MAX_BLOCK; b++) {
    if (b * (b - 1) / 2 == numbers) return b;
  }
  return 0;
}

/* oft: W (R - I)^T, of an embedding W (R - I). */
uint32_t delta_oft(Formula *formula) {
  bool embedding = formula_has(formula, "oft_embedding_R");
  uint32_t r = formula_part(formula, embedding ? "oft_embedding_R" : "oft_R");
  uint32_t base = delta_matrix(formula, "base");
  bool series = formula_flag(formula, "use_cayley_neumann", true);
  int64_t terms = formula_integer(formula, "num_cayley_neumann_terms", 1, 1000, 5);
  double bound = formula_number(formula, "eps", 6e-5);
  bool bounded = formula_flag(formula, "coft", false);
  uint64_t size = rotation_size(formula_size(formula, r, 1));
  if (!formula->failed && (formula_rank(formula, r) != 2 || size == 0))
    return formula_refuse_shape(formula, "oft_R", "[blocks, b (b - 1) / 2], b at most 1024", r);
  uint64_t count = formula_size(formula, r, 0);
  FormulaShape shape = {3, {count, size, size}};
  Whole whole = {whole_oft, {(double)size, series ? (double)terms : 0}};
  whole.parameters[2] = bounded && count > 0 ? bound / sqrt((double)count) : 0;
  uint32_t rotations = formula_whole(formula, &whole, &r, 1, &shape);
  if (embedding) rotations = formula_turn(formula, rotations);
  return rotation_blocks(formula, base, rotations);
}

/* ---- BOFT ---- */

/* Which column of the weight each column of the blocks has, in butterfly `factor` of several. Source: PEFT
** boft/layer.py, block_butterfly_perm(). */
static bool rotation_butterfly(Formula *formula, uint64_t columns, uint64_t blocks, uint64_t size,
                               uint64_t factor, int64_t **to, int64_t **from) {
  uint64_t half = size / 2, count = factor < 63 ? blocks >> factor : 0;
  uint64_t whole = count > 0 ? columns / count : 0;
  if (half == 0 || count == 0 || columns % count != 0 || whole < size || whole % half != 0) {
    formula_refuse(formula, "boft_R of an even number of columns, and blocks for its factors",
                   "another");
    return false;
  }
  *to = delta_indices(formula, columns);
  *from = delta_indices(formula, columns);
  if (formula->failed) return false;
  uint64_t steps = whole / half, evens = (steps + 1) / 2;
  for (uint64_t i = 0; i < columns; i++) {
    uint64_t within = i % whole, at = within / half;
    uint64_t source = at < evens ? 2 * at : 2 * (at - evens) + 1;
    uint64_t place = i - within + source * half + within % half;
    (*to)[i] = (int64_t)place;
    (*from)[place] = (int64_t)i;
  }
  return true;
}

/* One butterfly: W P D^T P^T. */
static uint32_t rotation_factor(Formula *formula, uint32_t weight, uint32_t rotations,
                                uint64_t factors, uint64_t factor) {
  int64_t *to, *from;
  uint64_t columns = formula_size(formula, weight, 1);
  uint64_t blocks = formula_size(formula, rotations, 0), size = formula_size(formula, rotations, 1);
  if (factors == 1 || formula->failed) return rotation_blocks(formula, weight, rotations);
  if (!rotation_butterfly(formula, columns, blocks, size, factor, &to, &from)) return FORMULA_NONE;
  weight = formula_take(formula, weight, from, columns, 1);
  weight = rotation_blocks(formula, weight, rotations);
  return formula_take(formula, weight, to, columns, 1);
}

/* boft: W M^T * s - W, where M is the product of all butterflies, the last one first. */
uint32_t delta_boft(Formula *formula) {
  uint32_t r = formula_part(formula, "boft_R"), base = delta_matrix(formula, "base");
  FormulaShape shape = formula_shape(formula, r);
  if (formula->failed) return FORMULA_NONE;
  uint64_t factors = shape.size[0], count = shape.size[1], size = shape.size[2];
  bool sound = shape.rank == 4 && size == shape.size[3] && size <= ROTATION_MAX_BLOCK &&
               factors >= 1 && factors <= 32 && formula_numel(formula, r) > 0;
  if (!sound)
    return formula_refuse_shape(formula, "boft_R",
                                "[factors, blocks, b, b], factors at most 32, b at most 1024", r);
  FormulaShape all = {3, {factors * count, size, size}};
  Whole whole = {whole_boft, {0}};
  r = formula_reshape(formula, r, &all);
  r = formula_reshape(formula, formula_whole(formula, &whole, &r, 1, &all), &shape);
  uint32_t weight = base;
  for (uint64_t f = 0; f < factors; f++) {
    char slice[24];
    sqlite3_snprintf((int)sizeof slice, slice, "%d", (int)f);
    weight = rotation_factor(formula, weight, formula_slice(formula, r, slice), factors, f);
  }
  if (formula_has(formula, "boft_s")) {
    uint32_t s = delta_vector(formula, "boft_s", formula_size(formula, base, 0), 1);
    weight = formula_binary(formula, OPERATOR_IS_MUL, weight, s);
  }
  return formula_binary(formula, OPERATOR_IS_SUB, weight, base);
}

/* ---- HRA ---- */

/* hra: W H - W, which is -(W A) B^T. */
uint32_t delta_hra(Formula *formula) {
  uint32_t u = formula_part(formula, "hra_u"), base = delta_matrix(formula, "base");
  Whole whole = {whole_hra, {formula_flag(formula, "apply_GS", false) ? 1 : 0}};
  uint64_t rows = formula_size(formula, u, 0), columns = formula_size(formula, u, 1);
  bool sound = formula_rank(formula, u) == 2 && columns <= ROTATION_MAX_REFLECTIONS && rows > 0 &&
               rows <= WHOLE_MAX_NUMBERS;
  if (!formula->failed && !sound)
    return formula_refuse_shape(formula, "hra_u", "[in, r], r at most 1024", u);
  FormulaShape shape = {2, {2, rows * columns}};
  uint32_t factors = formula_whole(formula, &whole, &u, 1, &shape);
  FormulaShape of_a = {2, {rows, columns}}, of_b = {2, {columns, rows}};
  uint32_t a = formula_reshape(formula, formula_slice(formula, factors, "0"), &of_a);
  uint32_t b = formula_reshape(formula, formula_slice(formula, factors, "1"), &of_b);
  uint32_t down = formula_keep(formula, formula_matmul(formula, base, a));
  return delta_times(formula, formula_matmul(formula, down, b), -1);
}

/* ---- RoAd ---- */

/* road: (c - 1) W + s * the partner's W, row by row. */
uint32_t delta_road(Formula *formula) {
  static const char *const VARIANTS[] = {"", "road_1", "road_2", "", "road_4"};
  uint32_t base = delta_matrix(formula, "base");
  const char *name = formula_word(formula, "variant", "road_1");
  int64_t group = formula_integer(formula, "group_size", 2, INT32_MAX, 64);
  if (formula->failed) return FORMULA_NONE;
  unsigned variant = 1;
  while (variant <= 4 && strcmp(VARIANTS[variant], name) != 0) variant++;
  if (variant > 4)
    return formula_refuse(formula, "\"road_1\", \"road_2\" or \"road_4\" as option variant", name);
  uint64_t out = formula_size(formula, base, 0), in = formula_size(formula, base, 1);
  if (group % 2 != 0 || out % (uint64_t)group != 0)
    return formula_refuse_shape(formula, "base", "whose rows the groups divide, of even size",
                                base);
  uint64_t numbers = out / 2 * variant;
  uint32_t theta = delta_vector(formula, "road_theta", numbers, 1);
  uint32_t alpha = delta_vector(formula, "road_alpha", numbers, 1);
  Whole whole = {whole_road, {variant, (double)group}};
  uint32_t table =
      formula_whole(formula, &whole, (uint32_t[]){theta, alpha}, 2, &(FormulaShape){2, {2, out}});
  FormulaShape halves = {3, {out / (uint64_t)group, 2, (uint64_t)group / 2 * in}};
  if (in > PLAN_MAX_NUMEL) return formula_refuse(formula, "fewer columns", "more");
  uint32_t partner =
      formula_take(formula, formula_reshape(formula, base, &halves), (int64_t[]){1, 0}, 2, 1);
  partner = formula_matrix(formula, partner, (int64_t)out, (int64_t)in);
  uint32_t own = formula_matrix(formula, formula_slice(formula, table, "0"), (int64_t)out, 1);
  uint32_t other = formula_matrix(formula, formula_slice(formula, table, "1"), (int64_t)out, 1);
  own = formula_binary(formula, OPERATOR_IS_MUL, own, base);
  other = formula_binary(formula, OPERATOR_IS_MUL, other, partner);
  return formula_binary(formula, OPERATOR_IS_ADD, own, other);
}
