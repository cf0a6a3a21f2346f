/* Changes whose factors come from what all modules share: VeRA, PVeRA, VB-LoRA, RandLoRA. */
#include <string.h>

#include "expression/plan_delta.h"
#include "expression/whole.h"

typedef unsigned long long SharedBig; /* for "%llu" */

/* The beginning of a dimension of a part: `size` of it, all if that is 0. */
static uint32_t shared_front(Formula *formula, const char *role, uint32_t part, uint32_t dimension,
                             uint64_t size) {
  static const char *const BEFORE[] = {"", ":, ", ":, :, "};
  char slice[48];
  if (size == 0 || formula->failed) return formula->failed ? FORMULA_NONE : part;
  if (formula_size(formula, part, (int)dimension) < size)
    return formula_refuse_shape(formula, role, "no shorter than the weight", part);
  sqlite3_snprintf((int)sizeof slice, slice, "%s:%llu", BEFORE[dimension], (SharedBig)size);
  return formula_slice(formula, part, slice);
}

/* (b * B[:out]) (d * A[:, :in]), with one in `shares` of the rows of A and d. */
static uint32_t shared_vera(Formula *formula, const char *const roles[4], uint64_t shares) {
  uint32_t a = formula_part(formula, roles[0]), b = formula_part(formula, roles[1]);
  uint32_t lambda_b = formula_part(formula, roles[2]), lambda_d = formula_part(formula, roles[3]);
  uint64_t out = formula_numel(formula, lambda_b), rank = formula_numel(formula, lambda_d) / shares;
  uint64_t weight_out = out, in = 0;
  if (formula->failed) return FORMULA_NONE;
  if (formula_rank(formula, a) != 2) return formula_refuse_shape(formula, roles[0], "[r, in]", a);
  if (formula_rank(formula, b) != 2) return formula_refuse_shape(formula, roles[1], "[out, r]", b);
  if (delta_sizes(formula, &weight_out, &in) && weight_out != out)
    return formula_refuse_shape(formula, roles[2], "[out], the weight's rows", lambda_b);
  if (shares > 1 && (rank == 0 || formula_size(formula, a, 0) / shares != rank))
    return formula_refuse_shape(formula, roles[3], "[as many as rows of the projection]", lambda_d);
  if (shares > 1) {
    a = shared_front(formula, roles[0], a, 0, rank);
    lambda_d = shared_front(formula, roles[3], formula_matrix(formula, lambda_d, -1, 1), 0, rank);
  } else {
    lambda_d = delta_vector(formula, roles[3], formula_size(formula, a, 0), 1);
  }
  a = shared_front(formula, roles[0], a, 1, in);
  b = shared_front(formula, roles[1], b, 0, out);
  lambda_b = formula_matrix(formula, lambda_b, (int64_t)out, 1);
  a = formula_binary(formula, OPERATOR_IS_MUL, a, lambda_d);
  b = formula_binary(formula, OPERATOR_IS_MUL, b, lambda_b);
  return delta_product(formula, b, a);
}

uint32_t delta_vera(Formula *formula) {
  return shared_vera(
      formula, (const char *const[]){"vera_A", "vera_B", "vera_lambda_b", "vera_lambda_d"}, 1);
}

/* pvera: the mean alone, which the first half of the rows gives. */
uint32_t delta_pvera(Formula *formula) {
  return shared_vera(
      formula, (const char *const[]){"pvera_A", "pvera_B", "pvera_lambda_b", "pvera_lambda_d"}, 2);
}

/* ---- VB-LoRA ---- */

/* Weights of the vectors of the bank: [n, vectors], mostly zeros. Sets the first two sizes of the logits. */
static uint32_t shared_weights(Formula *formula, const char *const roles[3], uint64_t vectors,
                               uint64_t *first, uint64_t *second) {
  bool saved = !formula_has(formula, roles[0]) && formula_has(formula, roles[1]);
  int64_t topk = formula_integer(formula, "topk", 1, INT32_MAX, 2);
  uint32_t logits = formula_part(formula, saved ? roles[1] : roles[0]), weights;
  uint64_t last = formula_size(formula, logits, 2), rows;
  if (formula->failed) return FORMULA_NONE;
  *first = formula_size(formula, logits, 0);
  *second = formula_size(formula, logits, 1);
  bool sound = formula_rank(formula, logits) == 3 && last > 0 && (saved || last == vectors);
  if (!sound || (!saved && (uint64_t)topk > vectors))
    return formula_refuse_shape(formula, saved ? roles[1] : roles[0],
                                saved ? "[n, m, topk]" : "[n, m, vectors], of at least topk",
                                logits);
  rows = *first * *second;
  FormulaShape shape = {2, {rows, vectors}};
  logits = formula_matrix(formula, logits, (int64_t)rows, (int64_t)last);
  if (!saved) {
    Whole whole = {whole_softmax, {(double)topk}};
    return formula_whole(formula, &whole, &logits, 1, &shape);
  }
  weights = formula_part(formula, roles[2]);
  if (formula_numel(formula, weights) != rows * (last - 1))
    return formula_refuse_shape(formula, roles[2], "[n, m, topk - 1]", weights);
  Whole whole = {whole_weights, {(double)vectors}};
  return formula_whole(formula, &whole, (uint32_t[]){logits, weights}, 2, &shape);
}

