/* Two tensors compared on behalf of a connection: with its threads, interrupts and progress. */
#ifndef SAFETENSORS_FUNC_COMPARISON_H
#define SAFETENSORS_FUNC_COMPARISON_H

#include "base/sqlite.h"
#include "tensor/compare.h"

typedef struct ComparisonSide {
  Dtype dtype;
  Source source;
  const View *view;
  TensorName tensor; /* for messages */
} ComparisonSide;

/* Compares two views with as many elements, for the goal, and the tolerances, in `task`. What was
** found is in task->found. False on error. */
bool comparison_run(sqlite3 *db, Store *store, const ComparisonSide *a, const ComparisonSide *b,
                    CompareTask *task, Error *error);

/* The numbers that functions and tables tell of a comparison. */
typedef enum ComparisonNumber {
  NUMBER_NONE,
  NUMBER_N_DIFF,
  NUMBER_MAX_ABS_DIFF,
  NUMBER_MEAN_ABS_DIFF,
  NUMBER_RMSE,
  NUMBER_REL_L2,
  NUMBER_COSINE,
  NUMBER_N_NAN,
  NUMBER_N_NAN_ONE,
  NUMBER_L2_A,
  NUMBER_L2_B,
  NUMBER_L2_DIFF
} ComparisonNumber;

/* Sets the result to that number: INTEGER if it is a count, else REAL, or NULL if there is none. */
void comparison_result(sqlite3_context *context, const Comparison *found, ComparisonNumber number);

#endif
