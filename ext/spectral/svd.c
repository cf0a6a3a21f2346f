#include "spectral/svd.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "spectral/dominant.h"
#include "spectral/jacobi.h"
#include "spectral/triangle.h"
#include "tensor/decode.h"
#include "tensor/stats.h"
#include "tensor/walk.h"

typedef unsigned long long SvdBig; /* for "%llu" */

#define SVD_NOISE 1e-14 /* of the greatest value */

/* Beyond these powers of two squares of doubles may overflow, or be lost. */
enum { SVD_GREATEST = 400, SVD_LEAST = -400 };

static bool svd_go_on(void *context, Error *error) {
  return host_go_on(context, 0, error);
}

/* ---- What the matrix is like ---- */

/* Says where the first element is that is not finite. */
static bool svd_refuse(const SvdTask *task, const Host *host, Error *error) {
  Reader reader;
  Walk walk = {0};
  Chunk chunk;
  double numbers[512];
  uint64_t at = 0, columns = task->view->numel / task->view->shape[0];
  bool good = reader_open(&reader, task->source, error) &&
              walk_open(&walk, task->view, dtype_bits(task->dtype), &reader, error);
  while (good && at < task->view->numel) {
    good = walk_next(&walk, sizeof numbers / sizeof numbers[0], &chunk, error) &&
           host_go_on(host, 0, error);
    if (!good) break;
    decode_doubles(task->dtype, chunk.data, chunk.first, chunk.count, chunk.stride, numbers);
    for (uint64_t i = 0; i < chunk.count; i++, at++) {
      if (isfinite(numbers[i])) continue;
      good = error_raise_tensor(error, ERROR_ARGUMENT, task->tensor,
                                "expected finite numbers, found %s in row %llu, column %llu",
                                isnan(numbers[i]) ? "NaN" : "an infinity", (SvdBig)(at / columns),
                                (SvdBig)(at % columns));
      break;
    }
  }
  walk_close(&walk);
  reader_close(&reader);
  return good;
}

/* Finds the norm, and the power of two that makes squares safe. */
static bool svd_look(const SvdTask *task, const Host *host, Svd *found, Error *error) {
  Stats stats;
  if (!stats_run(task->source, task->view, task->dtype, STATS_SPREAD, host, &stats, error))
    return false;
  if (stats.nans > 0 || stats.infinities > 0) return svd_refuse(task, host, error);
  found->norm = stats.l2;
  found->scale = 1;
  if (stats.finite == 0) return true;
  int exponent;
  double greatest = value_double(&stats.abs_max);
  frexp(greatest, &exponent);
  if (greatest > 0 && (exponent > SVD_GREATEST || exponent < SVD_LEAST)) {
    found->scale = ldexp(1, -exponent);
  }
  return true;
}

/* ---- Products with some vectors ---- */

typedef struct SvdProduct {
  const Matrix *matrix;
  uint64_t count, width; /* vectors, and that in whole tiles */
  double *tiles;         /* the vectors, as columns */
  double *triangle;      /* the R of the product, or NULL */
  float *out;            /* or rows of `lines` numbers: a vector of the longer side each */
  const double *factors; /* of each of them */
  uint64_t room;
} SvdProduct;

static void svd_take_for_triangle(const void *task, const Panel *panel, double *scratch,
                                  double *state) {
  const SvdProduct *work = task;
  uint64_t count = panel->room * work->width;
  Panel product = {.room = panel->room, .tiles = scratch};
  double *rows = scratch + count;
  panel_multiply(panel, work->tiles, work->matrix->padded, work->width, rows);
  tiles_from_rows(rows, work->width, panel->room, work->width, product.tiles);
  triangle_append(state, work->width, &product, rows); /* which are no longer needed */
}

/* The same for the lines themselves. */
static void svd_take_lines(const void *task, const Panel *panel, double *scratch, double *state) {
  const SvdProduct *work = task;
  triangle_append(state, work->width, panel, scratch);
}

static void svd_merge_triangle(void *task, double *state, double *scratch) {
  SvdProduct *work = task;
  Panel panel = {.room = work->room, .tiles = scratch};
  triangle_append_triangle(work->triangle, work->width, state, &panel,
                           scratch + panel.room * work->width);
}

static void svd_take_for_vectors(const void *task, const Panel *panel, double *scratch,
                                 double *state) {
  const SvdProduct *work = task;
  (void)state;
  panel_multiply(panel, work->tiles, work->matrix->padded, work->width, scratch);
  for (uint64_t v = 0; v < work->count; v++) {
    float *to = work->out + v * work->matrix->lines + panel->first;
    for (uint64_t i = 0; i < panel->count; i++)
      to[i] = (float)(scratch[i * work->width + v] * work->factors[v]);
  }
}

