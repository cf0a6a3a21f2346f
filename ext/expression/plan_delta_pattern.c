/* Changes that repeat a small block, or are at few places: FourierFT, C3A, MiSS, Bone, GraLoRA, SHiRA, Super. */
#include <string.h>

#include "expression/permutation.h"
#include "expression/plan_delta.h"

/* ---- FourierFT ---- */

enum { PATTERN_MAX_FREQUENCIES = 1 << 18 };

/* The places of the spectrum: rows and columns. */
static bool pattern_places(Formula *formula, uint64_t out, uint64_t in, uint64_t count,
                           int64_t **rows, int64_t **columns) {
  int64_t seed = formula_integer(formula, "random_loc_seed", 0, INT64_MAX, 777);
  uint64_t numel;
  if (formula->failed) return false;
  if (__builtin_mul_overflow(out, in, &numel) || numel >= PERMUTATION_MAX_NUMEL) {
    formula_refuse(formula, "a weight of fewer than 214748364 elements", "one of more");
    return false;
  }
  if (count > numel || count > PATTERN_MAX_FREQUENCIES) {
    formula_refuse(formula, "a spectrum of at most 262144 numbers, and no more than the weight has",
                   "more");
    return false;
  }
  *rows = delta_indices(formula, count);
  *columns = delta_indices(formula, count);
  if (formula->failed) return false;
  uint64_t *places = (uint64_t *)*rows;
  if (!permutation_front(numel, (uint64_t)seed, count, places, formula->error)) {
    formula_fail(formula);
    return false;
  }
  for (uint64_t i = 0; i < count; i++) {
    uint64_t place = places[i];
    (*columns)[i] = (int64_t)(place % in);
    (*rows)[i] = (int64_t)(place / in);
  }
  return true;
}

/* fourierft: scaling * the real part of the inverse Fourier transform of a spectrum with few numbers s, at
** rows u and columns v: the sum of s cos(2 pi (u x / out + v y / in)) / (out in), which is a product of
** waves. */
uint32_t delta_fourierft(Formula *formula) {
  uint32_t spectrum = formula_part(formula, "fourierft_spectrum");
  double scaling = formula_number(formula, "scaling", 150);
  uint64_t out, in, count = formula_numel(formula, spectrum);
  int64_t *rows, *columns;
  if (!formula->failed && (formula_rank(formula, spectrum) != 1 || count == 0))
    return formula_refuse_shape(formula, "fourierft_spectrum", "[n]", spectrum);
  if (!delta_sizes(formula, &out, &in))
    return formula_refuse(formula, "an option shape, or a base", "none");
  if (!pattern_places(formula, out, in, count, &rows, &columns)) return FORMULA_NONE;
  bool turned = delta_is_turned(formula);
  uint32_t down = formula_waves(formula, turned ? in : out, turned ? columns : rows, count, false);
  uint32_t along = formula_waves(formula, turned ? out : in, turned ? rows : columns, count, true);
  uint32_t twice = formula_concat(formula, (uint32_t[]){spectrum, spectrum}, 2, 0);
  twice = formula_matrix(formula, delta_times(formula, twice, scaling / (double)(out * in)), -1, 1);
  along = formula_binary(formula, OPERATOR_IS_MUL, along, formula_keep(formula, twice));
  return formula_matmul(formula, down, along);
}

/* ---- C3A ---- */

/* c3a: circulant matrices, divided by the number of columns. */
uint32_t delta_c3a(Formula *formula) {
  uint32_t matrices = formula_circle(formula, formula_part(formula, "c3a_kernel"));
  uint64_t columns = formula_size(formula, matrices, 1);
  if (formula->failed || columns == 0) return matrices;
  return formula_binary(formula, OPERATOR_IS_DIV, matrices,
                        formula_constant(formula, (double)columns));
}

/* ---- MiSS, Bone ---- */

/* Numbers 0 to size - 1, again and again, `count` of them. */
static const int64_t *pattern_again(Formula *formula, uint64_t size, uint64_t count) {
  int64_t *indices = delta_indices(formula, count);
  for (uint64_t i = 0; indices != NULL && i < count; i++) indices[i] = (int64_t)(i % size);
  return indices;
}

/* W B + B, block by block: each row of blocks has one B. */
static uint32_t pattern_bat(Formula *formula, uint32_t block, const char *role) {
  uint32_t base = formula_part(formula, "base");
  FormulaShape shape = formula_shape(formula, base), own = formula_shape(formula, block);
  if (formula->failed) return FORMULA_NONE;
  uint64_t r = own.rank == 3 ? own.size[2] : 0;
  bool fits = shape.rank == 2 && r > 0 && own.size[1] == r && shape.size[0] % r == 0 &&
              own.size[0] == shape.size[0] / r && shape.size[1] % r == 0;
  if (!fits)
    return formula_refuse_shape(formula, role, "[out / r, r, r], of r that divides in", block);
  FormulaShape rows = {3, {own.size[0], shape.size[1], r}};
  FormulaShape four = {4, {own.size[0], r, shape.size[1] / r, r}};
  uint32_t product = formula_matmul(formula, formula_reshape(formula, base, &rows), block);
  FormulaShape once = {4, {own.size[0], r, 1, r}};
  block = formula_reshape(formula, block, &once);
  product =
      formula_binary(formula, OPERATOR_IS_ADD, formula_reshape(formula, product, &four), block);
  return formula_reshape(formula, product, &shape);
}

