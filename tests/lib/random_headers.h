/*
** Part of header_differential.c: headers at random, valid ones written in every way that JSON
** allows, the same with something wrong, and either kind with bytes of it changed.
*/
#ifndef TESTS_RANDOM_HEADERS_H
#define TESTS_RANDOM_HEADERS_H

#include "random_text.h"

enum { MAX_TENSORS = 40, MAX_RANK = 6, MAX_NAME = 256 };

typedef struct Tensor {
  char name[MAX_NAME];
  const Type *type;
  uint32_t rank;
  uint64_t shape[MAX_RANK];
  uint64_t begin, end;
} Tensor;

/* How one header is written. Each rate is "one in so many places", 0 for nowhere. */
typedef struct Maker {
  Text text;
  uint32_t space_rate, escape_rate, extra_rate, fault_rate;
  uint64_t data_size;
  Tensor tensors[MAX_TENSORS];
  uint32_t tensor_count;
} Maker;

/* One header at random. */
void make_header(Maker *maker);

#endif
