/* Folding the lanes of kernels into one number, in a fixed order. */
#ifndef SAFETENSORS_TENSOR_LANES_H
#define SAFETENSORS_TENSOR_LANES_H

#include "kernels/kernels.h"
#include "tensor/double_double.h"

/* The first and the last number; the lanes may change. */
double lanes_min(double lanes[KERNEL_LANES]);
double lanes_max(double lanes[KERNEL_LANES]);

uint64_t lanes_count(const uint32_t *lanes);

DoubleDouble lanes_sum(const double *lanes);

/* The same sum for lanes that are not exact: rounded. */
double lanes_rounded_sum(const double *lanes);

#endif
