#include "tensor/quantile.h"
#include "func/functions.h"
#include "sql/connection.h"
#include "sql/lease.h"
#include "sql/number_argument.h"
#include "sql/tensor_argument.h"
#include "sql/tensor_result.h"
#include "sql/value_result.h"

static const char quantile_name[] = "tensor_quantile";

/* The values that follow T. */
enum QuantileTrailing { QUANTILE_VALUE_Q, QUANTILE_VALUE_METHOD, QUANTILE_VALUE_COUNT };

typedef struct QuantileArguments {
  TensorArgument tensor;
  bool is_null; /* one of them is */
  double q;
  QuantileMethod method;
} QuantileArguments;

static bool quantile_take_q(sqlite3_value *value, double *q, Error *error) {
  NumberArgument number = number_argument_read(value);
  *q = number.real;
  if ((number.type == SQLITE_INTEGER || number.type == SQLITE_FLOAT) && *q >= 0 && *q <= 1)
    return true;
  return error_raise(
      error, ERROR_ARGUMENT, quantile_name, "expected a number from 0 to 1 as q, found \"%.*s\"",
      ERROR_NAME((const char *)sqlite3_value_text(value), (uint64_t)sqlite3_value_bytes(value)));
}

static bool quantile_take_method(sqlite3_value *value, QuantileMethod *method, Error *error) {
  const char *name = (const char *)sqlite3_value_text(value);
  if (name == NULL) return error_memory(error);
  uint64_t length = (uint64_t)sqlite3_value_bytes(value);
  return quantile_find_method(name, length, method) ||
         error_raise(error, ERROR_ARGUMENT, quantile_name,
                     "expected linear, lower, higher or nearest as method, found \"%.*s\"",
                     ERROR_NAME(name, length));
}

static bool quantile_take_arguments(QuantileArguments *arguments, Session *session, int argc,
                                    sqlite3_value **argv, Error *error) {
  TensorArgument *tensor = &arguments->tensor;
  if (!tensor_argument_open(tensor, session, argc, argv, error)) return false;
  for (int i = 0; i < argc; i++) {
    if (sqlite3_value_type(argv[i]) == SQLITE_NULL) arguments->is_null = true;
  }
  if (arguments->is_null) return true;
  int count = argc - tensor->used;
  sqlite3_value **values = argv + tensor->used;
  if (count <= QUANTILE_VALUE_Q || count > QUANTILE_VALUE_COUNT) {
    return error_raise(error, ERROR_ARGUMENT, quantile_name,
                       "expected (ref, q [, method]) or (data, dtype [, shape], q [, method]), "
                       "found %d arguments",
                       argc);
  }
  return quantile_take_q(values[QUANTILE_VALUE_Q], &arguments->q, error) &&
         (count <= QUANTILE_VALUE_METHOD ||
          quantile_take_method(values[QUANTILE_VALUE_METHOD], &arguments->method, error));
}

static void quantile_compute(sqlite3_context *context, Session *session,
                             const QuantileArguments *arguments, Error *error) {
  const TensorArgument *tensor = &arguments->tensor;
  const View *view = &tensor->view;
  uint64_t nbytes = view->numel * dtype_bits(tensor->dtype) / 8;
  Source source = tensor_argument_source(tensor);
  QuantileOf of = {&source, view, tensor->dtype, session, {0}};
  if (!tensor_argument_identify(tensor, &of.identity)) key_clear(&of.identity);
  bool found = false;
  Value value;
  Host host = connection_begin_work(sqlite3_context_db_handle(context), session, &tensor->tensor,
                                    view->numel, nbytes * quantile_passes(tensor->dtype));
  bool good = quantile_run(&of, arguments->q, arguments->method, &host, &found, &value, error);
  connection_end_work(&host);
  key_clear(&of.identity);
  if (good && found) value_result(context, &value);
}

/*
** tensor_quantile(ref, q [, method]) -> REAL or INTEGER
** tensor_quantile(data, dtype [, shape], q [, method]) -> REAL or INTEGER
**
** The quantile q, from 0 to 1, of the finite elements, as numpy.quantile() has it for float64: 'linear', which is the
** default and REAL, or an element, 'lower', 'higher' or 'nearest'. C64 counts as its magnitude, BOOL as 0 and 1. NULL
** if no element is finite, and for NULL.
*/
void function_tensor_quantile(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Session *session = lease_session(context);
  QuantileArguments arguments = {.method = QUANTILE_LINEAR};
  Error error = {0};
  if (quantile_take_arguments(&arguments, session, argc, argv, &error) && !arguments.is_null) {
    quantile_compute(context, session, &arguments, &error);
  }
  if (error.code != ERROR_NONE) tensor_result_error(context, &error);
  tensor_argument_close(&arguments.tensor);
}
