#include "expression/formula.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "json/json_load.h"

typedef unsigned long long FormulaBig; /* for "%llu" */

uint32_t formula_fail(Formula *formula) {
  formula->failed = true;
  return FORMULA_NONE;
}

/* ---- Beginning and end ---- */

void formula_open(Formula *formula, Plan *plan, const Node *node, const uint32_t *args,
                  Error *error) {
  *formula = (Formula){.plan = plan, .node = node, .args = args, .error = error};
  const char *text = node->options != NULL ? node->options : "{}";
  uint64_t length = node->options != NULL ? node->options_length : strlen(text);
  JsonDocument document = {0};
  formula->failed = !json_load_document(text, length, "options", &document, error);
  formula->options = document.root;
}

/* Puts the name of the formula before what an error found. */
static void formula_name_error(Formula *formula) {
  Error inner = *formula->error;
  if (inner.message == NULL) return;
  *formula->error = (Error){0};
  error_fill(formula->error, inner.code, expression_name.subject, "%s %.*s: %s",
             OPERATOR_TRAITS[formula->node->op].name,
             ERROR_NAME(formula->node->text, formula->node->text_length),
             inner.message + inner.detail);
  error_clear(&inner);
}

static bool formula_check_parts(Formula *formula) {
  const char *role = formula->node->roles;
  for (uint32_t i = 0; i < formula->node->arg_count; i++, role += strlen(role) + 1) {
    if ((formula->taken & (uint32_t)1 << i) != 0) continue;
    error_fill(formula->error, ERROR_ARGUMENT, expression_name.subject,
               "expected no part %s, found one", role);
    return false;
  }
  return true;
}

static bool formula_check_options(Formula *formula) {
  const char *name;
  json_t *value;
  json_object_foreach (formula->options, name, value) {
    bool known = false;
    for (uint32_t i = 0; i < formula->known_count && !known; i++)
      known = strcmp(formula->known[i], name) == 0;
    if (known) continue;
    error_fill(formula->error, ERROR_ARGUMENT, expression_name.subject,
               "expected no option \"%.*s\", found one", ERROR_NAME(name, strlen(name)));
    return false;
  }
  return true;
}

/* The result as F32: its own steps are numbers, which are rounded where they are wanted. */
static uint32_t formula_as_floats(Formula *formula, uint32_t result) {
  Step *step = &formula->plan->steps[result];
  bool own =
      !step->stored && !step->is_kept && step->kind != STEP_READ && step->kind != STEP_NUMBER;
  for (uint32_t i = 0; i < formula->node->arg_count; i++) own = own && formula->args[i] != result;
  if (own) {
    step->dtype = DTYPE_F32;
    return result;
  }
  Node node = {.op = OPERATOR_IS_CONVERT, .dtype = DTYPE_F32, .arg_count = 1};
  return plan_operator(formula->plan, &node, &result, formula->error);
}

uint32_t formula_close(Formula *formula, uint32_t result) {
  bool good = !formula->failed && result != FORMULA_NONE && formula_check_parts(formula) &&
              formula_check_options(formula);
  uint32_t closed = good ? formula_as_floats(formula, result) : PLAN_NONE;
  if (closed == PLAN_NONE) formula_name_error(formula);
  json_decref(formula->options);
  formula->options = NULL;
  return closed;
}

uint32_t formula_refuse(Formula *formula, const char *expected, const char *found) {
  if (!formula->failed) {
    error_fill(formula->error, ERROR_ARGUMENT, expression_name.subject, "expected %s, found %s",
               expected, found);
  }
  return formula_fail(formula);
}

uint32_t formula_refuse_shape(Formula *formula, const char *role, const char *expected,
                              uint32_t step) {
  if (formula->failed || step == FORMULA_NONE) return formula_fail(formula);
  sqlite3_str *found = sqlite3_str_new(NULL);
  view_append_shape(&formula->plan->steps[step].shape, found);
  char *text = sqlite3_str_finish(found);
  if (text == NULL) {
    error_memory(formula->error);
  } else {
    error_fill(formula->error, ERROR_ARGUMENT, expression_name.subject,
               "expected %s of shape %s, found %s", role, expected, text);
  }
  sqlite3_free(text);
  return formula_fail(formula);
}

