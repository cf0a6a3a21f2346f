#include "spectral/triangle.h"

#include <math.h>
#include <string.h>

enum { TRIANGLE_TILE = KERNEL_TILE_COLUMNS, TRIANGLE_SQUARE = TRIANGLE_TILE * TRIANGLE_TILE };

/* The working memory of a block of reflections. */
typedef struct TriangleBlock {
  double *turned;  /* the vectors, row after row */
  double *factors; /* T, transposed: Q^T = I - V T^T V^T */
  double *sums, *products;
} TriangleBlock;

uint64_t triangle_scratch(uint64_t room) {
  return room * TRIANGLE_TILE + 3 * TRIANGLE_SQUARE;
}

/* The sum of the products of two columns of a tile. */
static double triangle_product(const double *tile, uint64_t a, uint64_t b, uint64_t room) {
  double even = 0, odd = 0;
  for (uint64_t i = 0; i < room; i += 2, tile += 2 * TRIANGLE_TILE) {
    even += tile[a] * tile[b];
    odd += tile[TRIANGLE_TILE + a] * tile[TRIANGLE_TILE + b];
  }
  return even + odd;
}

/* Reflects column j of a tile so that only R has a number there. Returns the factor of the reflection. `diagonal`
** are the rows of R that belong to the tile, from its first column on. */
static double triangle_reflect(double *diagonal, uint64_t padded, double *tile, uint64_t j,
                               uint64_t room) {
  double squares = triangle_product(tile, j, j, room);
  if (squares == 0) return 0;
  double *row = diagonal + j * padded, alpha = row[j];
  double beta = alpha > 0 ? -sqrt(alpha * alpha + squares) : sqrt(alpha * alpha + squares);
  double factor = (beta - alpha) / beta, divisor = alpha - beta;
  double sums[TRIANGLE_TILE] = {0};
  for (uint64_t i = 0; i < room; i++) {
    double *line = tile + i * TRIANGLE_TILE, v = line[j] / divisor;
    line[j] = v;
    for (unsigned l = 0; l < TRIANGLE_TILE; l++) sums[l] += v * line[l];
  }
  row[j] = beta;
  for (uint64_t l = j + 1; l < TRIANGLE_TILE; l++) {
    sums[l] = factor * (row[l] + sums[l]);
    row[l] -= sums[l];
  }
  for (uint64_t l = 0; l <= j; l++) sums[l] = 0;
  for (uint64_t i = 0; i < room; i++) {
    double *line = tile + i * TRIANGLE_TILE, v = line[j];
    for (unsigned l = 0; l < TRIANGLE_TILE; l++) line[l] -= v * sums[l];
  }
  return factor;
}

/* Adds column j to T. */
static void triangle_add_factor(double *factors, const double *tile, uint64_t j, uint64_t room,
                                double factor) {
  double products[TRIANGLE_TILE];
  for (uint64_t i = 0; i < j; i++) products[i] = triangle_product(tile, i, j, room);
  for (uint64_t i = 0; i < j; i++) { /* T[i][k] is factors[k][i] */
    double sum = 0;
    for (uint64_t k = i; k < j; k++) sum += factors[k * TRIANGLE_TILE + i] * products[k];
    factors[j * TRIANGLE_TILE + i] = -factor * sum;
  }
  factors[j * TRIANGLE_TILE + j] = factor;
}

/* Makes the columns of tile `number` zero, and keeps the reflections. */
static void triangle_begin_block(double *r, uint64_t padded, const Panel *panel, uint64_t number,
                                 TriangleBlock *block) {
  double *tile = panel->tiles + number * panel->room * TRIANGLE_TILE;
  double *diagonal = r + number * TRIANGLE_TILE * (padded + 1);
  memset(block->factors, 0, TRIANGLE_SQUARE * sizeof *block->factors);
  for (uint64_t j = 0; j < TRIANGLE_TILE; j++) {
    double factor = triangle_reflect(diagonal, padded, tile, j, panel->room);
    triangle_add_factor(block->factors, tile, j, panel->room, factor);
  }
  for (uint64_t i = 0; i < panel->room; i++) {
    for (uint64_t j = 0; j < TRIANGLE_TILE; j++)
      block->turned[j * panel->room + i] = tile[i * TRIANGLE_TILE + j];
  }
}

