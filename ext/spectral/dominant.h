/*
** The greatest singular values of a large matrix, and their right singular vectors, by block Krylov iteration: each step
** is one pass over the matrix. With M the matrix and lines l, it works on M^T M, which has a row for each number of a line.
**
** Source: Musco and Musco, Randomized block Krylov methods for stronger and faster approximate singular value
** decomposition (2015). All vectors of the Krylov space are kept orthogonal to each other, and where there would be too
** many of them, the best are kept (Wu and Simon, Thick-restart Lanczos method for large symmetric eigenvalue problems,
** 2000).
*/
#ifndef SAFETENSORS_SPECTRAL_DOMINANT_H
#define SAFETENSORS_SPECTRAL_DOMINANT_H

#include "spectral/matrix.h"

/* The least length of a line, less one, with which dominant_find() finds `count` of them. */
uint64_t dominant_least(uint64_t count);

/* Finds `count` of them. vectors becomes that many rows of matrix->padded numbers, each
** of norm 1. The vectors that it starts with are random, by `seed`. It ends when no singular value moves by more than
** 10^-4 of it, but after 16 steps at the latest. False on an error, or once it is cancelled. */
bool dominant_find(const Matrix *matrix, uint64_t count, uint64_t seed, double *vectors,
                   const Host *host, Error *error);

#endif
