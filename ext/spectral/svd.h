/*
** The singular values and vectors of a tensor as a matrix: the first dimension by all others.
**
** With a shorter side of at most SVD_EXACT they are those of R, which the QR decomposition of the matrix leaves; that is exact
** but for rounding, 10^-13 of the greatest value. A larger matrix is approximated (dominant.h).
**
** Of each pair of vectors, the component of the left one that is greatest in magnitude, the first of equals, is positive. A
** value of at most 10^-14 of the greatest is noise: its vectors are 0.
*/
#ifndef SAFETENSORS_SPECTRAL_SVD_H
#define SAFETENSORS_SPECTRAL_SVD_H

#include "base/host.h"
#include "model/source.h"
#include "tensor/view.h"

enum { SVD_EXACT = 600, SVD_MAX_COUNT = 512 };

typedef struct SvdTask {
  const Source *source;
  const View *view; /* of two dimensions or more */
  Dtype dtype;
  const TensorName *tensor; /* for messages */
  uint64_t count;           /* of values that are wanted, at most SVD_MAX_COUNT */
  uint64_t seed;            /* of the random vectors that an approximation begins with */
} SvdTask;

/* Starts as {0}; svd_clear() releases it. */
typedef struct Svd {
  uint64_t count; /* at most the shorter side */
  double *values; /* the greatest first */
  double norm;    /* the square root of the sum of all squares */
  uint64_t rows, columns;
  float *left,
      *right; /* `count` vectors of `rows` and `columns` numbers; NULL until they are found */
  /* private */
  bool turned;
  double scale;
  uint64_t padded;
  double *vectors; /* of the shorter side, or the columns */
} Svd;

/* Finds the values. Raises an error about an element that is not finite. `host` may be NULL. False on an error. */
bool svd_find(const SvdTask *task, const Host *host, Svd *found, Error *error);

/* Finds the vectors to the values, by one pass more. */
bool svd_find_vectors(const SvdTask *task, const Host *host, Svd *found, Error *error);

void svd_clear(Svd *found);

#endif
