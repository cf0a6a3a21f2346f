/* One element as an SQL value. */
#ifndef SAFETENSORS_FUNC_VALUE_RESULT_H
#define SAFETENSORS_FUNC_VALUE_RESULT_H

#include "base/sqlite.h"
#include "tensor/value.h"

/* INTEGER or REAL; BOOL as 0 or 1; C64 as the JSON text [re,im]; NaN becomes NULL. */
void value_result(sqlite3_context *context, const Value *value);

#endif
