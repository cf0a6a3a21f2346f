#include "expression/plan.h"

#include <string.h>

#include "base/memory.h"

typedef unsigned long long PlanBig; /* for "%llu" */

/* The most dimensions of all steps together, each of which takes up to 64 bytes. */
#define PLAN_MAX_DIMENSIONS ((uint64_t)1 << 21)

static uint32_t plan_refuse(Error *error, const Node *node, const char *expected,
                            const char *found) {
  error_fill(error, ERROR_ARGUMENT, expression_name.subject, "%s: expected %s, found %s",
             OPERATOR_TRAITS[node->op].name, expected, found);
  return PLAN_NONE;
}

uint32_t plan_no_memory(Error *error) {
  error_memory(error);
  return PLAN_NONE;
}

uint32_t plan_refuse_shapes(const Plan *plan, Error *error, const Node *node, const char *expected,
                            uint32_t a, uint32_t b) {
  sqlite3_str *found = sqlite3_str_new(NULL);
  view_append_shape(&plan->steps[a].shape, found);
  if (a != b) {
    sqlite3_str_appendall(found, " and ");
    view_append_shape(&plan->steps[b].shape, found);
  }
  char *text = sqlite3_str_finish(found);
  if (text == NULL) return plan_no_memory(error);
  plan_refuse(error, node, expected, text);
  sqlite3_free(text);
  return PLAN_NONE;
}

/* ---- Adding steps ---- */

static uint32_t plan_add(Plan *plan, StepKind kind, Dtype dtype, uint32_t arg_count, Error *error) {
  void *steps = plan->steps;
  bool room = memory_reserve(&steps, &plan->step_capacity, plan->step_count, sizeof *plan->steps);
  plan->steps = steps;
  if (!room) return plan_no_memory(error);
  Step *step = &plan->steps[plan->step_count];
  *step = (Step){.kind = kind, .dtype = dtype, .arg_count = arg_count, .value = 1};
  step->args = graph_alloc(&plan->graph, arg_count, sizeof *step->args);
  if (step->args == NULL) return plan_no_memory(error);
  return plan->step_count++;
}

uint32_t plan_add_shaped(Plan *plan, StepKind kind, Dtype dtype, uint32_t arg_count,
                         const uint64_t *shape, uint32_t rank, Error *error) {
  plan->dimension_count += rank;
  if (plan->dimension_count > PLAN_MAX_DIMENSIONS) {
    error_fill(error, ERROR_ARGUMENT, expression_name.subject,
               "expected at most 2^21 dimensions in all tensors together, found more");
    return PLAN_NONE;
  }
  uint32_t added = plan_add(plan, kind, dtype, arg_count, error);
  if (added == PLAN_NONE) return PLAN_NONE;
  View *view = &plan->steps[added].shape;
  if (!view_open_shape(view, shape, rank, &expression_name, error)) return PLAN_NONE;
  if (view->numel <= PLAN_MAX_NUMEL) return added;
  error_fill(error, ERROR_ARGUMENT, expression_name.subject,
             "expected a result of at most 2^57 elements, found %llu", (PlanBig)view->numel);
  return PLAN_NONE;
}

uint32_t plan_add_view(Plan *plan, uint32_t of, View *view, Error *error) {
  const Step *base = &plan->steps[of];
  StepKind kind = base->kind == STEP_READ ? STEP_READ : STEP_MOVE;
  uint32_t below =
      base->arg_count > 0 && (kind == STEP_READ || base->kind == STEP_MOVE) ? base->args[0] : of;
  uint32_t added = plan_add_shaped(plan, kind, base->dtype, 1, view->shape, view->rank, error);
  if (added == PLAN_NONE) {
    view_clear(view);
    return PLAN_NONE;
  }
  Step *step = &plan->steps[added];
  base = &plan->steps[of];
  step->view = *view;
  *view = (View){0};
  step->args[0] = below;
  step->stored = base->stored;
  step->source = base->source;
  step->leaf = base->leaf;
  step->of_keep = base->of_keep;
  if (kind == STEP_READ && !step->of_keep) step->arg_count = 0;
  return added;
}

