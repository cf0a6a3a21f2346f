#include "expression/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "expression/elementwise.h"
#include "tensor/convert.h"
#include "tensor/decode.h"
#include "tensor/encode.h"
#include "tensor/gather.h"

enum {
  EVALUATE_ASK_ELEMENTS = 1 << 18,
  EVALUATE_CHUNK =
      64, /* a chunk of a source counts as so many elements: it may need a system call */
  EVALUATE_MAP_MIN = 128 << 10, /* bytes read at a time: fewer are not worth a mapping */
  EVALUATE_MOMENT = 1000000     /* nanoseconds */
};

/* ---- Opening ---- */

/* Sets `open` for the steps that are computed for this one: what is kept is only read. */
static void evaluator_mark(Evaluator *evaluator) {
  const Plan *plan = evaluator->plan;
  evaluator->states[evaluator->step].open = true;
  for (uint32_t i = evaluator->step + 1; i-- > 0;) {
    const Step *step = &plan->steps[i];
    if (!evaluator->states[i].open || step->of_keep) continue;
    for (uint32_t a = 0; a < step->arg_count; a++) evaluator->states[step->args[a]].open = true;
  }
}

/* Finds which steps are freed after each use: files, and what has one use only, as otherwise it would be
** computed again, and what it is computed from even more often. */
static bool evaluator_find_released(Evaluator *evaluator, Error *error) {
  uint32_t *uses = memory_zeroed(evaluator->step + 1, sizeof *uses);
  if (uses == NULL) return error_memory(error);
  for (uint32_t i = 0; i <= evaluator->step; i++) {
    const Step *step = &evaluator->plan->steps[i];
    if (!evaluator->states[i].open || step->of_keep) continue;
    for (uint32_t a = 0; a < step->arg_count; a++) uses[step->args[a]]++;
  }
  for (uint32_t i = 0; i <= evaluator->step; i++) {
    evaluator->states[i].is_released = uses[i] == 1 || evaluator->plan->steps[i].kind == STEP_READ;
  }
  memory_free(uses);
  return true;
}

void evaluate_release(Evaluator *evaluator, uint32_t arg) {
  StepState *state = &evaluator->states[arg];
  if (!state->is_released) return;
  state->count = 0;
  reader_release(&state->reader);
  evaluate_matmul_close(state->panel);
  evaluate_blocks_close(state->blocks);
  state->panel = NULL;
  state->blocks = NULL;
  memory_free(state->numbers);
  memory_free(state->bytes);
  state->numbers = NULL;
  state->bytes = NULL;
  for (unsigned h = 0; h < EVALUATE_MAX_HELD; h++) {
    memory_free(state->held[h]);
    state->held[h] = NULL;
  }
}

/* The same for the arguments of a step, unless they are many: these are freed one by one. */
static void evaluate_release_arguments(Evaluator *evaluator, uint32_t number) {
  const Step *step = &evaluator->plan->steps[number];
  if (!evaluator->room.releases || step->of_keep || step->arg_count > EVALUATE_MAX_HELD) return;
  for (uint32_t i = 0; i < step->arg_count; i++) evaluate_release(evaluator, step->args[i]);
}

static const Numbers *evaluator_numbers(Evaluator *evaluator, Dtype dtype, Error *error) {
  Numbers **numbers = &evaluator->numbers[dtype];
  if (*numbers == NULL) {
    *numbers = memory_alloc(sizeof **numbers);
    if (*numbers == NULL) {
      error_memory(error);
      return NULL;
    }
    numbers_open(*numbers, dtype);
  }
  return *numbers;
}

/* For what a Reader fetches: on the thread of the Evaluator. */
static bool evaluator_reader_go_on(void *context, Error *error) {
  const Evaluator *evaluator = context;
  return asking_go_on(evaluator->asking, error);
}

