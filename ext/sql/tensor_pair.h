/*
** Two tensor arguments A, B of a function or table, each in either form of tensor_argument.h. A
** shape may follow a ref, too, as a text that begins with '[': it gives the same elements in
** row-major order another shape.
**
**     ref_a [, shape_a], ref_b [, shape_b]
**     data_a, dtype_a [, shape_a], data_b, dtype_b [, shape_b]
**
** It is an error if they do not have the same number of elements.
*/
#ifndef SAFETENSORS_SQL_TENSOR_PAIR_H
#define SAFETENSORS_SQL_TENSOR_PAIR_H

#include "sql/comparison.h"
#include "sql/tensor_argument.h"

#define TENSOR_PAIR_USAGE "(ref_a, ref_b) or (data_a, dtype_a, data_b, dtype_b)"

enum { TENSOR_PAIR_MAX_ARGUMENTS = 6 };

typedef struct TensorPair {
  bool is_null; /* one of the values is NULL; then nothing else is set */
  int used;     /* how many SQL values it consists of */
  TensorArgument a, b;
  View a_shape, b_shape; /* those that follow a ref; else empty */
} TensorPair;

/* Opens the arguments that start at argv[0], for `caller`. tensor_pair_close() releases it, also
** after an error. `argv` must outlive it. */
bool tensor_pair_open(TensorPair *pair, const char *caller, Session *session, int argc,
                      sqlite3_value **argv, Error *error);

void tensor_pair_close(TensorPair *pair);

/* If the two shapes differ, an error that names a way out. */
bool tensor_pair_check_shapes(const TensorPair *pair, const char *caller, Error *error);

/* Compares them, for the goal and with the tolerances in `task`. */
bool tensor_pair_compare(const TensorPair *pair, sqlite3 *db, CompareTask *task, Error *error);

#endif