/* Runs a pass that leaves a triangle: of the lines, or of their products with vectors. */
static bool svd_run_triangle(SvdProduct *work, const Host *host, Error *error) {
  bool of_lines = work->tiles == NULL;
  MatrixPass pass = {.matrix = work->matrix,
                     .task = work,
                     .state_count = work->width * work->width,
                     .panel = of_lines ? svd_take_lines : svd_take_for_triangle,
                     .merge = svd_merge_triangle};
  work->room = matrix_room(&pass);
  uint64_t count = work->room * work->width, more = triangle_scratch(work->room);
  pass.scratch_count = count + (more > count ? more : count);
  return matrix_run(&pass, host, error);
}

/* ---- Values ---- */

static Matrix svd_matrix(const SvdTask *task, const Svd *found) {
  Matrix matrix = {
      .source = task->source, .view = task->view, .dtype = task->dtype, .scale = found->scale};
  matrix_measure(&matrix, found->turned);
  return matrix;
}

/* Takes the values from rows that jacobi_rotate() leaves, of which each becomes a vector of norm 1, or 0. */
static void svd_take_values(Svd *found, double *rows, uint64_t stride, const double *values) {
  for (uint64_t i = 0; i < found->count; i++) {
    bool noise = values[i] <= SVD_NOISE * values[0];
    found->values[i] = values[i] / found->scale;
    for (uint64_t j = 0; j < stride; j++)
      rows[i * stride + j] = noise ? 0 : rows[i * stride + j] / values[i];
  }
}

/* All values, by the triangle of the lines. */
static bool svd_find_exactly(const Matrix *matrix, const Host *host, Svd *found, Error *error) {
  uint64_t length = matrix->length, padded = matrix->padded;
  Host copy = host != NULL ? *host : (Host){0};
  Asking asking = {svd_go_on, &copy};
  void *memory;
  SvdProduct work = {.matrix = matrix, .width = padded};
  double *values = memory_zeroed(length, sizeof *values);
  work.triangle = tiles_memory(padded * padded, &memory, error);
  bool good = work.triangle != NULL && (values != NULL || error_memory(error)) &&
              svd_run_triangle(&work, host, error) &&
              jacobi_rotate(work.triangle, length, padded, padded, values, &asking, error);
  if (good) {
    svd_take_values(found, work.triangle, padded, values);
    memcpy(found->vectors, work.triangle, (size_t)(found->count * padded) * sizeof *values);
  }
  memory_free(memory);
  memory_free(values);
  return good;
}

/* Makes better vectors of those that span the space: the singular vectors within it. */
static bool svd_refine(const Matrix *matrix, const Host *host, Svd *found, Error *error) {
  uint64_t count = found->count, width = tiles_round_up(count), padded = matrix->padded;
  Host copy = host != NULL ? *host : (Host){0};
  Asking asking = {svd_go_on, &copy};
  SvdProduct work = {.matrix = matrix, .count = count, .width = width};
  void *memory[3] = {NULL};
  work.triangle = tiles_memory(width * width, &memory[0], error);
  work.tiles = work.triangle != NULL ? tiles_memory(width * padded, &memory[1], error) : NULL;
  double *better = work.tiles != NULL ? tiles_memory(width * padded, &memory[2], error) : NULL;
  double *values = memory_zeroed(width, sizeof *values);
  bool good = better != NULL && (values != NULL || error_memory(error));
  if (good) {
    tiles_from_columns(found->vectors, padded, count, padded, work.tiles);
    good = svd_run_triangle(&work, host, error) &&
           jacobi_rotate(work.triangle, count, width, width, values, &asking, error);
  }
  if (good) {
    svd_take_values(found, work.triangle, width, values);
    tiles_from_rows(found->vectors, padded, count, padded, work.tiles);
    TilesProduct product = {.left = work.triangle,
                            .left_stride = width,
                            .right = work.tiles,
                            .tile_stride = count * KERNEL_TILE_COLUMNS,
                            .out = better,
                            .out_stride = padded,
                            .rows = width,
                            .length = count,
                            .columns = padded,
                            .begins = true};
    tiles_multiply(&product);
    memcpy(found->vectors, better, (size_t)(count * padded) * sizeof *better);
  }
  for (unsigned i = 0; i < sizeof memory / sizeof memory[0]; i++) memory_free(memory[i]);
  memory_free(values);
  return good;
}

