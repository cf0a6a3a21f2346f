/*
** safetensors_help([name]): the reference, one row per table and function, and per kind of
** argument.
**
**     SELECT name, description FROM safetensors_help();
**     SELECT * FROM safetensors_help('tensor_item');
**
** With a name it returns the row of that name, or else the rows whose names contain it. NULL has no
** rows. `kind` is table, function, aggregate or argument. `example` is a statement that runs as it
** is, if there is a model.safetensors. The module `safetensors` of named tables counts as a table.
*/
#include <string.h>

#include "base/memory.h"
#include "sql/argument.h"
#include "sql/row_identity.h"
#include "sql/table.h"
#include "vtab/modules.h"

static const char help_schema[] =
    "CREATE TABLE x(name TEXT, kind TEXT, signature TEXT, description TEXT, example TEXT, "
    "wanted HIDDEN)";

enum HelpColumn {
  HELP_COLUMN_NAME,
  HELP_COLUMN_KIND,
  HELP_COLUMN_SIGNATURE,
  HELP_COLUMN_DESCRIPTION,
  HELP_COLUMN_EXAMPLE,
  HELP_COLUMN_WANTED,
  HELP_ROW_COLUMNS = HELP_COLUMN_WANTED
};

/* A terminal of 80 columns has room for a name and its description. */
/* NOLINTBEGIN(bugprone-suspicious-missing-comma): a text may take several lines. */
static const char *const help_rows[][HELP_ROW_COLUMNS] = {
    {"safetensors_tensors", "table",
     "safetensors_tensors(path [, size]) -> name, dtype, shape, numel, nbytes, offset, file; "
     "hidden: "
     "rank, layer, pattern, ref, data, n, checkpoint, size",
     "The tensors of a checkpoint, one per row",
     "SELECT name, dtype, shape FROM safetensors_tensors('model.safetensors');"},
    {"safetensors_weights", "table",
     "safetensors_weights(path) -> name, scheme, dtype, shape, numel, nbytes, status; hidden: "
     "parts, "
     "bits, role, copy_of, layer, pattern, ref, checkpoint",
     "The weights of a model; packed ones as one row",
     "SELECT scheme, count(*), sum(numel) FROM safetensors_weights('model.safetensors') GROUP BY "
     "scheme;"},
    {"safetensors_adapter", "table",
     "safetensors_adapter(path [, base]) -> module, kind, rank, alpha, scale, shape, weight, "
     "status; "
     "hidden: parts, ref, layer, checkpoint, base",
     "What an adapter changes, one weight per row",
     "SELECT module, kind, rank, scale, status FROM safetensors_adapter('model.safetensors');"},
    {"safetensors_metadata", "table",
     "safetensors_metadata(path) -> key, value, file; hidden: checkpoint",
     "The metadata of a checkpoint, one key per row",
     "SELECT key, value FROM safetensors_metadata('model.safetensors');"},
    {"safetensors_files", "table",
     "safetensors_files(path) -> file, size, header_size, tensors, numel, nbytes, status, error; "
     "hidden: data_offset, mtime, inode, device, header_hash, layout, digest, "
     "checkpoint",
     "The files of a checkpoint, even missing or invalid",
     "SELECT file, status, error FROM safetensors_files('model.safetensors');"},
    {"safetensors_models", "table",
     "safetensors_models(path) -> model, kind, files, tensors, numel, nbytes, status, error; "
     "hidden: config, index_file, checkpoint",
     "The models in a folder, at any depth, one per row",
     "SELECT model, kind, numel, status FROM safetensors_models('.');"},
    {"safetensors_check", "table",
     "safetensors_check(path) -> severity, code, file, tensor, offset, message; hidden: checkpoint",
     "What is wrong with a checkpoint, one finding per row",
     "SELECT count(*) AS findings FROM safetensors_check('model.safetensors');"},
    {"safetensors_salvage", "table",
     "safetensors_salvage(path) -> name, dtype, shape, numel, nbytes, offset, status, message; "
     "hidden: ref, metadata, checkpoint",
     "The tensors of damaged files, and which are whole",
     "SELECT name, status, message FROM safetensors_salvage('model.safetensors');"},
    {"safetensors_verify", "table",
     "safetensors_verify(path [, published]) -> file, claim, algorithm, expected, actual, status; "
     "hidden: "
     "checkpoint",
     "Whether files are as published, by digests nearby",
     "SELECT file, claim, status FROM safetensors_verify('model.safetensors');"},
    {"safetensors_diff", "table",
     "safetensors_diff(a, b) -> name, status, dtype_a, dtype_b, shape_a, shape_b, n_diff, "
     "max_abs_diff, rmse, rel_l2, cosine; hidden: ref_a, ref_b, layer, pattern, numel, "
     "mean_abs_diff, n_nan, n_nan_one, l2_a, l2_b, l2_diff, checkpoint_a, checkpoint_b",
     "Two checkpoints compared, one tensor per row",
     "SELECT name, status FROM safetensors_diff('base.safetensors', 'tune.safetensors');"},
    {"safetensors", "table",
     "CREATE VIRTUAL TABLE name USING safetensors(path) -> the columns of safetensors_tensors; in "
     "the schema temp they can be changed",
     "The tensors of a checkpoint, as a named table",
     "CREATE VIRTUAL TABLE temp.model USING safetensors('model.safetensors');"},
    {"safetensors_write", "table",
     "INSERT INTO safetensors_write(path, name, dtype, shape, data) -> path, name, dtype, shape, "
     "data; hidden: metadata, max_shard_bytes, mode, make_directory",
     "The tensors of new files, written at COMMIT",
     "INSERT INTO safetensors_write SELECT 'copy.safetensors', name, NULL, NULL, ref FROM "
     "safetensors_tensors('model.safetensors'); SELECT changes();"},
    {"safetensors_help", "table",
     "safetensors_help([name]) -> name, kind, signature, description, example", "This reference",
     "SELECT * FROM safetensors_help('tensor_item');"},
    {"tensor_elements", "table", "tensor_elements(T [, slice]) -> idx, coord, value",
     "The elements of a tensor, one per row",
     "SELECT coord, value FROM tensor_elements('model.safetensors#lm_head.weight', '0, 0:3');"},
    {"tensor_rows", "table", "tensor_rows(T) -> i, data, ref",
     "The rows of a tensor, along its first dimension",
     "SELECT i, tensor_json(ref, '0:3') FROM tensor_rows('model.safetensors#lm_head.weight') LIMIT "
     "3;"},
    {"tensor_stats", "table",
     "tensor_stats(T) -> n_nan, n_inf, n_zero, min, max, mean, std, abs_max, l2",
     "The statistics of a tensor, in one row",
     "SELECT * FROM tensor_stats('model.safetensors#lm_head.weight');"},
    {"tensor_histogram", "table", "tensor_histogram(T [, bins [, lo, hi]]) -> bin, lo, hi, count",
     "The histogram of a tensor's values, one bin per row",
     "SELECT * FROM tensor_histogram('model.safetensors#lm_head.weight', 8);"},
    {"tensor_compare", "table",
     "tensor_compare(A, B) -> equal, n_diff, max_abs_diff, mean_abs_diff, rmse, rel_l2, cosine; "
     "hidden: n_nan, n_nan_one, l2_a, l2_b, l2_diff",
     "Two tensors compared, in one row",
     "SELECT * FROM tensor_compare('base.safetensors#model.norm.weight', "
     "'tune.safetensors#model.norm.weight');"},
    {"tensor_nearest", "table",
     "tensor_nearest(T, query [, k [, metric]]) -> i, score; hidden: ref, data",
     "The rows of a tensor that are nearest to a vector",
     "SELECT i, score FROM tensor_nearest('model.safetensors#lm_head.weight', "
     "'model.safetensors?slice=1#lm_head.weight', 3);"},
    {"tensor_svd", "table", "tensor_svd(T, k [, seed]) -> i, value, energy; hidden: left, right",
     "The k greatest singular values of a tensor",
     "SELECT i, value, energy FROM "
     "tensor_svd(tensor_sub('tune.safetensors#model.embed_tokens.weight', "
     "'base.safetensors#model.embed_tokens.weight'), 8);"},
    {"tensor_ref", "function", "tensor_ref(path, name [, slice]) -> TEXT",
     "A ref: text that names a tensor or a slice of one",
     "SELECT tensor_ref('model.safetensors', 'lm_head.weight', '0:3');"},
    {"tensor_dtype", "function", "tensor_dtype(ref) -> TEXT", "The dtype of a tensor",
     "SELECT tensor_dtype('model.safetensors#lm_head.weight');"},
    {"tensor_shape", "function", "tensor_shape(ref) -> TEXT, a JSON array", "The shape of a tensor",
     "SELECT tensor_shape('model.safetensors#lm_head.weight');"},
    {"tensor_numel", "function", "tensor_numel(ref) -> INTEGER",
     "The number of elements of a tensor",
     "SELECT tensor_numel('model.safetensors#lm_head.weight');"},
    {"tensor_nbytes", "function", "tensor_nbytes(ref) -> INTEGER",
     "The number of bytes of a tensor",
     "SELECT tensor_nbytes('model.safetensors#lm_head.weight');"},
    {"tensor_data", "function", "tensor_data(T [, slice]) -> BLOB",
     "The bytes of a tensor, as stored",
     "SELECT hex(tensor_data('model.safetensors#lm_head.weight', '0, 0:3'));"},
    {"tensor_json", "function", "tensor_json(T [, slice]) -> TEXT, a JSON array",
     "The values of a tensor, as nested arrays",
     "SELECT tensor_json('model.safetensors#lm_head.weight', '0:2, 0:3');"},
    {"tensor_item", "function", "tensor_item(T, i, j, ...) -> INTEGER or REAL",
     "One element; negative indices count from the end",
     "SELECT tensor_item('model.safetensors#lm_head.weight', 0, -1);"},
    {"tensor_cast", "function", "tensor_cast(T, dtype) -> BLOB",
     "The bytes of a tensor in another dtype",
     "SELECT hex(tensor_cast('model.safetensors?slice=0,0:3#lm_head.weight', 'F32'));"},
    {"tensor_hash", "function", "tensor_hash(T) -> TEXT",
     "The hash of a tensor's bytes (XXH3-128, hexadecimal)",
     "SELECT name, tensor_hash(ref) FROM safetensors_tensors('model.safetensors');"},
    {"tensor_sha256", "function", "tensor_sha256(T) -> TEXT",
     "The SHA-256 of a tensor's bytes, hexadecimal",
     "SELECT name, tensor_sha256(ref) FROM safetensors_tensors('model.safetensors');"},
    {"safetensors_digest", "function", "safetensors_digest(path, kind) -> TEXT",
     "A digest of a file or model: sha256, git, ...",
     "SELECT safetensors_digest('model.safetensors', 'sha256');"},
    {"tensor_quantile", "function", "tensor_quantile(T, q [, method]) -> REAL or INTEGER",
     "The quantile of a tensor's finite values, exactly",
     "SELECT tensor_quantile('model.safetensors#lm_head.weight', 0.99);"},
    {"tensor_sparkline", "function", "tensor_sparkline(T) -> TEXT",
     "A tensor's distribution, in 16 block characters",
     "SELECT name, tensor_sparkline(ref) FROM safetensors_tensors('model.safetensors');"},
    {"tensor_equal", "function", "tensor_equal(A, B) -> 0 or 1",
     "1 if all values are equal, else 0",
     "SELECT tensor_equal('base.safetensors#lm_head.weight', 'model.safetensors#lm_head.weight');"},
    {"tensor_allclose", "function", "tensor_allclose(A, B [, rtol [, atol]]) -> 0 or 1",
     "1 if all values are nearly equal, else 0",
     "SELECT tensor_allclose('base.safetensors#model.norm.weight', "
     "'tune.safetensors#model.norm.weight');"},
    {"tensor_cosine", "function", "tensor_cosine(A, B) -> REAL",
     "The cosine of the angle between two tensors",
     "SELECT tensor_cosine('base.safetensors#model.norm.weight', "
     "'tune.safetensors#model.norm.weight');"},
    {"tensor_max_abs_diff", "function", "tensor_max_abs_diff(A, B) -> REAL",
     "The largest difference between two tensors' values",
     "SELECT tensor_max_abs_diff('base.safetensors#model.norm.weight', "
     "'tune.safetensors#model.norm.weight');"},
    {"tensor_add", "function", "tensor_add(A, B) -> TEXT, an expression",
     "A + B, element by element; A or B may be a number",
     "SELECT tensor_json(tensor_add('model.safetensors#lm_head.weight', 0.5), '0, 0:3');"},
    {"tensor_sub", "function", "tensor_sub(A, B) -> TEXT, an expression",
     "A - B, element by element",
     "SELECT tensor_json(tensor_sub('tune.safetensors#model.embed_tokens.weight', "
     "'base.safetensors#model.embed_tokens.weight'), '0, 0:3');"},
    {"tensor_mul", "function", "tensor_mul(A, B) -> TEXT, an expression",
     "A * B, element by element",
     "SELECT tensor_json(tensor_mul('model.safetensors#lm_head.weight', 0.5), '0, 0:3');"},
    {"tensor_div", "function", "tensor_div(A, B) -> TEXT, an expression",
     "A / B, element by element",
     "SELECT tensor_json(tensor_div('model.safetensors#lm_head.weight', "
     "tensor_norm('model.safetensors#lm_head.weight', 1)), '0, 0:3');"},
    {"tensor_minimum", "function", "tensor_minimum(A, B) -> TEXT, an expression",
     "The smaller of two elements; NaN if one is NaN",
     "SELECT tensor_json(tensor_minimum('model.safetensors#lm_head.weight', 1), '0, 0:3');"},
    {"tensor_maximum", "function", "tensor_maximum(A, B) -> TEXT, an expression",
     "The larger of two elements; NaN if one is NaN",
     "SELECT tensor_json(tensor_maximum('model.safetensors#lm_head.weight', 0), '0, 0:3');"},
    {"tensor_greater", "function", "tensor_greater(A, B) -> TEXT, an expression",
     "1 where A > B, else 0",
     "SELECT tensor_json(tensor_greater('model.safetensors#lm_head.weight', 0), '0, 0:3');"},
    {"tensor_greater_equal", "function", "tensor_greater_equal(A, B) -> TEXT, an expression",
     "1 where A >= B, else 0",
     "SELECT tensor_json(tensor_greater_equal('model.safetensors#lm_head.weight', 0), '0, 0:3');"},
    {"tensor_less", "function", "tensor_less(A, B) -> TEXT, an expression", "1 where A < B, else 0",
     "SELECT tensor_json(tensor_less('model.safetensors#lm_head.weight', 0), '0, 0:3');"},
    {"tensor_less_equal", "function", "tensor_less_equal(A, B) -> TEXT, an expression",
     "1 where A <= B, else 0",
     "SELECT tensor_json(tensor_less_equal('model.safetensors#lm_head.weight', 0), '0, 0:3');"},
    {"tensor_equals", "function", "tensor_equals(A, B) -> TEXT, an expression",
     "1 where A equals B, else 0",
     "SELECT tensor_json(tensor_equals('base.safetensors#model.embed_tokens.weight', "
     "'tune.safetensors#model.embed_tokens.weight'), '0, 0:3');"},
    {"tensor_isnan", "function", "tensor_isnan(T) -> TEXT, an expression",
     "1 where T is NaN, else 0",
     "SELECT tensor_json(tensor_isnan('model.safetensors#lm_head.weight'), '0, 0:3');"},
    {"tensor_where", "function", "tensor_where(C, A, B) -> TEXT, an expression",
     "A where C is not 0, else B",
     "SELECT tensor_json(tensor_where(tensor_isnan('model.safetensors#lm_head.weight'), 0, "
     "'model.safetensors#lm_head.weight'), '0, 0:3');"},
    {"tensor_neg", "function", "tensor_neg(T) -> TEXT, an expression", "-T",
     "SELECT tensor_json(tensor_neg('model.safetensors#lm_head.weight'), '0, 0:3');"},
    {"tensor_abs", "function", "tensor_abs(T) -> TEXT, an expression", "The absolute values of T",
     "SELECT tensor_json(tensor_abs('model.safetensors#lm_head.weight'), '0, 0:3');"},
    {"tensor_sign", "function", "tensor_sign(T) -> TEXT, an expression",
     "-1, 0 or 1 for each element",
     "SELECT tensor_json(tensor_sign('model.safetensors#lm_head.weight'), '0, 0:3');"},
    {"tensor_sqrt", "function", "tensor_sqrt(T) -> TEXT, an expression", "The square roots of T",
     "SELECT tensor_json(tensor_sqrt(tensor_abs('model.safetensors#lm_head.weight')), '0, 0:3');"},
    {"tensor_exp", "function", "tensor_exp(T) -> TEXT, an expression", "e to the power of T",
     "SELECT tensor_json(tensor_exp('model.safetensors#lm_head.weight'), '0, 0:3');"},
    {"tensor_log", "function", "tensor_log(T) -> TEXT, an expression",
     "The natural logarithms of T",
     "SELECT tensor_json(tensor_log(tensor_abs('model.safetensors#lm_head.weight')), '0, 0:3');"},
    {"tensor_norm", "function", "tensor_norm(T, axis) -> TEXT, an expression",
     "The length along an axis, which gets the size 1",
     "SELECT tensor_json(tensor_norm('model.safetensors#lm_head.weight', 1), '0:3, 0');"},
    {"tensor_total", "function", "tensor_total(T, axis) -> TEXT, an expression",
     "The sum along an axis, which gets the size 1",
     "SELECT tensor_json(tensor_total('model.safetensors#lm_head.weight', 0), '0, 0:3');"},
    {"tensor_lerp", "function", "tensor_lerp(A, B, t) -> TEXT, an expression", "A + t * (B - A)",
     "SELECT tensor_json(tensor_lerp('base.safetensors#model.embed_tokens.weight', "
     "'tune.safetensors#model.embed_tokens.weight', 0.7), '0, 0:3');"},
    {"tensor_slerp", "function", "tensor_slerp(A, B, t) -> TEXT, an expression",
     "From A to B on the arc between them",
     "SELECT tensor_json(tensor_slerp('base.safetensors#model.embed_tokens.weight', "
     "'tune.safetensors#model.embed_tokens.weight', 0.7), '0, 0:3');"},
    {"tensor_matmul", "function", "tensor_matmul(A, B) -> TEXT, an expression",
     "The product of two matrices, as numpy.matmul",
     "SELECT tensor_json(tensor_matmul('model.safetensors#lm_head.weight', "
     "tensor_transpose('model.safetensors#lm_head.weight')), '0, 0:3');"},
    {"tensor_transpose", "function", "tensor_transpose(T [, axes]) -> TEXT, an expression",
     "The axes of T in another order, or reversed",
     "SELECT tensor_json(tensor_transpose('model.safetensors#lm_head.weight'), '0, 0:3');"},
    {"tensor_reshape", "function", "tensor_reshape(T, shape) -> TEXT, an expression",
     "The elements of T in another shape",
     "SELECT tensor_json(tensor_reshape('model.safetensors#lm_head.weight', '[-1]'), '0:3');"},
    {"tensor_slice", "function", "tensor_slice(T, slice) -> TEXT, an expression", "A slice of T",
     "SELECT tensor_json(tensor_slice(tensor_neg('model.safetensors#lm_head.weight'), '0:10'), '0, "
     "0:3');"},
    {"tensor_take", "function", "tensor_take(T, indices, axis) -> TEXT, an expression",
     "The elements with these indices along an axis",
     "SELECT tensor_json(tensor_take('model.safetensors#lm_head.weight', '[0,-1]', 0), '0, 0:3');"},
    {"tensor_concat", "function", "tensor_concat(axis, A, B, ...) -> TEXT, an expression",
     "Tensors one after the other along an axis",
     "SELECT tensor_json(tensor_concat(0, 'base.safetensors#model.embed_tokens.weight', "
     "'tune.safetensors#model.embed_tokens.weight'), '0, 0:3');"},
    {"tensor_convert", "function", "tensor_convert(T, dtype) -> TEXT, an expression",
     "T rounded to another dtype, as tensor_cast",
     "SELECT tensor_json(tensor_convert('model.safetensors#lm_head.weight', 'F16'), '0, 0:3');"},
    {"tensor_full", "function", "tensor_full(shape, value) -> TEXT, an expression",
     "A tensor with one value everywhere", "SELECT tensor_json(tensor_full('[2,3]', 0.5));"},
    {"tensor_random", "function", "tensor_random(shape, seed) -> TEXT, an expression",
     "Random numbers, from 0 up to 1", "SELECT tensor_json(tensor_random('[2,3]', 42));"},
    {"tensor_dequantize", "function",
     "tensor_dequantize(scheme, parts [, options]) -> TEXT, an expression",
     "What a packed or scaled weight stands for",
     "SELECT tensor_json(tensor_dequantize('fp8', json_object('weight', "
     "tensor_convert('model.safetensors#lm_head.weight', 'F8_E4M3'), 'scale', tensor_full('[]', "
     "2))), '0, 0:3');"},
    {"tensor_delta", "function",
     "tensor_delta(kind, parts [, options [, base]]) -> TEXT, an expression",
     "What an adapter changes about a weight",
     "SELECT tensor_json(tensor_delta('lora', json_object('lora_A', tensor_full('[1,2]', 2), "
     "'lora_B', tensor_full('[3,1]', 0.5)), '{\"scale\":2}'));"},
    {"tensors_sum", "aggregate", "tensors_sum(T [, weight]) -> TEXT, an expression",
     "The sum of the tensors of all rows",
     "SELECT name, tensors_sum(ref) FROM safetensors_tensors('*.safetensors') GROUP BY name;"},
    {"tensors_average", "aggregate", "tensors_average(T [, weight]) -> TEXT, an expression",
     "The average of the tensors of all rows",
     "SELECT name, tensors_average(ref) FROM safetensors_tensors('*.safetensors') GROUP BY name;"},
    {"tensors_stack", "aggregate", "tensors_stack(T, position) -> TEXT, an expression",
     "The tensors of all rows, as one tensor's rows",
     "SELECT tensor_shape(tensors_stack(ref, layer)) FROM safetensors_tensors('model.safetensors') "
     "WHERE pattern = 'model.layers.#.input_layernorm.weight';"},
    {"safetensors_serialize", "aggregate",
     "safetensors_serialize(name, dtype, shape, data [, metadata]) -> BLOB",
     "The bytes of a file, as a BLOB",
     "SELECT length(safetensors_serialize('x', 'F32', '[2]', x'0000803f00000040'));"},
    {"safetensors_config", "function", "safetensors_config(name [, value]) -> TEXT or INTEGER",
     "Reads or changes a setting of the connection",
     "SELECT safetensors_config('io'), safetensors_config('progress', 1);"},
    {"safetensors_pretty", "function", "safetensors_pretty(n [, unit]) -> TEXT",
     "A number for people to read: 13.0 M, 26.1 GB",
     "SELECT safetensors_pretty(13015864), safetensors_pretty(26114695168, 'B');"},
    {"safetensors_label", "function", "safetensors_label(name [, common]) -> TEXT",
     "A name for a terminal: nothing in it can control one",
     "SELECT safetensors_label(name, (SELECT safetensors_common(name) FROM "
     "safetensors_tensors('model.safetensors'))) FROM safetensors_tensors('model.safetensors');"},
    {"safetensors_wrap", "function", "safetensors_wrap(name, text) -> TEXT",
     "A text in lines for a terminal, below a name",
     "SELECT safetensors_wrap(key, value) FROM safetensors_metadata('model.safetensors');"},
    {"safetensors_html", "function", "safetensors_html(text) -> TEXT",
     "A text for a page: nothing in it is markup",
     "SELECT safetensors_html(name) FROM safetensors_tensors('model.safetensors');"},
    {"safetensors_page", "function", "safetensors_page(title) -> TEXT",
     "The beginning of an HTML page, with its style",
     "SELECT safetensors_page('Two & three') || '<p>' || safetensors_html('<5>') || "
     "'</body></html>';"},
    {"safetensors_common", "aggregate", "safetensors_common(name) -> TEXT",
     "The beginning that names share, to the last . or /",
     "SELECT safetensors_common(name) FROM safetensors_tensors('model.safetensors');"},
    {"safetensors_print", "function", "safetensors_print(format, table, ...) -> TEXT",
     "TEMP tables as json, csv, junit or sarif",
     "CREATE TEMP TABLE IF NOT EXISTS names AS SELECT name FROM "
     "safetensors_tensors('model.safetensors'); SELECT safetensors_print('json', 'names');"},
    {"safetensors_parameters", "function", "safetensors_parameters(':name', ...) -> 1",
     "An error if the shell has a mistyped parameter",
     "SELECT safetensors_parameters(':path', ':format');"},
    {"safetensors_refuse", "function", "safetensors_refuse(sentence) -> NULL",
     "An error of this text; nothing for NULL",
     "SELECT safetensors_refuse(min(error)) FROM safetensors_files('model.safetensors');"},
    {"safetensors_version", "function", "safetensors_version() -> TEXT",
     "The versions of the extension and its libraries", "SELECT safetensors_version();"},
    {"path", "argument",
     "TEXT: FILE.safetensors, FILE.safetensors.index.json, a directory, a pattern, "
     "hf://NAME[@REVISION][/FILE]; BLOB: a file's bytes",
     "The path of a checkpoint", "SELECT count(*) FROM safetensors_tensors('*.safetensors');"},
    {"T", "argument", "ref; or data, dtype [, shape]: a BLOB, a dtype's name, a JSON array",
     "A tensor, by name or by value", "SELECT tensor_json(x'0000803f00000040', 'F32', '[2]');"},
    {"ref", "argument",
     "PATH#NAME or PATH?slice=SLICE#NAME; in PATH, % is %25, ? is %3F, # is %23, { at the "
     "beginning is %7B",
     "Text that names a tensor or a slice of one",
     "SELECT ref FROM safetensors_tensors('model.safetensors') LIMIT 1;"},
    {"slice", "argument", "'3', '-1', '0:10', ':, ::2', '..., 0', as in NumPy",
     "A slice of a tensor, over its leading dimensions",
     "SELECT tensor_shape(tensor_ref('model.safetensors', 'lm_head.weight', '0:10, ::2'));"},
    {"expression", "argument",
     "{\"op\":NAME,\"args\":[T, ...], ...}: what a builder such as tensor_add returns",
     "Text that describes a tensor computed from others",
     "SELECT tensor_add('base.safetensors#lm_head.weight', 'tune.safetensors#lm_head.weight');"},
    {"A, B", "argument", "ref [, shape], ref [, shape]; or data_a, dtype_a, data_b, dtype_b",
     "Two tensors", "SELECT tensor_cosine(x'0000803f', 'F32', x'803f', 'BF16');"},
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */

enum { HELP_ROW_COUNT = sizeof help_rows / sizeof help_rows[0] };

typedef struct HelpCursor {
  TABLE_CURSOR_MEMBERS
  sqlite3_value *argument; /* a copy; NULL means all rows */
  const char *wanted;      /* its text */
  bool exact;              /* a row has exactly this name */
  unsigned row;
  RowIdentity rows;
} HelpCursor;

static int help_disconnect(sqlite3_vtab *table) {
  memory_free(table);
  return SQLITE_OK;
}

static int help_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
  (void)table;
  info->estimatedCost =
      1e6; /* expensive, so that SQLite prefers a plan with the name, which gives other rows */
  info->estimatedRows = HELP_ROW_COUNT;
  bool unusable = false;
  int found = argument_find_eq(info, HELP_COLUMN_WANTED, &unusable);
  if (found < 0) return unusable ? SQLITE_CONSTRAINT : SQLITE_OK;
  info->aConstraintUsage[found].argvIndex = 1;
  info->aConstraintUsage[found].omit = 1;
  info->estimatedCost = HELP_ROW_COUNT;
  info->idxNum = 1;
  return SQLITE_OK;
}

