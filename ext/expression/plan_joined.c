/* Tensors joined along an axis: concat and stack. */
#include <string.h>

#include "base/memory.h"
#include "expression/plan.h"

/* The dtype of steps that are joined: theirs, if it is the same for all. */
static bool plan_joined(const Plan *plan, const Node *node, const uint32_t *args, Dtype *dtype,
                        bool *stored, Error *error) {
  *dtype = plan->steps[args[0]].dtype;
  *stored = true;
  bool same = true;
  for (uint32_t i = 0; i < node->arg_count; i++) {
    same = same && plan->steps[args[i]].dtype == *dtype;
    *stored = *stored && plan->steps[args[i]].stored;
  }
  *stored = *stored && same;
  return same || plan_arithmetic(plan, node, args, node->arg_count, dtype, error);
}

/* The shape of a concatenation. Returns false if the arguments do not fit. */
static bool plan_concat_shape(Plan *plan, const Node *node, const uint32_t *args, uint32_t axis,
                              uint64_t *shape, Error *error) {
  const View *first = &plan->steps[args[0]].shape;
  memcpy(shape, first->shape, first->rank * sizeof *shape);
  for (uint32_t i = 1; i < node->arg_count; i++) {
    const View *other = &plan->steps[args[i]].shape;
    bool fits = other->rank == first->rank;
    for (uint32_t d = 0; fits && d < first->rank; d++) {
      fits = d == axis ? !__builtin_add_overflow(shape[d], other->shape[d], &shape[d])
                       : shape[d] == other->shape[d];
    }
    if (fits) continue;
    plan_refuse_shapes(plan, error, node, "shapes that are equal but for the axis", args[0],
                       args[i]);
    return false;
  }
  return true;
}

/* Adds the step; each argument's elements come in chunks, from `axis` on. */
static uint32_t plan_join(Plan *plan, const Node *node, const uint32_t *args, const uint64_t *shape,
                          uint32_t rank, uint32_t axis, Error *error) {
  Dtype dtype;
  bool stored;
  if (!plan_joined(plan, node, args, &dtype, &stored, error)) return PLAN_NONE;
  uint32_t added = plan_add_shaped(plan, STEP_JOIN, dtype, node->arg_count, shape, rank, error);
  if (added == PLAN_NONE) return PLAN_NONE;
  Step *step = &plan->steps[added];
  step->stored = stored;
  step->outer = plan_product(shape, axis);
  step->ends = graph_alloc(&plan->graph, node->arg_count, sizeof *step->ends);
  if (step->ends == NULL) return plan_no_memory(error);
  for (uint32_t i = 0; i < node->arg_count; i++) {
    step->args[i] = args[i];
    step->length += step->outer > 0 ? plan->steps[args[i]].shape.numel / step->outer : 0;
    step->ends[i] = step->length;
  }
  return added;
}

uint32_t plan_concat(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  uint32_t axis, rank = plan->steps[args[0]].shape.rank, added = PLAN_NONE;
  if (!plan_axis(plan, node, args[0], rank, &axis, error)) return PLAN_NONE;
  uint64_t *shape = memory_alloc(rank * sizeof *shape);
  if (shape == NULL) return plan_no_memory(error);
  if (plan_concat_shape(plan, node, args, axis, shape, error))
    added = plan_join(plan, node, args, shape, rank, axis, error);
  memory_free(shape);
  return added;
}

uint32_t plan_stack(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  const View *first = &plan->steps[args[0]].shape;
  for (uint32_t i = 1; i < node->arg_count; i++) {
    if (!view_same_shape(first, &plan->steps[args[i]].shape))
      return plan_refuse_shapes(plan, error, node, "one shape", args[0], args[i]);
  }
  uint32_t rank = first->rank;
  uint64_t *shape = memory_alloc((rank + (uint64_t)1) * sizeof *shape);
  if (shape == NULL) return plan_no_memory(error);
  shape[0] = node->arg_count;
  memcpy(shape + 1, first->shape, rank * sizeof *shape);
  uint32_t added = plan_join(plan, node, args, shape, rank + 1, 0, error);
  memory_free(shape);
  return added;
}