static bool svd_allocate(Svd *found, Error *error) {
  found->values = memory_zeroed(found->count, sizeof *found->values);
  found->vectors = memory_zeroed(found->count, found->padded * sizeof *found->vectors);
  return (found->values != NULL && found->vectors != NULL) || error_memory(error);
}

bool svd_find(const SvdTask *task, const Host *host, Svd *found, Error *error) {
  *found = (Svd){.rows = task->view->shape[0], .scale = 1};
  found->columns = found->rows > 0 ? task->view->numel / found->rows : 0;
  uint64_t shorter = found->rows < found->columns ? found->rows : found->columns;
  found->count = task->count < shorter ? task->count : shorter;
  if (shorter == 0) return true;
  bool exact = shorter <= SVD_EXACT || shorter <= dominant_least(found->count);
  found->turned = found->rows < found->columns && (exact || found->columns / 8 > found->rows);
  Matrix matrix = svd_matrix(task, found);
  found->padded = matrix.padded;
  if (!svd_allocate(found, error) || !svd_look(task, host, found, error)) return false;
  matrix.scale = found->scale;
  if (found->norm == 0) return true; /* all values and vectors are 0 */
  if (exact) return svd_find_exactly(&matrix, host, found, error);
  return dominant_find(&matrix, found->count, task->seed, found->vectors, host, error) &&
         svd_refine(&matrix, host, found, error);
}

/* ---- Vectors ---- */

/* Turns both vectors so that the greatest component of the left one is positive. */
static void svd_choose_sign(float *left, uint64_t rows, float *right, uint64_t columns) {
  uint64_t best = 0;
  for (uint64_t i = 1; i < rows; i++) {
    if (fabsf(left[i]) > fabsf(left[best])) best = i;
  }
  if (rows == 0 || left[best] >= 0) return;
  for (uint64_t i = 0; i < rows; i++) left[i] = -left[i];
  for (uint64_t i = 0; i < columns; i++) right[i] = -right[i];
}

static bool svd_run_vectors(const Matrix *matrix, const Host *host, const Svd *found, float *out,
                            Error *error) {
  uint64_t count = found->count, padded = found->padded;
  SvdProduct work = {.matrix = matrix, .count = count, .width = tiles_round_up(count), .out = out};
  void *memory = NULL;
  work.tiles = tiles_memory(work.width * padded, &memory, error);
  double *factors = memory_zeroed(count, sizeof *factors);
  bool good = work.tiles != NULL && (factors != NULL || error_memory(error));
  if (good) {
    tiles_from_columns(found->vectors, padded, count, padded, work.tiles);
    for (uint64_t i = 0; i < count; i++) {
      if (found->values[i] > 0) factors[i] = 1 / (found->values[i] * found->scale);
    }
    work.factors = factors;
    MatrixPass pass = {.matrix = matrix, .task = &work, .panel = svd_take_for_vectors};
    work.room = matrix_room(&pass);
    pass.scratch_count = work.room * work.width;
    good = matrix_run(&pass, host, error);
  }
  memory_free(memory);
  memory_free(factors);
  return good;
}

static bool svd_compute_vectors(const SvdTask *task, const Host *host, Svd *found, Error *error) {
  Matrix matrix = svd_matrix(task, found);
  found->left = memory_zeroed(found->count, found->rows * sizeof *found->left);
  found->right = memory_zeroed(found->count, found->columns * sizeof *found->right);
  if (found->left == NULL || found->right == NULL) return error_memory(error);
  float *lines = found->turned ? found->right : found->left;
  float *given = found->turned ? found->left : found->right;
  for (uint64_t i = 0; i < found->count; i++) {
    for (uint64_t j = 0; j < matrix.length; j++)
      given[i * matrix.length + j] = (float)found->vectors[i * found->padded + j];
  }
  if (found->norm > 0 && !svd_run_vectors(&matrix, host, found, lines, error)) return false;
  for (uint64_t i = 0; i < found->count; i++) {
    svd_choose_sign(found->left + i * found->rows, found->rows, found->right + i * found->columns,
                    found->columns);
  }
  return true;
}

static void svd_clear_vectors(Svd *found) {
  memory_free(found->left);
  memory_free(found->right);
  found->left = found->right = NULL;
}

bool svd_find_vectors(const SvdTask *task, const Host *host, Svd *found, Error *error) {
  if (found->left != NULL || found->count == 0) return true;
  bool good = svd_compute_vectors(task, host, found, error);
  if (!good) svd_clear_vectors(found);
  return good;
}

void svd_clear(Svd *found) {
  memory_free(found->values);
  memory_free(found->vectors);
  svd_clear_vectors(found);
  *found = (Svd){0};
}