/* The elements of a step as a view that plan_add_view() takes: over its source, over the step that
** it is moved from, or over its own. */
static bool plan_base_view(const Plan *plan, uint32_t of, View *view, Error *error) {
  const Step *base = &plan->steps[of];
  bool viewed = base->kind == STEP_READ || base->kind == STEP_MOVE;
  return view_copy(view, viewed ? &base->view : &base->shape, error);
}

uint32_t plan_keep(Plan *plan, uint32_t of, Error *error) {
  const Step *kept = &plan->steps[of];
  if (kept->kind == STEP_READ) return of;
  uint32_t added =
      plan_add_shaped(plan, STEP_READ, kept->dtype, 1, kept->shape.shape, kept->shape.rank, error);
  if (added == PLAN_NONE) return PLAN_NONE;
  Step *step = &plan->steps[added];
  plan->steps[of].is_kept = true;
  step->args[0] = of;
  step->of_keep = true;
  step->stored = plan->steps[of].stored;
  return view_copy(&step->view, &step->shape, error) ? added : PLAN_NONE;
}

/* ---- Dtypes ---- */

static bool plan_is_wide(Dtype dtype) {
  return dtype == DTYPE_F64 || dtype == DTYPE_I32 || dtype == DTYPE_U32 || dtype == DTYPE_I64 ||
         dtype == DTYPE_U64;
}

bool plan_arithmetic(const Plan *plan, const Node *node, const uint32_t *args, uint32_t count,
                     Dtype *dtype, Error *error) {
  *dtype = DTYPE_F32;
  for (uint32_t i = 0; i < count; i++) {
    const Step *arg = &plan->steps[args[i]];
    if (arg->dtype == DTYPE_C64) {
      plan_refuse(error, node, "real numbers", "a tensor of dtype C64");
      return false;
    }
    if (plan_is_wide(arg->dtype)) *dtype = DTYPE_F64;
  }
  return true;
}

/* ---- Broadcasting ---- */

bool plan_broadcast_with(uint64_t *shape, uint32_t rank, const View *with) {
  for (uint32_t d = 0; d < with->rank; d++) {
    uint64_t *size = &shape[rank - with->rank + d];
    if (with->shape[d] == 1) continue;
    if (*size != 1 && *size != with->shape[d]) return false;
    *size = with->shape[d];
  }
  return true;
}

/* A step with the elements of `of` repeated to that shape, or `of` itself if they are the same in
** number, or one. */
static uint32_t plan_expand(Plan *plan, uint32_t of, const uint64_t *shape, uint32_t rank,
                            Error *error) {
  View view;
  const View *own = &plan->steps[of].shape;
  uint64_t numel = 1;
  for (uint32_t d = 0; d < rank; d++) numel *= shape[d];
  if (own->numel == 1 || own->numel == numel) return of;
  uint32_t kept = plan_keep(plan, of, error);
  if (kept == PLAN_NONE || !view_open_shape(&view, shape, rank, &expression_name, error))
    return PLAN_NONE;
  const Step *base = &plan->steps[kept];
  uint32_t before = rank - base->shape.rank;
  for (uint32_t d = 0; d < rank; d++) {
    bool own_size = d >= before && base->shape.shape[d - before] == shape[d];
    view.stride[d] = own_size ? base->view.stride[d - before] : 0;
  }
  view.offset = base->view.offset;
  return plan_add_view(plan, kept, &view, error);
}

