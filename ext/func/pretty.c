#include <math.h>

#include "base/quantity.h"
#include "func/functions.h"
#include "sql/number_argument.h"
#include "sql/result.h"

/*
** safetensors_pretty(n) -> TEXT
** safetensors_pretty(n, unit) -> TEXT
**
** A number for people to read, with three significant digits: safetensors_pretty(13015864) is '13.0
** M', and safetensors_pretty(26114695168, 'B') is '26.1 GB'. The prefixes are those of the SI, so 1
** kB is 1000 B. NULL for NULL, and for anything that is not a finite number.
*/
void function_safetensors_pretty(sqlite3_context *context, int argc, sqlite3_value **argv) {
  NumberArgument number = number_argument_read(argv[0]);
  const char *unit = argc > 1 ? (const char *)sqlite3_value_text(argv[1]) : "";
  bool is_number = number.type == SQLITE_INTEGER || number.type == SQLITE_FLOAT;
  if (!is_number || !isfinite(number.real)) return;
  if (unit == NULL) {
    if (sqlite3_value_type(argv[1]) != SQLITE_NULL) sqlite3_result_error_nomem(context);
    return;
  }
  if (sqlite3_value_bytes(argv[argc - 1]) > QUANTITY_MAX_UNIT && argc > 1) {
    Error error = {0};
    error_fill(&error, ERROR_ARGUMENT, "safetensors_pretty",
               "expected a unit of at most %d bytes, found %d", QUANTITY_MAX_UNIT,
               sqlite3_value_bytes(argv[1]));
    result_error(context, &error);
    return;
  }
  char text[QUANTITY_SIZE];
  quantity_format(text, number.real, unit);
  sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}
