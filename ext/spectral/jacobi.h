/*
** The singular values and right singular vectors of a small square matrix, by one-sided Jacobi rotations of its rows,
** until all rows are orthogonal to each other.
**
** Source: Hestenes, Inversion of matrices by biorthogonalization and related results (1958); the order of the pairs by
** de Rijk, A one-sided Jacobi algorithm for computing the singular value decomposition on a vector computer (1989).
*/
#ifndef SAFETENSORS_SPECTRAL_JACOBI_H
#define SAFETENSORS_SPECTRAL_JACOBI_H

#include "base/host.h"

/* Rotates the rows of a matrix of n rows, `stride` apart, of `length` numbers each, and sorts them: row i becomes the i-th
** singular value, the greatest first, times its right singular vector. values[i] becomes the singular value. For a symmetric
** matrix without negative eigenvalues these are the eigenvalues and eigenvectors. A row whose value is 0 is 0. False on an
** error, or once the work was cancelled. */
bool jacobi_rotate(double *rows, uint64_t n, uint64_t length, uint64_t stride, double *values,
                   const Asking *asking, Error *error);

#endif