/* vblora: B A, both of vectors out of the bank. */
uint32_t delta_vblora(Formula *formula) {
  static const char *const A[] = {"vblora_logits_A", "vblora_logits_A_topk_indices",
                                  "vblora_logits_A_topk_weights"};
  static const char *const B[] = {"vblora_logits_B", "vblora_logits_B_topk_indices",
                                  "vblora_logits_B_topk_weights"};
  uint32_t bank = formula_part(formula, "vblora_vector_bank");
  uint64_t vectors = formula_size(formula, bank, 0), size = formula_size(formula, bank, 1);
  uint64_t rank = 0, in = 0, out = 0, of_b = 0;
  if (!formula->failed && (formula_rank(formula, bank) != 2 || vectors == 0 || size == 0))
    return formula_refuse_shape(formula, "vblora_vector_bank", "[vectors, length]", bank);
  uint32_t a = shared_weights(formula, A, vectors, &rank, &in);
  uint32_t b = shared_weights(formula, B, vectors, &out, &of_b);
  a = formula_reshape(formula, formula_matmul(formula, a, bank),
                      &(FormulaShape){2, {rank, in * size}});
  b = formula_reshape(formula, formula_matmul(formula, b, bank),
                      &(FormulaShape){3, {out, of_b, size}});
  b = formula_reshape(formula, formula_turn(formula, b), &(FormulaShape){2, {out * size, of_b}});
  return delta_product(formula, b, a);
}

/* ---- RandLoRA ---- */

/* randlora: scale * B A', with A' = A * lambda * gamma. The columns of B run by bases and then by rank, the
** rows of A' by rank and then by bases: that is what PEFT multiplies. Of a weight with more columns than
** rows it is the transpose. */
uint32_t delta_randlora(Formula *formula) {
  uint32_t a = formula_part(formula, "randlora_A"), b = formula_part(formula, "randlora_B");
  uint32_t lambda = formula_part(formula, "randlora_lambda");
  uint32_t gamma = formula_part(formula, "randlora_gamma");
  uint64_t out, in, rank = formula_size(formula, lambda, 0),
                    bases = formula_size(formula, lambda, 1);
  if (!delta_sizes(formula, &out, &in))
    return formula_refuse(formula, "an option shape, or a base", "none");
  uint64_t least = out < in ? out : in, greatest = out < in ? in : out;
  if (formula_rank(formula, lambda) != 2 || rank == 0 || bases == 0 || least == 0)
    return formula_refuse_shape(formula, "randlora_lambda", "[r, bases]", lambda);
  if (formula_rank(formula, a) != 3 || formula_size(formula, a, 0) != rank ||
      formula_size(formula, a, 1) != 1)
    return formula_refuse_shape(formula, "randlora_A", "[r, 1, columns]", a);
  if (formula_rank(formula, b) != 3 || formula_size(formula, b, 2) != rank)
    return formula_refuse_shape(formula, "randlora_B", "[rows, bases, r]", b);
  if (formula_rank(formula, gamma) != 2 || formula_size(formula, gamma, 0) != bases ||
      formula_size(formula, gamma, 1) != least)
    return formula_refuse_shape(formula, "randlora_gamma", "[bases, the lesser size]", gamma);
  a = shared_front(formula, "randlora_A", a, 2, least);
  b = shared_front(formula, "randlora_B", b, 1, bases);
  b = shared_front(formula, "randlora_B", b, 0, greatest);
  lambda = formula_reshape(formula, lambda, &(FormulaShape){3, {rank, bases, 1}});
  gamma = formula_reshape(formula, gamma, &(FormulaShape){3, {1, bases, least}});
  a = formula_binary(formula, OPERATOR_IS_MUL, a, lambda);
  a = formula_binary(formula, OPERATOR_IS_MUL, a, gamma);
  a = formula_matrix(formula, a, -1, (int64_t)least);
  b = formula_matrix(formula, b, (int64_t)greatest, -1);
  bool turned = delta_is_turned(formula) != (out < in);
  uint32_t delta = turned
                       ? formula_matmul(formula, formula_turn(formula, a), formula_turn(formula, b))
                       : formula_matmul(formula, b, a);
  return delta_scaled(formula, delta);
}
