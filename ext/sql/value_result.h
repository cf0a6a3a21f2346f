/* One element as an SQL value. */
#ifndef SAFETENSORS_SQL_VALUE_RESULT_H
#define SAFETENSORS_SQL_VALUE_RESULT_H

#include "base/sqlite.h"
#include "tensor/value.h"

/* Sets the result to INTEGER or REAL; BOOL is 0 or 1, C64 the JSON text [re,im], and NaN becomes
** NULL. */
void value_result(sqlite3_context *context, const Value *value);

#endif
