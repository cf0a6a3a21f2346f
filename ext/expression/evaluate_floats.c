/*
** Steps that are computed in floats: one sum, difference, product or quotient of elements that are
** floats as they are stored, where it is rounded to F32. A double has more than twice the digits of a
** float, and two more, so that rounding a result to a double first makes no difference. Source:
** Figueroa, When is double rounding innocuous? (1995). Of what is too small for all digits, sums are
** exact, and no quotient is so close to the middle between two floats.
*/
#include "expression/evaluate.h"

/* The kernel of an operator, or NULL. */
static KernelFloats *floats_kernel(const Kernels *kernels, Operator op, Dtype dtype) {
  KernelFloats *const *of = op == OPERATOR_IS_ADD   ? kernels->sum
                            : op == OPERATOR_IS_SUB ? kernels->difference
                            : op == OPERATOR_IS_MUL ? kernels->product
                            : op == OPERATOR_IS_DIV ? kernels->quotient
                                                    : NULL;
  return of != NULL ? of[dtype] : NULL;
}

/* Whether the elements of an argument are floats, and within easy reach. */
static bool floats_suit(const Evaluator *evaluator, uint32_t number) {
  const Step *step = &evaluator->plan->steps[number];
  const StepState *state = &evaluator->states[number];
  if (step->kind == STEP_NUMBER) return (double)(float)step->value == step->value;
  /* As they are stored: what is kept of a computed step are doubles. */
  return state->is_plain && numbers_are_floats(state->decode);
}

bool evaluate_is_in_floats(const Evaluator *evaluator, uint32_t number) {
  const Step *step = &evaluator->plan->steps[number];
  bool native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  if (!native || step->kind != STEP_BINARY || step->stored || step->dtype != DTYPE_F32)
    return false;
  const Step *a = &evaluator->plan->steps[step->args[0]];
  const Step *b = &evaluator->plan->steps[step->args[1]];
  bool whole_a = a->kind == STEP_NUMBER || a->shape.numel == step->shape.numel;
  bool whole_b = b->kind == STEP_NUMBER || b->shape.numel == step->shape.numel;
  return whole_a && whole_b && floats_kernel(kernels_chosen(), step->op, DTYPE_F32) != NULL &&
         floats_suit(evaluator, step->args[0]) && floats_suit(evaluator, step->args[1]);
}

/* Whether the elements of a step lie side by side in a file. */
static bool floats_lie_in_file(const Step *step, uint64_t numel) {
  return step->kind == STEP_READ && !step->of_keep && step->shape.numel == numel &&
         view_is_contiguous(&step->view);
}

bool evaluate_is_of_two(const Plan *plan, StatsOfTwo *out) {
  const Step *step = plan_root(plan);
  bool native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  if (!native || step->kind != STEP_BINARY || step->stored || step->dtype != DTYPE_F32)
    return false;
  const Step *a = &plan->steps[step->args[0]], *b = &plan->steps[step->args[1]];
  *out = (StatsOfTwo){.sources = {&a->source, &b->source},
                      .views = {&a->view, &b->view},
                      .dtype = a->dtype,
                      .compute = floats_kernel(kernels_chosen(), step->op, a->dtype)};
  return out->compute != NULL && a->dtype == b->dtype && floats_lie_in_file(a, step->shape.numel) &&
         floats_lie_in_file(b, step->shape.numel);
}

/* The elements of an argument as they are stored, in the dtype that is set. Numbers are repeated in
** `room`. */
static const unsigned char *floats_of(Evaluator *evaluator, uint32_t number, uint64_t begin,
                                      uint64_t count, float *room, Dtype *dtype, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  *dtype = DTYPE_F32;
  if (step->kind == STEP_NUMBER) {
    for (uint64_t i = 0; i < count; i++) room[i] = (float)step->value;
    return (const unsigned char *)room;
  }
  *dtype = evaluator->states[number].decode->dtype;
  return evaluate_plain(evaluator, number, begin, count, error);
}

/* The same as native floats. */
static const unsigned char *floats_convert(const Evaluator *evaluator, uint32_t number,
                                           const unsigned char *data, uint64_t count, float *room) {
  if (evaluator->plan->steps[number].kind == STEP_NUMBER) return data;
  return numbers_floats(evaluator->states[number].decode, data, 0, count, room);
}

bool evaluate_floats(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                     float *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  const Kernels *kernels = kernels_chosen();
  float room_a[EVALUATE_AT_ONCE], room_b[EVALUATE_AT_ONCE];
  Dtype dtype_a, dtype_b;
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < EVALUATE_AT_ONCE ? count - done : EVALUATE_AT_ONCE;
    const unsigned char *a =
        floats_of(evaluator, step->args[0], begin + done, size, room_a, &dtype_a, error);
    const unsigned char *b =
        floats_of(evaluator, step->args[1], begin + done, size, room_b, &dtype_b, error);
    if (a == NULL || b == NULL) return false;
    KernelFloats *kernel = dtype_a == dtype_b ? floats_kernel(kernels, step->op, dtype_a) : NULL;
    if (kernel == NULL) {
      kernel = floats_kernel(kernels, step->op, DTYPE_F32);
      a = floats_convert(evaluator, step->args[0], a, size, room_a);
      b = floats_convert(evaluator, step->args[1], b, size, room_b);
    }
    kernel(a, b, size, out + done);
  }
  return true;
}
