/*
** Products of matrices of doubles by the kernel for tiles (kernels.h, multiply_tile). The left matrix is stored row
** after row, the right one in tiles: KERNEL_TILE_COLUMNS columns, row after row, then the next columns. What fills
** up the last tile is 0.
**
** The products may be rounded once or twice, by what the processor has, so the last digits of a result depend on it.
*/
#ifndef SAFETENSORS_SPECTRAL_TILES_H
#define SAFETENSORS_SPECTRAL_TILES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "kernels/kernels.h"

/* A count rounded up to whole tiles. */
static inline uint64_t tiles_round_up(uint64_t count) {
  return (count + KERNEL_TILE_COLUMNS - 1) / KERNEL_TILE_COLUMNS * KERNEL_TILE_COLUMNS;
}

typedef struct TilesProduct {
  const double *left;
  uint64_t left_stride; /* from one row to the next */
  const double *right;
  uint64_t tile_stride; /* from one tile of `right` to the next */
  double *out;
  uint64_t out_stride;
  uint64_t rows;    /* of `left`, a multiple of KERNEL_TILE_ROWS */
  uint64_t length;  /* columns of `left`, rows of `right` */
  uint64_t columns; /* a multiple of KERNEL_TILE_COLUMNS */
  bool begins;      /* `out` is set; else the product is added to it */
} TilesProduct;

void tiles_multiply(const TilesProduct *product);

/* Makes tiles of `columns` vectors of `length` numbers that lie one after the other, `stride` apart, each of which becomes a
** column. There must be room for whole tiles. */
void tiles_from_columns(const double *vectors, uint64_t stride, uint64_t columns, uint64_t length,
                        double *tiles);

/* Makes tiles of the rows of a matrix, whose columns are a multiple of KERNEL_TILE_COLUMNS. */
void tiles_from_rows(const double *rows, uint64_t stride, uint64_t row_count, uint64_t columns,
                     double *tiles);

/* Memory for `count` zeros that begins with a line of the cache, as tiles are read by registers that are as long; *memory is to
** be freed. NULL on an error. */
double *tiles_memory(uint64_t count, void **memory, Error *error);

#endif
