#include "func/functions.h"
#include "sql/lease.h"
#include "sql/tensor_pair.h"
#include "sql/tensor_result.h"

/* Reads rtol or atol. A NULL makes the pair NULL. */
static bool compare_take_tolerance(TensorPair *pair, sqlite3_value *value, const char *caller,
                                   double *tolerance, Error *error) {
  int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL) pair->is_null = true;
  if (pair->is_null) return true;
  *tolerance = sqlite3_value_double(value);
  return ((type == SQLITE_INTEGER || type == SQLITE_FLOAT) && *tolerance >= 0) ||
         error_raise(error, ERROR_ARGUMENT, caller,
                     "expected tolerances that are numbers of at least 0, found another value");
}

static bool compare_open_arguments(TensorPair *pair, const char *caller, Session *session, int argc,
                                   sqlite3_value **argv, CompareTask *task, Error *error) {
  double *tolerances[] = {&task->rtol, &task->atol};
  int max_more = task->goal == COMPARE_CLOSE ? 2 : 0;
  if (!tensor_pair_open(pair, caller, session, argc, argv, error)) return false;
  if (pair->is_null) return true;
  if (argc - pair->used > max_more) {
    return error_raise(error, ERROR_ARGUMENT, caller, "expected %s%s, found %d arguments",
                       TENSOR_PAIR_USAGE, max_more > 0 ? ", and rtol and atol" : "", argc);
  }
  for (int i = pair->used; i < argc; i++) {
    double *tolerance = tolerances[i - pair->used];
    if (!compare_take_tolerance(pair, argv[i], caller, tolerance, error)) return false;
  }
  return true;
}

/* Compares the arguments. Returns false if one of them is NULL, in which case the result stays
** NULL, and on an error, which becomes the result. */
static bool compare(sqlite3_context *context, const char *caller, int argc, sqlite3_value **argv,
                    CompareTask *task) {
  TensorPair pair;
  Error error = {0};
  bool good =
      compare_open_arguments(&pair, caller, lease_session(context), argc, argv, task, &error) &&
      !pair.is_null && tensor_pair_compare(&pair, sqlite3_context_db_handle(context), task, &error);
  tensor_pair_close(&pair);
  if (error.code != ERROR_NONE) tensor_result_error(context, &error);
  return good;
}

/*
** tensor_equal(A, B) -> 0 or 1
**
** Whether all elements have equal values, whatever the dtypes and shapes. A NaN equals a NaN. Stops
** at the first difference. NULL if an argument is NULL.
*/
void function_tensor_equal(sqlite3_context *context, int argc, sqlite3_value **argv) {
  CompareTask task = {.goal = COMPARE_EQUAL};
  if (compare(context, "tensor_equal", argc, argv, &task)) {
    sqlite3_result_int(context, task.found.n_diff == 0);
  }
}

/*
** tensor_allclose(A, B [, rtol [, atol]]) -> 0 or 1
**
** Whether |a - b| <= atol + rtol * |b| for all elements, as in numpy.allclose(), computed in
** doubles. B is the reference. A NaN is close to nothing, and an infinity only to itself. The
** defaults are 1e-5 for rtol and 1e-8 for atol. Stops at the first pair that is not close. NULL if
** an argument is NULL.
*/
void function_tensor_allclose(sqlite3_context *context, int argc, sqlite3_value **argv) {
  CompareTask task = {.goal = COMPARE_CLOSE, .rtol = 1e-5, .atol = 1e-8};
  if (compare(context, "tensor_allclose", argc, argv, &task)) {
    sqlite3_result_int(context, !task.found.far);
  }
}

static void compare_result_number(sqlite3_context *context, const char *caller, int argc,
                                  sqlite3_value **argv, ComparisonNumber number) {
  CompareTask task = {.goal = COMPARE_NUMBERS};
  if (compare(context, caller, argc, argv, &task)) comparison_result(context, &task.found, number);
}

/*
** tensor_cosine(A, B) -> REAL
** tensor_max_abs_diff(A, B) -> REAL
**
** The columns of tensor_compare(), whatever the shapes. NULL if the column is NULL or an argument
** is.
*/
void function_tensor_cosine(sqlite3_context *context, int argc, sqlite3_value **argv) {
  compare_result_number(context, "tensor_cosine", argc, argv, COMPARISON_COSINE);
}

void function_tensor_max_abs_diff(sqlite3_context *context, int argc, sqlite3_value **argv) {
  compare_result_number(context, "tensor_max_abs_diff", argc, argv, COMPARISON_MAX_ABS_DIFF);
}
