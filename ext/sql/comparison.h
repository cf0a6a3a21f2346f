/* Compares two tensors on behalf of a connection, with its threads, interrupts and progress. */
#ifndef SAFETENSORS_SQL_COMPARISON_H
#define SAFETENSORS_SQL_COMPARISON_H

#include "base/sqlite.h"
#include "tensor/compare.h"

typedef struct ComparisonSide {
  Dtype dtype;
  Source source;
  const View *view;
  TensorName tensor; /* for messages */
} ComparisonSide;

/* Compares two views with the same number of elements, for the goal and with the tolerances in
** `task`, and stores the result in task->found. False on error. */
bool comparison_run(sqlite3 *db, Session *session, const ComparisonSide *a, const ComparisonSide *b,
                    CompareTask *task, Error *error);

/* The numbers of a comparison that functions and tables return. */
typedef enum ComparisonNumber {
  COMPARISON_NONE,
  COMPARISON_N_DIFF,
  COMPARISON_MAX_ABS_DIFF,
  COMPARISON_MEAN_ABS_DIFF,
  COMPARISON_RMSE,
  COMPARISON_REL_L2,
  COMPARISON_COSINE,
  COMPARISON_N_NAN,
  COMPARISON_N_NAN_ONE,
  COMPARISON_L2_A,
  COMPARISON_L2_B,
  COMPARISON_L2_DIFF
} ComparisonNumber;

/* Sets the result to that number: INTEGER if it is a count, else REAL, or NULL if there is none. */
void comparison_result(sqlite3_context *context, const Comparison *found, ComparisonNumber number);

#endif