/* The block, transposed, again and again along the columns, and if it is small along the rows. */
static uint32_t pattern_block(Formula *formula, const char *role) {
  uint32_t block = formula_part(formula, role);
  const char *variant = formula_word(formula, "variant", "standard");
  uint64_t out, in, rank = formula_size(formula, block, 0), rows = formula_size(formula, block, 1);
  if (formula->failed) return FORMULA_NONE;
  if (strcmp(variant, "bat") == 0) return pattern_bat(formula, block, role);
  bool mini = strcmp(variant, "mini") == 0;
  if (!mini && strcmp(variant, "standard") != 0)
    return formula_refuse(formula, "\"standard\", \"bat\" or \"mini\" as option variant", variant);
  if (!delta_sizes(formula, &out, &in))
    return formula_refuse(formula, "an option shape, or a base", "none");
  bool fits = formula_rank(formula, block) == 2 && rank > 0 && rows > 0 &&
              (mini ? out % rows == 0 : out == rows);
  if (!fits)
    return formula_refuse_shape(formula, role, mini ? "[r, a divisor of out]" : "[r, out]", block);
  block = formula_turn(formula, block);
  const int64_t *again = pattern_again(formula, rank, in);
  if (again == NULL) return FORMULA_NONE;
  if (mini) {
    const int64_t *down = pattern_again(formula, rows, out);
    if (down == NULL) return FORMULA_NONE;
    block = formula_take(formula, block, down, out, 0);
  }
  return formula_take(formula, block, again, in, 1);
}

uint32_t delta_miss(Formula *formula) {
  return pattern_block(formula, "miss_block");
}

uint32_t delta_bone(Formula *formula) {
  return pattern_block(formula, "bone_block");
}

/* ---- GraLoRA ---- */

/* gralora: scale times blocks of the weight, [a o, n i] of k x k of them, each the sum over s of A[n, i, a s] *
** B[a, n s, o]; and the product of the general factors. */
uint32_t delta_gralora(Formula *formula) {
  uint32_t a = formula_part(formula, "gralora_A"), b = formula_part(formula, "gralora_B");
  FormulaShape of_a = formula_shape(formula, a), of_b = formula_shape(formula, b);
  if (formula->failed) return FORMULA_NONE;
  uint64_t k = of_a.size[0], rank = of_a.size[2], in = of_a.size[1], out = of_b.size[2];
  if (of_a.rank != 3 || k == 0 || rank % k != 0)
    return formula_refuse_shape(formula, "gralora_A", "[k, in / k, r], of k that divides r", a);
  if (of_b.rank != 3 || of_b.size[0] != k || of_b.size[1] != rank)
    return formula_refuse_shape(formula, "gralora_B", "[k, r, out / k]", b);
  FormulaShape left = {4, {k, out, k, rank / k}}, right = {4, {k, in, k, rank / k}};
  b = formula_reshape(formula, formula_turn(formula, b), &left);
  a = formula_transpose(formula, formula_reshape(formula, a, &right), (int64_t[]){2, 0, 3, 1});
  uint32_t delta = formula_blocks(formula, b, a);
  delta = formula_reshape(formula, delta, &(FormulaShape){2, {k * out, k * in}});
  if (delta_is_turned(formula)) delta = formula_turn(formula, delta);
  if (formula_has(formula, "gralora_A_general")) {
    uint32_t general = delta_product(formula, formula_part(formula, "gralora_B_general"),
                                     formula_part(formula, "gralora_A_general"));
    if (formula_numel(formula, general) != formula_numel(formula, delta))
      return formula_refuse_shape(formula, "the general product", "as the other one has", general);
    delta = formula_binary(formula, OPERATOR_IS_ADD, delta, general);
  }
  return delta_scaled(formula, delta);
}

/* ---- Few places ---- */

/* shira: scale * the values, at their rows and columns. */
uint32_t delta_shira(Formula *formula) {
  FormulaShape shape;
  uint32_t places = formula_part(formula, "shira_indices");
  uint32_t values = formula_part(formula, "shira_weight");
  if (!delta_shape(formula, &shape))
    return formula_refuse(formula, "an option shape, or a base", "none");
  return delta_scaled(formula, formula_scatter(formula, places, values, &shape));
}

/* supertuning: the values at their places, and scale * B A, which tells the shape if nothing else does. */
uint32_t delta_supertuning(Formula *formula) {
  FormulaShape shape;
  uint32_t places = formula_part(formula, "supertuning_indices");
  uint32_t values = formula_part(formula, "supertuning_values"), product = FORMULA_NONE;
  bool known = delta_shape(formula, &shape);
  if (formula_has(formula, "supertuning_lora_A")) {
    product = delta_factors(formula, "supertuning_lora_A", "supertuning_lora_B");
    if (!known) shape = formula_shape(formula, product);
    product = delta_fit(formula, delta_scaled(formula, product));
  } else if (!known) {
    return formula_refuse(formula, "an option shape, or a base", "none");
  }
  uint32_t delta = formula_scatter(formula, places, values, &shape);
  if (product == FORMULA_NONE || formula->failed) return delta;
  return formula_binary(formula, OPERATOR_IS_ADD, delta, product);
}