/* The shape that all of the steps broadcast to; `shape` has room for *rank, the greatest of their
** ranks. */
static uint64_t *plan_common_shape(Plan *plan, const Node *node, const uint32_t *args,
                                   uint32_t count, uint32_t *rank, Error *error) {
  *rank = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (plan->steps[args[i]].shape.rank > *rank) *rank = plan->steps[args[i]].shape.rank;
  }
  uint64_t *shape = memory_alloc(*rank * sizeof *shape);
  if (shape == NULL) {
    error_memory(error);
    return NULL;
  }
  for (uint32_t d = 0; d < *rank; d++) shape[d] = 1;
  for (uint32_t i = 0; i < count; i++) {
    if (plan_broadcast_with(shape, *rank, &plan->steps[args[i]].shape)) continue;
    plan_refuse_shapes(plan, error, node, "shapes that broadcast to one", args[0], args[i]);
    memory_free(shape);
    return NULL;
  }
  return shape;
}

/* ---- Elementwise operators ---- */

static uint32_t plan_elementwise(Plan *plan, const Node *node, StepKind kind, const uint32_t *args,
                                 Error *error) {
  uint32_t rank, count = node->arg_count, fitted[3];
  Dtype dtype;
  if (!plan_arithmetic(plan, node, args, count, &dtype, error)) return PLAN_NONE;
  if (node->op >= OPERATOR_IS_GREATER && node->op <= OPERATOR_IS_ISNAN) dtype = DTYPE_F32;
  uint64_t *shape = plan_common_shape(plan, node, args, count, &rank, error);
  if (shape == NULL) return PLAN_NONE;
  View check = {0}; /* that the shape exists, before anything is repeated to it */
  bool good = view_open_shape(&check, shape, rank, &expression_name, error);
  view_clear(&check);
  for (uint32_t i = 0; good && i < count; i++) {
    fitted[i] = plan_expand(plan, args[i], shape, rank, error);
    good = fitted[i] != PLAN_NONE;
  }
  uint32_t added = good ? plan_add_shaped(plan, kind, dtype, count, shape, rank, error) : PLAN_NONE;
  memory_free(shape);
  if (added == PLAN_NONE) return PLAN_NONE;
  Step *step = &plan->steps[added];
  step->op = node->op;
  step->value = node->value;
  for (uint32_t i = 0; i < count; i++) step->args[i] = fitted[i];
  return added;
}

/* Operators over steps of one and the same shape, each with a factor. */
static uint32_t plan_same_shape(Plan *plan, const Node *node, StepKind kind, const uint32_t *args,
                                Error *error) {
  Dtype dtype;
  if (!plan_arithmetic(plan, node, args, node->arg_count, &dtype, error)) return PLAN_NONE;
  const View *shape = &plan->steps[args[0]].shape;
  for (uint32_t i = 1; i < node->arg_count; i++) {
    if (!view_same_shape(shape, &plan->steps[args[i]].shape))
      return plan_refuse_shapes(plan, error, node, "one shape", args[0], args[i]);
  }
  uint32_t added =
      plan_add_shaped(plan, kind, dtype, node->arg_count, shape->shape, shape->rank, error);
  if (added == PLAN_NONE) return PLAN_NONE;
  Step *step = &plan->steps[added];
  step->factors = graph_alloc(&plan->graph, node->arg_count, sizeof *step->factors);
  if (step->factors == NULL) return plan_no_memory(error);
  for (uint32_t i = 0; i < node->arg_count; i++) {
    step->args[i] = args[i];
    step->factors[i] = node->weights != NULL ? node->weights[i] : 1;
  }
  return added;
}

static uint32_t plan_sum(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  uint32_t added = plan_same_shape(plan, node, STEP_SUM, args, error);
  if (added == PLAN_NONE || node->op == OPERATOR_IS_SUM) return added;
  Step *step = &plan->steps[added];
  step->value = 0;
  for (uint32_t i = 0; i < step->arg_count; i++) step->value += step->factors[i];
  if (step->value != 0) return added;
  return plan_refuse(error, node, "weights whose sum is not 0", "0");
}

