/*
** Which rows of a tensor are nearest to a vector, in one pass over the tensor.
**
** A row is the elements at one index of the first dimension, in row-major order. Its score is the number that
** tensor/compare.h has for the row and the vector, to the last bit:
**
**     NEAREST_COSINE   compare_cosine(): NaN if one of them is all zero, or if they are infinitely far apart
**     NEAREST_DOT      the sum of the products; with infinities the sum that IEEE 754 gives, in which 0 times an
**                      infinity, and infinities of both signs, give a NaN
**     NEAREST_L2       compare_l2_diff(), the distance
**
** A row has no score, which is a NaN, if it or the vector has a NaN. Without elements the sums are 0.
*/
#ifndef SAFETENSORS_TENSOR_NEAREST_H
#define SAFETENSORS_TENSOR_NEAREST_H

#include "tensor/compare.h"
#include "tensor/ranking.h"

typedef enum NearestMetric { NEAREST_COSINE, NEAREST_DOT, NEAREST_L2 } NearestMetric;

typedef struct NearestTask {
  Dtype dtype;                 /* of the tensor */
  uint64_t row_count, columns; /* columns: the elements of a row */
  Dtype query_dtype;
  const unsigned char *query; /* the vector: as many elements */
  NearestMetric metric;
  uint64_t limit; /* of the rows that are wanted */
} NearestTask;

typedef struct NearestRow {
  uint64_t row;
  double score;
} NearestRow;

/* The rows that were found, the nearest first. Starts as {0}; nearest_clear() releases it. */
typedef struct Nearest {
  /* private */
  RankingOrder order;
  Ranking ranking;
  bool is_constant; /* all rows have the same score, and no memory */
  double constant;
} Nearest;

/* Finds them. `view` is of the tensor, `source` where its bytes are. It takes 16 bytes for each row that is wanted, on
** each thread, but never more than 16 bytes for each row of the tensor. `host` may be NULL. Returns false on an
** error. */
bool nearest_find(const NearestTask *task, const Source *source, const View *view, const Host *host,
                  Nearest *found, Error *error);

/* The row at a place, which is less than the limit and the number of rows: fastest from 0 on. */
NearestRow nearest_at(Nearest *found, uint64_t place);

void nearest_clear(Nearest *found);

#endif
