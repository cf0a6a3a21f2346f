/*
** Products of matrices. Rows of the result are computed together, as a panel, so that each row of
** the right matrix is read once for all of them. Each element adds its products in the order of the
** inner dimension.
*/
#include <string.h>

#include "base/memory.h"
#include "expression/elementwise.h"
#include "expression/evaluate.h"
#include "spectral/tiles.h"

enum {
  MATMUL_BLOCK = 64,         /* rows of the right matrix at a time, fewer if they are long */
  MATMUL_COLUMNS = 4096,     /* columns of it: as many as can be read together */
  MATMUL_ELEMENTS = 1 << 16, /* elements of it: half of a second-level cache */
  MATMUL_MAX_ROWS = 64,      /* of a panel */
  MATMUL_PANEL = 1 << 18,    /* elements of a panel, if it has more than KERNEL_TILE_ROWS rows */
  MATMUL_NEAR =
      36 << 10,          /* the same if the right matrix is kept: they share a second-level cache */
  MATMUL_KEPT = 1 << 18, /* elements of a right matrix that is kept */
  MATMUL_LONG = 1 << 19  /* columns of which only those that are wanted are computed */
};

/* Numbers of the right matrix lie in tiles of KERNEL_TILE_COLUMNS columns, each row by row. */
typedef struct MatmulPanel {
  uint64_t first, rows;     /* rows of the result, over all batches; rows is 0 before the first */
  uint64_t column, columns; /* and which of their columns */
  uint64_t capacity;        /* rows that there is room for, in whole tiles, or 1 */
  uint64_t stride;          /* from one row of the result to the next */
  double *result;           /* rows of the columns, from `column` on */
  bool is_exact;            /* no product is rounded */
  bool has_kept;            /* `kept` is that of the batch */
  uint64_t batch;
  bool may_keep; /* the right matrix is small enough to be kept */
  double *kept;  /* it, if it was wanted as a whole */
  double *right; /* a block of it, MATMUL_ELEMENTS, once it is needed */
  void *result_memory, *kept_memory, *right_memory;
  double left[MATMUL_MAX_ROWS * MATMUL_BLOCK];
} MatmulPanel;

/* A block of the right matrix: `length` rows from k on, `columns` columns from a whole tile on. */
typedef struct MatmulBlock {
  uint64_t k, length, column, columns;
  const double *tiles;
  uint64_t tile_stride; /* from one tile to the next */
} MatmulBlock;

/* How many of so many columns are read together. */
static uint64_t matmul_width(uint64_t columns) {
  return columns < MATMUL_COLUMNS ? columns : MATMUL_COLUMNS;
}

void evaluate_matmul_close(struct MatmulPanel *panel) {
  if (panel == NULL) return;
  memory_free(panel->result_memory);
  memory_free(panel->kept_memory);
  memory_free(panel->right_memory);
  memory_free(panel);
}

/* Whether a step is of floats, or what is narrower: the product of two is a double. */
static bool matmul_is_narrow(const Evaluator *evaluator, uint32_t number) {
  return numbers_are_floats(evaluator->states[number].decode);
}

/* Whether the right matrix is small enough to be kept, in half of the room. */
static bool matmul_may_keep(const Step *step, uint64_t room) {
  uint64_t most = room / 2 / sizeof(double);
  if (most > MATMUL_KEPT) most = MATMUL_KEPT;
  return step->length <= most &&
         tiles_round_up(step->inner) <= most / (step->length > 0 ? step->length : 1);
}

bool evaluate_matmul_is_long(const Step *step) {
  return step->kind == STEP_MATMUL && !matmul_may_keep(step, UINT64_MAX);
}

/* How many rows a panel has room for; one, of some columns, if nothing is to be computed ahead. */
static uint64_t matmul_capacity(const Evaluator *evaluator, const Step *step, uint64_t stride,
                                bool keeps) {
  uint64_t most = evaluator->room.matmul / 2 / sizeof(double);
  if (evaluator->room.releases || step->inner > MATMUL_LONG) return 1;
  if (most > MATMUL_PANEL) most = MATMUL_PANEL;
  if (keeps && most > MATMUL_NEAR) most = MATMUL_NEAR;
  uint64_t rows = most / stride;
  if (rows > MATMUL_MAX_ROWS) rows = MATMUL_MAX_ROWS;
  if (rows > step->rows) rows = step->rows + KERNEL_TILE_ROWS - 1;
  rows -= rows % KERNEL_TILE_ROWS;
  return rows < KERNEL_TILE_ROWS ? KERNEL_TILE_ROWS : rows;
}