static bool evaluator_open_step(Evaluator *evaluator, uint32_t number, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  const EvaluatorRoom *room = &evaluator->room;
  Dtype element = step_kept_dtype(step);
  state->decode = evaluator_numbers(evaluator, element, error);
  if (state->decode == NULL) return false;
  state->run_at = UINT64_MAX;
  state->in_floats = evaluate_is_in_floats(evaluator, number);
  if (step->kind == STEP_MOVE) return runs_open(&state->runs, &step->view) || error_memory(error);
  if (step->kind != STEP_READ || step->shape.numel == 0) return true;
  /* Not for a pass, which leaves mapped what it finds cached: of many files that is much memory of the
  ** process. */
  if (!reader_open(&state->reader, &step->source, error)) return false;
  state->reader.asking = (Asking){evaluator_reader_go_on, evaluator};
  if (state->reader.ahead > room->ahead) state->reader.ahead = room->ahead;
  if (evaluator->maps) reader_map_windows(&state->reader, room->mapped);
  state->is_plain = dtype_bits(element) % 8 == 0 && view_is_contiguous(&step->view);
  if (!walk_open(&state->walk, &step->view, dtype_bits(element), &state->reader, error))
    return false;
  state->is_turned = turned_open(&state->turned, &state->walk.runs, dtype_bits(element),
                                 room->turned, &state->reader);
  return true;
}

bool evaluator_open(Evaluator *evaluator, const Plan *plan, uint32_t step,
                    const EvaluatorRoom *room, Error *error) {
  *evaluator = (Evaluator){.plan = plan,
                           .room = *room,
                           .step = step,
                           .maps = room->ahead >= EVALUATE_MAP_MIN && !room->releases};
  evaluator->states = memory_zeroed(plan->step_count, sizeof *evaluator->states);
  if (evaluator->states == NULL) return error_memory(error);
  evaluator_mark(evaluator);
  if (room->releases && !evaluator_find_released(evaluator, error)) return false;
  for (uint32_t i = 0; i <= step; i++) {
    if (evaluator->states[i].open && !evaluator_open_step(evaluator, i, error)) return false;
  }
  return evaluator->states[step].in_floats || evaluate_grouped_open(evaluator, step, error);
}

void evaluator_close(Evaluator *evaluator) {
  for (uint32_t i = 0; evaluator->states != NULL && i <= evaluator->step; i++) {
    StepState *state = &evaluator->states[i];
    if (!state->open) continue;
    turned_close(&state->turned);
    walk_close(&state->walk);
    runs_close(&state->runs);
    reader_close(&state->reader);
    evaluate_matmul_close(state->panel);
    evaluate_blocks_close(state->blocks);
    evaluate_grouped_close(state->grouped);
    memory_free(state->numbers);
    memory_free(state->bytes);
    for (unsigned h = 0; h < EVALUATE_MAX_HELD; h++) memory_free(state->held[h]);
  }
  for (unsigned d = 0; d < DTYPE_COUNT; d++) memory_free(evaluator->numbers[d]);
  memory_free(evaluator->states);
  *evaluator = (Evaluator){0};
}

bool evaluator_end(Evaluator *evaluator, Error *error) {
  for (uint32_t i = 0; evaluator->maps && i <= evaluator->step; i++) {
    if (!reader_check(&evaluator->states[i].reader, error)) return false;
  }
  if (evaluator->maps) evaluator->checked = clock_monotonic();
  return true;
}

/* Whether to check the files before they are read: not if that was done a moment ago. */
static bool evaluator_is_due(const Evaluator *evaluator) {
  return evaluator->maps && clock_monotonic() - evaluator->checked > EVALUATE_MOMENT;
}

/* Another thread reads what follows. */
bool evaluator_begin(Evaluator *evaluator, uint64_t until, Error *error) {
  const Plan *plan = evaluator->plan;
  evaluator->until = until;
  for (uint32_t i = 0; i <= evaluator->step; i++) {
    const Step *step = &plan->steps[i];
    Reader *reader = &evaluator->states[i].reader;
    if (step->kind != STEP_READ || reader->source == NULL) continue;
    bool in_order = step->shape.numel == plan->steps[evaluator->step].shape.numel &&
                    view_is_contiguous(&step->view);
    unsigned bits = dtype_bits(step_kept_dtype(step));
    if (in_order) reader->until = ((step->view.offset + until) * bits + 7) / 8;
  }
  return !evaluator_is_due(evaluator) || evaluator_end(evaluator, error);
}

