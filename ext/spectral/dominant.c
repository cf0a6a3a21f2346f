#include "spectral/dominant.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/philox.h"
#include "spectral/jacobi.h"
#include "spectral/symmetric.h"

enum {
  DOMINANT_STEPS = 16,
  DOMINANT_EXTRA = 8,  /* vectors beyond those that are wanted */
  DOMINANT_FEW = 600,  /* vectors that are kept, if that is three blocks or more */
  DOMINANT_LEAST = 3,  /* blocks */
  DOMINANT_ROUNDS = 4, /* of making a block orthogonal */
  DOMINANT_JUDGED = 2  /* steps before it is asked whether anything moves */
};

#define DOMINANT_MOVE   1e-4
#define DOMINANT_NOISE  1e-7 /* of the greatest value: what is smaller is lost in its square */
#define DOMINANT_LOST   1e-20
#define DOMINANT_SQUARE 1e-13 /* how far from 1 squares of orthogonal vectors may be */

/* Vectors are rows of `length` numbers. */
typedef struct Dominant {
  const Matrix *matrix;
  const Host *host;
  Asking asking;
  uint64_t count, block, room, length;
  uint64_t used;   /* vectors of the basis that were multiplied */
  double *basis;   /* room */
  double *core;    /* the products of the basis with the matrix between: room x room */
  double *product; /* block: of the last block of the basis */
  double *tiles;   /* what a product takes as the right matrix */
  double *spare;   /* block x length */
  double *factors; /* block x (room + block) */
  double *values, *before, *pair;
  double *rotated;      /* room x room */
  uint64_t seed, drawn; /* random numbers that were taken */
  void *memory[10];
} Dominant;

/* How many vectors each step begins with. */
static uint64_t dominant_block(uint64_t count) {
  return tiles_round_up(count + DOMINANT_EXTRA);
}

static bool dominant_go_on(void *context, Error *error) {
  return host_go_on(context, 0, error);
}

/* ---- A step: the product of the block with M^T M ---- */

static void dominant_take_panel(const void *task, const Panel *panel, double *scratch,
                                double *state) {
  const Dominant *work = task;
  uint64_t block = work->block, room = panel->room;
  double *rows = scratch, *turned = scratch + room * block;
  panel_multiply(panel, work->tiles, work->length, block, rows);
  for (uint64_t i = 0; i < room; i++) {
    for (uint64_t j = 0; j < block; j++) turned[j * room + i] = rows[i * block + j];
  }
  TilesProduct product = {.left = turned,
                          .left_stride = room,
                          .right = panel->tiles,
                          .tile_stride = room * KERNEL_TILE_COLUMNS,
                          .out = state,
                          .out_stride = work->length,
                          .rows = block,
                          .length = room,
                          .columns = work->length};
  tiles_multiply(&product);
}

static void dominant_merge(void *task, double *state, double *scratch) {
  Dominant *work = task;
  (void)scratch;
  for (uint64_t i = 0; i < work->block * work->length; i++) work->product[i] += state[i];
}

static bool dominant_multiply(Dominant *work, Error *error) {
  MatrixPass pass = {.matrix = work->matrix,
                     .task = work,
                     .state_count = work->block * work->length,
                     .panel = dominant_take_panel,
                     .merge = dominant_merge};
  pass.scratch_count = 2 * matrix_room(&pass) * work->block;
  tiles_from_columns(work->basis + work->used * work->length, work->length, work->block,
                     work->length, work->tiles);
  memset(work->product, 0, (size_t)(work->block * work->length) * sizeof *work->product);
  return matrix_run(&pass, work->host, error);
}

/* ---- Vectors that are orthogonal ---- */

/* Products of the rows of a block with those of `others`, at most one block of them at a time: factors gets rows of
** `stride`. */
static void dominant_project(Dominant *work, const double *rows, const double *others,
                             uint64_t other_count, double *factors, uint64_t stride) {
  for (uint64_t first = 0; first < other_count; first += work->block) {
    uint64_t some = other_count - first < work->block ? other_count - first : work->block;
    tiles_from_columns(others + first * work->length, work->length, some, work->length,
                       work->tiles);
    TilesProduct product = {.left = rows,
                            .left_stride = work->length,
                            .right = work->tiles,
                            .tile_stride = work->length * KERNEL_TILE_COLUMNS,
                            .out = factors + first,
                            .out_stride = stride,
                            .rows = work->block,
                            .length = work->length,
                            .columns = tiles_round_up(some),
                            .begins = true};
    tiles_multiply(&product);
  }
}

/* Adds products of factors (row after row, `stride` apart) and `others` to `row_count` rows, or begins with them. */
static void dominant_combine(Dominant *work, const double *factors, uint64_t stride,
                             const double *others, uint64_t other_count, uint64_t row_count,
                             bool begins, double *rows) {
  for (uint64_t first = 0; first < other_count; first += work->block) {
    uint64_t some = other_count - first < work->block ? other_count - first : work->block;
    tiles_from_rows(others + first * work->length, work->length, some, work->length, work->tiles);
    TilesProduct product = {.left = factors + first,
                            .left_stride = stride,
                            .right = work->tiles,
                            .tile_stride = some * KERNEL_TILE_COLUMNS,
                            .out = rows,
                            .out_stride = work->length,
                            .rows = row_count,
                            .length = some,
                            .columns = work->length,
                            .begins = begins && first == 0};
    tiles_multiply(&product);
  }
}