static void help_clear(sqlite3_vtab_cursor *base) {
  sqlite3_value_free(((HelpCursor *)base)->argument);
}

static void help_skip_unwanted(HelpCursor *cursor) {
  for (; cursor->row < HELP_ROW_COUNT && cursor->wanted != NULL; cursor->row++) {
    const char *name = help_rows[cursor->row][HELP_COLUMN_NAME];
    if (cursor->exact ? strcmp(name, cursor->wanted) == 0 : strstr(name, cursor->wanted) != NULL) {
      return;
    }
  }
}

static int help_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  HelpCursor *cursor = (HelpCursor *)base;
  sqlite3_value_free(cursor->argument);
  cursor->argument = NULL;
  cursor->wanted = NULL;
  cursor->exact = false;
  cursor->row = 0;
  cursor->rows = (RowIdentity){0};
  if (plan == 0) return SQLITE_OK;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) {
    cursor->row = HELP_ROW_COUNT;
    return SQLITE_OK;
  }
  cursor->argument = sqlite3_value_dup(argv[0]);
  cursor->wanted = (const char *)sqlite3_value_text(cursor->argument);
  if (cursor->wanted == NULL) return SQLITE_NOMEM;
  for (unsigned i = 0; i < HELP_ROW_COUNT; i++) {
    if (strcmp(help_rows[i][HELP_COLUMN_NAME], cursor->wanted) == 0) cursor->exact = true;
  }
  help_skip_unwanted(cursor);
  return SQLITE_OK;
}