/* Asks whether to go on after every EVALUATE_ASK_ELEMENTS. */
static bool evaluator_go_on(Evaluator *evaluator, uint64_t count, Error *error) {
  evaluator->busy += count;
  if (evaluator->busy < EVALUATE_ASK_ELEMENTS) return true;
  evaluator->busy = 0;
  return asking_go_on(evaluator->asking, error);
}

/* ---- Elements of a source ---- */

static bool evaluate_turned_numbers(Evaluator *evaluator, StepState *state, uint64_t begin,
                                    uint64_t count, double *out, Error *error) {
  for (uint64_t done = 0, size; done < count; done += size) {
    const unsigned char *data = turned_elements(&state->turned, begin + done, count - done, &size,
                                                evaluator->asking, error);
    if (data == NULL || !evaluator_go_on(evaluator, size, error)) return false;
    numbers_doubles(state->decode, data, 0, size, out + done);
  }
  return true;
}

static bool evaluate_turned_bytes(Evaluator *evaluator, StepState *state, uint64_t begin,
                                  uint64_t count, unsigned char *out, uint64_t out_first,
                                  Error *error) {
  unsigned bits = dtype_bits(state->decode->dtype);
  for (uint64_t done = 0, size; done < count; done += size) {
    const unsigned char *data = turned_elements(&state->turned, begin + done, count - done, &size,
                                                evaluator->asking, error);
    if (data == NULL || !evaluator_go_on(evaluator, size, error)) return false;
    gather_chunk(&(Chunk){data, 0, size, 1}, bits, out, out_first + done);
  }
  return true;
}

static bool evaluate_read_numbers(Evaluator *evaluator, uint32_t number, uint64_t begin,
                                  uint64_t count, double *out, Error *error) {
  StepState *state = &evaluator->states[number];
  Chunk chunk;
  if (state->is_plain) {
    const unsigned char *data = evaluate_plain(evaluator, number, begin, count, error);
    if (data != NULL) numbers_doubles(state->decode, data, 0, count, out);
    return data != NULL;
  }
  if (state->is_turned && turned_suits(&state->turned, begin, count))
    return evaluate_turned_numbers(evaluator, state, begin, count, out, error);
  walk_seek(&state->walk, begin);
  for (uint64_t done = 0; done < count; done += chunk.count) {
    if (!walk_next(&state->walk, count - done, &chunk, error) ||
        !evaluator_go_on(evaluator, EVALUATE_CHUNK, error))
      return false;
    if (chunk.stride == 1) {
      numbers_doubles(state->decode, chunk.data, chunk.first, chunk.count, out + done);
    } else {
      decode_doubles(state->decode->dtype, chunk.data, chunk.first, chunk.count, chunk.stride,
                     out + done);
    }
  }
  state->turned.next = begin + count;
  return true;
}

static bool evaluate_read_bytes(Evaluator *evaluator, uint32_t number, uint64_t begin,
                                uint64_t count, unsigned char *out, uint64_t out_first,
                                Error *error) {
  StepState *state = &evaluator->states[number];
  unsigned bits = dtype_bits(state->decode->dtype);
  Chunk chunk;
  if (state->is_turned && turned_suits(&state->turned, begin, count))
    return evaluate_turned_bytes(evaluator, state, begin, count, out, out_first, error);
  walk_seek(&state->walk, begin);
  for (uint64_t done = 0; done < count; done += chunk.count) {
    if (!walk_next(&state->walk, count - done, &chunk, error) ||
        !evaluator_go_on(evaluator, EVALUATE_CHUNK, error))
      return false;
    gather_chunk(&chunk, bits, out, out_first + done);
  }
  state->turned.next = begin + count;
  return true;
}

/* ---- Bytes in between ---- */

const unsigned char *evaluate_argument_bytes(Evaluator *evaluator, StepState *state, uint32_t arg,
                                             uint64_t begin, uint64_t count, Error *error) {
  unsigned bits = dtype_bits(evaluator->plan->steps[arg].dtype);
  if (state->bytes == NULL) state->bytes = memory_alloc(EVALUATE_TILE * sizeof(uint64_t));
  if (state->bytes == NULL) {
    error_memory(error);
    return NULL;
  }
  if (bits % 8 != 0) memset(state->bytes, 0, (size_t)((count * bits + 7) / 8));
  bool good = evaluate_bytes(evaluator, arg, begin, count, state->bytes, 0, error);
  return good ? state->bytes : NULL;
}

