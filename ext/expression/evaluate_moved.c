/* Steps whose elements are those of others, in another order: slices, rows taken, tensors joined. */
#include <string.h>

#include "base/memory.h"
#include "expression/evaluate.h"
#include "tensor/gather.h"

/* Where elements of a step come from: `count` of them, at first, first + stride, ... of an
** argument. */
typedef struct MovedPiece {
  uint32_t arg;
  uint64_t first, count, stride;
} MovedPiece;

/* A slice, or elements in another shape. */
static MovedPiece moved_piece_of_view(const Step *step, StepState *state, uint64_t at) {
  if (state->run_at != at || state->run.count == 0) {
    uint64_t within = runs_seek(&state->runs, at);
    runs_next(&state->runs, &state->run);
    state->run.first += within * state->run.stride;
    state->run.count -= within;
    state->run_at = at;
  }
  return (MovedPiece){step->args[0], state->run.first, state->run.count, state->run.stride};
}

static void moved_advance(StepState *state, uint64_t count) {
  state->run.first += count * state->run.stride;
  state->run.count -= count;
  state->run_at += count;
  if (state->run.count == 0 && !runs_next(&state->runs, &state->run)) state->run_at = UINT64_MAX;
}

static MovedPiece moved_piece_of_take(const Step *step, uint64_t at) {
  uint64_t i = at % step->inner, row = at / step->inner;
  uint64_t index = (uint64_t)step->indices[row % step->rows];
  uint64_t first = (row / step->rows * step->length + index) * step->inner + i;
  return (MovedPiece){step->args[0], first, step->inner - i, 1};
}

/* `ends` are the ends of the arguments' chunks. */
static MovedPiece moved_piece_of_join(const Step *step, uint64_t at) {
  uint64_t outer = at / step->length, within = at % step->length;
  uint32_t low = 0, high = step->arg_count - 1;
  while (low < high) { /* the first chunk that ends behind it */
    uint32_t middle = low + (high - low) / 2;
    if (step->ends[middle] > within) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  uint64_t begin = low > 0 ? step->ends[low - 1] : 0, size = step->ends[low] - begin;
  return (MovedPiece){step->args[low], outer * size + (within - begin), step->ends[low] - within,
                      1};
}

static MovedPiece moved_piece(const Step *step, StepState *state, uint64_t at, uint64_t max) {
  MovedPiece piece = step->kind == STEP_MOVE   ? moved_piece_of_view(step, state, at)
                     : step->kind == STEP_TAKE ? moved_piece_of_take(step, at)
                                               : moved_piece_of_join(step, at);
  if (piece.count > max) piece.count = max;
  /* Elements that are apart are picked from a tile with all between them. */
  uint64_t reach = piece.stride > 1 ? (EVALUATE_TILE - 1) / piece.stride + 1 : piece.count;
  if (piece.count > reach) piece.count = reach;
  return piece;
}

bool evaluate_moved_numbers(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                            double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  MovedPiece piece;
  for (uint64_t done = 0; done < count; done += piece.count) {
    piece = moved_piece(step, state, begin + done, count - done);
    uint64_t span = (piece.count - 1) * piece.stride + 1;
    const double *numbers = evaluate_numbers(evaluator, piece.arg, piece.first, span, error);
    if (numbers == NULL) return false;
    if (piece.stride == 1) {
      memcpy(out + done, numbers, (size_t)piece.count * sizeof *out);
    } else {
      for (uint64_t i = 0; i < piece.count; i++) out[done + i] = numbers[i * piece.stride];
    }
    if (step->kind == STEP_MOVE) moved_advance(state, piece.count);
  }
  return true;
}

/* Elements that are apart, by way of all between them. */
static bool moved_pick_bytes(Evaluator *evaluator, const MovedPiece *piece, StepState *state,
                             unsigned bits, unsigned char *out, uint64_t out_first, Error *error) {
  uint64_t size = (uint64_t)EVALUATE_TILE * sizeof(uint64_t);
  if (state->bytes == NULL) state->bytes = memory_alloc(size);
  if (state->bytes == NULL) return error_memory(error);
  memset(state->bytes, 0, (size_t)size);
  if (!evaluate_bytes(evaluator, piece->arg, piece->first, (piece->count - 1) * piece->stride + 1,
                      state->bytes, 0, error))
    return false;
  gather_chunk(&(Chunk){state->bytes, 0, piece->count, piece->stride}, bits, out, out_first);
  return true;
}

bool evaluate_moved_bytes(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                          unsigned char *out, uint64_t out_first, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  unsigned bits = dtype_bits(step->dtype);
  MovedPiece piece;
  for (uint64_t done = 0; done < count; done += piece.count) {
    piece = moved_piece(step, state, begin + done, count - done);
    bool good = piece.stride == 1 ? evaluate_bytes(evaluator, piece.arg, piece.first, piece.count,
                                                   out, out_first + done, error)
                                  : moved_pick_bytes(evaluator, &piece, state, bits, out,
                                                     out_first + done, error);
    if (!good) return false;
    if (step->kind == STEP_MOVE) moved_advance(state, piece.count);
  }
  return true;
}
