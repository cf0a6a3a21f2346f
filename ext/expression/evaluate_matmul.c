/*
** Products of matrices. Rows of the result are computed together, as a panel, so that each row of
** the right matrix is read once for all of them. Each element adds its products in the order of the
** inner dimension.
*/
#include <string.h>

#include "base/memory.h"
#include "expression/elementwise.h"
#include "expression/evaluate.h"

enum {
  MATMUL_BLOCK = 16,     /* rows of the right matrix at a time */
  MATMUL_COLUMNS = 512,  /* columns of it: with the rows, half of a second-level cache */
  MATMUL_GROUP = 4,      /* rows of it at once */
  MATMUL_MAX_ROWS = 64,  /* of a panel */
  MATMUL_PANEL = 1 << 16 /* elements of a panel, if it has more than MATMUL_GROUP rows */
};

typedef struct MatmulPanel {
  uint64_t first, rows;     /* rows of the result, over all batches; rows is 0 before the first */
  uint64_t column, columns; /* and which of their columns */
  uint64_t capacity;        /* rows that there is room for */
  uint64_t stride;          /* from one row of the result to the next */
  double *result;
  double left[MATMUL_MAX_ROWS * MATMUL_BLOCK];
  double right[MATMUL_BLOCK * MATMUL_COLUMNS];
} MatmulPanel;

void evaluate_matmul_close(struct MatmulPanel *panel) {
  if (panel == NULL) return;
  memory_free(panel->result);
  memory_free(panel);
}

static MatmulPanel *matmul_open(const Step *step, StepState *state, Error *error) {
  if (state->panel != NULL) return state->panel;
  uint64_t rows = MATMUL_PANEL / step->inner;
  if (rows < MATMUL_GROUP) rows = MATMUL_GROUP;
  if (rows > MATMUL_MAX_ROWS) rows = MATMUL_MAX_ROWS;
  if (rows > step->rows) rows = step->rows;
  state->panel = memory_zeroed(1, sizeof *state->panel);
  if (state->panel != NULL) {
    /* Blocks of columns may reach beyond a row, but not into the next one, since that is not
    ** computed yet: each row has room for its own. */
    state->panel->stride = (step->inner / MATMUL_COLUMNS + 1) * MATMUL_COLUMNS;
    state->panel->capacity = rows;
    state->panel->result = memory_zeroed(rows, state->panel->stride * sizeof(double));
    if (state->panel->result != NULL) return state->panel;
  }
  error_memory(error);
  return NULL;
}

/* Adds the products of MATMUL_GROUP columns of `left` with as many rows of `right` to one row of the
** result, one after the other. Columns are taken in blocks; there is room for whole ones. */
static void matmul_row(const double *left, const double *right, uint64_t columns,
                       double *restrict out) {
  double a = left[0], b = left[1], c = left[2], d = left[3];
  const double *row_a = right, *row_b = right + MATMUL_COLUMNS;
  const double *row_c = row_b + MATMUL_COLUMNS, *row_d = row_c + MATMUL_COLUMNS;
  for (uint64_t at = 0; at < columns; at += ELEMENTWISE_ROOM) {
    for (unsigned i = 0; i < ELEMENTWISE_ROOM; i++) {
      out[at + i] = (((out[at + i] + a * row_a[at + i]) + b * row_b[at + i]) + c * row_c[at + i]) +
                    d * row_d[at + i];
    }
  }
}

/* Reads a block of the left matrix: `length` columns from k on, for all rows of the panel. */
static bool matmul_read_left(Evaluator *evaluator, const Step *step, MatmulPanel *panel, uint64_t k,
                             uint64_t length, Error *error) {
  for (uint64_t r = 0; r < panel->rows; r++) {
    const double *numbers = evaluate_numbers(evaluator, step->args[0],
                                             (panel->first + r) * step->length + k, length, error);
    if (numbers == NULL) return false;
    memcpy(panel->left + r * MATMUL_BLOCK, numbers, (size_t)length * sizeof(double));
  }
  return true;
}