/* The same, where it is not words of so many bits in a matrix. */
static uint32_t formula_refuse_words(Formula *formula, const char *role, unsigned bits,
                                     uint32_t step) {
  const Step *found = &formula->plan->steps[step];
  if (found->shape.rank < 2) return formula_refuse_shape(formula, role, "[..., n, m]", step);
  if (!formula->failed) {
    error_fill(formula->error, ERROR_ARGUMENT, expression_name.subject,
               "expected %s as a tensor of dtype %s or %s, found %s%s", role,
               bits == 8 ? "U8" : "I32", bits == 8 ? "I8" : "U32",
               found->stored ? "" : "one that is computed, of ", dtype_name(found->dtype));
  }
  return formula_fail(formula);
}

/* ---- Parts ---- */

static bool formula_find(const Formula *formula, const char *role, uint32_t *found) {
  const char *at = formula->node->roles;
  for (uint32_t i = 0; i < formula->node->arg_count; i++, at += strlen(at) + 1) {
    if (strcmp(at, role) != 0) continue;
    *found = i;
    return true;
  }
  return false;
}

bool formula_has(Formula *formula, const char *role) {
  uint32_t found;
  return formula_find(formula, role, &found);
}

uint32_t formula_part(Formula *formula, const char *role) {
  uint32_t found;
  if (formula->failed) return FORMULA_NONE;
  if (!formula_find(formula, role, &found)) {
    error_fill(formula->error, ERROR_ARGUMENT, expression_name.subject,
               "expected a part %s, found none", role);
    return formula_fail(formula);
  }
  formula->taken |= (uint32_t)1 << found;
  return formula->args[found];
}

const View *formula_view(const Formula *formula, uint32_t step) {
  return formula->failed || step == FORMULA_NONE ? NULL : &formula->plan->steps[step].shape;
}

uint32_t formula_rank(const Formula *formula, uint32_t step) {
  const View *view = formula_view(formula, step);
  return view != NULL ? view->rank : 0;
}

uint64_t formula_size(const Formula *formula, uint32_t step, int dimension) {
  const View *view = formula_view(formula, step);
  int64_t at = view != NULL && dimension < 0 ? (int64_t)view->rank + dimension : dimension;
  return view != NULL && at >= 0 && at < (int64_t)view->rank ? view->shape[at] : 0;
}

uint64_t formula_numel(const Formula *formula, uint32_t step) {
  const View *view = formula_view(formula, step);
  return view != NULL ? view->numel : 0;
}

Dtype formula_dtype(const Formula *formula, uint32_t step) {
  return formula_view(formula, step) != NULL ? formula->plan->steps[step].dtype : DTYPE_F32;
}

FormulaShape formula_shape(Formula *formula, uint32_t step) {
  FormulaShape shape = {0};
  const View *view = formula_view(formula, step);
  if (view == NULL) return shape;
  if (view->rank > FORMULA_MAX_RANK) {
    formula_refuse(formula, "tensors of at most 8 dimensions", "one of more");
    return shape;
  }
  shape.rank = view->rank;
  memcpy(shape.size, view->shape, view->rank * sizeof *view->shape);
  return shape;
}

/* ---- Options ---- */

/* The option of that name, which is known from now on; NULL if it is not there. JSON's null is as if
** it were not. */
static json_t *formula_option(Formula *formula, const char *name) {
  bool known = false;
  for (uint32_t i = 0; i < formula->known_count && !known; i++)
    known = strcmp(formula->known[i], name) == 0;
  if (!known && formula->known_count < FORMULA_MAX_OPTIONS)
    formula->known[formula->known_count++] = name;
  json_t *value = formula->failed ? NULL : json_object_get(formula->options, name);
  return json_is_null(value) ? NULL : value;
}

static void formula_refuse_option(Formula *formula, const char *name, const char *expected,
                                  const json_t *value) {
  if (!formula->failed) {
    error_fill(formula->error, ERROR_ARGUMENT, expression_name.subject,
               "expected %s as option %s, found %s", expected, name, json_type_in_words(value));
  }
  formula->failed = true;
}

bool formula_given(Formula *formula, const char *name) {
  return formula_option(formula, name) != NULL;
}

int64_t formula_integer(Formula *formula, const char *name, int64_t least, int64_t greatest,
                        int64_t otherwise) {
  json_t *value = formula_option(formula, name);
  if (value == NULL) return otherwise;
  if (!json_is_integer(value)) {
    formula_refuse_option(formula, name, "an integer", value);
    return otherwise;
  }
  int64_t number = json_integer_value(value);
  if (number >= least && number <= greatest) return number;
  error_fill(formula->error, ERROR_ARGUMENT, expression_name.subject,
             "expected %lld to %lld as option %s, found %lld", (long long)least,
             (long long)greatest, name, (long long)number);
  formula->failed = true;
  return otherwise;
}