/* A tile of a step that rounds to its dtype. */
static bool evaluate_convert(Evaluator *evaluator, const Step *step, StepState *state,
                             uint64_t begin, uint64_t count, unsigned char *out, uint64_t out_first,
                             Error *error) {
  const Step *arg = &evaluator->plan->steps[step->args[0]];
  if (!arg->stored) {
    const double *numbers = evaluate_numbers(evaluator, step->args[0], begin, count, error);
    if (numbers == NULL) return false;
    if (step->dtype == DTYPE_C64) {
      for (uint64_t i = 0; i < count; i++) {
        double pair[2] = {numbers[i], 0};
        encode_doubles(step->dtype, pair, out_first + i, 1, out);
      }
    } else {
      encode_doubles(step->dtype, numbers, out_first, count, out);
    }
    return true;
  }
  const unsigned char *bytes =
      evaluate_argument_bytes(evaluator, state, step->args[0], begin, count, error);
  if (bytes == NULL) return false;
  convert_elements(arg->dtype, step->dtype, bytes, 0, count, 1, out, out_first);
  return true;
}

/* A tile of a step that is not stored, rounded to its dtype. */
static bool evaluate_rounded(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                             unsigned char *out, uint64_t out_first, Error *error) {
  const StepState *state = &evaluator->states[number];
  if (state->in_floats && (uintptr_t)out % sizeof(float) == 0) {
    float *floats = (float *)(void *)out + out_first;
    return state->grouped != NULL ? evaluate_grouped(evaluator, number, begin, count, floats, error)
                                  : evaluate_floats(evaluator, number, begin, count, floats, error);
  }
  const double *numbers = evaluate_numbers(evaluator, number, begin, count, error);
  if (numbers == NULL) return false;
  encode_doubles(evaluator->plan->steps[number].dtype, numbers, out_first, count, out);
  return true;
}

bool evaluate_bytes(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                    unsigned char *out, uint64_t out_first, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  if (step->stored && step->kind == STEP_READ)
    return evaluate_read_bytes(evaluator, number, begin, count, out, out_first, error);
  if (state->grouped != NULL && !evaluate_grouped_settle(evaluator, number, error)) return false;
  bool in_floats = state->in_floats && (uintptr_t)out % sizeof(float) == 0;
  uint64_t at_once = in_floats ? 4 * EVALUATE_TILE : EVALUATE_AT_ONCE;
  for (uint64_t done = 0, size; done < count; done += size) {
    size = count - done < at_once ? count - done : at_once;
    bool good =
        !step->stored
            ? evaluate_rounded(evaluator, number, begin + done, size, out, out_first + done, error)
        : step->kind == STEP_CONVERT ? evaluate_convert(evaluator, step, state, begin + done, size,
                                                        out, out_first + done, error)
                                     : evaluate_moved_bytes(evaluator, number, begin + done, size,
                                                            out, out_first + done, error);
    evaluate_release_arguments(evaluator, number);
    if (!good || !evaluator_go_on(evaluator, size, error)) return false;
  }
  return true;
}

static double *evaluate_room_to_hold(StepState *state, uint32_t argument, Error *error) {
  double **held = &state->held[argument];
  if (*held == NULL) *held = memory_zeroed(EVALUATE_TILE, sizeof **held);
  if (*held == NULL) error_memory(error);
  return *held;
}

/* A tile of a step that is stored but not read, as numbers. */
static bool evaluate_stored_numbers(Evaluator *evaluator, uint32_t number, uint64_t begin,
                                    uint64_t count, double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  if (step->kind != STEP_CONVERT)
    return evaluate_moved_numbers(evaluator, number, begin, count, out, error);
  /* The step's own room is in use for what it converts. */
  double *room = evaluate_room_to_hold(state, 0, error);
  if (room == NULL) return false;
  if (dtype_bits(step->dtype) % 8 != 0) memset(room, 0, EVALUATE_TILE * sizeof *room);
  unsigned char *bytes = (unsigned char *)room;
  if (!evaluate_convert(evaluator, step, state, begin, count, bytes, 0, error)) return false;
  numbers_doubles(state->decode, bytes, 0, count, out);
  return true;
}

