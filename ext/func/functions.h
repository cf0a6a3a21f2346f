/*
** The scalar functions, by file. Each has the connection's Session as its user data. The comment
** above a definition gives the arguments and the result. Every function returns NULL if an argument
** is NULL.
*/
#ifndef SAFETENSORS_FUNC_FUNCTIONS_H
#define SAFETENSORS_FUNC_FUNCTIONS_H

#include "sql/function.h"

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
Function function_tensor_hash, function_tensor_sha256;

/* digest.c */
Function function_safetensors_digest;

/* quantile.c */
Function function_tensor_quantile;

/* sparkline.c */
Function function_tensor_sparkline;

/* config.c */
Function function_safetensors_config;

/* pretty.c */
Function function_safetensors_pretty;

/* compare.c */
Function function_tensor_equal, function_tensor_allclose, function_tensor_cosine,
    function_tensor_max_abs_diff;

/* build.c; their user data is a row of OPERATOR_TRAITS */
Function function_build, function_build_concat;

/* build_parts.c, likewise */
Function function_build_dequantize, function_build_delta;

/* build_rows.c, likewise */
Function aggregate_build_step;
void aggregate_build_final(sqlite3_context *context);

/* parameters.c */
Function function_safetensors_parameters;
Function function_safetensors_refuse;

/* print.c */
Function function_safetensors_print;

/* page.c */
Function function_safetensors_html, function_safetensors_page, function_safetensors_wrap;

/* label.c */
Function function_safetensors_label, aggregate_common_step;
void aggregate_common_final(sqlite3_context *context);

/* version.c */
Function function_safetensors_version;

#endif