static MatmulPanel *matmul_open(const Evaluator *evaluator, const Step *step, StepState *state,
                                Error *error) {
  MatmulPanel *panel = state->panel;
  if (panel != NULL) return panel;
  panel = state->panel = memory_zeroed(1, sizeof *panel);
  if (panel != NULL) {
    /* One tile more, so that rows do not lie a power of two apart, which caches take badly. */
    panel->stride = tiles_round_up(step->inner) + KERNEL_TILE_COLUMNS;
    panel->may_keep = matmul_may_keep(step, evaluator->room.matmul);
    panel->capacity = matmul_capacity(evaluator, step, panel->stride, panel->may_keep);
    if (panel->capacity == 1) panel->stride = EVALUATE_TILE + 2 * KERNEL_TILE_COLUMNS;
    panel->is_exact =
        matmul_is_narrow(evaluator, step->args[0]) && matmul_is_narrow(evaluator, step->args[1]);
    uint64_t rows = panel->capacity > 1 ? panel->capacity : KERNEL_TILE_ROWS;
    panel->result = tiles_memory(rows * panel->stride, &panel->result_memory, error);
    return panel->result != NULL ? panel : NULL;
  }
  error_memory(error);
  return NULL;
}

/* ---- The matrices ---- */

/* Reads `length` columns of the left matrix from k on, for all rows of the panel: the rows follow each
** other, so that few columns take few lines of the cache. Whole rows are read together. */
static bool matmul_read_left(Evaluator *evaluator, const Step *step, MatmulPanel *panel, uint64_t k,
                             uint64_t length, Error *error) {
  uint64_t most = length == step->length ? EVALUATE_TILE / length : 1;
  for (uint64_t r = 0, rows; r < panel->rows; r += rows) {
    rows = panel->rows - r < most ? panel->rows - r : most;
    const double *numbers = evaluate_numbers(
        evaluator, step->args[0], (panel->first + r) * step->length + k, rows * length, error);
    if (numbers == NULL) return false;
    memcpy(panel->left + r * length, numbers, (size_t)(rows * length) * sizeof(double));
  }
  return true;
}

/* Puts one row of numbers into tiles. */
static void matmul_put_row(const double *numbers, uint64_t columns, uint64_t tile_stride,
                           double *out) {
  uint64_t c = 0;
  for (; columns - c >= KERNEL_TILE_COLUMNS; c += KERNEL_TILE_COLUMNS, out += tile_stride)
    memcpy(out, numbers + c, KERNEL_TILE_COLUMNS * sizeof *out); /* without a call */
  if (c < columns) memcpy(out, numbers + c, (size_t)(columns - c) * sizeof *out);
}

/* Reads a block of the right matrix, several rows at once if they are short and whole. */
static bool matmul_read_right(Evaluator *evaluator, const Step *step, uint64_t batch,
                              const MatmulBlock *block, double *out, Error *error) {
  uint64_t most = block->columns == step->inner ? EVALUATE_TILE / block->columns : 1;
  if (most == 0) most = 1;
  for (uint64_t k = 0, rows; k < block->length; k += rows) {
    rows = block->length - k < most ? block->length - k : most;
    uint64_t first = (batch * step->length + block->k + k) * step->inner + block->column;
    const double *numbers =
        evaluate_numbers(evaluator, step->args[1], first, rows * block->columns, error);
    if (numbers == NULL) return false;
    for (uint64_t r = 0; r < rows; r++) {
      matmul_put_row(numbers + r * block->columns, block->columns, block->tile_stride,
                     out + (k + r) * KERNEL_TILE_COLUMNS);
    }
  }
  return true;
}

/* Reads all of the right matrix of a batch. */
static bool matmul_keep(Evaluator *evaluator, const Step *step, MatmulPanel *panel, uint64_t batch,
                        Error *error) {
  uint64_t stride = step->length * KERNEL_TILE_COLUMNS;
  if (panel->kept == NULL)
    panel->kept =
        tiles_memory(step->length * tiles_round_up(step->inner), &panel->kept_memory, error);
  if (panel->kept == NULL) return false;
  panel->has_kept = false;
  for (uint64_t column = 0; column < step->inner; column += MATMUL_COLUMNS) {
    MatmulBlock block = {.length = step->length,
                         .column = column,
                         .columns = matmul_width(step->inner - column),
                         .tile_stride = stride};
    double *out = panel->kept + column / KERNEL_TILE_COLUMNS * stride;
    if (!matmul_read_right(evaluator, step, batch, &block, out, error)) return false;
  }
  panel->has_kept = true;
  panel->batch = batch;
  return true;
}

/* Finds the tiles of a block in what is kept, or reads them. */
static bool matmul_find_right(Evaluator *evaluator, const Step *step, MatmulPanel *panel,
                              uint64_t batch, MatmulBlock *block, Error *error) {
  if (panel->has_kept && panel->batch == batch) {
    block->tile_stride = step->length * KERNEL_TILE_COLUMNS;
    block->tiles = panel->kept + block->column / KERNEL_TILE_COLUMNS * block->tile_stride +
                   block->k * KERNEL_TILE_COLUMNS;
    return true;
  }
  if (panel->right == NULL)
    panel->right = tiles_memory(MATMUL_ELEMENTS, &panel->right_memory, error);
  if (panel->right == NULL) return false;
  block->tile_stride = block->length * KERNEL_TILE_COLUMNS;
  block->tiles = panel->right;
  return matmul_read_right(evaluator, step, batch, block, panel->right, error);
}