/* ---- Arithmetic ---- */

/* An argument of a step, which has its shape or one element. */
static const double *evaluate_argument(Evaluator *evaluator, const Step *step, uint32_t i,
                                       uint64_t begin, uint64_t count, Operand *operand,
                                       Error *error) {
  operand->alone = evaluator->plan->steps[step->args[i]].shape.numel == 1;
  operand->numbers = evaluate_numbers(evaluator, step->args[i], operand->alone ? 0 : begin,
                                      operand->alone ? 1 : count, error);
  return operand->numbers;
}

/* The same for all arguments, each copied at once. */
static bool evaluate_held_arguments(Evaluator *evaluator, const Step *step, StepState *state,
                                    uint64_t begin, uint64_t count, Operand *operands,
                                    Error *error) {
  for (uint32_t i = 0; i < step->arg_count; i++) {
    if (evaluate_room_to_hold(state, i, error) == NULL) return false;
    const double *numbers =
        evaluate_argument(evaluator, step, i, begin, count, &operands[i], error);
    if (numbers == NULL) return false;
    memcpy(state->held[i], numbers, (size_t)(operands[i].alone ? 1 : count) * sizeof(double));
    operands[i].numbers = state->held[i];
  }
  return true;
}

/* Where one argument is a part of another one, it may overwrite its tile. Then they are computed
** again; but from then on only once, as otherwise steps within each other would take twice the time
** of those below them. */
static bool evaluate_arguments(Evaluator *evaluator, const Step *step, StepState *state,
                               uint64_t begin, uint64_t count, Operand *operands, Error *error) {
  for (uint32_t i = 0; !state->holds && i < step->arg_count; i++) {
    if (evaluate_argument(evaluator, step, i, begin, count, &operands[i], error) == NULL)
      return false;
  }
  for (uint32_t i = 0; !state->holds && i < step->arg_count; i++) {
    const StepState *arg = &evaluator->states[step->args[i]];
    bool alone = operands[i].alone;
    state->holds = arg->begin != (alone ? 0 : begin) || arg->count != (alone ? 1 : count);
  }
  return !state->holds ||
         evaluate_held_arguments(evaluator, step, state, begin, count, operands, error);
}

/* The dtype that kernels take the elements of an argument in: F64 if it is computed. */
static Dtype evaluate_kernel_dtype(const StepState *arg) {
  bool native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  Dtype dtype = arg->decode->dtype;
  return native && arg->is_plain && kernels_chosen()->scale[dtype] != NULL ? dtype : DTYPE_F64;
}

/* Interpolates between elements as they are stored, if both are of one dtype that kernels take. */
static bool evaluate_lerp(Evaluator *evaluator, const Step *step, uint64_t begin, uint64_t count,
                          double *out, bool *done, Error *error) {
  const StepState *a = &evaluator->states[step->args[0]], *b = &evaluator->states[step->args[1]];
  Dtype dtype = evaluate_kernel_dtype(a);
  uint64_t numel = step->shape.numel;
  bool whole = evaluator->plan->steps[step->args[0]].shape.numel == numel &&
               evaluator->plan->steps[step->args[1]].shape.numel == numel;
  *done = whole && dtype != DTYPE_F64 && dtype == evaluate_kernel_dtype(b);
  if (!*done) return true;
  const unsigned char *x = evaluate_plain(evaluator, step->args[0], begin, count, error);
  const unsigned char *y = evaluate_plain(evaluator, step->args[1], begin, count, error);
  if (x == NULL || y == NULL) return false;
  kernels_chosen()->lerp[dtype](x, y, step->value, count, out);
  return true;
}

