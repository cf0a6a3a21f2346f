/*
** Products by blocks: each row of the left matrix is in blocks, of which each has a matrix of its own. Rows
** of the result are computed together, as a panel, so that the matrices are read once for all of them, and
** the rows on the left as a whole. Each element adds its products in the order of the inner dimension.
*/
#include <string.h>

#include "base/memory.h"
#include "expression/evaluate.h"

enum {
  PRODUCT_MAX_ROWS = 64,
  PRODUCT_LENGTH = 64,    /* rows of a block's matrix at a time */
  PRODUCT_COLUMNS = 1024, /* columns of them */
  PRODUCT_PANEL = 1 << 18 /* elements of a panel of more than one row, left or right */
};

typedef struct BlocksPanel {
  uint64_t first, rows;   /* rows of the result, over all of outer; rows is 0 before the first */
  uint64_t begin, blocks; /* and which of their blocks: all of them, unless they are too many */
  uint64_t capacity, max_blocks;
  uint64_t width; /* of a block in the result, in whole tiles */
  double *result, *left;
  double right[PRODUCT_LENGTH * PRODUCT_COLUMNS]; /* in tiles, each row by row */
} BlocksPanel;

void evaluate_blocks_close(struct BlocksPanel *panel) {
  if (panel == NULL) return;
  memory_free(panel->result);
  memory_free(panel->left);
  memory_free(panel);
}

static BlocksPanel *blocks_open(const Evaluator *evaluator, const Step *step, StepState *state,
                                Error *error) {
  if (state->blocks != NULL) return state->blocks;
  uint64_t width =
      (step->inner + KERNEL_TILE_COLUMNS - 1) / KERNEL_TILE_COLUMNS * KERNEL_TILE_COLUMNS;
  uint64_t longer = width > step->length ? width : step->length;
  uint64_t most = evaluator->room.matmul / 4 / sizeof(double), max_blocks, rows;
  if (evaluator->room.releases) most = 0; /* no more than one row's block */
  if (most > PRODUCT_PANEL) most = PRODUCT_PANEL;
  max_blocks = most / longer;
  if (max_blocks > step->blocks) max_blocks = step->blocks;
  if (max_blocks == 0) max_blocks = 1;
  rows = most / (max_blocks * longer);
  if (rows > PRODUCT_MAX_ROWS) rows = PRODUCT_MAX_ROWS;
  rows = rows / KERNEL_TILE_ROWS * KERNEL_TILE_ROWS;
  if (rows == 0) rows = KERNEL_TILE_ROWS;
  BlocksPanel *panel = state->blocks = memory_zeroed(1, sizeof *panel);
  if (panel != NULL) {
    panel->capacity = evaluator->room.releases ? 1 : rows;
    panel->max_blocks = max_blocks;
    panel->width = width;
    panel->result = memory_zeroed(rows, max_blocks * width * sizeof(double));
    panel->left = memory_zeroed(rows, max_blocks * step->length * sizeof(double));
    if (panel->result != NULL && panel->left != NULL) return panel;
  }
  error_memory(error);
  return NULL;
}

/* ---- Filling a panel ---- */

/* The rows of the left matrix, as far as they are in the blocks of the panel. */
static bool blocks_read_left(Evaluator *evaluator, const Step *step, BlocksPanel *panel,
                             Error *error) {
  uint64_t width = panel->blocks * step->length;
  for (uint64_t r = 0; r < panel->rows; r++) {
    uint64_t at = ((panel->first + r) * step->blocks + panel->begin) * step->length;
    for (uint64_t done = 0, size; done < width; done += size) {
      size = width - done < EVALUATE_TILE ? width - done : EVALUATE_TILE;
      const double *numbers = evaluate_numbers(evaluator, step->args[0], at + done, size, error);
      if (numbers == NULL) return false;
      memcpy(panel->left + r * width + done, numbers, (size_t)size * sizeof *numbers);
    }
  }
  return true;
}

/* Rows of a block's matrix from element `at` on, `length` rows and `columns` columns of them, in tiles: several
** rows at once, if they are short. */
static bool blocks_read_right(Evaluator *evaluator, const Step *step, BlocksPanel *panel,
                              uint64_t at, uint64_t length, uint64_t columns, Error *error) {
  uint64_t most = columns == step->inner ? EVALUATE_TILE / columns : 1;
  for (uint64_t k = 0, rows; k < length; k += rows) {
    rows = length - k < most ? length - k : most;
    const double *numbers =
        evaluate_numbers(evaluator, step->args[1], at + k * step->inner, rows * columns, error);
    if (numbers == NULL) return false;
    for (uint64_t r = 0; r < rows; r++, numbers += columns) {
      for (uint64_t c = 0; c < columns; c += KERNEL_TILE_COLUMNS) {
        uint64_t size = columns - c < KERNEL_TILE_COLUMNS ? columns - c : KERNEL_TILE_COLUMNS;
        memcpy(panel->right + c * length + (k + r) * KERNEL_TILE_COLUMNS, numbers + c,
               (size_t)size * sizeof *numbers);
      }
    }
  }
  return true;
}