/* ---- A panel ---- */

/* Adds the products of a block, or begins with them. Rows that fill up a tile are multiplied, too. */
static void matmul_multiply(MatmulPanel *panel, const MatmulBlock *block) {
  uint64_t rows = (panel->rows + KERNEL_TILE_ROWS - 1) / KERNEL_TILE_ROWS * KERNEL_TILE_ROWS;
  KernelProduct product = {.left = panel->left,
                           .right = block->tiles,
                           .out = panel->result + (block->column - panel->column),
                           .rows = rows,
                           .length = block->length,
                           .left_stride = block->length,
                           .out_stride = panel->stride,
                           .is_exact = panel->is_exact,
                           .begins = block->k == 0};
  KernelMultiply *multiply = kernels_chosen()->multiply_tile;
  for (uint64_t c = 0; c < block->columns; c += KERNEL_TILE_COLUMNS) {
    multiply(&product);
    product.out += KERNEL_TILE_COLUMNS;
    product.right += block->tile_stride;
  }
}

/* Computes the columns of the panel, whose rows are in one batch. */
static bool matmul_fill(Evaluator *evaluator, const Step *step, MatmulPanel *panel, Error *error) {
  uint64_t batch = panel->first / step->rows, end = panel->column + panel->columns;
  const Asking *asking = evaluator->asking;
  for (uint64_t r = 0; step->length == 0 && r < panel->rows; r++) {
    memset(panel->result + r * panel->stride, 0, (size_t)panel->columns * sizeof(double));
  }
  uint64_t most = MATMUL_ELEMENTS / tiles_round_up(matmul_width(panel->columns));
  if (most > MATMUL_BLOCK) most = MATMUL_BLOCK;
  for (uint64_t k = 0, length; k < step->length; k += length) {
    length = step->length - k < most ? step->length - k : most;
    if (!matmul_read_left(evaluator, step, panel, k, length, error)) return false;
    for (uint64_t column = panel->column, columns; column < end; column += columns) {
      columns = matmul_width(end - column);
      MatmulBlock block = {.k = k, .length = length, .column = column, .columns = columns};
      if (!matmul_find_right(evaluator, step, panel, batch, &block, error)) return false;
      matmul_multiply(panel, &block);
    }
    if (!asking_go_on(asking, error)) return false;
  }
  return true;
}

/* How many rows from this one on are wanted, as far as is known. */
static uint64_t matmul_wanted(const Evaluator *evaluator, const Step *step, uint64_t at) {
  bool same = evaluator->plan->steps[evaluator->step].shape.numel == step->shape.numel;
  if (!same || evaluator->until <= at) return 1;
  return (evaluator->until - at - 1) / step->inner + 1;
}

/* Makes the panel contain `count` elements of a row from `column` on. */
static bool matmul_prepare(Evaluator *evaluator, const Step *step, MatmulPanel *panel, uint64_t row,
                           uint64_t column, uint64_t count, Error *error) {
  bool has = row >= panel->first && row < panel->first + panel->rows && column >= panel->column &&
             column + count <= panel->column + panel->columns;
  if (has) return true;
  uint64_t wanted = matmul_wanted(evaluator, step, row * step->inner + column);
  uint64_t left = step->rows - row % step->rows; /* in the batch */
  if (wanted > left) wanted = left;
  if (wanted > panel->capacity) wanted = panel->capacity;
  bool whole = column == 0 && wanted > 1;
  uint64_t batch = row / step->rows;
  panel->rows = 0; /* until it is computed */
  if (whole && panel->may_keep && !(panel->has_kept && panel->batch == batch) &&
      !matmul_keep(evaluator, step, panel, batch, error))
    return false;
  panel->first = row;
  panel->rows = whole ? wanted : 1;
  panel->column = column - column % KERNEL_TILE_COLUMNS;
  panel->columns = whole ? step->inner : column + count - panel->column;
  if (matmul_fill(evaluator, step, panel, error)) return true;
  panel->rows = 0;
  return false;
}

const double *evaluate_matmul_in_place(Evaluator *evaluator, uint32_t number, uint64_t begin,
                                       uint64_t count, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  MatmulPanel *panel = matmul_open(evaluator, step, &evaluator->states[number], error);
  uint64_t row = begin / step->inner, column = begin % step->inner;
  if (panel == NULL || !matmul_prepare(evaluator, step, panel, row, column, count, error))
    return NULL;
  return panel->result + (row - panel->first) * panel->stride + (column - panel->column);
}

bool evaluate_matmul(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                     double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t left = step->inner - (begin + done) % step->inner;
    size = left < count - done ? left : count - done;
    const double *numbers = evaluate_matmul_in_place(evaluator, number, begin + done, size, error);
    if (numbers == NULL) return false;
    memcpy(out + done, numbers, (size_t)size * sizeof *out);
  }
  return true;
}
