/* The type of a scalar function, and of the step of an aggregate, as sqlite3_create_function()
** takes them. */
#ifndef SAFETENSORS_SQL_FUNCTION_H
#define SAFETENSORS_SQL_FUNCTION_H

#include "base/sqlite.h"

typedef void Function(sqlite3_context *context, int argc, sqlite3_value **argv);

#endif
