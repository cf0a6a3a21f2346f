/* Steps whose elements are those of others, in another order: slices, rows taken, tensors joined. */
#include <string.h>

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

/* ---- Many short pieces that are taken from a row ---- */

/* The most elements of such a piece, and how many times as long as what is taken a row may be. */
enum { MOVED_SHORT = 16 };

/* Whether all of a row is computed, and the elements are picked from it. */
static bool moved_takes_from_row(const Step *step) {
  return step->kind == STEP_TAKE && step->inner > 0 && step->inner <= MOVED_SHORT &&
         step->length <= EVALUATE_TILE / step->inner && step->length / MOVED_SHORT <= step->rows;
}

/* Where the elements come from that are taken from one row: at most `count`, from `at` on. */
typedef struct MovedRow {
  uint64_t first, size;  /* the row, in the argument */
  uint64_t begin, count; /* the elements of the result, counted from the first of that row */
} MovedRow;

static MovedRow moved_row(const Step *step, uint64_t at, uint64_t count) {
  uint64_t size = step->length * step->inner, taken = step->rows * step->inner;
  MovedRow row = {at / taken * size, size, at % taken, taken - at % taken};
  if (row.count > count) row.count = count;
  return row;
}

/* Which element of the row is number `i` of the elements taken. */
static inline uint64_t moved_index(const Step *step, uint64_t i) {
  return (uint64_t)step->indices[i / step->inner] * step->inner + i % step->inner;
}

static bool moved_take_numbers(Evaluator *evaluator, const Step *step, uint64_t begin,
                               uint64_t count, double *out, Error *error) {
  MovedRow row;
  for (uint64_t done = 0; done < count; done += row.count) {
    row = moved_row(step, begin + done, count - done);
    const double *numbers = evaluate_numbers(evaluator, step->args[0], row.first, row.size, error);
    if (numbers == NULL) return false;
    for (uint64_t i = 0; i < row.count; i++)
      out[done + i] = numbers[moved_index(step, row.begin + i)];
  }
  return true;
}

static bool moved_take_bytes(Evaluator *evaluator, const Step *step, StepState *state,
                             uint64_t begin, uint64_t count, unsigned char *out, uint64_t out_first,
                             Error *error) {
  unsigned bits = dtype_bits(step->dtype);
  MovedRow row;
  for (uint64_t done = 0; done < count; done += row.count) {
    row = moved_row(step, begin + done, count - done);
    const unsigned char *bytes =
        evaluate_argument_bytes(evaluator, state, step->args[0], row.first, row.size, error);
    if (bytes == NULL) return false;
    for (uint64_t i = 0; i < row.count; i++) {
      Chunk chunk = {bytes, moved_index(step, row.begin + i), 1, 1};
      gather_chunk(&chunk, bits, out, out_first + done + i);
    }
  }
  return true;
}

/* ---- All of them ---- */

bool evaluate_moved_numbers(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                            double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  MovedPiece piece;
  if (moved_takes_from_row(step))
    return moved_take_numbers(evaluator, step, begin, count, out, error);
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
    if (step->kind == STEP_JOIN) evaluate_release(evaluator, piece.arg);
    if (step->kind == STEP_MOVE) moved_advance(state, piece.count);
  }
  return true;
}

/* Elements that are apart, by way of all between them. */
static bool moved_pick_bytes(Evaluator *evaluator, const MovedPiece *piece, StepState *state,
                             unsigned bits, unsigned char *out, uint64_t out_first, Error *error) {
  uint64_t span = (piece->count - 1) * piece->stride + 1;
  const unsigned char *bytes =
      evaluate_argument_bytes(evaluator, state, piece->arg, piece->first, span, error);
  if (bytes == NULL) return false;
  gather_chunk(&(Chunk){bytes, 0, piece->count, piece->stride}, bits, out, out_first);
  return true;
}

bool evaluate_moved_bytes(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                          unsigned char *out, uint64_t out_first, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  StepState *state = &evaluator->states[number];
  unsigned bits = dtype_bits(step->dtype);
  MovedPiece piece;
  if (moved_takes_from_row(step))
    return moved_take_bytes(evaluator, step, state, begin, count, out, out_first, error);
  for (uint64_t done = 0; done < count; done += piece.count) {
    piece = moved_piece(step, state, begin + done, count - done);
    bool good = piece.stride == 1 ? evaluate_bytes(evaluator, piece.arg, piece.first, piece.count,
                                                   out, out_first + done, error)
                                  : moved_pick_bytes(evaluator, &piece, state, bits, out,
                                                     out_first + done, error);
    if (!good) return false;
    if (step->kind == STEP_JOIN) evaluate_release(evaluator, piece.arg);
    if (step->kind == STEP_MOVE) moved_advance(state, piece.count);
  }
  return true;
}