static void dominant_draw(Dominant *work, double *row) {
  uint64_t length = work->matrix->length;
  for (uint64_t i = 0; i < length; i++) row[i] = philox_uniform(work->seed, work->drawn++) - 0.5;
  for (uint64_t i = length; i < work->length; i++) row[i] = 0;
}

/* Gives each row the norm 1; one that is 0 becomes a random one. */
static void dominant_normalise(Dominant *work, double *rows) {
  for (uint64_t i = 0; i < work->block; i++) {
    double *row = rows + i * work->length, square = 0;
    for (uint64_t c = 0; c < work->length; c++) square += row[c] * row[c];
    if (!(square > DBL_MIN)) {
      dominant_draw(work, row);
      square = 0;
      for (uint64_t c = 0; c < work->length; c++) square += row[c] * row[c];
    }
    double factor = 1 / sqrt(square);
    for (uint64_t c = 0; c < work->length; c++) row[c] *= factor;
  }
}

/* Makes rows orthogonal to the first `count` of the basis. The factors of these are added to `sums`, unless that is NULL. */
static void dominant_remove(Dominant *work, double *rows, uint64_t count, double *sums) {
  uint64_t stride = work->room + work->block;
  if (count == 0) return;
  dominant_project(work, rows, work->basis, count, work->factors, stride);
  for (uint64_t i = 0; i < work->block; i++) {
    for (uint64_t j = 0; j < count; j++) {
      double *factor = &work->factors[i * stride + j];
      if (sums != NULL) sums[i * work->room + j] += *factor;
      *factor = -*factor;
    }
  }
  dominant_combine(work, work->factors, stride, work->basis, count, work->block, false, rows);
}

/* Makes the rows of a block orthogonal to each other by the eigenvectors of their products. Sets *good to whether they were
** so already. */
static bool dominant_separate(Dominant *work, double *rows, bool *good, Error *error) {
  uint64_t block = work->block, stride = work->room + block;
  double *products = work->factors;
  dominant_project(work, rows, rows, block, products, stride);
  *good = true;
  for (uint64_t i = 0; i < block && *good; i++) {
    for (uint64_t j = 0; j < block; j++) {
      double expected = i == j ? 1 : 0;
      *good = *good && fabs(products[i * stride + j] - expected) <= DOMINANT_SQUARE;
    }
  }
  if (*good) return true;
  double *values = work->values + work->room;
  if (!jacobi_rotate(products, block, block, stride, values, &work->asking, error)) return false;
  for (uint64_t i = 0; i < block; i++) { /* rows are eigenvalues times eigenvectors */
    bool lost = values[i] <= DOMINANT_LOST * values[0];
    double factor = lost ? 0 : 1 / (values[i] * sqrt(values[i]));
    for (uint64_t j = 0; j < block; j++) products[i * stride + j] *= factor;
  }
  dominant_combine(work, products, stride, rows, block, block, true, work->spare);
  memcpy(rows, work->spare, (size_t)(block * work->length) * sizeof *rows);
  return true;
}

/* Makes a block of rows that are orthogonal to each other, and to the first `count` of the basis. */
static bool dominant_orthogonalise(Dominant *work, double *rows, uint64_t count, Error *error) {
  bool good = false;
  for (unsigned round = 0; round < DOMINANT_ROUNDS && !good; round++) {
    dominant_normalise(work, rows);
    dominant_remove(work, rows, count, NULL);
    dominant_normalise(work, rows);
    if (!dominant_separate(work, rows, &good, error)) return false;
  }
  return true;
}

/* ---- The small problem ---- */

static void dominant_copy_core(Dominant *work) {
  for (uint64_t i = 0; i < work->used; i++) {
    memcpy(work->rotated + i * work->room, work->core + i * work->room,
           (size_t)work->used * sizeof *work->core);
  }
}

/* The eigenvectors of the core: rows of `rotated`, of norm 1; and the eigenvalues. */
static bool dominant_solve(Dominant *work, Error *error) {
  uint64_t used = work->used, room = work->room;
  dominant_copy_core(work);
  if (!jacobi_rotate(work->rotated, used, used, room, work->values, &work->asking, error))
    return false;
  for (uint64_t i = 0; i < used; i++) {
    double factor = work->values[i] > 0 ? 1 / work->values[i] : 0;
    for (uint64_t j = 0; j < used; j++) work->rotated[i * room + j] *= factor;
  }
  return true;
}