double formula_number(Formula *formula, const char *name, double otherwise) {
  json_t *value = formula_option(formula, name);
  if (value == NULL) return otherwise;
  if (json_is_number(value)) return json_number_value(value);
  formula_refuse_option(formula, name, "a number", value);
  return otherwise;
}

bool formula_flag(Formula *formula, const char *name, bool otherwise) {
  json_t *value = formula_option(formula, name);
  if (value == NULL) return otherwise;
  if (json_is_boolean(value)) return json_is_true(value);
  if (json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= 1)
    return json_integer_value(value) == 1;
  formula_refuse_option(formula, name, "true or false", value);
  return otherwise;
}

const char *formula_word(Formula *formula, const char *name, const char *otherwise) {
  json_t *value = formula_option(formula, name);
  if (value == NULL) return otherwise;
  if (json_is_string(value)) return json_string_value(value);
  formula_refuse_option(formula, name, "a string", value);
  return otherwise;
}

bool formula_sizes(Formula *formula, const char *name, FormulaShape *shape) {
  json_t *value = formula_option(formula, name), *item;
  size_t i;
  if (value == NULL) return false;
  bool good = json_is_array(value) && json_array_size(value) <= FORMULA_MAX_RANK;
  *shape = (FormulaShape){.rank = good ? (uint32_t)json_array_size(value) : 0};
  for (i = 0; i < shape->rank; i++) {
    item = json_array_get(value, i);
    good = good && json_is_integer(item) && json_integer_value(item) >= 0;
    shape->size[i] = good ? (uint64_t)json_integer_value(item) : 0;
  }
  if (!good) formula_refuse_option(formula, name, "an array of at most 8 sizes", value);
  return good;
}

const int64_t *formula_integers(Formula *formula, const char *name, uint64_t *count) {
  json_t *value = formula_option(formula, name), *item;
  size_t i;
  *count = 0;
  if (value == NULL) return NULL;
  int64_t *numbers = json_is_array(value) ? graph_alloc(&formula->plan->graph,
                                                        json_array_size(value), sizeof *numbers)
                                          : NULL;
  if (json_is_array(value) && numbers == NULL) {
    plan_no_memory(formula->error);
    formula->failed = true;
    return NULL;
  }
  bool good = numbers != NULL;
  json_array_foreach (value, i, item) {
    good = good && json_is_integer(item);
    if (good) numbers[i] = json_integer_value(item);
  }
  if (!good) {
    formula_refuse_option(formula, name, "an array of integers", value);
    return NULL;
  }
  *count = json_array_size(value);
  return numbers;
}

/* ---- Steps of operators ---- */

static uint32_t formula_apply(Formula *formula, Node *node, const uint32_t *args) {
  for (uint32_t i = 0; i < node->arg_count; i++) formula->failed |= args[i] == FORMULA_NONE;
  if (formula->failed) return formula_fail(formula);
  uint32_t added = plan_operator(formula->plan, node, args, formula->error);
  return added != PLAN_NONE ? added : formula_fail(formula);
}

uint32_t formula_constant(Formula *formula, double value) {
  Node node = {.op = OPERATOR_IS_NUMBER, .value = value};
  uint32_t none = FORMULA_NONE;
  return formula_apply(formula, &node, &none);
}

uint32_t formula_unary(Formula *formula, Operator op, uint32_t a) {
  Node node = {.op = op, .arg_count = 1};
  return formula_apply(formula, &node, &a);
}

uint32_t formula_binary(Formula *formula, Operator op, uint32_t a, uint32_t b) {
  Node node = {.op = op, .arg_count = 2};
  return formula_apply(formula, &node, (uint32_t[]){a, b});
}

uint32_t formula_matmul(Formula *formula, uint32_t a, uint32_t b) {
  return formula_binary(formula, OPERATOR_IS_MATMUL, a, b);
}

uint32_t formula_where(Formula *formula, uint32_t condition, uint32_t a, uint32_t b) {
  Node node = {.op = OPERATOR_IS_WHERE, .arg_count = 3};
  return formula_apply(formula, &node, (uint32_t[]){condition, a, b});
}

