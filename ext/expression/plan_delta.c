#include "expression/plan_delta.h"

#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"

typedef unsigned long long DeltaBig; /* for "%llu" */

/* The most indices: rows of a table, columns of a matrix. */
enum { DELTA_MAX_INDICES = 1 << 22 };

/* ---- What kinds share ---- */

bool delta_shape(Formula *formula, FormulaShape *shape) {
  bool given = formula_sizes(formula, "shape", shape);
  if (!given && formula_has(formula, "base")) {
    *shape = formula_shape(formula, formula_part(formula, "base"));
    given = true;
  }
  return given && !formula->failed;
}

bool delta_is_turned(Formula *formula) {
  return formula_flag(formula, "fan_in_fan_out", false);
}

bool delta_sizes(Formula *formula, uint64_t *out, uint64_t *in) {
  FormulaShape shape;
  if (!delta_shape(formula, &shape)) return false;
  uint64_t first = shape.rank > 0 ? shape.size[0] : 1, rest = 1;
  for (uint32_t d = 1; d < shape.rank; d++) {
    if (__builtin_mul_overflow(rest, shape.size[d], &rest) || rest > PLAN_MAX_NUMEL) {
      formula_refuse(formula, "a shape of at most 2^57 elements", "more");
      return false;
    }
  }
  bool turned = delta_is_turned(formula);
  *out = turned ? rest : first;
  *in = turned ? first : rest;
  return !formula->failed;
}

uint32_t delta_as_matrix(Formula *formula, uint32_t step) {
  uint32_t rank = formula_rank(formula, step);
  uint64_t rows = formula_size(formula, step, 0);
  if (formula->failed || rank == 2) return formula->failed ? FORMULA_NONE : step;
  if (rank == 0) return formula_matrix(formula, step, 1, 1);
  if (rows == 0) return formula_refuse_shape(formula, "a matrix", "[n, ...], n not 0", step);
  return formula_matrix(formula, step, (int64_t)rows,
                        (int64_t)(formula_numel(formula, step) / rows));
}

uint32_t delta_matrix(Formula *formula, const char *role) {
  return delta_as_matrix(formula, formula_part(formula, role));
}

uint32_t delta_vector(Formula *formula, const char *role, uint64_t rows, uint64_t columns) {
  uint32_t part = formula_part(formula, role);
  if (formula->failed) return FORMULA_NONE;
  char expected[48];
  sqlite3_snprintf((int)sizeof expected, expected, "[%llu]", (DeltaBig)(rows * columns));
  if (formula_numel(formula, part) != rows * columns)
    return formula_refuse_shape(formula, role, expected, part);
  return formula_matrix(formula, part, (int64_t)rows, (int64_t)columns);
}

uint32_t delta_base(Formula *formula) {
  uint32_t base = delta_matrix(formula, "base");
  return delta_is_turned(formula) ? formula_turn(formula, base) : base;
}

uint32_t delta_product(Formula *formula, uint32_t b, uint32_t a) {
  if (!delta_is_turned(formula)) return formula_matmul(formula, b, a);
  return formula_matmul(formula, formula_turn(formula, a), formula_turn(formula, b));
}

uint32_t delta_times(Formula *formula, uint32_t step, double factor) {
  if (factor == 1) return step;
  return formula_binary(formula, OPERATOR_IS_MUL, step, formula_constant(formula, factor));
}

uint32_t delta_scaled(Formula *formula, uint32_t delta) {
  return delta_times(formula, delta, formula_number(formula, "scale", 1));
}

int64_t *delta_indices(Formula *formula, uint64_t count) {
  if (formula->failed) return NULL;
  if (count > DELTA_MAX_INDICES) {
    formula_refuse(formula, "at most 4194304 rows or columns", "more");
    return NULL;
  }
  int64_t *indices = graph_alloc(&formula->plan->graph, count, sizeof *indices);
  if (indices == NULL) {
    plan_no_memory(formula->error);
    formula_fail(formula);
  }
  return indices;
}

/* ---- The shape of the change ---- */

/* The sizes that are not 1. */
static FormulaShape delta_long_sizes(const FormulaShape *shape) {
  FormulaShape sizes = {0};
  for (uint32_t d = 0; d < shape->rank; d++) {
    if (shape->size[d] != 1) sizes.size[sizes.rank++] = shape->size[d];
  }
  return sizes;
}

static bool delta_same_sizes(const FormulaShape *a, const FormulaShape *b) {
  return a->rank == b->rank && memcmp(a->size, b->size, a->rank * sizeof *a->size) == 0;
}

/* Whether the elements of a tensor of one shape, in their order, are those of a weight of the other one: a
** convolution's as a matrix, or with more or fewer dimensions of length 1. */
static bool delta_is_laid_out(const FormulaShape *delta, const FormulaShape *weight) {
  FormulaShape a = delta_long_sizes(delta), b = delta_long_sizes(weight);
  uint64_t numel = 1, product = 1;
  for (uint32_t d = 0; d < weight->rank; d++) {
    if (__builtin_mul_overflow(numel, weight->size[d], &numel)) return false;
  }
  for (uint32_t d = 0; d < delta->rank; d++) product *= delta->size[d]; /* it exists */
  if (delta_same_sizes(&a, &b)) return true;
  return numel == product && a.rank >= 1 && b.rank >= 1 && a.size[0] == b.size[0];
}

