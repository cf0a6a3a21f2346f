/* Steps of formulas that repeat, or fill up, something smaller: circulant matrices, waves, places. */
#include <math.h>
#include <string.h>

#include "expression/evaluate.h"

/* ---- Circulant matrices ---- */

bool evaluate_circle(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                     double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  uint64_t length = step->length, columns = step->inner * length;
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t row = (begin + done) / columns, column = (begin + done) % columns;
    uint64_t matrix = row / length * step->inner + column / length;
    uint64_t at = (column % length + length - row % length) % length;
    size = length - (at > column % length ? at : column % length); /* to the end of either */
    if (size > count - done) size = count - done;
    const double *numbers =
        evaluate_numbers(evaluator, step->args[0], matrix * length + at,
                         size < EVALUATE_TILE ? size : (size = EVALUATE_TILE), error);
    if (numbers == NULL) return false;
    memcpy(out + done, numbers, (size_t)size * sizeof *out);
  }
  return true;
}

/* ---- Waves ---- */

bool evaluate_waves(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                    double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  const double circle = 6.283185307179586476925286766559;
  bool turned = step->value != 0;
  uint64_t half = (turned ? step->rows : step->inner) / 2;
  (void)error;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t row = (begin + i) / step->inner, column = (begin + i) % step->inner;
    uint64_t at = turned ? column : row, which = turned ? row : column;
    uint64_t index = (uint64_t)step->indices[which < half ? which : which - half];
    double angle = circle * (double)(at * index % step->length) / (double)step->length;
    out[i] = which < half ? cos(angle) : turned ? sin(angle) : -sin(angle);
  }
  return true;
}

/* ---- Values at places ---- */

/* The first of the sorted places that is not before `at`; UINT64_MAX on an error. */
static uint64_t scatter_find(Evaluator *evaluator, const Step *step, uint64_t at, Error *error) {
  uint64_t low = 0, high = step->length;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    const double *place = evaluate_numbers(evaluator, step->args[0], middle, 1, error);
    if (place == NULL) return UINT64_MAX;
    if (*place < (double)at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool evaluate_scatter(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                      double *out, Error *error) {
  enum { AT_ONCE = 128 };
  const Step *step = &evaluator->plan->steps[number];
  double places[AT_ONCE];
  memset(out, 0, (size_t)count * sizeof *out);
  uint64_t next = scatter_find(evaluator, step, begin, error), size;
  if (next == UINT64_MAX) return false;
  for (; next < step->length; next += size) {
    size = step->length - next < AT_ONCE ? step->length - next : AT_ONCE;
    const double *numbers = evaluate_numbers(evaluator, step->args[0], next, size, error);
    if (numbers == NULL) return false;
    memcpy(places, numbers, (size_t)size * sizeof *places);
    numbers = evaluate_numbers(evaluator, step->args[0], step->length + next, size, error);
    if (numbers == NULL) return false;
    for (uint64_t i = 0; i < size; i++) {
      if (places[i] >= (double)(begin + count)) return true;
      out[(uint64_t)places[i] - begin] += numbers[i];
    }
  }
  return true;
}