static uint32_t plan_slerp(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  uint32_t added = plan_same_shape(plan, node, STEP_SLERP, args, error);
  if (added == PLAN_NONE) return PLAN_NONE;
  Step *step = &plan->steps[added];
  bool own = node->number < plan->graph.node_count && plan->graph.nodes[node->number] == node;
  step->node = own ? node : NULL;
  step->value = node->value;
  return added;
}

/* ---- Axes ---- */

bool plan_axis(const Plan *plan, const Node *node, uint32_t of, uint32_t rank, uint32_t *axis,
               Error *error) {
  int64_t at = node->axis < 0 ? node->axis + (int64_t)rank : node->axis;
  if (at >= 0 && at < (int64_t)rank) {
    *axis = (uint32_t)at;
    return true;
  }
  char expected[96];
  sqlite3_snprintf((int)sizeof expected, expected, "axis %lld to be one of the %u of the tensor",
                   (long long)node->axis, rank);
  plan_refuse_shapes(plan, error, node, expected, of, of);
  return false;
}

uint64_t plan_product(const uint64_t *sizes, uint32_t count) {
  uint64_t product = 1;
  for (uint32_t i = 0; i < count; i++) product *= sizes[i];
  return product;
}

/* A step over `arg` whose shape is the same but for the size of one axis. */
static uint32_t plan_along_axis(Plan *plan, const Node *node, StepKind kind, Dtype dtype,
                                uint32_t arg, uint64_t size, Error *error) {
  uint32_t axis, rank = plan->steps[arg].shape.rank;
  if (!plan_axis(plan, node, arg, rank, &axis, error)) return PLAN_NONE;
  uint64_t *shape = memory_alloc(rank * sizeof *shape);
  if (shape == NULL) return plan_no_memory(error);
  memcpy(shape, plan->steps[arg].shape.shape, rank * sizeof *shape);
  shape[axis] = size;
  uint32_t added = plan_add_shaped(plan, kind, dtype, 1, shape, rank, error);
  memory_free(shape);
  if (added == PLAN_NONE) return PLAN_NONE;
  Step *step = &plan->steps[added];
  const View *of = &plan->steps[arg].shape;
  step->op = node->op;
  step->args[0] = arg;
  step->outer = plan_product(of->shape, axis);
  step->length = of->shape[axis];
  step->inner = plan_product(of->shape + axis + 1, rank - axis - 1);
  return added;
}

static uint32_t plan_reduce(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  Dtype dtype;
  if (!plan_arithmetic(plan, node, args, 1, &dtype, error)) return PLAN_NONE;
  return plan_along_axis(plan, node, STEP_REDUCE, dtype, args[0], 1, error);
}

static uint32_t plan_take(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  uint32_t added = plan_along_axis(plan, node, STEP_TAKE, plan->steps[args[0]].dtype, args[0],
                                   node->list_count, error);
  if (added == PLAN_NONE) return PLAN_NONE;
  Step *step = &plan->steps[added];
  int64_t *indices = graph_alloc(&plan->graph, node->list_count, sizeof *indices);
  if (indices == NULL) return plan_no_memory(error);
  for (uint64_t i = 0; i < node->list_count; i++) {
    indices[i] = node->list[i] < 0 ? node->list[i] + (int64_t)step->length : node->list[i];
    if (indices[i] >= 0 && indices[i] < (int64_t)step->length) continue;
    char expected[64], found[32];
    sqlite3_snprintf((int)sizeof expected, expected, "indices within an axis of size %llu",
                     (PlanBig)step->length);
    sqlite3_snprintf((int)sizeof found, found, "%lld", (long long)node->list[i]);
    return plan_refuse(error, node, expected, found);
  }
  step->indices = indices;
  step->rows = node->list_count;
  step->stored = plan->steps[args[0]].stored;
  return added;
}

/* ---- Moving ---- */