/* Adds the tile of an argument, times a factor, to `out`, or begins with it. */
static bool evaluate_add(Evaluator *evaluator, uint32_t arg, bool is_first, double factor,
                         uint64_t begin, uint64_t count, double *out, Error *error) {
  const Kernels *kernels = kernels_chosen();
  Dtype dtype = evaluate_kernel_dtype(&evaluator->states[arg]);
  const unsigned char *data =
      dtype != DTYPE_F64
          ? evaluate_plain(evaluator, arg, begin, count, error)
          : (const unsigned char *)evaluate_numbers(evaluator, arg, begin, count, error);
  if (data == NULL) return false;
  KernelDoubles *add = is_first ? kernels->scale[dtype] : kernels->add_scaled[dtype];
  add(data, factor, count, out);
  return true;
}

/* What an argument is if it is a product with a number: which it is, and what is multiplied. */
static double evaluate_factor(const Evaluator *evaluator, uint32_t *arg) {
  const Step *steps = evaluator->plan->steps, *step = &steps[*arg];
  if (step->kind != STEP_BINARY || step->op != OPERATOR_IS_MUL) return 1;
  unsigned number = steps[step->args[0]].kind == STEP_NUMBER ? 0 : 1;
  const Step *other = &steps[step->args[1 - number]];
  if (steps[step->args[number]].kind != STEP_NUMBER || other->shape.numel != step->shape.numel)
    return 1;
  *arg = step->args[1 - number];
  return steps[step->args[number]].value;
}

/* A sum or difference with elements as they are stored, or with a product with a number, which need not
** be computed by themselves. The operands are added in their order, which decides which NaN it is. */
static bool evaluate_plus(Evaluator *evaluator, const Step *step, uint64_t begin, uint64_t count,
                          double *out, bool *done, Error *error) {
  uint32_t args[2];
  double factors[2];
  bool whole = step->op == OPERATOR_IS_ADD || step->op == OPERATOR_IS_SUB, suits = false;
  for (uint32_t i = 0; i < 2; i++) {
    args[i] = step->args[i];
    whole = whole && evaluator->plan->steps[args[i]].shape.numel == step->shape.numel;
    factors[i] = evaluate_factor(evaluator, &args[i]);
    suits = suits || args[i] != step->args[i] ||
            evaluate_kernel_dtype(&evaluator->states[args[i]]) != DTYPE_F64;
  }
  *done = whole && suits;
  if (step->op == OPERATOR_IS_SUB) factors[1] = -factors[1];
  for (uint32_t i = 0; *done && i < 2; i++) {
    if (!evaluate_add(evaluator, args[i], i == 0, factors[i], begin, count, out, error))
      return false;
    evaluate_release(evaluator, args[i]);
  }
  return true;
}

static bool evaluate_elementwise(Evaluator *evaluator, uint32_t number, uint64_t begin,
                                 uint64_t count, double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  Operand operands[EVALUATE_MAX_HELD] = {{0}};
  bool done = false;
  if (step->kind == STEP_LERP && !evaluate_lerp(evaluator, step, begin, count, out, &done, error))
    return false;
  if (step->kind == STEP_BINARY && !evaluate_plus(evaluator, step, begin, count, out, &done, error))
    return false;
  if (done) return true;
  if (!evaluate_arguments(evaluator, step, &evaluator->states[number], begin, count, operands,
                          error))
    return false;
  switch (step->kind) {
    case STEP_UNARY: elementwise_unary(step->op, operands[0], count, out); break;
    case STEP_BINARY: elementwise_binary(step->op, operands[0], operands[1], count, out); break;
    case STEP_WHERE: elementwise_where(operands[0], operands[1], operands[2], count, out); break;
    default: elementwise_lerp(operands[0], operands[1], step->value, count, out); break;
  }
  return true;
}

/* Whether the factors can be divided instead of the sum, as no bit is lost by that: where it is a
** division by a power of two, and nothing comes near the smallest double. */
static bool evaluate_divides_factors(const Evaluator *evaluator, const Step *step) {
  int exponent;
  if (step->kind != STEP_SUM || frexp(step->value, &exponent) != 0.5 || abs(exponent) > 64)
    return false;
  for (uint32_t i = 0; i < step->arg_count; i++) {
    double factor = fabs(step->factors[i]);
    bool usual = factor == 0 || (factor > 0x1p-400 && factor < 0x1p400);
    if (!usual || evaluate_kernel_dtype(&evaluator->states[step->args[i]]) == DTYPE_F64)
      return false;
  }
  return true;
}

