/*
** A tensor as a matrix of real numbers: the first dimension by all others, as LoRA has it for convolutions. It is read
** in panels, some lines of its long side at a time, and by several threads.
**
** The lines are those of the longer side, or always rows where `by_rows` is set; their length is that of the other side.
** All numbers are multiplied with `scale`, a power of two.
*/
#ifndef SAFETENSORS_SPECTRAL_MATRIX_H
#define SAFETENSORS_SPECTRAL_MATRIX_H

#include "base/host.h"
#include "spectral/tiles.h"
#include "tensor/walk.h"

typedef struct Matrix {
  const Source *source;
  const View *view;
  Dtype dtype; /* not C64 */
  double scale;
  uint64_t rows, columns;
  bool turned;            /* the lines are columns */
  uint64_t lines, length; /* `length` is that of a line */
  uint64_t padded;        /* length in whole tiles */
} Matrix;

/* Some lines, in tiles: tile t has KERNEL_TILE_COLUMNS numbers of each line. Lines that fill up a panel are 0. */
typedef struct Panel {
  uint64_t first, count; /* of the lines of the matrix */
  uint64_t room;         /* lines of a tile, a multiple of KERNEL_TILE_COLUMNS */
  double *tiles;
} Panel;

/* Sets rows, columns and what follows from them. The view must have two dimensions or more. `turned` is as wanted. */
void matrix_measure(Matrix *matrix, bool turned);

/* The products of the lines of a panel with `width` columns of `padded` numbers, which are in whole tiles: a row of `out` for
** each line that there is room for. */
void panel_multiply(const Panel *panel, const double *columns, uint64_t padded, uint64_t width,
                    double *out);

/* A pass over all lines. They are divided into chunks, always at the same places, and each chunk gets a state, which are
** merged in order: so the result does not depend on the threads. */
typedef struct MatrixPass {
  const Matrix *matrix;
  void *task;
  uint64_t state_count;   /* doubles of a state, zero at first; may be 0 */
  uint64_t scratch_count; /* doubles of the working memory of a thread */
  uint64_t room_most;     /* lines of a panel at most; 0: as many as a cache takes */
  /* Takes a panel, whose numbers it may change. On any thread. */
  void (*panel)(const void *task, const Panel *panel, double *scratch, double *state);
  /* Merges the state of a chunk, in the order of the chunks. May be NULL. `scratch` is for merging alone. */
  void (*merge)(void *task, double *state, double *scratch);
} MatrixPass;

/* How many lines a panel has room for. */
uint64_t matrix_room(const MatrixPass *pass);

/* Runs the pass. False on an error, or once it is cancelled. */
bool matrix_run(const MatrixPass *pass, const Host *host, Error *error);

#endif
