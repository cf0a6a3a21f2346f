/*
** The scalar functions, by file. Each gets the connection's Store as its user data. What each takes
** and returns stands above its definition; NULL in gives NULL out everywhere.
*/
#ifndef SAFETENSORS_FUNC_FUNCTIONS_H
#define SAFETENSORS_FUNC_FUNCTIONS_H

#include "base/sqlite.h"

typedef void Function(sqlite3_context *context, int argc, sqlite3_value **argv);

/* ref.c */
Function function_tensor_ref;

/* describe.c */
Function function_tensor_dtype, function_tensor_shape, function_tensor_numel,
    function_tensor_nbytes;

/* data.c */
Function function_tensor_data;

/* values.c */
Function function_tensor_item, function_tensor_json, function_tensor_cast;

/* hash.c */
Function function_tensor_hash;

/* sparkline.c */
Function function_tensor_sparkline;

/* config.c */
Function function_safetensors_config;

/* write.c: aggregates, each an xStep and an xFinal; the first two share theirs */
Function aggregate_write_step, aggregate_write_sharded_step, aggregate_serialize_step;
void aggregate_write_final(sqlite3_context *context);
void aggregate_serialize_final(sqlite3_context *context);

/* pretty.c */
Function function_safetensors_pretty;

/* compare.c */
Function function_tensor_equal, function_tensor_allclose, function_tensor_cosine,
    function_tensor_max_abs_diff;

/* version.c */
Function function_safetensors_version;

#endif