/* The sum of the arguments, each times its factor, in their order. */
static bool evaluate_sum(Evaluator *evaluator, const Step *step, uint64_t begin, uint64_t count,
                         double *out, Error *error) {
  double divisor = evaluate_divides_factors(evaluator, step) ? step->value : 1;
  for (uint32_t i = 0; i < step->arg_count; i++) {
    if (!evaluate_add(evaluator, step->args[i], i == 0, step->factors[i] / divisor, begin, count,
                      out, error))
      return false;
    evaluate_release(evaluator, step->args[i]);
  }
  if (step->kind == STEP_SUM && step->value != divisor) elementwise_divide(step->value, count, out);
  return true;
}

static bool evaluate_filled(const Step *step, uint64_t begin, uint64_t count, double *out) {
  if (step->kind == STEP_RANDOM) {
    elementwise_random(step->seed, begin, count, out);
  } else {
    for (uint64_t i = 0; i < count; i++) out[i] = step->value;
  }
  return true;
}

/* ---- Numbers of any step ---- */

static bool evaluate_into(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                          double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  switch (step->kind) {
    case STEP_READ: return evaluate_read_numbers(evaluator, number, begin, count, out, error);
    case STEP_MOVE:
    case STEP_TAKE:
    case STEP_JOIN: return evaluate_moved_numbers(evaluator, number, begin, count, out, error);
    case STEP_CONVERT: return evaluate_stored_numbers(evaluator, number, begin, count, out, error);
    case STEP_NUMBER:
    case STEP_FULL:
    case STEP_RANDOM: return evaluate_filled(step, begin, count, out);
    case STEP_SLERP:
    case STEP_SUM: return evaluate_sum(evaluator, step, begin, count, out, error);
    case STEP_REDUCE: return evaluate_reduce(evaluator, number, begin, count, out, error);
    case STEP_MATMUL: return evaluate_matmul(evaluator, number, begin, count, out, error);
    case STEP_UNPACK: return evaluate_unpack(evaluator, number, begin, count, out, error);
    case STEP_SPREAD: return evaluate_spread(evaluator, number, begin, count, out, error);
    case STEP_LOOKUP: return evaluate_lookup(evaluator, number, begin, count, out, error);
    case STEP_BLOCKS: return evaluate_blocks(evaluator, number, begin, count, out, error);
    case STEP_CIRCLE: return evaluate_circle(evaluator, number, begin, count, out, error);
    case STEP_WAVES: return evaluate_waves(evaluator, number, begin, count, out, error);
    case STEP_SCATTER: return evaluate_scatter(evaluator, number, begin, count, out, error);
    default: return evaluate_elementwise(evaluator, number, begin, count, out, error);
  }
}

/* Computes a tile, in place if it is a part of a row of a panel. NULL on an error. */
static const double *evaluate_tile(Evaluator *evaluator, uint32_t number, uint64_t begin,
                                   uint64_t count, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  if (step->kind == STEP_MATMUL && count <= step->inner - begin % step->inner)
    return evaluate_matmul_in_place(evaluator, number, begin, count, error);
  if (state->numbers == NULL) state->numbers = memory_zeroed(EVALUATE_TILE, sizeof(double));
  if (state->numbers == NULL) {
    error_memory(error);
    return NULL;
  }
  bool good = evaluate_into(evaluator, number, begin, count, state->numbers, error);
  return good ? state->numbers : NULL;
}

const double *evaluate_numbers(Evaluator *evaluator, uint32_t number, uint64_t begin,
                               uint64_t count, Error *error) {
  StepState *state = &evaluator->states[number];
  if (state->count > 0 && state->begin == begin && state->count == count) return state->tile;
  state->count = 0;
  state->tile = evaluate_tile(evaluator, number, begin, count, error);
  evaluate_release_arguments(evaluator, number);
  if (state->tile == NULL || !evaluator_go_on(evaluator, count, error)) return NULL;
  state->begin = begin;
  state->count = count;
  return state->tile;
}