/* Whether `axes` names each of 0 to rank - 1 once; then the view is permuted by them. */
static bool plan_permute(View *view, const View *of, const int64_t *axes) {
  for (uint32_t d = 0; d < of->rank; d++) view->shape[d] = UINT64_MAX;
  for (uint32_t d = 0; d < of->rank; d++) {
    int64_t from = axes != NULL ? axes[d] : (int64_t)(of->rank - 1 - d);
    if (from < 0) from += of->rank;
    if (from < 0 || from >= (int64_t)of->rank || view->shape[from] != UINT64_MAX) return false;
    view->shape[from] = 0; /* seen */
  }
  for (uint32_t d = 0; d < of->rank; d++) {
    int64_t from = axes != NULL ? axes[d] : (int64_t)(of->rank - 1 - d);
    if (from < 0) from += of->rank;
    view->shape[d] = of->shape[from];
    view->stride[d] = of->stride[from];
  }
  return true;
}

static uint32_t plan_transpose(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  View view, base;
  uint32_t kept = plan_keep(plan, args[0], error);
  if (kept == PLAN_NONE || !plan_base_view(plan, kept, &base, error)) return PLAN_NONE;
  bool fits = !node->has_list || node->list_count == base.rank;
  bool copied = view_copy(&view, &base, error);
  bool good = copied && fits && plan_permute(&view, &base, node->has_list ? node->list : NULL);
  view_clear(&base);
  if (good) return plan_add_view(plan, kept, &view, error);
  view_clear(&view);
  if (!copied) return PLAN_NONE;
  return plan_refuse_shapes(plan, error, node, "axes that are an order of those of the tensor",
                            args[0], args[0]);
}

static uint32_t plan_slice(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  View view;
  if (!plan_base_view(plan, args[0], &view, error)) return PLAN_NONE;
  if (view_slice(&view, node->text, node->text_length, &expression_name, error))
    return plan_add_view(plan, args[0], &view, error);
  view_clear(&view);
  return PLAN_NONE;
}

/* Replaces the -1 of a new shape. Returns whether it has as many elements as the old one. */
static bool plan_complete_shape(const Node *node, uint64_t numel, uint64_t *shape) {
  uint64_t product = 1, unknown = node->list_count;
  for (uint64_t d = 0; d < node->list_count; d++) {
    if (node->list[d] < -1 || (node->list[d] == -1 && unknown < node->list_count)) return false;
    if (node->list[d] == -1) unknown = d;
    shape[d] = node->list[d] == -1 ? 1 : (uint64_t)node->list[d];
    if (__builtin_mul_overflow(product, shape[d], &product)) return false;
  }
  if (unknown < node->list_count && product > 0 && numel % product == 0) {
    shape[unknown] = numel / product;
    product = numel;
  } else if (unknown < node->list_count) {
    return false;
  }
  return product == numel;
}

static uint32_t plan_reshape(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  View view = {0};
  uint32_t rank = (uint32_t)node->list_count;
  uint64_t *shape = memory_alloc(node->list_count * sizeof *shape);
  if (shape == NULL) return plan_no_memory(error);
  uint32_t of = args[0];
  bool fits = plan_complete_shape(node, plan->steps[of].shape.numel, shape);
  bool good = fits && view_open_shape(&view, shape, rank, &expression_name, error);
  memory_free(shape);
  if (!fits) return plan_refuse_shapes(plan, error, node, "a shape of as many elements", of, of);
  if (!good) return PLAN_NONE;
  const Step *base = &plan->steps[of];
  if (base->kind != STEP_READ && base->kind != STEP_MOVE)
    return plan_add_view(plan, of, &view, error);
  if (view_is_contiguous(&base->view)) {
    view.offset = base->view.offset;
    return plan_add_view(plan, of, &view, error);
  }
  /* The elements in the order of the step, which is not that of what it reads. */
  uint32_t added = plan_add_shaped(plan, STEP_MOVE, base->dtype, 1, view.shape, view.rank, error);
  if (added == PLAN_NONE) {
    view_clear(&view);
    return PLAN_NONE;
  }
  plan->steps[added].view = view;
  plan->steps[added].args[0] = of;
  plan->steps[added].stored = plan->steps[of].stored;
  return added;
}

