#include "spectral/tiles.h"

#include <string.h>

#include "base/memory.h"

enum { TILES_BLOCK = 256 }; /* rows of a tile that stay in the first-level cache */

void tiles_multiply(const TilesProduct *product) {
  KernelMultiply *multiply = kernels_chosen()->multiply_tile;
  for (uint64_t k = 0, length; k < product->length; k += length) {
    length = product->length - k < TILES_BLOCK ? product->length - k : TILES_BLOCK;
    KernelProduct part = {.left = product->left + k,
                          .right = product->right + k * KERNEL_TILE_COLUMNS,
                          .out = product->out,
                          .rows = product->rows,
                          .length = length,
                          .left_stride = product->left_stride,
                          .out_stride = product->out_stride,
                          .is_exact = true, /* one rounding is as good as two */
                          .begins = product->begins && k == 0};
    for (uint64_t c = 0; c < product->columns; c += KERNEL_TILE_COLUMNS) {
      multiply(&part);
      part.right += product->tile_stride;
      part.out += KERNEL_TILE_COLUMNS;
    }
  }
}

void tiles_from_columns(const double *vectors, uint64_t stride, uint64_t columns, uint64_t length,
                        double *tiles) {
  for (uint64_t c = 0; c < columns;
       c += KERNEL_TILE_COLUMNS, tiles += length * KERNEL_TILE_COLUMNS) {
    uint64_t width = columns - c < KERNEL_TILE_COLUMNS ? columns - c : KERNEL_TILE_COLUMNS;
    for (uint64_t i = 0; i < length; i++) {
      double *row = tiles + i * KERNEL_TILE_COLUMNS;
      for (uint64_t j = 0; j < width; j++) row[j] = vectors[(c + j) * stride + i];
      for (uint64_t j = width; j < KERNEL_TILE_COLUMNS; j++) row[j] = 0;
    }
  }
}

void tiles_from_rows(const double *rows, uint64_t stride, uint64_t row_count, uint64_t columns,
                     double *tiles) {
  for (uint64_t c = 0; c < columns; c += KERNEL_TILE_COLUMNS) {
    for (uint64_t r = 0; r < row_count; r++, tiles += KERNEL_TILE_COLUMNS)
      memcpy(tiles, rows + r * stride + c, KERNEL_TILE_COLUMNS * sizeof *tiles);
  }
}

double *tiles_memory(uint64_t count, void **memory, Error *error) {
  uint64_t line = KERNEL_TILE_COLUMNS * sizeof(double);
  *memory = count <= UINT64_MAX / line ? memory_zeroed(count + KERNEL_TILE_COLUMNS, sizeof(double))
                                       : NULL;
  if (*memory == NULL) {
    error_memory(error);
    return NULL;
  }
  return (double *)(void *)((unsigned char *)*memory + (line - (uintptr_t)*memory % line));
}