uint32_t formula_reduce(Formula *formula, Operator op, uint32_t a, int64_t axis) {
  Node node = {.op = op, .arg_count = 1, .axis = axis};
  return formula_apply(formula, &node, &a);
}

uint32_t formula_transpose(Formula *formula, uint32_t a, const int64_t *axes) {
  Node node = {.op = OPERATOR_IS_TRANSPOSE, .arg_count = 1, .has_list = axes != NULL};
  node.list = axes;
  node.list_count = axes != NULL ? formula_rank(formula, a) : 0;
  return formula_apply(formula, &node, &a);
}

uint32_t formula_turn(Formula *formula, uint32_t a) {
  int64_t axes[FORMULA_MAX_RANK];
  FormulaShape shape = formula_shape(formula, a);
  if (shape.rank < 2) return formula_refuse(formula, "a matrix", "fewer dimensions");
  for (uint32_t d = 0; d < shape.rank; d++) axes[d] = d;
  axes[shape.rank - 1] = shape.rank - 2;
  axes[shape.rank - 2] = shape.rank - 1;
  return formula_transpose(formula, a, axes);
}

uint32_t formula_reshape(Formula *formula, uint32_t a, const FormulaShape *shape) {
  int64_t list[FORMULA_MAX_RANK];
  for (uint32_t d = 0; d < shape->rank; d++) {
    if (shape->size[d] > INT64_MAX) return formula_refuse(formula, "sizes below 2^63", "more");
    list[d] = (int64_t)shape->size[d];
  }
  Node node = {.op = OPERATOR_IS_RESHAPE, .arg_count = 1, .list = list, .list_count = shape->rank};
  return formula_apply(formula, &node, &a);
}

uint32_t formula_matrix(Formula *formula, uint32_t a, int64_t rows, int64_t columns) {
  int64_t list[2] = {rows, columns};
  Node node = {.op = OPERATOR_IS_RESHAPE, .arg_count = 1, .list = list, .list_count = 2};
  return formula_apply(formula, &node, &a);
}

uint32_t formula_slice(Formula *formula, uint32_t a, const char *slice) {
  Node node = {.op = OPERATOR_IS_SLICE, .arg_count = 1, .text = slice};
  node.text_length = strlen(slice);
  return formula_apply(formula, &node, &a);
}

uint32_t formula_take(Formula *formula, uint32_t a, const int64_t *indices, uint64_t count,
                      int64_t axis) {
  Node node = {.op = OPERATOR_IS_TAKE, .arg_count = 1, .list = indices, .list_count = count};
  node.axis = axis;
  return formula_apply(formula, &node, &a);
}

uint32_t formula_concat(Formula *formula, const uint32_t *parts, uint32_t count, int64_t axis) {
  Node node = {.op = OPERATOR_IS_CONCAT, .arg_count = count, .axis = axis};
  return formula_apply(formula, &node, parts);
}

/* ---- Steps that only formulas have ---- */

uint32_t formula_added(Formula *formula, uint32_t added) {
  if (added != PLAN_NONE) added = plan_limit_nesting(formula->plan, added, added, formula->error);
  return added != PLAN_NONE ? added : formula_fail(formula);
}

/* A step that is stored in the order in which it is read. */
static uint32_t formula_contiguous(Formula *formula, uint32_t a) {
  const Step *step = &formula->plan->steps[a];
  if (!step->stored) return formula_refuse(formula, "a tensor of a file", "one that is computed");
  if (step->kind == STEP_READ && view_is_contiguous(&step->view)) return a;
  if (step->kind != STEP_READ) return plan_keep(formula->plan, a, formula->error);
  /* Elements in another order than they lie in the file: moved by a step of its own, then kept. */
  View view;
  if (!view_copy(&view, &step->shape, formula->error)) return PLAN_NONE;
  uint32_t moved = plan_add_shaped(formula->plan, STEP_MOVE, step->dtype, 1, view.shape, view.rank,
                                   formula->error);
  if (moved == PLAN_NONE) {
    view_clear(&view);
    return PLAN_NONE;
  }
  Step *move = &formula->plan->steps[moved];
  move->view = view;
  move->args[0] = a;
  move->stored = true;
  return plan_keep(formula->plan, moved, formula->error);
}

