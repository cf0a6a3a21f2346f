/* Sums and norms over one axis, each element's numbers in the order of the axis. */
#include <math.h>
#include <string.h>

#include "expression/evaluate.h"

static void reduce_add(Operator op, const double *numbers, uint64_t count, double *out) {
  if (op == OPERATOR_IS_NORM) {
    for (uint64_t i = 0; i < count; i++) out[i] += numbers[i] * numbers[i];
  } else {
    for (uint64_t i = 0; i < count; i++) out[i] += numbers[i];
  }
}

/* All numbers of one element, where they follow each other. */
static bool reduce_row(Evaluator *evaluator, const Step *step, uint64_t row, double *out,
                       Error *error) {
  double sum = 0;
  for (uint64_t done = 0, size; done < step->length; done += size) {
    size = step->length - done < EVALUATE_TILE ? step->length - done : EVALUATE_TILE;
    const double *numbers =
        evaluate_numbers(evaluator, step->args[0], row * step->length + done, size, error);
    if (numbers == NULL) return false;
    for (uint64_t i = 0; i < size; i++)
      sum += step->op == OPERATOR_IS_NORM ? numbers[i] * numbers[i] : numbers[i];
  }
  *out = sum;
  return true;
}

/* Elements of one of outer, side by side, where the numbers of each lie `inner` apart. */
static bool reduce_columns(Evaluator *evaluator, const Step *step, uint64_t outer, uint64_t column,
                           uint64_t count, double *out, Error *error) {
  memset(out, 0, (size_t)count * sizeof *out);
  for (uint64_t k = 0; k < step->length; k++) {
    uint64_t first = (outer * step->length + k) * step->inner + column;
    const double *numbers = evaluate_numbers(evaluator, step->args[0], first, count, error);
    if (numbers == NULL) return false;
    reduce_add(step->op, numbers, count, out);
  }
  return true;
}

bool evaluate_reduce(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                     double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t at = begin + done, column = at % step->inner;
    size = step->inner - column < count - done ? step->inner - column : count - done;
    bool good = step->inner == 1 ? reduce_row(evaluator, step, at, out + done, error)
                                 : reduce_columns(evaluator, step, at / step->inner, column, size,
                                                  out + done, error);
    if (!good) return false;
  }
  if (step->op == OPERATOR_IS_NORM) {
    for (uint64_t i = 0; i < count; i++) out[i] = sqrt(out[i]);
  }
  return true;
}