static int help_next(sqlite3_vtab_cursor *base) {
  HelpCursor *cursor = (HelpCursor *)base;
  cursor->row++;
  help_skip_unwanted(cursor);
  return SQLITE_OK;
}

static bool help_at_end(const sqlite3_vtab_cursor *base) {
  return ((const HelpCursor *)base)->row >= HELP_ROW_COUNT;
}

static int help_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  HelpCursor *cursor = (HelpCursor *)base;
  Table *table = (Table *)base->pVtab;
  const RowArguments arguments = {&table->base, table->session, table->name,
                                  cursor->argument != NULL, &cursor->argument};
  return row_identity_rowid(&cursor->rows, &arguments, 0, HELP_ROW_COUNT, cursor->row, out);
}

static void help_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const HelpCursor *cursor = (const HelpCursor *)base;
  if (number < HELP_ROW_COLUMNS) {
    sqlite3_result_text(context, help_rows[cursor->row][number], -1, SQLITE_STATIC);
  } else if (number == HELP_COLUMN_WANTED && cursor->argument != NULL) {
    sqlite3_result_value(context, cursor->argument);
  }
}

/* ---- The table ---- */

static const char help_name[] = "safetensors_help";

static const TableRows help_table_rows = {.cursor_size = sizeof(HelpCursor),
                                          .filter = help_filter,
                                          .next = help_next,
                                          .at_end = help_at_end,
                                          .rowid = help_rowid,
                                          .column = help_column,
                                          .clear = help_clear};

static int help_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                        sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  int code = table_declare(db, help_name, help_schema, SQLITE_VTAB_INNOCUOUS, message);
  if (code != SQLITE_OK) return code;
  Table *table = memory_zeroed(1, sizeof *table);
  if (table == NULL) return SQLITE_NOMEM;
  *table = (Table){.db = db, .session = session, .name = help_name, .rows = &help_table_rows};
  *out = &table->base;
  return SQLITE_OK;
}

const sqlite3_module safetensors_help_module = {
    .xConnect = help_connect,
    .xBestIndex = help_best_index,
    .xDisconnect = help_disconnect,
    TABLE_METHODS,
};