/* ---- Leaves, and what has no arguments ---- */

static uint32_t plan_tensor(Plan *plan, const Node *node, Error *error) {
  uint32_t number = plan->leaf_count++; /* plan_close() closes it */
  Leaf *leaf = &plan->leaves[number];
  if (!leaf_open(leaf, plan->session, node->text, node->text_length, error)) return PLAN_NONE;
  uint32_t added =
      plan_add_shaped(plan, STEP_READ, leaf->dtype, 0, leaf->view.shape, leaf->view.rank, error);
  if (added == PLAN_NONE) return PLAN_NONE;
  Step *step = &plan->steps[added];
  step->stored = true;
  step->source = leaf_source(leaf);
  step->leaf = number;
  return view_copy(&step->view, &leaf->view, error) ? added : PLAN_NONE;
}

static uint32_t plan_filled(Plan *plan, const Node *node, Error *error) {
  StepKind kind = node->op == OPERATOR_IS_FULL ? STEP_FULL : STEP_RANDOM;
  uint64_t *shape = memory_alloc(node->list_count * sizeof *shape);
  if (shape == NULL) return plan_no_memory(error);
  for (uint64_t d = 0; d < node->list_count; d++) shape[d] = (uint64_t)node->list[d];
  uint32_t added =
      plan_add_shaped(plan, kind, DTYPE_F32, 0, shape, (uint32_t)node->list_count, error);
  memory_free(shape);
  if (added == PLAN_NONE) return PLAN_NONE;
  plan->steps[added].value = node->value;
  plan->steps[added].seed = node->seed;
  return added;
}

static uint32_t plan_number(Plan *plan, const Node *node, Error *error) {
  uint32_t added = plan_add_shaped(plan, STEP_NUMBER, DTYPE_F32, 0, NULL, 0, error);
  if (added != PLAN_NONE) plan->steps[added].value = node->value;
  return added;
}

static uint32_t plan_convert(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  const View *shape = &plan->steps[args[0]].shape;
  uint32_t added =
      plan_add_shaped(plan, STEP_CONVERT, node->dtype, 1, shape->shape, shape->rank, error);
  if (added == PLAN_NONE) return PLAN_NONE;
  plan->steps[added].args[0] = args[0];
  plan->steps[added].stored = true;
  return added;
}

/* ---- All of it ---- */

static uint32_t plan_node(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  switch (node->op) {
    case OPERATOR_IS_TENSOR: return plan_tensor(plan, node, error);
    case OPERATOR_IS_NUMBER: return plan_number(plan, node, error);
    case OPERATOR_IS_FULL:
    case OPERATOR_IS_RANDOM: return plan_filled(plan, node, error);
    case OPERATOR_IS_WHERE: return plan_elementwise(plan, node, STEP_WHERE, args, error);
    case OPERATOR_IS_LERP: return plan_elementwise(plan, node, STEP_LERP, args, error);
    case OPERATOR_IS_SLERP: return plan_slerp(plan, node, args, error);
    case OPERATOR_IS_SUM:
    case OPERATOR_IS_AVERAGE: return plan_sum(plan, node, args, error);
    case OPERATOR_IS_NORM:
    case OPERATOR_IS_TOTAL: return plan_reduce(plan, node, args, error);
    case OPERATOR_IS_MATMUL: return plan_matmul(plan, node, args, error);
    case OPERATOR_IS_TRANSPOSE: return plan_transpose(plan, node, args, error);
    case OPERATOR_IS_RESHAPE: return plan_reshape(plan, node, args, error);
    case OPERATOR_IS_SLICE: return plan_slice(plan, node, args, error);
    case OPERATOR_IS_TAKE: return plan_take(plan, node, args, error);
    case OPERATOR_IS_CONCAT: return plan_concat(plan, node, args, error);
    case OPERATOR_IS_STACK: return plan_stack(plan, node, args, error);
    case OPERATOR_IS_CONVERT: return plan_convert(plan, node, args, error);
    case OPERATOR_IS_DEQUANTIZE: return plan_dequantize(plan, node, args, error);
    case OPERATOR_IS_DELTA: return plan_delta(plan, node, args, error);
    default:
      return plan_elementwise(plan, node, node->arg_count == 1 ? STEP_UNARY : STEP_BINARY, args,
                              error);
  }
}

