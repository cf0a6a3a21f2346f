/* Steps that are computed as a whole: see whole.h. */
#include <string.h>

#include "base/memory.h"
#include "expression/evaluate.h"
#include "expression/prepare.h"
#include "expression/whole.h"
#include "tensor/encode.h"

static bool prepare_ask(void *context, Error *error) {
  return host_go_on(context, 0, error);
}

/* All numbers of a step. memory_free() releases them. NULL on an error. */
static double *prepare_argument(const Plan *plan, uint32_t number, const Asking *asking,
                                Error *error) {
  uint64_t numel = plan->steps[number].shape.numel;
  Evaluator evaluator;
  double *numbers = memory_zeroed(numel, sizeof *numbers);
  if (numbers == NULL) {
    error_memory(error);
    return NULL;
  }
  EvaluatorRoom room = prepare_room(plan, 1);
  bool good = evaluator_open(&evaluator, plan, number, &room, error);
  evaluator.asking = asking;
  good = good && evaluator_begin(&evaluator, numel, error);
  for (uint64_t done = 0, size; good && done < numel; done += size) {
    size = numel - done < EVALUATE_TILE ? numel - done : EVALUATE_TILE;
    const double *tile = evaluate_numbers(&evaluator, number, done, size, error);
    good = tile != NULL && asking->go_on(asking->context, error);
    if (good) memcpy(numbers + done, tile, (size_t)size * sizeof *numbers);
  }
  good = good && evaluator_end(&evaluator, error);
  evaluator_close(&evaluator);
  if (good) return numbers;
  memory_free(numbers);
  return NULL;
}

/* In the format's byte order, as all that is read later. */
static bool prepare_write(Keep *keep, const double *numbers, uint64_t count, Error *error) {
  unsigned char block[EVALUATE_TILE * sizeof *numbers];
  bool good = true;
  for (uint64_t done = 0, size; good && done < count; done += size) {
    size = count - done < EVALUATE_TILE ? count - done : EVALUATE_TILE;
    encode_doubles(DTYPE_F64, numbers + done, 0, size, block);
    good = keep_write(keep, block, size * sizeof *numbers, done * sizeof *numbers, error);
  }
  return good;
}

bool prepare_whole(const Plan *plan, uint32_t number, Keep *keep, const Host *host, Error *error) {
  const Step *step = &plan->steps[number];
  Host copy = *host; /* asking changes nothing of it */
  Asking asking = {prepare_ask, &copy};
  double *args[WHOLE_MAX_ARGS] = {0};
  WholeCall call = {.parameters = step->whole->parameters,
                    .numel = step->shape.numel,
                    .out = memory_zeroed(step->shape.numel, sizeof *call.out),
                    .asking = &asking};
  bool good = call.out != NULL || error_memory(error);
  for (uint32_t i = 0; good && i < step->arg_count; i++) {
    args[i] = prepare_argument(plan, step->args[i], &asking, error);
    call.args[i] = args[i];
    call.shapes[i] = &plan->steps[step->args[i]].shape;
    good = args[i] != NULL;
  }
  good = good && step->whole->compute(&call, error) &&
         prepare_write(keep, call.out, call.numel, error);
  for (uint32_t i = 0; i < step->arg_count; i++) memory_free(args[i]);
  memory_free(call.out);
  return good;
}