/* Sets *still to whether no value that is wanted has moved since the last step. */
static bool dominant_judge(Dominant *work, bool *still, Error *error) {
  dominant_copy_core(work);
  if (!symmetric_values(work->rotated, work->used, work->room, work->values, work->pair,
                        &work->asking, error))
    return false;
  *still = true;
  for (uint64_t i = 0; i < work->count; i++) {
    double now = work->values[i] > 0 ? sqrt(work->values[i]) : 0;
    double moved = fabs(now - work->before[i]);
    if (now > DOMINANT_NOISE * sqrt(work->values[0]) && moved > DOMINANT_MOVE * now) *still = false;
    work->before[i] = now;
  }
  return true;
}

/* Keeps a block of the best vectors alone. */
static bool dominant_restart(Dominant *work, Error *error) {
  uint64_t block = work->block;
  if (!dominant_solve(work, error)) return false;
  dominant_combine(work, work->rotated, work->room, work->basis, work->used, block, true,
                   work->spare);
  memcpy(work->basis, work->spare, (size_t)(block * work->length) * sizeof *work->basis);
  memset(work->core, 0, (size_t)(work->room * work->room) * sizeof *work->core);
  for (uint64_t i = 0; i < block; i++) work->core[i * work->room + i] = work->values[i];
  work->used = block;
  return true;
}

/* ---- All steps ---- */

/* Takes the last block of the basis into the core. What is left of its product becomes the next block. */
static bool dominant_extend(Dominant *work, Error *error) {
  uint64_t block = work->block, room = work->room, used = work->used, next = used + block;
  double *rows = work->core + used * room; /* of the block */
  memset(rows, 0, (size_t)(block * room) * sizeof *rows);
  dominant_remove(work, work->product, next, rows);
  dominant_remove(work, work->product, next, rows);
  for (uint64_t i = 0; i < block; i++) { /* the core is symmetric, but for rounding */
    for (uint64_t j = 0; j < used; j++) work->core[j * room + used + i] = rows[i * room + j];
    for (uint64_t j = 0; j < i; j++) {
      double *below = &rows[i * room + used + j], *above = &rows[j * room + used + i];
      *below = *above = (*below + *above) / 2;
    }
  }
  work->used = next;
  return dominant_orthogonalise(work, work->product, next, error);
}

/* Places the next block behind the vectors that were used. */
static bool dominant_place(Dominant *work, Error *error) {
  if (work->used + work->block > work->room && !dominant_restart(work, error)) return false;
  memcpy(work->basis + work->used * work->length, work->product,
         (size_t)(work->block * work->length) * sizeof *work->basis);
  return true;
}

static bool dominant_run(Dominant *work, Error *error) {
  bool still = false;
  for (uint64_t i = 0; i < work->block; i++) dominant_draw(work, work->product + i * work->length);
  if (!dominant_orthogonalise(work, work->product, 0, error)) return false;
  for (unsigned step = 0; step < DOMINANT_STEPS && !still; step++) {
    if (!dominant_place(work, error) || !dominant_multiply(work, error) ||
        !dominant_extend(work, error))
      return false;
    if (step >= DOMINANT_JUDGED - 1 && !dominant_judge(work, &still, error)) return false;
  }
  return dominant_solve(work, error);
}

static bool dominant_allocate(Dominant *work, Error *error) {
  uint64_t block = work->block, room = work->room, length = work->length;
  struct {
    double **numbers;
    uint64_t count;
  } all[] = {{&work->basis, room * length},    {&work->core, room * room},
             {&work->product, block * length}, {&work->tiles, block * length},
             {&work->spare, block * length},   {&work->factors, block * (room + block)},
             {&work->values, room + block},    {&work->before, work->count},
             {&work->pair, 2 * room},          {&work->rotated, room * room}};
  for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
    *all[i].numbers = tiles_memory(all[i].count, &work->memory[i], error);
    if (*all[i].numbers == NULL) return false;
  }
  return true;
}

/* How many vectors are used. */
static void dominant_measure(Dominant *work) {
  uint64_t block = dominant_block(work->count), blocks = DOMINANT_FEW / block;
  work->block = block;
  if (blocks < DOMINANT_LEAST) blocks = DOMINANT_LEAST;
  if (blocks > DOMINANT_STEPS) blocks = DOMINANT_STEPS;
  work->room = blocks * block;
  while (work->room + block > work->matrix->length)
    work->room -= block; /* the next is orthogonal, too */
}

uint64_t dominant_least(uint64_t count) {
  return DOMINANT_LEAST * dominant_block(count);
}

bool dominant_find(const Matrix *matrix, uint64_t count, uint64_t seed, double *vectors,
                   const Host *host, Error *error) {
  Host copy = host != NULL ? *host : (Host){0};
  Dominant work = {.matrix = matrix,
                   .host = host,
                   .asking = {dominant_go_on, &copy},
                   .count = count,
                   .length = matrix->padded,
                   .seed = seed};
  dominant_measure(&work);
  bool good = dominant_allocate(&work, error) && dominant_run(&work, error);
  if (good) {
    dominant_combine(&work, work.rotated, work.room, work.basis, work.used, work.block, true,
                     work.spare);
    memcpy(vectors, work.spare, (size_t)(count * work.length) * sizeof *vectors);
  }
  for (unsigned i = 0; i < sizeof work.memory / sizeof work.memory[0]; i++)
    memory_free(work.memory[i]);
  return good;
}