/* Adds the products of `length` rows of a block from k on, and `columns` columns from `column` on. */
static bool blocks_multiply(Evaluator *evaluator, const Step *step, BlocksPanel *panel,
                            uint64_t block, uint64_t k, uint64_t column, Error *error) {
  uint64_t own = step->spread.per_batch ? block : 0;
  uint64_t matrices = step->spread.per_batch ? step->blocks : 1, within = block - panel->begin;
  uint64_t matrix = panel->first / step->rows % step->outer * matrices + own;
  uint64_t length = step->length - k < PRODUCT_LENGTH ? step->length - k : PRODUCT_LENGTH;
  uint64_t columns =
      step->inner - column < PRODUCT_COLUMNS ? step->inner - column : PRODUCT_COLUMNS;
  uint64_t at = (matrix * step->length + k) * step->inner + column;
  if (!blocks_read_right(evaluator, step, panel, at, length, columns, error)) return false;
  uint64_t rows = (panel->rows + KERNEL_TILE_ROWS - 1) / KERNEL_TILE_ROWS * KERNEL_TILE_ROWS;
  KernelProduct product = {.left = panel->left + within * step->length + k,
                           .right = panel->right,
                           .out = panel->result + within * panel->width + column,
                           .rows = rows,
                           .length = length,
                           .left_stride = panel->blocks * step->length,
                           .out_stride = panel->blocks * panel->width,
                           .begins = k == 0};
  KernelMultiply *multiply = kernels_chosen()->multiply_tile;
  for (uint64_t c = 0; c < columns; c += KERNEL_TILE_COLUMNS) {
    multiply(&product);
    product.out += KERNEL_TILE_COLUMNS;
    product.right += length * KERNEL_TILE_COLUMNS;
  }
  return true;
}

static bool blocks_fill(Evaluator *evaluator, const Step *step, BlocksPanel *panel, Error *error) {
  const Asking *asking = evaluator->asking;
  if (step->length == 0) {
    memset(panel->result, 0,
           (size_t)(panel->rows * panel->blocks * panel->width) * sizeof *panel->result);
    return true;
  }
  if (!blocks_read_left(evaluator, step, panel, error)) return false;
  for (uint64_t block = panel->begin; block < panel->begin + panel->blocks; block++) {
    for (uint64_t column = 0; column < step->inner; column += PRODUCT_COLUMNS) {
      for (uint64_t k = 0; k < step->length; k += PRODUCT_LENGTH) {
        if (!blocks_multiply(evaluator, step, panel, block, k, column, error)) return false;
        if (!asking_go_on(asking, error)) return false;
      }
    }
  }
  return true;
}

/* How many rows from that element on are wanted, as far as is known. */
static uint64_t blocks_wanted(const Evaluator *evaluator, const Step *step, uint64_t at) {
  bool same = evaluator->plan->steps[evaluator->step].shape.numel == step->shape.numel;
  if (!same || evaluator->until <= at) return 1;
  return (evaluator->until - at - 1) / (step->blocks * step->inner) + 1;
}

/* Makes the panel contain a row's block. */
static bool blocks_prepare(Evaluator *evaluator, const Step *step, BlocksPanel *panel, uint64_t row,
                           uint64_t block, Error *error) {
  bool has = row >= panel->first && row < panel->first + panel->rows && block >= panel->begin &&
             block < panel->begin + panel->blocks;
  if (has) return true;
  uint64_t wanted = blocks_wanted(evaluator, step, (row * step->blocks + block) * step->inner);
  uint64_t left = step->rows - row % step->rows; /* with the same matrices */
  if (wanted > left) wanted = left;
  if (wanted > panel->capacity) wanted = panel->capacity;
  panel->begin = block / panel->max_blocks * panel->max_blocks;
  panel->blocks = step->blocks - panel->begin;
  if (panel->blocks > panel->max_blocks) panel->blocks = panel->max_blocks;
  panel->first = row;
  panel->rows = wanted;
  if (blocks_fill(evaluator, step, panel, error)) return true;
  panel->rows = 0;
  return false;
}

bool evaluate_blocks(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                     double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  BlocksPanel *panel = blocks_open(evaluator, step, &evaluator->states[number], error);
  if (panel == NULL) return false;
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t at = begin + done, row = at / (step->blocks * step->inner);
    uint64_t block = at / step->inner % step->blocks, column = at % step->inner;
    size = step->inner - column < count - done ? step->inner - column : count - done;
    if (!blocks_prepare(evaluator, step, panel, row, block, error)) return false;
    uint64_t place = (row - panel->first) * panel->blocks + (block - panel->begin);
    memcpy(out + done, panel->result + place * panel->width + column, (size_t)size * sizeof *out);
  }
  return true;
}
