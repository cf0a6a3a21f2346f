/*
** "dequantize": what packed and scaled weights stand for, scheme by scheme. Each formula says which parts
** and options it takes; docs/weights.md has the sources of all. The result is F32: the exact value rounded
** once, but where a formula says otherwise.
*/
#include "expression/plan_dequantize.h"

#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"

/* ---- Dtypes ---- */

void dequantize_expect(Formula *formula, const char *role, uint32_t part, bool fits,
                       const char *expected) {
  if (formula->failed || fits) return;
  error_fill(formula->error, ERROR_ARGUMENT, expression_name.subject,
             "expected %s of dtype %s, found %s", role, expected,
             dtype_name(formula_dtype(formula, part)));
  formula->failed = true;
}

bool dequantize_is_fp8(const Formula *formula, uint32_t part) {
  switch (formula_dtype(formula, part)) {
    case DTYPE_F8_E4M3:
    case DTYPE_F8_E5M2:
    case DTYPE_F8_E4M3FNUZ:
    case DTYPE_F8_E5M2FNUZ: return true;
    default: return false;
  }
}

bool dequantize_is_int8(const Formula *formula, uint32_t part) {
  Dtype dtype = formula_dtype(formula, part);
  return dtype == DTYPE_I8 || dtype == DTYPE_U8;
}

uint32_t dequantize_exponents(Formula *formula, uint32_t scale) {
  if (formula_dtype(formula, scale) != DTYPE_U8) return scale;
  return formula_bitcast(formula, scale, DTYPE_F8_E8M0);
}

/* ---- Scales ---- */

uint64_t dequantize_group(Formula *formula, uint64_t columns, uint64_t groups) {
  int64_t given = formula_integer(formula, "group_size", -1, INT64_MAX, 0);
  if (given > 0) return (uint64_t)given;
  return given == 0 && groups > 0 && columns % groups == 0 ? columns / groups : columns;
}

static uint64_t dequantize_block(uint64_t whole, uint64_t parts, uint64_t given, uint64_t usual) {
  if (parts == whole || parts == 0) return 1;
  if (given > 0) return given;
  if (usual > 0 && parts == whole / usual + (whole % usual != 0)) return usual;
  return whole % parts == 0 ? whole / parts : 1;
}

/* Whether a scale has the first dimensions of the weight, and no others. */
static bool dequantize_is_leading(const FormulaShape *own, const FormulaShape *shape) {
  bool leading = own->rank > 0 && own->rank < shape->rank;
  for (uint32_t d = 0; leading && d < own->rank; d++) leading = own->size[d] == shape->size[d];
  return leading;
}

/* Whether it has, aligned at the end, the same dimensions or 1. */
static bool dequantize_broadcasts(const FormulaShape *own, const FormulaShape *shape) {
  bool good = own->rank <= shape->rank;
  for (uint32_t d = 0; good && d < own->rank; d++) {
    uint64_t size = shape->size[shape->rank - own->rank + d];
    good = own->size[d] == 1 || own->size[d] == size;
  }
  return good;
}

uint32_t dequantize_spread(Formula *formula, const char *role, uint32_t scale,
                           const FormulaShape *shape, const FormulaShape *block, uint64_t usual) {
  FormulaShape own = formula_shape(formula, scale), fitted = {.rank = shape->rank};
  if (formula->failed) return FORMULA_NONE;
  if (formula_numel(formula, scale) != 1 && dequantize_is_leading(&own, shape)) {
    for (uint32_t d = 0; d < shape->rank; d++) fitted.size[d] = d < own.rank ? own.size[d] : 1;
    scale = formula_reshape(formula, scale, &fitted);
    own = fitted;
  }
  /* Each of more than one dimension before the last two is the operators' own affair. */
  if (shape->rank > 3 && dequantize_broadcasts(&own, shape)) return scale;
  uint64_t rows = own.rank >= 2 ? own.size[own.rank - 2] : 1;
  uint64_t columns = own.rank >= 1 ? own.size[own.rank - 1] : 1;
  bool given = block != NULL && block->rank == 2;
  rows = dequantize_block(shape->size[shape->rank - 2], rows, given ? block->size[0] : 0, usual);
  columns =
      dequantize_block(shape->size[shape->rank - 1], columns, given ? block->size[1] : 0, usual);
  return formula_spread(formula, role, scale, shape, rows, columns, FORMULA_NONE);
}

/* ---- Steps ---- */

uint32_t dequantize_sub(Formula *formula, uint32_t value, uint32_t zero) {
  return formula_binary(formula, OPERATOR_IS_SUB, value, zero);
}

uint32_t dequantize_mul(Formula *formula, uint32_t value, uint32_t scale) {
  return formula_binary(formula, OPERATOR_IS_MUL, value, scale);
}

FormulaShape dequantize_columns(Formula *formula, uint32_t part, uint64_t columns) {
  FormulaShape shape = formula_shape(formula, part);
  if (shape.rank > 0) shape.size[shape.rank - 1] = columns;
  return shape;
}

