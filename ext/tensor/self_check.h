/*
** Checks that the compiled code computes what its source says. Some compiler options, such as
** -ffast-math, let the compiler treat floating-point numbers like real numbers. What
** base/arithmetic.h cannot revert of that is detected here, before anything is computed wrongly.
*/
#ifndef SAFETENSORS_TENSOR_SELF_CHECK_H
#define SAFETENSORS_TENSOR_SELF_CHECK_H

#include <stdbool.h>

#include "base/error.h"

/* Computes a few results that are known, also with the chosen kernels. Takes a few microseconds and
** allocates nothing. Must be called in the default floating-point environment. Returns false, with
** an error, if a result is wrong. */
bool self_check(Error *error);

#endif