uint32_t plan_limit_nesting(Plan *plan, uint32_t first, uint32_t last, Error *error) {
  for (uint32_t i = first; i <= last; i++) {
    Step *step = &plan->steps[i];
    step->nested = 1;
    for (uint32_t a = 0; !step->of_keep && a < step->arg_count; a++) {
      uint32_t within = plan->steps[step->args[a]].nested;
      if (within >= step->nested) step->nested = within + 1;
    }
  }
  return plan->steps[last].nested < PLAN_MAX_NESTED ? last : plan_keep(plan, last, error);
}

uint32_t plan_operator(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  uint32_t first = plan->step_count, added = plan_node(plan, node, args, error);
  return added == PLAN_NONE ? PLAN_NONE : plan_limit_nesting(plan, first, added, error);
}

/* Adds the steps of a node, whose arguments have theirs. */
static bool plan_take_node(Plan *plan, const Node *node, Error *error) {
  uint32_t few[4] = {0}, *args = few;
  if (node->arg_count > sizeof few / sizeof few[0]) {
    args = memory_zeroed(node->arg_count, sizeof *args);
    if (args == NULL) return error_memory(error);
  }
  for (uint32_t i = 0; i < node->arg_count; i++) args[i] = plan->step_of[node->args[i]->number];
  uint32_t first = plan->step_count, added = plan_node(plan, node, args, error);
  if (added != PLAN_NONE && node != plan->graph.root)
    added = plan_limit_nesting(plan, first, added, error);
  plan->step_of[node->number] = added;
  if (args != few) memory_free(args);
  return added != PLAN_NONE;
}

bool plan_open(Plan *plan, Session *session, const char *text, uint64_t length, Error *error) {
  *plan = (Plan){.session = session};
  Graph *graph = &plan->graph;
  if (!expression_parse(graph, text, length, error)) return false;
  uint32_t leaf_count = 0;
  for (uint32_t i = 0; i < graph->node_count; i++)
    leaf_count += graph->nodes[i]->op == OPERATOR_IS_TENSOR;
  plan->leaves = memory_zeroed(leaf_count, sizeof *plan->leaves);
  plan->step_of = memory_zeroed(graph->node_count, sizeof *plan->step_of);
  if (plan->leaves == NULL || plan->step_of == NULL) return error_memory(error);
  Cancel *cancel = session_cancel(session);
  for (uint32_t i = 0; i < graph->node_count; i++) {
    if (!cancel_go_on(cancel, expression_name.subject, error) ||
        !plan_take_node(plan, graph->nodes[i], error))
      return false;
  }
  return true;
}

void plan_close(Plan *plan) {
  for (uint32_t i = 0; i < plan->step_count; i++) {
    view_clear(&plan->steps[i].shape);
    view_clear(&plan->steps[i].view);
  }
  for (uint32_t i = 0; i < plan->leaf_count; i++) leaf_close(&plan->leaves[i]);
  memory_free(plan->steps);
  memory_free(plan->leaves);
  memory_free(plan->step_of);
  graph_clear(&plan->graph);
  *plan = (Plan){0};
}
