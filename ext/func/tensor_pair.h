/*
** Two tensor arguments A, B of a function or table, each in either form of tensor_argument.h. Behind a
** ref, too, there may be a shape, a text that begins with '[': the same elements, row-major, in
** another shape.
**
**     ref_a [, shape_a], ref_b [, shape_b]
**     data_a, dtype_a [, shape_a], data_b, dtype_b [, shape_b]
**
** They have as many elements each; anything else is an error.
*/
#ifndef SAFETENSORS_FUNC_TENSOR_PAIR_H
#define SAFETENSORS_FUNC_TENSOR_PAIR_H

#include "func/comparison.h"
#include "func/tensor_argument.h"

#define TENSOR_PAIR_USAGE "(ref_a, ref_b) or (data_a, dtype_a, data_b, dtype_b)"

enum { TENSOR_PAIR_MAX_ARGUMENTS = 6 };

typedef struct TensorPair {
  bool is_null; /* one of the values is NULL: then nothing else is set */
  int used;     /* how many SQL values it took */
  TensorArgument a, b;
  View a_shape, b_shape; /* those given behind a ref; else empty */
} TensorPair;

/* Opens the arguments that start at argv[0], for `caller`. Whatever the outcome, tensor_pair_close()
** releases it. `argv` must outlive it. */
bool tensor_pair_open(TensorPair *pair, const char *caller, Store *store, int argc,
                      sqlite3_value **argv, Error *error);

void tensor_pair_close(TensorPair *pair);

/* An error that tells the way out if the two shapes differ. */
bool tensor_pair_check_shapes(const TensorPair *pair, const char *caller, Error *error);

/* Compares them, for the goal, and the tolerances, in `task`. */
bool tensor_pair_compare(const TensorPair *pair, sqlite3 *db, CompareTask *task, Error *error);

#endif