static bool matmul_read_right(Evaluator *evaluator, const Step *step, MatmulPanel *panel,
                              uint64_t first, uint64_t length, uint64_t column, uint64_t columns,
                              Error *error) {
  for (uint64_t k = 0; k < length; k++) {
    const double *numbers = evaluate_numbers(evaluator, step->args[1],
                                             (first + k) * step->inner + column, columns, error);
    if (numbers == NULL) return false;
    memcpy(panel->right + k * MATMUL_COLUMNS, numbers, (size_t)columns * sizeof(double));
  }
  return true;
}

/* A product with 0 instead of a missing column is left out: it could make a NaN, or of -0 a 0. */
static void matmul_rest(const double *left, const double *right, uint64_t length, uint64_t columns,
                        double *restrict out) {
  for (uint64_t k = 0; k < length; k++)
    elementwise_add_scaled(right + k * MATMUL_COLUMNS, left[k], columns, out);
}

static void matmul_multiply(MatmulPanel *panel, uint64_t length, uint64_t column,
                            uint64_t columns) {
  uint64_t grouped = length - length % MATMUL_GROUP;
  for (uint64_t r = 0; r < panel->rows; r++) {
    const double *left = panel->left + r * MATMUL_BLOCK;
    double *out = panel->result + r * panel->stride + column;
    for (uint64_t k = 0; k < grouped; k += MATMUL_GROUP)
      matmul_row(left + k, panel->right + k * MATMUL_COLUMNS, columns, out);
    matmul_rest(left + grouped, panel->right + grouped * MATMUL_COLUMNS, length - grouped, columns,
                out);
  }
}

/* Computes `columns` columns from `column` on of the rows of the panel, which are in one batch. */
static bool matmul_fill(Evaluator *evaluator, const Step *step, MatmulPanel *panel, Error *error) {
  uint64_t batch = panel->first / step->rows;
  const Asking *asking = evaluator->asking;
  for (uint64_t r = 0; r < panel->rows; r++) {
    memset(panel->result + r * panel->stride + panel->column, 0,
           (size_t)panel->columns * sizeof(double));
  }
  for (uint64_t k = 0, length; k < step->length; k += length) {
    length = step->length - k < MATMUL_BLOCK ? step->length - k : MATMUL_BLOCK;
    if (!matmul_read_left(evaluator, step, panel, k, length, error)) return false;
    uint64_t end = panel->column + panel->columns;
    for (uint64_t column = panel->column, columns; column < end; column += columns) {
      columns = end - column < MATMUL_COLUMNS ? end - column : MATMUL_COLUMNS;
      if (!matmul_read_right(evaluator, step, panel, batch * step->length + k, length, column,
                             columns, error))
        return false;
      matmul_multiply(panel, length, column, columns);
    }
    if (asking != NULL && asking->go_on != NULL && !asking->go_on(asking->context, error))
      return false;
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
  panel->first = row;
  panel->rows = whole ? wanted : 1;
  panel->column = column - column % ELEMENTWISE_ROOM;
  panel->columns = whole ? step->inner : column + count - panel->column;
  if (matmul_fill(evaluator, step, panel, error)) return true;
  panel->rows = 0;
  return false;
}

bool evaluate_matmul(Evaluator *evaluator, uint32_t number, uint64_t begin, uint64_t count,
                     double *out, Error *error) {
  const Step *step = &evaluator->plan->steps[number];
  MatmulPanel *panel = matmul_open(step, &evaluator->states[number], error);
  if (panel == NULL) return false;
  for (uint64_t done = 0, size; done < count; done += size) {
    uint64_t row = (begin + done) / step->inner, column = (begin + done) % step->inner;
    size = step->inner - column < count - done ? step->inner - column : count - done;
    if (!matmul_prepare(evaluator, step, panel, row, column, size, error)) return false;
    memcpy(out + done, panel->result + (row - panel->first) * panel->stride + column,
           (size_t)size * sizeof *out);
  }
  return true;
}
