#include "expression/direct.h"

#include "base/memory.h"
#include "expression/evaluate.h"

/* How many times as much work keeping has to be: that is done in large pieces. */
#define DIRECT_GAIN 16.0

/* What is known of a step if nothing is kept. */
typedef struct DirectStep {
  double work; /* elements that are computed for one of the step, at most */
  uint32_t nested;
} DirectStep;

/* How many elements of an argument one element of a step is computed from, or together with: at most. */
static double direct_factor(const Step *step) {
  const View *view = &step->view;
  uint64_t stride = view->rank > 0 ? view->stride[view->rank - 1] : 1;
  switch (step->kind) {
    case STEP_REDUCE:
    case STEP_MATMUL: return (double)step->length;
    case STEP_BLOCKS: /* with the whole row */
      return (double)step->length * (double)step->blocks * (double)step->inner;
    case STEP_READ:
    case STEP_MOVE: /* with those between two, unless they are far apart */
      return stride > 1 && stride < EVALUATE_TILE ? (double)stride : 1;
    case STEP_TAKE:
    case STEP_UNPACK:
    case STEP_SPREAD:
    case STEP_LOOKUP: return EVALUATE_TILE;
    default: return 1;
  }
}

static void direct_measure(const Plan *plan, uint32_t number, DirectStep *steps) {
  const Step *step = &plan->steps[number];
  double below = 0;
  steps[number].nested = 1;
  for (uint32_t a = 0; a < step->arg_count; a++) {
    const DirectStep *arg = &steps[step->args[a]];
    below += arg->work;
    if (arg->nested >= steps[number].nested) steps[number].nested = arg->nested + 1;
  }
  steps[number].work = 1 + direct_factor(step) * below;
}

/* Whether it is less work, and the steps are not nested too deeply. The first pass of slerp, and what is
** computed as a whole, need all elements of their arguments. */
static bool direct_is_better(const Plan *plan, const bool *wanted, uint64_t count,
                             DirectStep *steps) {
  double kept = 0;
  for (uint32_t i = 0; i < plan->step_count; i++) {
    const Step *step = &plan->steps[i];
    if (!wanted[i]) continue;
    direct_measure(plan, i, steps);
    bool whole = step->kind == STEP_SLERP || step->kind == STEP_WHOLE;
    if (whole || steps[i].nested >= PLAN_MAX_NESTED) return false;
    if (step->is_kept) kept += (double)step->shape.numel;
  }
  return (double)count * steps[plan->step_count - 1].work * DIRECT_GAIN <= kept;
}

bool direct_plan(Plan *plan, const bool *wanted, uint64_t count, Error *error) {
  DirectStep *steps = memory_zeroed(plan->step_count, sizeof *steps);
  if (steps == NULL) return error_memory(error);
  bool better = direct_is_better(plan, wanted, count, steps);
  memory_free(steps);
  plan->is_direct = better;
  for (uint32_t i = 0; better && i < plan->step_count; i++) {
    Step *step = &plan->steps[i];
    step->is_kept = false;
    if (!step->of_keep) continue;
    step->of_keep = false;
    step->kind = STEP_MOVE; /* of what it would have read */
  }
  return true;
}
