/* SQL functions that compute in the default floating-point environment, whatever the host's
** environment is. The host gets its own back after each call. */
#ifndef SAFETENSORS_SQL_EXACT_FUNCTION_H
#define SAFETENSORS_SQL_EXACT_FUNCTION_H

#include "sql/function.h"

enum {
  EXACT_FUNCTION_MAX = 128,
  EXACT_FUNCTION_MAX_FINALS = 16
}; /* more than there are functions */

typedef void Final(sqlite3_context *context);

/* Wraps a function, or the step of an aggregate. The same function gives the same wrapper, as
** long as the process runs. There can be at most EXACT_FUNCTION_MAX different ones. NULL gives
** NULL. For any thread. */
Function *exact_function(Function *function);

/* Wraps the last step of an aggregate; at most EXACT_FUNCTION_MAX_FINALS different ones. */
Final *exact_final(Final *final);

#endif
