/* Products of matrices: their shapes, and how their operands are read. */
#include "base/memory.h"
#include "expression/plan.h"

/* What numpy.matmul makes of two shapes: batches that broadcast, and the matrices at the end. */
typedef struct PlanMatmul {
  uint64_t rows, length, columns;
  bool a_vector, b_vector;
  uint32_t batch_rank;
  uint64_t *batch; /* and room for two more */
} PlanMatmul;

/* The elements of an argument as a batch of matrices, repeated where the batches are. `again` says
** that they are read more than once. */
static uint32_t plan_matmul_operand(Plan *plan, const PlanMatmul *matmul, uint32_t arg,
                                    uint64_t rows, uint64_t columns, bool again, Error *error) {
  View view;
  uint64_t batches = plan_product(matmul->batch, matmul->batch_rank);
  bool repeated = plan->steps[arg].shape.numel < batches * rows * columns;
  if (repeated || again) arg = plan_keep(plan, arg, error);
  if (arg == PLAN_NONE || !repeated) return arg;
  matmul->batch[matmul->batch_rank] = rows;
  matmul->batch[matmul->batch_rank + 1] = columns;
  if (!view_open_shape(&view, matmul->batch, matmul->batch_rank + 2, &expression_name, error))
    return PLAN_NONE;
  const Step *base = &plan->steps[arg];
  for (uint32_t d = 0; d < view.rank; d++) view.stride[d] = 0;
  if (base->shape.rank == 1) { /* a row if that fits, else a column */
    view.stride[rows == 1 ? view.rank - 1 : view.rank - 2] = base->view.stride[0];
  } else {
    for (uint32_t d = 1; d <= base->shape.rank; d++) {
      uint32_t from = base->shape.rank - d;
      bool own = base->shape.shape[from] == view.shape[view.rank - d];
      view.stride[view.rank - d] = own ? base->view.stride[from] : 0;
    }
  }
  view.offset = base->view.offset;
  return plan_add_view(plan, arg, &view, error);
}

static bool plan_matmul_shapes(const View *a, const View *b, PlanMatmul *matmul) {
  if (a->rank == 0 || b->rank == 0) return false;
  matmul->a_vector = a->rank == 1;
  matmul->b_vector = b->rank == 1;
  matmul->rows = matmul->a_vector ? 1 : a->shape[a->rank - 2];
  matmul->length = a->shape[a->rank - 1];
  matmul->columns = matmul->b_vector ? 1 : b->shape[b->rank - 1];
  if (matmul->length != b->shape[matmul->b_vector ? 0 : b->rank - 2]) return false;
  View a_batch = *a, b_batch = *b;
  a_batch.rank = a->rank > 2 ? a->rank - 2 : 0;
  b_batch.rank = b->rank > 2 ? b->rank - 2 : 0;
  matmul->batch_rank = a_batch.rank > b_batch.rank ? a_batch.rank : b_batch.rank;
  for (uint32_t d = 0; d < matmul->batch_rank; d++) matmul->batch[d] = 1;
  return plan_broadcast_with(matmul->batch, matmul->batch_rank, &a_batch) &&
         plan_broadcast_with(matmul->batch, matmul->batch_rank, &b_batch);
}

/* Whether all products and sums are few enough, and no size overflows. */
static bool plan_matmul_is_bounded(const PlanMatmul *matmul) {
  uint64_t product = 1, a, b;
  for (uint32_t d = 0; d < matmul->batch_rank; d++) {
    if (__builtin_mul_overflow(product, matmul->batch[d], &product)) return false;
  }
  return !__builtin_mul_overflow(product, matmul->rows, &a) && a <= PLAN_MAX_MULTIPLICATIONS &&
         !__builtin_mul_overflow(a, matmul->length, &b) && b <= PLAN_MAX_MULTIPLICATIONS &&
         !__builtin_mul_overflow(product, matmul->length, &b) &&
         !__builtin_mul_overflow(b, matmul->columns, &b) && b <= PLAN_MAX_MULTIPLICATIONS &&
         !__builtin_mul_overflow(a, matmul->length > 0 ? matmul->length : 1, &a) &&
         !__builtin_mul_overflow(a, matmul->columns, &a) && a <= PLAN_MAX_MULTIPLICATIONS;
}

/* The result has no elements. */
static bool plan_matmul_is_empty(const PlanMatmul *matmul) {
  bool empty = matmul->rows == 0 || matmul->columns == 0;
  for (uint32_t d = 0; d < matmul->batch_rank; d++) empty = empty || matmul->batch[d] == 0;
  return empty;
}

/* The shape of the result, in `batch`. Returns its rank. */
static uint32_t plan_matmul_result(const PlanMatmul *matmul) {
  uint32_t rank = matmul->batch_rank;
  if (!matmul->a_vector) matmul->batch[rank++] = matmul->rows;
  if (!matmul->b_vector) matmul->batch[rank++] = matmul->columns;
  return rank;
}

static uint32_t plan_matmul_step(Plan *plan, const Node *node, PlanMatmul *matmul,
                                 const uint32_t *args, Error *error) {
  Dtype dtype;
  if (!plan_arithmetic(plan, node, args, 2, &dtype, error)) return PLAN_NONE;
  if (plan_matmul_is_empty(matmul)) /* whatever its operands */
    return plan_add_shaped(plan, STEP_FULL, dtype, 0, matmul->batch, plan_matmul_result(matmul),
                           error);
  if (!plan_matmul_is_bounded(matmul))
    return plan_refuse_shapes(plan, error, node, "at most 2^60 multiplications", args[0], args[1]);
  uint32_t a =
      plan_matmul_operand(plan, matmul, args[0], matmul->rows, matmul->length, false, error);
  if (a == PLAN_NONE) return PLAN_NONE;
  uint32_t b =
      plan_matmul_operand(plan, matmul, args[1], matmul->length, matmul->columns, true, error);
  if (b == PLAN_NONE) return PLAN_NONE;
  uint64_t batches = plan_product(matmul->batch, matmul->batch_rank);
  uint32_t rank = plan_matmul_result(matmul);
  uint32_t added = plan_add_shaped(plan, STEP_MATMUL, dtype, 2, matmul->batch, rank, error);
  if (added == PLAN_NONE) return PLAN_NONE;
  Step *step = &plan->steps[added];
  step->args[0] = a;
  step->args[1] = b;
  step->outer = batches;
  step->rows = matmul->rows;
  step->length = matmul->length;
  step->inner = matmul->columns;
  return added;
}

uint32_t plan_matmul(Plan *plan, const Node *node, const uint32_t *args, Error *error) {
  const View *a = &plan->steps[args[0]].shape, *b = &plan->steps[args[1]].shape;
  PlanMatmul matmul = {0};
  matmul.batch = memory_alloc((uint64_t)(a->rank > b->rank ? a->rank : b->rank) * sizeof(uint64_t) +
                              2 * sizeof(uint64_t));
  if (matmul.batch == NULL) return plan_no_memory(error);
  uint32_t added =
      plan_matmul_shapes(a, b, &matmul)
          ? plan_matmul_step(plan, node, &matmul, args, error)
          : plan_refuse_shapes(plan, error, node, "matrices whose inner sizes are equal", args[0],
                               args[1]);
  memory_free(matmul.batch);
  return added;
}