/* Reflects another tile. `row` is where R has the rows of the block and the columns of that tile. */
static void triangle_reflect_tile(const TriangleBlock *block, const double *vectors, double *tile,
                                  double *row, uint64_t padded, uint64_t room) {
  for (unsigned i = 0; i < TRIANGLE_TILE; i++)
    memcpy(block->sums + i * TRIANGLE_TILE, row + i * padded, TRIANGLE_TILE * sizeof *row);
  TilesProduct product = {.left = block->turned,
                          .left_stride = room,
                          .right = tile,
                          .out = block->sums,
                          .out_stride = TRIANGLE_TILE,
                          .rows = TRIANGLE_TILE,
                          .length = room,
                          .columns = TRIANGLE_TILE};
  tiles_multiply(&product);
  product = (TilesProduct){.left = block->factors,
                           .left_stride = TRIANGLE_TILE,
                           .right = block->sums,
                           .out = block->products,
                           .out_stride = TRIANGLE_TILE,
                           .rows = TRIANGLE_TILE,
                           .length = TRIANGLE_TILE,
                           .columns = TRIANGLE_TILE,
                           .begins = true};
  tiles_multiply(&product);
  for (unsigned i = 0; i < TRIANGLE_SQUARE; i++) {
    row[i / TRIANGLE_TILE * padded + i % TRIANGLE_TILE] -= block->products[i];
    block->products[i] = -block->products[i];
  }
  product = (TilesProduct){.left = vectors,
                           .left_stride = TRIANGLE_TILE,
                           .right = block->products,
                           .out = tile,
                           .out_stride = TRIANGLE_TILE,
                           .rows = room,
                           .length = TRIANGLE_TILE,
                           .columns = TRIANGLE_TILE};
  tiles_multiply(&product);
}

void triangle_append(double *r, uint64_t padded, const Panel *panel, double *scratch) {
  uint64_t room = panel->room, count = padded / TRIANGLE_TILE;
  TriangleBlock block = {.turned = scratch, .factors = scratch + room * TRIANGLE_TILE};
  block.sums = block.factors + TRIANGLE_SQUARE;
  block.products = block.sums + TRIANGLE_SQUARE;
  for (uint64_t number = 0; number < count; number++) {
    const double *vectors = panel->tiles + number * room * TRIANGLE_TILE;
    triangle_begin_block(r, padded, panel, number, &block);
    for (uint64_t t = number + 1; t < count; t++) {
      double *row = r + number * TRIANGLE_TILE * padded + t * TRIANGLE_TILE;
      triangle_reflect_tile(&block, vectors, panel->tiles + t * room * TRIANGLE_TILE, row, padded,
                            room);
    }
  }
}

void triangle_append_triangle(double *r, uint64_t padded, const double *other, Panel *panel,
                              double *scratch) {
  for (uint64_t first = 0; first < padded; first += panel->room) {
    uint64_t left = padded - first, count = left < panel->room ? left : panel->room;
    memset(panel->tiles, 0, (size_t)(panel->room * padded) * sizeof *panel->tiles);
    for (uint64_t t = 0; t < padded / TRIANGLE_TILE; t++) {
      for (uint64_t i = 0; i < count; i++) {
        memcpy(panel->tiles + (t * panel->room + i) * TRIANGLE_TILE,
               other + (first + i) * padded + t * TRIANGLE_TILE,
               TRIANGLE_TILE * sizeof *panel->tiles);
      }
    }
    triangle_append(r, padded, panel, scratch);
  }
}