uint32_t formula_bitcast(Formula *formula, uint32_t a, Dtype dtype) {
  FormulaShape shape = formula_shape(formula, a);
  if (formula->failed) return FORMULA_NONE;
  uint64_t from = dtype_bits(formula_dtype(formula, a)), to = dtype_bits(dtype), bits = 0;
  if (formula_dtype(formula, a) == dtype) return a;
  uint64_t alone = 1, *last = shape.rank > 0 ? &shape.size[shape.rank - 1] : &alone;
  bool whole = shape.rank > 0 || from == to;
  if (!whole || __builtin_mul_overflow(*last, from, &bits) || bits % to != 0)
    return formula_refuse_shape(formula, "a tensor", "[..., whole elements of the other dtype]", a);
  *last = bits / to;
  a = formula_contiguous(formula, a);
  View view;
  if (a == PLAN_NONE ||
      !view_open_shape(&view, shape.size, shape.rank, &expression_name, formula->error))
    return formula_fail(formula);
  uint64_t offset = formula->plan->steps[a].view.offset * from; /* below 2^64: it is in a file */
  if (offset % to != 0) {
    view_clear(&view);
    return formula_refuse(formula, "a slice that begins with a whole element of the other dtype",
                          "another");
  }
  view.offset = offset / to;
  uint32_t added = plan_add_view(formula->plan, a, &view, formula->error);
  if (added == PLAN_NONE) return formula_fail(formula);
  formula->plan->steps[added].dtype = dtype;
  return formula_added(formula, added);
}

/* How many rows a shape has: the product of all dimensions but the last. False if that overflows. */
static bool formula_rows(const FormulaShape *shape, uint64_t *rows) {
  *rows = 1;
  for (uint32_t d = 0; d + 1 < shape->rank; d++) {
    if (__builtin_mul_overflow(*rows, shape->size[d], rows)) return false;
  }
  return true;
}

/* Whether words that lie along rows, or down columns, are as many as the numbers take. */
static bool formula_words_suffice(const Unpack *unpack, uint64_t words, uint64_t numbers) {
  bool stream = unpack->order == UNPACK_STREAM || unpack->order == UNPACK_STREAM_DOWN;
  uint64_t room, needed;
  return !__builtin_mul_overflow(words, stream ? unpack->word_bits : unpack->per_word, &room) &&
         !__builtin_mul_overflow(numbers, stream ? unpack->bits : 1, &needed) && needed <= room;
}

static bool formula_are_words(const Step *words, const Unpack *unpack) {
  Dtype dtype = words->dtype;
  bool fits = unpack->word_bits == 8 ? dtype == DTYPE_U8 || dtype == DTYPE_I8
                                     : dtype == DTYPE_U32 || dtype == DTYPE_I32;
  return words->stored && fits && words->shape.rank >= 2;
}

uint32_t formula_unpack(Formula *formula, const char *role, uint32_t a, const Unpack *unpack,
                        const FormulaShape *shape) {
  if (formula_view(formula, a) == NULL) return formula_fail(formula);
  const Step *words = &formula->plan->steps[a];
  uint64_t row_words = formula_size(formula, a, -1), rows, total, columns;
  if (!formula_are_words(words, unpack))
    return formula_refuse_words(formula, role, unpack->word_bits, a);
  uint64_t word_rows = row_words > 0 ? words->shape.numel / row_words : 0;
  bool along = unpack->order == UNPACK_STREAM || unpack->order == UNPACK_WORDS;
  bool sound = shape->rank >= 2 && formula_rows(shape, &rows);
  columns = sound ? shape->size[shape->rank - 1] : 0;
  sound = sound && !__builtin_mul_overflow(rows, columns, &total) && total > 0;
  sound = sound && (along ? word_rows == rows && formula_words_suffice(unpack, row_words, columns)
                          : row_words == columns && formula_words_suffice(unpack, word_rows, rows));
  if (!sound) return formula_refuse_shape(formula, role, "that holds the weight", a);
  uint32_t added = plan_add_shaped(formula->plan, STEP_UNPACK, DTYPE_F32, 1, shape->size,
                                   shape->rank, formula->error);
  Unpack *copy = graph_alloc(&formula->plan->graph, 1, sizeof *copy);
  if (added == PLAN_NONE) return formula_fail(formula);
  if (copy == NULL) {
    plan_no_memory(formula->error);
    return formula_fail(formula);
  }
  *copy = *unpack;
  Step *step = &formula->plan->steps[added];
  step->args[0] = a;
  step->unpack = copy;
  step->outer = rows;
  step->inner = columns;
  step->length = row_words;
  step->rows = word_rows;
  return formula_added(formula, added);
}

