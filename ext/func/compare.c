#include "func/functions.h"
#include "func/tensor_pair.h"

/* rtol or atol. A NULL makes the pair NULL. */
static bool take_tolerance(TensorPair *pair, sqlite3_value *value, const char *caller,
                           double *tolerance, Error *error) {
  int type = sqlite3_value_type(value);
  if (type == SQLITE_NULL) pair->is_null = true;
  if (pair->is_null) return true;
  *tolerance = sqlite3_value_double(value);
  return ((type == SQLITE_INTEGER || type == SQLITE_FLOAT) && *tolerance >= 0) ||
         error_raise(error, ERROR_ARGUMENT, caller,
                     "expected tolerances that are numbers of at least 0, found another value");
}

static bool open_pair(TensorPair *pair, const char *caller, Store *store, int argc,
                      sqlite3_value **argv, CompareTask *task, Error *error) {
  double *tolerances[] = {&task->rtol, &task->atol};
  int most_more = task->goal == COMPARE_CLOSE ? 2 : 0;
  if (!tensor_pair_open(pair, caller, store, argc, argv, error)) return false;
  if (pair->is_null) return true;
  if (argc - pair->used > most_more) {
    return error_raise(error, ERROR_ARGUMENT, caller, "expected %s%s, found %d arguments",
                       TENSOR_PAIR_USAGE, most_more > 0 ? ", and rtol and atol" : "", argc);
  }
  for (int i = pair->used; i < argc; i++) {
    double *tolerance = tolerances[i - pair->used];
    if (!take_tolerance(pair, argv[i], caller, tolerance, error)) return false;
  }
  return true;
}

/* Compares the arguments. False if one is NULL, which is the result then, and on error, which is
** made the result. */
static bool compare(sqlite3_context *context, const char *caller, int argc, sqlite3_value **argv,
                    CompareTask *task) {
  TensorPair pair;
  Error error = {0};
  bool good = open_pair(&pair, caller, sqlite3_user_data(context), argc, argv, task, &error) &&
              !pair.is_null &&
              tensor_pair_compare(&pair, sqlite3_context_db_handle(context), task, &error);
  tensor_pair_close(&pair);
  if (error.code != ERROR_NONE) result_error(context, &error);
  return good;
}

/*
** tensor_equal(A, B) -> 0 or 1
**
** Whether all elements are equal in value, whatever the dtypes and shapes; a NaN equals a NaN. Stops
** at the first that are not.
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
** Whether |a - b| <= atol + rtol * |b| for all elements, as numpy.allclose() has it, in doubles: B is
** the reference, a NaN is close to nothing, an infinity to itself. rtol is 1e-5 and atol 1e-8 unless
** given. Stops at the first that are not close.
*/
void function_tensor_allclose(sqlite3_context *context, int argc, sqlite3_value **argv) {
  CompareTask task = {.goal = COMPARE_CLOSE, .rtol = 1e-5, .atol = 1e-8};
  if (compare(context, "tensor_allclose", argc, argv, &task)) {
    sqlite3_result_int(context, !task.found.far);
  }
}

static void result_number(sqlite3_context *context, const char *caller, int argc,
                          sqlite3_value **argv, ComparisonNumber number) {
  CompareTask task = {.goal = COMPARE_NUMBERS};
  if (compare(context, caller, argc, argv, &task)) comparison_result(context, &task.found, number);
}

/*
** tensor_cosine(A, B) -> REAL
** tensor_max_abs_diff(A, B) -> REAL
**
** The columns of tensor_compare(), whatever the shapes. NULL where that is.
*/
void function_tensor_cosine(sqlite3_context *context, int argc, sqlite3_value **argv) {
  result_number(context, "tensor_cosine", argc, argv, NUMBER_COSINE);
}

void function_tensor_max_abs_diff(sqlite3_context *context, int argc, sqlite3_value **argv) {
  result_number(context, "tensor_max_abs_diff", argc, argv, NUMBER_MAX_ABS_DIFF);
}