FormulaShape dequantize_shape(Formula *formula, uint64_t *numel) {
  FormulaShape shape = {0};
  *numel = 1;
  if (!formula_sizes(formula, "shape", &shape)) {
    formula_refuse(formula, "option shape", "none");
    return shape;
  }
  for (uint32_t d = 0; d < shape.rank; d++) {
    if (__builtin_mul_overflow(*numel, shape.size[d], numel)) *numel = PLAN_MAX_NUMEL + 1;
    if (*numel == 0 || *numel > PLAN_MAX_NUMEL) {
      formula_refuse(formula, "1 to 2^57 elements by option shape", "another number");
      break;
    }
  }
  return shape;
}

/* Source: OCP Microscaling Formats (MX) Specification 1.0, 5.3.3. */
const double DEQUANTIZE_E2M1[16] = {0,    0.5,  1,  1.5,  2,  3,  4,  6,
                                    -0.0, -0.5, -1, -1.5, -2, -3, -4, -6};

uint32_t dequantize_e2m1(Formula *formula, const char *role, uint32_t part) {
  Dtype dtype = formula_dtype(formula, part);
  dequantize_expect(
      formula, role, part,
      dtype == DTYPE_U8 || dtype == DTYPE_F4 || dtype == DTYPE_U32 || dtype == DTYPE_I32,
      "U8, F4 or U32");
  uint32_t bytes = formula_bitcast(formula, part, DTYPE_U8);
  Unpack unpack = {.order = UNPACK_STREAM, .bits = 4, .word_bits = 8, .values = DEQUANTIZE_E2M1};
  uint64_t columns = formula_size(formula, bytes, -1);
  FormulaShape shape =
      dequantize_columns(formula, bytes, 2 * columns); /* a byte each, so it fits */
  return formula_unpack(formula, role, bytes, &unpack, &shape);
}

/* ---- All of them ---- */

typedef struct DequantizeScheme {
  const char *name;
  uint32_t (*formula)(Formula *formula);
} DequantizeScheme;

static const DequantizeScheme DEQUANTIZE[] = {
    {"fp8", dequantize_fp8},
    {"fp8-scaled", dequantize_fp8},
    {"int8", dequantize_int8},
    {"mxfp8", dequantize_mxfp8},
    {"bnb-int8", dequantize_bnb_int8},
    {"int2", dequantize_int2},
    {"int3", dequantize_int3},
    {"int4", dequantize_int4},
    {"int8-group", dequantize_int8_group},
    {"gptq", dequantize_gptq},
    {"awq", dequantize_awq},
    {"bnb-nf4", dequantize_bnb_4bit},
    {"bnb-fp4", dequantize_bnb_4bit},
    {"mxfp4", dequantize_mxfp4},
    {"nvfp4", dequantize_nvfp4},
    {"hqq", dequantize_hqq},
    {"quanto", dequantize_quanto},
    {"torchao", dequantize_torchao},
    {"mlx", dequantize_mlx},
};

enum { DEQUANTIZE_COUNT = sizeof DEQUANTIZE / sizeof DEQUANTIZE[0] };

static const DequantizeScheme *dequantize_find(const Node *node) {
  for (size_t i = 0; i < DEQUANTIZE_COUNT; i++) {
    if (strlen(DEQUANTIZE[i].name) == node->text_length &&
        memcmp(DEQUANTIZE[i].name, node->text, (size_t)node->text_length) == 0)
      return &DEQUANTIZE[i];
  }
  return NULL;
}

static uint32_t dequantize_refuse_scheme(Formula *formula) {
  Suggest suggest = {.word = formula->node->text, .length = formula->node->text_length};
  sqlite3_str *known = sqlite3_str_new(NULL);
  sqlite3_str_appendall(known, "a scheme that is known (");
  for (size_t i = 0; i < DEQUANTIZE_COUNT; i++) {
    sqlite3_str_appendf(known, "%s%s", i > 0 ? ", " : "", DEQUANTIZE[i].name);
    suggest_offer(&suggest, DEQUANTIZE[i].name, strlen(DEQUANTIZE[i].name));
  }
  sqlite3_str_appendchar(known, 1, ')');
  char *expected = sqlite3_str_finish(known), *advice = suggest_text(&suggest, "");
  char *found = advice != NULL ? sqlite3_mprintf("another%s", advice) : NULL;
  if (expected != NULL && found != NULL) {
    formula_refuse(formula, expected, found);
  } else {
    error_memory(formula->error);
    formula->failed = true;
  }
  sqlite3_free(expected);
  sqlite3_free(found);
  memory_free(advice);
  return FORMULA_NONE;
}

/* Option shape: that of the weight, with any scheme. */
static uint32_t dequantize_shaped(Formula *formula, uint32_t result) {
  FormulaShape shape, own = formula_shape(formula, result);
  if (!formula_sizes(formula, "shape", &shape) || formula->failed) return result;
  bool same = shape.rank == own.rank;
  for (uint32_t d = 0; same && d < own.rank; d++) same = shape.size[d] == own.size[d];
  return same ? result : formula_reshape(formula, result, &shape);
}

uint32_t plan_dequantize(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  const DequantizeScheme *scheme = dequantize_find(node);
  Formula formula;
  formula_open(&formula, plan, node, args, error);
  uint32_t result = scheme != NULL ? scheme->formula(&formula) : dequantize_refuse_scheme(&formula);
  return formula_close(&formula, dequantize_shaped(&formula, result));
}
