/* What has to be computed before the elements of an expression can be: steps that are kept, and the
** factors of tensor_slerp(), each by a pass of its own. */
#ifndef SAFETENSORS_EXPRESSION_PREPARE_H
#define SAFETENSORS_EXPRESSION_PREPARE_H

#include "base/host.h"
#include "expression/evaluate.h"
#include "expression/keep.h"
#include "expression/plan.h"

/* How much memory each of `count` evaluators of a plan may take. */
EvaluatorRoom prepare_room(const Plan *plan, unsigned count);

/* Prepares the plan, on the thread of the connection, to compute `count` elements: if they are few, they
** are computed without that anything is kept. Sets keeps[i] for each step that is kept, which
** the caller frees, also after an error. Returns false on an error, or once the work is cancelled. */
bool prepare_plan(Plan *plan, Keep **keeps, uint64_t count, const Host *host, Error *error);

/* Computes a step that is computed as a whole into its keep, on the thread of the connection. */
bool prepare_whole(const Plan *plan, uint32_t step, Keep *keep, const Host *host, Error *error);

#endif