double *formula_values(Formula *formula, unsigned bits) {
  if (formula->failed) return NULL;
  double *values = graph_alloc(&formula->plan->graph, (uint64_t)1 << bits, sizeof *values);
  if (values == NULL) {
    plan_no_memory(formula->error);
    formula_fail(formula);
  }
  return values;
}

/* Whether `size` groups cover `whole` elements in blocks, and sets the block: all of them, if there is
** one group. */
static bool formula_covers(uint64_t size, uint64_t whole, uint64_t *block) {
  if (size == 1) {
    *block = whole > 0 ? whole : 1;
    return true;
  }
  return *block > 0 && size == whole / *block + (whole % *block != 0);
}

/* Whether the dimensions of `own` before the last two are those of `shape`, or all 1 or missing. */
static bool formula_batches_fit(const FormulaShape *own, const FormulaShape *shape,
                                bool *per_batch) {
  bool ones = true, equal = own->rank == shape->rank;
  for (uint32_t d = 0; d + 2 < own->rank; d++) {
    ones = ones && own->size[d] == 1;
    equal = equal && own->size[d] == shape->size[d];
  }
  *per_batch = !ones;
  return own->rank <= shape->rank && (ones || equal);
}

uint32_t formula_spread(Formula *formula, const char *role, uint32_t a, const FormulaShape *shape,
                        uint64_t block_rows, uint64_t block_columns, uint32_t index) {
  if (formula_view(formula, a) == NULL) return formula_fail(formula);
  if (shape->rank < 2)
    return formula_refuse(formula, "a weight of shape [..., n, k]", "fewer dimensions");
  FormulaShape own = formula_shape(formula, a);
  if (formula->failed) return FORMULA_NONE;
  if (formula_numel(formula, a) == 1) return formula_reshape(formula, a, &(FormulaShape){0});
  uint64_t rows = shape->size[shape->rank - 2], columns = shape->size[shape->rank - 1];
  Spread spread = {
      .rows = 1, .columns = 1, .block_rows = block_rows, .block_columns = block_columns};
  if (own.rank >= 1) spread.columns = own.size[own.rank - 1];
  if (own.rank >= 2) spread.rows = own.size[own.rank - 2];
  bool fits = formula_batches_fit(&own, shape, &spread.per_batch) && spread.rows > 0 &&
              spread.columns > 0 && formula_covers(spread.rows, rows, &spread.block_rows);
  if (index == FORMULA_NONE) {
    fits = fits && formula_covers(spread.columns, columns, &spread.block_columns);
  } else {
    if (formula_numel(formula, index) != columns)
      return formula_refuse_shape(formula, "an index of groups", "[k]", index);
    fits = fits && spread.columns <= FORMULA_MAX_GROUPS;
    if (spread.block_columns == 0) spread.block_columns = columns;
  }
  if (!fits) return formula_refuse_shape(formula, role, "that fits the weight", a);
  uint32_t added =
      plan_add_shaped(formula->plan, STEP_SPREAD, formula_dtype(formula, a),
                      index == FORMULA_NONE ? 1 : 2, shape->size, shape->rank, formula->error);
  if (added == PLAN_NONE) return formula_fail(formula);
  Step *step = &formula->plan->steps[added];
  step->args[0] = a;
  if (index != FORMULA_NONE) step->args[1] = index;
  step->spread = spread;
  step->rows = rows;
  step->inner = columns;
  return formula_added(formula, added);
}

uint32_t formula_lookup(Formula *formula, uint32_t codes, uint32_t table) {
  if (formula_view(formula, codes) == NULL || formula_view(formula, table) == NULL)
    return formula_fail(formula);
  if (formula_rank(formula, table) != 1 || formula_numel(formula, table) > FORMULA_MAX_GROUPS ||
      formula_numel(formula, table) == 0)
    return formula_refuse_shape(formula, "a table", "[n], n at most 4096", table);
  FormulaShape shape = formula_shape(formula, codes);
  if (formula->failed) return FORMULA_NONE;
  uint32_t added = plan_add_shaped(formula->plan, STEP_LOOKUP, DTYPE_F32, 2, shape.size, shape.rank,
                                   formula->error);
  if (added == PLAN_NONE) return formula_fail(formula);
  formula->plan->steps[added].args[0] = codes;
  formula->plan->steps[added].args[1] = table;
  return formula_added(formula, added);
}
