/* Computing a few elements of an expression straight from what they depend on, where all elements of steps
** that are read in another order would be kept otherwise. */
#ifndef SAFETENSORS_EXPRESSION_DIRECT_H
#define SAFETENSORS_EXPRESSION_DIRECT_H

#include "expression/plan.h"

/* Changes a plan that has not been prepared so that nothing is kept, if `count` elements of the root take
** less work so. wanted[i] is set for the steps that the root is computed from. */
bool direct_plan(Plan *plan, const bool *wanted, uint64_t count, Error *error);

#endif
