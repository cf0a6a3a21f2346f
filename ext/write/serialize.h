/* The aggregate safetensors_serialize(): xStep and xFinal. The user data is the Session. */
#ifndef SAFETENSORS_WRITE_SERIALIZE_H
#define SAFETENSORS_WRITE_SERIALIZE_H

#include "sql/function.h"

Function aggregate_serialize_step;
void aggregate_serialize_final(sqlite3_context *context);

/* Former aggregates that wrote files. They fail with the statement to use instead. */
Function function_safetensors_write, function_safetensors_write_sharded;

#endif
