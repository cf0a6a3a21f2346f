/*
** The triangular factor R of the QR decomposition of a matrix of which some lines are known at a time, by blocks of
** Householder reflections.
**
** Source: Golub and van Loan, Matrix computations, 4th edition, 5.2.3 (blocks in WY form) and 6.5.3 (appending rows).
*/
#ifndef SAFETENSORS_SPECTRAL_TRIANGLE_H
#define SAFETENSORS_SPECTRAL_TRIANGLE_H

#include "spectral/matrix.h"

/* The working memory of triangle_append() in doubles, for panels of `room` lines. */
uint64_t triangle_scratch(uint64_t room);

/* R, of `padded` rows and columns, row after row, which is all 0 at first, becomes that of the lines so far and those of the
** panel, whose numbers are used up. R^T R is the sum of the products of all lines with themselves. */
void triangle_append(double *r, uint64_t padded, const Panel *panel, double *scratch);

/* Appends the lines of another R, whose numbers are used up. `panel` has tiles for as many lines as it has room for. */
void triangle_append_triangle(double *r, uint64_t padded, const double *other, Panel *panel,
                              double *scratch);

#endif
