/*
** The eigenvalues of a symmetric matrix: it is made tridiagonal by Householder reflections, and then diagonal by QL steps
** with implicit shifts.
**
** Source: Golub and van Loan, Matrix computations, 4th edition, 8.3.1 and 8.3.3.
*/
#ifndef SAFETENSORS_SPECTRAL_SYMMETRIC_H
#define SAFETENSORS_SPECTRAL_SYMMETRIC_H

#include "base/host.h"

/* Sets values[0] to values[n - 1] to the eigenvalues, the greatest first. Uses up the lower triangle of the matrix, rows of
** `stride`; `spare` has room for 2 n numbers. The error of each is about 10^-15 of the greatest. False on an error, or once it
** is cancelled. */
bool symmetric_values(double *matrix, uint64_t n, uint64_t stride, double *values, double *spare,
                      const Asking *asking, Error *error);

#endif