uint32_t delta_fit(Formula *formula, uint32_t delta) {
  FormulaShape weight, own = formula_shape(formula, delta);
  if (!delta_shape(formula, &weight) || delta_same_sizes(&own, &weight))
    return formula->failed ? FORMULA_NONE : delta;
  if (delta_is_laid_out(&own, &weight)) return formula_reshape(formula, delta, &weight);
  sqlite3_str *text = sqlite3_str_new(NULL);
  for (uint32_t d = 0; d < weight.rank; d++)
    sqlite3_str_appendf(text, "%s%llu", d > 0 ? "," : "[", (DeltaBig)weight.size[d]);
  sqlite3_str_appendall(text, weight.rank > 0 ? "], the weight's" : "[], the weight's");
  char *expected = sqlite3_str_finish(text);
  if (expected == NULL) {
    plan_no_memory(formula->error);
    return formula_fail(formula);
  }
  formula_refuse_shape(formula, "a change", expected, delta);
  sqlite3_free(expected);
  return FORMULA_NONE;
}

/* ---- Kinds that need nothing but the weight ---- */

/* full: saved - base. */
static uint32_t delta_full(Formula *formula) {
  uint32_t saved = delta_fit(formula, formula_part(formula, "saved"));
  return formula_binary(formula, OPERATOR_IS_SUB, saved, formula_part(formula, "base"));
}

/* diff: scale * diff. */
static uint32_t delta_diff(Formula *formula) {
  return delta_scaled(formula, formula_part(formula, "diff"));
}

/* tokens: 0 but for the rows that are replaced. Which of the replaced rows, if any, each row of the table has:
** row 0 of what they are taken from is 0. */
static uint32_t delta_tokens(Formula *formula) {
  uint64_t count;
  uint32_t base = formula_part(formula, "base"),
           tokens = formula_part(formula, "trainable_tokens_delta");
  const int64_t *rows = formula_integers(formula, "indices", &count);
  FormulaShape shape = formula_shape(formula, base);
  if (!formula->failed && rows == NULL) return formula_refuse(formula, "an option indices", "none");
  if (shape.rank != 2) return formula_refuse_shape(formula, "base", "[rows, columns]", base);
  if (formula_rank(formula, tokens) != 2 || formula_size(formula, tokens, 0) != count)
    return formula_refuse_shape(formula, "trainable_tokens_delta", "[as many as indices, columns]",
                                tokens);
  int64_t *from = delta_indices(formula, shape.size[0]);
  if (from == NULL) return FORMULA_NONE;
  for (uint64_t i = 0; i < count; i++) {
    int64_t row = rows[i] < 0 ? rows[i] + (int64_t)shape.size[0] : rows[i];
    if (row < 0 || (uint64_t)row >= shape.size[0])
      return formula_refuse(formula, "indices of rows of base", "one beyond them");
    from[row] = (int64_t)i + 1;
  }
  uint32_t none = formula_constant(formula, 0);
  if (count == 0) return formula_where(formula, none, base, none);
  uint32_t replaced = formula_take(formula, base, rows, count, 0);
  uint32_t zero = formula_where(formula, none, formula_slice(formula, tokens, ":1"), none);
  uint32_t all[2] = {zero, formula_binary(formula, OPERATOR_IS_SUB, tokens, replaced)};
  return formula_take(formula, formula_concat(formula, all, 2, 0), from, shape.size[0], 0);
}

/* ---- All of them ---- */

static const struct {
  const char *name;
  Delta *formula;
} DELTA[] = {
    {"lora", delta_lora},         {"dora", delta_dora},
    {"adalora", delta_adalora},   {"loha", delta_loha},
    {"lokr", delta_lokr},         {"full", delta_full},
    {"diff", delta_diff},         {"tokens", delta_tokens},
    {"ia3", delta_ia3},           {"vera", delta_vera},
    {"pvera", delta_pvera},       {"vblora", delta_vblora},
    {"randlora", delta_randlora}, {"fourierft", delta_fourierft},
    {"c3a", delta_c3a},           {"oft", delta_oft},
    {"boft", delta_boft},         {"hra", delta_hra},
    {"miss", delta_miss},         {"bone", delta_bone},
    {"shira", delta_shira},       {"supertuning", delta_supertuning},
    {"road", delta_road},         {"hira", delta_hira},
    {"deft", delta_deft},         {"delora", delta_delora},
    {"glora", delta_glora},       {"glora_bias", delta_glora_bias},
    {"gralora", delta_gralora},
};

/* Says which kinds there are, and which of them may be meant. */
static uint32_t delta_refuse_kind(Formula *formula) {
  const Node *node = formula->node;
  Suggest suggest = {.word = node->text, .length = node->text_length};
  sqlite3_str *kinds = sqlite3_str_new(NULL);
  for (size_t i = 0; i < sizeof DELTA / sizeof DELTA[0]; i++) {
    suggest_offer(&suggest, DELTA[i].name, strlen(DELTA[i].name));
    sqlite3_str_appendf(kinds, "%s%s", i > 0 ? ", " : "a kind of ", DELTA[i].name);
  }
  char *expected = sqlite3_str_finish(kinds), *meant = suggest_text(&suggest, "");
  char *found = meant != NULL ? sqlite3_mprintf("another%s", meant) : NULL;
  if (expected == NULL || found == NULL) {
    if (!formula->failed) plan_no_memory(formula->error);
    formula_fail(formula);
  } else {
    formula_refuse(formula, expected, found);
  }
  sqlite3_free(expected);
  sqlite3_free(found);
  memory_free(meant);
  return FORMULA_NONE;
}

uint32_t plan_delta(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  Formula formula;
  formula_open(&formula, plan, node, args, error);
  for (size_t i = 0; i < sizeof DELTA / sizeof DELTA[0]; i++) {
    if (strlen(DELTA[i].name) != node->text_length ||
        memcmp(DELTA[i].name, node->text, (size_t)node->text_length) != 0)
      continue;
    uint32_t delta = DELTA[i].formula(&formula);
    return formula_close(&formula, delta_fit(&formula, delta));
  }
  return formula_close(&formula, delta_refuse_kind(&formula));
}
