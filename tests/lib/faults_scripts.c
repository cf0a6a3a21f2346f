#include "faults_scripts.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "faults_fixtures.h"

#define ALL_COLUMNS                                                                                \
  "name, dtype, shape, numel, nbytes, offset, file, rank, layer, pattern, ref, data, checkpoint, " \
  "t.rowid"

#define NEW_FILES \
  "safetensors_write(path, name, dtype, shape, data, metadata, max_shard_bytes, mode) "

/* A file of its own for each run, and a table over it. */
#define EDIT                                                                                    \
  "DROP TABLE IF EXISTS temp.m; INSERT INTO " NEW_FILES                                         \
  "VALUES ('w/e.safetensors', 'w', 'BF16', '[1]', x'803f', '{\"k\":\"v\"}', NULL, 'replace'), " \
  "('w/e.safetensors', 'u', 'U8', '[3]', x'010203', NULL, NULL, NULL);"                         \
  "CREATE VIRTUAL TABLE temp.m USING safetensors('w/e.safetensors');"

#define WEIGHT "'plain#model.layers.3.weight'"

/* The parts of packed weights: of bitsandbytes, with its JSON, and of GPTQ without one. */
#define PACKED                                                                                 \
  "WITH p(name, dtype, shape, data) AS (VALUES ('a.weight', 'U8', '[32,1]', zeroblob(32)), "   \
  "('a.weight.absmax', 'F32', '[1]', zeroblob(4)), "                                           \
  "('a.weight.quant_map', 'F32', '[16]', zeroblob(64)), "                                      \
  "('a.weight.quant_state.bitsandbytes__nf4', 'U8', '[31]', "                                  \
  "CAST('{\"blocksize\":64, \"shape\":[8,8]}' AS BLOB)), "                                     \
  "('b.qweight', 'I32', '[4,8]', zeroblob(128)), ('b.scales', 'F16', '[2,8]', zeroblob(32)), " \
  "('rest.qzeros', 'I32', '[2,1]', zeroblob(8)), ('c.weight', 'I8', '[2,3]', zeroblob(6)), "   \
  "('c.scale', 'F32', '[]', zeroblob(4)), ('d', 'U8', '[2,2]', zeroblob(4)), "                 \
  "('d.codebook', 'F16', '[1]', zeroblob(2)), ('n.running_var', 'F32', '[1]', zeroblob(4))) "

#define WEIGHTS_COLUMNS \
  "name, scheme, dtype, shape, numel, nbytes, status, parts, bits, role, copy_of, layer, pattern"

static const Script scripts[] = {
    {"load", STAGE_LOAD, "SELECT tensor_shape('plain#bias'), length(safetensors_version()) > 0"},
    {"load automatically", STAGE_AUTO, "SELECT count(*) FROM safetensors_tensors('plain')"},
    {"load again", STAGE_LOAD, "SELECT name FROM safetensors_tensors('tricky')"},
    {"version", STAGE_SCRIPT, "SELECT safetensors_version() LIKE 'safetensors %jansson%'"},
    {"labels", STAGE_SCRIPT,
     "SELECT safetensors_label(column1, 'model.'), safetensors_common(column1) OVER () FROM "
     "(VALUES ('model.a' || char(10)), ('model.' || printf('%.*c', 300, 'x')), (NULL))"},
    {"pages", STAGE_SCRIPT,
     "SELECT safetensors_html(column1), safetensors_page(column1), safetensors_wrap(column1, "
     "printf('%.*c', 200, 'x')) FROM "
     "(VALUES ('<a href=\"&\">' || char(39, 10)), (NULL))"},
    {"parameters", STAGE_SCRIPT,
     "CREATE TEMP TABLE IF NOT EXISTS t AS SELECT 1 AS a; SELECT safetensors_parameters(':path')"},
    {"refusing", STAGE_STEPS, "SELECT safetensors_refuse('expected ' || count(*)) FROM (SELECT 1)"},
    {"printing", STAGE_SCRIPT,
     "DROP TABLE IF EXISTS temp.v; CREATE TEMP TABLE v(rule, level, file, tensor, message); "
     "INSERT INTO v VALUES ('nan', 'error', '/a b%E9', 'l.0', '<1>' || char(27)), "
     "('dtype', 'warning', 'm', NULL, NULL), ('k', 'ok', NULL, NULL, NULL), "
     "('s', 'skipped', NULL, 't', 'no base'); SELECT safetensors_print(column1, 'v') FROM "
     "(VALUES ('json'), ('csv'), ('junit'), ('sarif'))"},
    {"printing no table", STAGE_STEPS, "SELECT safetensors_print('json', 'none')"},
    {"list", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors('plain')"},
    {"all columns", STAGE_SCRIPT, "SELECT " ALL_COLUMNS " FROM safetensors_tensors('plain') t"},
    {"all columns, tricky", STAGE_SCRIPT,
     "SELECT " ALL_COLUMNS " FROM safetensors_tensors('tricky') t ORDER BY offset"},
    {"beginning of a file", STAGE_SCRIPT,
     "SELECT t.*, size, rowid FROM safetensors_tensors(:blob, length(:blob)) t;"
     "SELECT t.* FROM safetensors_tensors(:blob, length(:blob) + 1) t"},
    {"order by name", STAGE_SCRIPT, "SELECT name FROM safetensors_tensors('tricky') ORDER BY 1"},
    {"name lookup", STAGE_SCRIPT,
     "SELECT shape FROM safetensors_tensors('plain') WHERE name = 'bias';"
     "SELECT name FROM safetensors_tensors('plain') WHERE name IN ('bias', 'none', 'x');"
     "SELECT count(*) FROM safetensors_tensors('plain') WHERE name = 7"},
    {"lookup join", STAGE_SCRIPT,
     "SELECT a.name, b.offset, b.data FROM safetensors_tensors('plain') a "
     "JOIN safetensors_tensors('other') b ON b.name = a.name"},
    {"full join", STAGE_SCRIPT,
     "SELECT a.name, b.name, a.data = b.data FROM safetensors_tensors('plain') a "
     "FULL JOIN safetensors_tensors('other') b ON b.name = a.name"},
    {"path from a table", STAGE_SCRIPT,
     "WITH paths(p) AS (VALUES ('plain'), ('tricky'), (NULL)) "
     "SELECT p, name FROM paths, safetensors_tensors(p)"},
    {"metadata", STAGE_SCRIPT, "SELECT *, rowid, checkpoint FROM safetensors_metadata('plain')"},
    {"metadata, tricky", STAGE_SCRIPT,
     "SELECT *, length(value) FROM safetensors_metadata('tricky')"},
    {"files", STAGE_SCRIPT,
     "SELECT *, data_offset, mtime > 0, inode > 0, device IS NOT NULL, header_hash, layout, "
     "digest, "
     "checkpoint FROM safetensors_files('tricky');"
     "SELECT file, mtime > 0, size FROM safetensors_files('.')"},
    {"files, bad", STAGE_SCRIPT,
     "WITH paths(p) AS (VALUES ('missing'), ('pointer'), ('bad_long_entry'), ('plain'), ('hole')) "
     "SELECT f.* FROM paths, safetensors_files(p) f"},
    {"check", STAGE_SCRIPT,
     "SELECT *, checkpoint, rowid FROM safetensors_check('tricky'); "
     "SELECT code, tensor, message FROM safetensors_check(:bad_blob);"
     "SELECT count(*) FROM safetensors_check(NULL)"},
    {"adapter", STAGE_SCRIPT,
     "SELECT *, parts, ref, layer, checkpoint, base, rowid FROM safetensors_adapter('adapter');"
     "SELECT *, parts, ref, base FROM safetensors_adapter('adapter', 'plain');"
     "SELECT weight FROM safetensors_adapter('adapter') WHERE module = 'unet.p';"
     "SELECT module FROM safetensors_adapter('adapter', 'plain') WHERE weight = 'bias'"},
    {"no adapter", STAGE_SCRIPT, "SELECT kind, status FROM safetensors_adapter('plain')"},
    {"salvage", STAGE_SCRIPT,
     "SELECT *, ref, metadata, checkpoint, rowid FROM safetensors_salvage('tricky'); "
     "SELECT * FROM safetensors_salvage(:bad_blob);"
     "SELECT s.*, tensor_hash(ref) FROM safetensors_salvage('plain') s WHERE name = 'bias'; "
     "SELECT * FROM safetensors_salvage('m')"},
    {"models", STAGE_SCRIPT,
     "SELECT *, config, index_file, checkpoint FROM safetensors_models('.') "
     "WHERE model NOT GLOB '*in_two*' AND model NOT GLOB '*misplaced*';"
     "SELECT kind, status, error FROM safetensors_models('plain') WHERE model = 'plain';"
     "SELECT *, config, rowid FROM safetensors_models('claims');"
     "SELECT model, kind, error FROM safetensors_models('gap-*');"
     "SELECT model, kind, status, error FROM safetensors_models('hf://');"
     "SELECT model, files, rowid FROM safetensors_models('plain')"},
    {"weights", STAGE_SCRIPT,
     "SELECT " WEIGHTS_COLUMNS ", ref, checkpoint, rowid FROM safetensors_weights('m');"
     "SELECT name, ref FROM safetensors_weights('plain') WHERE name = 'bias';"
     "SELECT count(*) FROM safetensors_weights('gap-*')"},
    {"digests", STAGE_SCRIPT,
     "SELECT tensor_sha256(" WEIGHT "), tensor_sha256(tensor_neg(" WEIGHT ")), "
     "tensor_sha256(x'01', 'U8'); "
     "SELECT safetensors_digest('plain', value), safetensors_digest('tricky', value) FROM "
     "json_each('[\"sha256\",\"git\",\"payload\",\"autov1\",\"autov3\",\"legacy\",\"content\"]'); "
     "SELECT safetensors_digest('m', 'content'); SELECT safetensors_digest('m', 'git')"},
    {"claims", STAGE_SCRIPT,
     "SELECT file, claim, algorithm, expected, v.rowid FROM safetensors_verify('claims') AS v;"
     "SELECT file, actual, status FROM safetensors_verify('claims');"
     "SELECT status FROM safetensors_verify('claims/b.safetensors') WHERE claim = 'sha256 file';"
     "SELECT count(*), min(status) FROM safetensors_verify('m', NULL)"},
    {"packed weights", STAGE_SCRIPT,
     PACKED
     ", f(b) AS MATERIALIZED (SELECT safetensors_serialize(name, dtype, shape, data) FROM p) "
     "SELECT " WEIGHTS_COLUMNS ", w.rowid FROM f, safetensors_weights(f.b) AS w"},
    {"refs of packed weights", STAGE_SCRIPT,
     PACKED "INSERT INTO " NEW_FILES
            "SELECT 'w/packed.safetensors', name, dtype, shape, data, NULL, NULL, 'replace' FROM p;"
            "SELECT name, ref FROM safetensors_weights('w/packed.safetensors');"
            "SELECT ref FROM safetensors_weights('w/packed.safetensors') WHERE name = 'a.weight'"},
    {"check of a model", STAGE_SCRIPT, "SELECT * FROM safetensors_check('m')"},
    {"check of bad models", STAGE_STEPS,
     "WITH models(p) AS (VALUES ('misplaced'), ('in_two'), ('unindexed_in_two'), ('bad_name'), "
     "('bad_json')) SELECT c.* FROM models, safetensors_check(p || '.safetensors.index.json') c"},
    {"check of several files", STAGE_STEPS, "SELECT * FROM safetensors_check('[bc][au][dt]_*')"},
    {"check of gaps", STAGE_STEPS, "SELECT * FROM safetensors_check('gap-*')"},
    {"check of a path with NUL", STAGE_STEPS, "SELECT * FROM safetensors_check('a' || char(0))"},
    {"directory", STAGE_STEPS, "SELECT name, file FROM safetensors_tensors('m/sub')"},
    {"check without a path", STAGE_STEPS, "SELECT * FROM safetensors_check"},
    {"check of a number", STAGE_STEPS, "SELECT * FROM safetensors_check(1)"},
    {"named table", STAGE_SCRIPT,
     "DROP TABLE IF EXISTS m; CREATE VIRTUAL TABLE m USING safetensors('tricky');"
     "SELECT name, data, checkpoint FROM m; SELECT dtype FROM m WHERE name = 'ab'; DROP TABLE m"},
    {"named table of a bad file", STAGE_SCRIPT,
     "DROP TABLE IF EXISTS m; CREATE VIRTUAL TABLE m USING safetensors(\"bad_long_entry\")"},
    {"named table without a path", STAGE_SCRIPT,
     "DROP TABLE IF EXISTS m; CREATE VIRTUAL TABLE m USING safetensors"},
    {"stored refs", STAGE_SCRIPT,
     "DROP TABLE IF EXISTS r; CREATE TEMP TABLE r AS "
     "SELECT ref FROM safetensors_tensors('tricky'); "
     "SELECT tensor_dtype(ref), tensor_shape(ref), tensor_numel(ref), tensor_nbytes(ref), "
     "tensor_data(ref) FROM r; DROP TABLE r"},
    {"tensor_ref", STAGE_SCRIPT,
     "SELECT tensor_ref('a%b?c#d', 'name'), tensor_ref('p', 'n', '::2'), tensor_ref(NULL, 'n')"},
    {"builders", STAGE_SCRIPT,
     "SELECT tensor_where(tensor_isnan('plain#bias'), '0.5', tensor_add('plain#bias', 1e-9)), "
     "tensor_take(tensor_transpose('plain#bias', '[1,0]'), '[0,-1]', 1), "
     "tensor_concat(0, json_array('plain#bias', tensor_slice('plain#bias', '\"'))), "
     "tensor_full('[2,3]', 9e999), tensor_convert('plain#bias', 'BF16'), tensor_neg(NULL)"},
    {"aggregates that build", STAGE_SCRIPT,
     "SELECT tensors_sum(column1), tensors_average(column1, column2), "
     "tensors_stack(column1, column2) FROM (VALUES ('plain#a', 3), ('plain#b', 2), (NULL, 1), "
     "('plain#c', 1)) GROUP BY column2 < 3; SELECT tensors_sum(NULL), tensors_stack(NULL, 1)"},
    {"aggregate of one position", STAGE_SCRIPT,
     "SELECT tensors_stack('plain#a', 1) FROM (VALUES (1), (2))"},
    {"aggregate of no weight", STAGE_SCRIPT, "SELECT tensors_average('plain#a', 0)"},
    {"builder of no ref", STAGE_SCRIPT, "SELECT tensor_neg('plain')"},
    {"builder of no expression", STAGE_SCRIPT, "SELECT tensor_neg('{\"op')"},
    {"builder of a bad list", STAGE_SCRIPT, "SELECT tensor_transpose('plain#a', '[0,0]')"},
    {"builder of a bad array", STAGE_SCRIPT, "SELECT tensor_concat(0, '[\"plain#a\",1]')"},
    {"describe an expression", STAGE_SCRIPT,
     "SELECT tensor_shape(tensor_add('plain#bias', tensor_mul('plain#bias', 2))), "
     "tensor_dtype(tensors_stack(ref, n)) FROM safetensors_tensors('plain') WHERE name = 'bias'"},
    {"bad expression", STAGE_SCRIPT,
     "SELECT tensor_dtype('{\"op\":\"neg\",\"args\":[{\"op\":\"nerm\",\"args\":[\"a#b\"]}]}')"},
    {"describe a slice", STAGE_SCRIPT,
     "SELECT tensor_shape('plain?slice=1:3#model.layers.3.weight'), "
     "tensor_nbytes(tensor_ref('plain', 'bias', '::2'))"},
    {"tensor_data", STAGE_SCRIPT, "SELECT tensor_data('plain#model.layers.3.weight')"},
    {"tensor_data, contiguous slice", STAGE_SCRIPT,
     "SELECT tensor_data('plain#model.layers.3.weight', '1:3'), tensor_data('plain#bias', '2')"},
    {"tensor_data, strided slices", STAGE_SCRIPT,
     "SELECT tensor_data('plain#model.layers.3.weight', '::2'), "
     "tensor_data('plain#model.layers.3.weight', ':, 1'), "
     "tensor_data('plain?slice=::2#model.layers.3.weight', '..., 0')"},
    {"tensor_data of raw bytes", STAGE_SCRIPT,
     "SELECT tensor_data(x'000102030405', 'U8', '[3,2]', ':,0'), tensor_data(x'0001', 'I16'), "
     "tensor_data(x'00010203', 'U8', '1:3'), tensor_data(x'00', NULL)"},
    {"aggregates of data", STAGE_SCRIPT,
     "SELECT max(data), group_concat(length(data)) FROM safetensors_tensors('plain');"
     "SELECT name, (SELECT data FROM safetensors_tensors('other') b WHERE b.name = a.name) "
     "FROM safetensors_tensors('plain') a ORDER BY data"},
    {"elements", STAGE_SCRIPT,
     "SELECT * FROM tensor_elements('plain#model.layers.3.weight', ':, ::2') WHERE idx >= 1;"
     "SELECT coord, value FROM tensor_elements(x'0000803f00000040', 'C64') ORDER BY idx DESC"},
    {"rows", STAGE_SCRIPT,
     "SELECT i, data, ref, tensor_json(ref) FROM tensor_rows('plain#model.layers.3.weight');"
     "SELECT i, data FROM tensor_rows('plain?slice=:,1#model.layers.3.weight') WHERE i > 0"},
    {"values", STAGE_SCRIPT,
     "SELECT tensor_json('plain#model.layers.3.weight', '::2'), tensor_item('plain#bias', -1), "
     "tensor_json(x'0000803f00000040', 'C64'), tensor_item(x'0000803f00000040', 'C64', 0), "
     "tensor_cast('plain#model.layers.3.weight', 'BF16'), tensor_cast(x'0102', 'U8', 'F32'), "
     "tensor_sparkline('plain#model.layers.3.weight')"},
    {"quantiles", STAGE_SCRIPT,
     "SELECT tensor_quantile('plain#model.layers.3.weight', 0.5), "
     "tensor_quantile('plain#bias', 0), tensor_quantile('plain?slice=:,1#model.layers.3.weight', "
     "'0.3', 'nearest'), "
     "tensor_quantile(x'0000803f00000040', 'C64', 1), tensor_quantile(x'0102', 'U8', '[2]', 0.5)"},
    {"expressions", STAGE_SCRIPT,
     "SELECT * FROM tensor_stats(tensor_add(tensor_mul(" WEIGHT ", 0.5), tensor_abs(" WEIGHT ")));"
     "SELECT tensor_json(tensor_where(tensor_isnan(" WEIGHT "), 0, tensor_exp(" WEIGHT "))), "
     "tensor_item(tensor_lerp(" WEIGHT ", tensor_neg(" WEIGHT "), 0.5), 1, 0), "
     "tensor_hash(tensor_convert(" WEIGHT ", 'F4')), tensor_cast(tensor_sqrt(" WEIGHT "), 'F16'), "
     "tensor_quantile(tensor_sign(" WEIGHT "), 0.5)"},
    {"expressions, described", STAGE_SCRIPT,
     "SELECT tensor_dtype(e), tensor_shape(e), tensor_numel(e), tensor_nbytes(e) FROM "
     "(SELECT tensor_matmul(" WEIGHT ", tensor_transpose(tensor_ref('plain', "
     "'model.layers.3.weight'))) AS e)"},
    {"expressions that are kept", STAGE_SCRIPT,
     "SELECT tensor_json(tensor_matmul(" WEIGHT ", tensor_transpose(tensor_neg(" WEIGHT
     "), '[1,0]'))),"
     " tensor_json(tensor_slerp(" WEIGHT ", tensor_random('[3,2]', 7), 0.5)), "
     "tensor_json(tensor_add(tensor_norm(" WEIGHT ", 1), tensor_total(" WEIGHT ", 0)))"},
    {"expressions that move", STAGE_SCRIPT,
     "SELECT tensor_json(tensor_concat(0, 'plain#bias', tensor_slice('plain#bias', '::3'))), "
     "tensor_json(tensor_take(" WEIGHT ", '[2,-1]', 0)), "
     "tensor_json(tensor_reshape(tensor_transpose('tricky#" LONG_WORD "'), '[2,-1]')); "
     "SELECT tensors_stack(ref, 1), tensor_json(tensors_sum(ref, 2)), "
     "tensor_json(tensors_average(ref)) "
     "FROM (VALUES ('plain#bias')) AS t(ref)"},
    {"expressions in tables", STAGE_SCRIPT,
     "SELECT * FROM tensor_histogram(tensor_neg(" WEIGHT "), 3); "
     "SELECT * FROM tensor_compare(tensor_neg(" WEIGHT "), " WEIGHT "); "
     "SELECT coord, value FROM tensor_elements(tensor_neg(" WEIGHT "), '1:') WHERE idx > 1; "
     "SELECT i, data, ref, tensor_json(ref) FROM tensor_rows(tensor_neg(" WEIGHT "))"},
    {"packed weights", STAGE_SCRIPT,
     "SELECT * FROM tensor_stats(tensor_dequantize('int4', json_object('weight_packed', "
     "tensor_convert(" WEIGHT ", 'I32'), 'weight_scale', " WEIGHT "), '{\"shape\":[3,16]}')); "
     "SELECT tensor_json(tensor_dequantize('fp8', json_object('weight', tensor_convert(" WEIGHT
     ", 'F8_E4M3'), 'scale', tensor_slice(" WEIGHT ", ':, 0')))), "
     "tensor_json(tensor_dequantize('mlx', json_object('weight', tensor_convert(" WEIGHT
     ", 'U32'), 'scales', " WEIGHT ", 'biases', " WEIGHT "), '{\"bits\":3}')); "
     "SELECT tensor_shape(tensor_dequantize('gptq', json_object('qweight', tensor_convert(" WEIGHT
     ", 'I32'), 'qzeros', tensor_full('[3,1]', 1), 'scales', " WEIGHT "))), "
     "tensor_json(tensor_dequantize('hqq', json_object('W_q', tensor_convert(" WEIGHT
     ", 'U8'), 'scale', 'plain#bias', 'zero', 'plain#bias'), '{\"shape\":[12]}'))"},
    {"a scheme that is not known", STAGE_STEPS,
     "SELECT tensor_shape(tensor_dequantize('nvfp', json_object('weight', " WEIGHT ")))"},
    {"expressions that overlap", STAGE_SCRIPT,
     "SELECT tensor_json(tensor_add(e, tensor_take(e, '[2,1,0]', 0))) FROM "
     "(SELECT tensor_convert(tensor_neg(" WEIGHT "), 'BF16') AS e)"},
    {"changes of adapters", STAGE_SCRIPT,
     "SELECT tensor_json(tensor_delta('dora', json_object('lora_A', tensor_random('[1,2]', 1), "
     "'lora_B', tensor_random('[3,1]', 2), 'lora_magnitude_vector', 'plain?slice=:3#bias'), "
     "'{\"scale\":0.5}', " WEIGHT "))"},
    {"changes by blocks", STAGE_SCRIPT,
     "SELECT tensor_json(tensor_delta('boft', json_object('boft_R', "
     "tensor_random('[2,2,2,2]', 1)), '{}', tensor_random('[2,4]', 2)))"},
    {"changes at places", STAGE_SCRIPT,
     "SELECT tensor_json(tensor_delta('supertuning', json_object('supertuning_values', "
     "tensor_random('[2]', 1), 'supertuning_indices', tensor_full('[2]', 3)), "
     "'{\"shape\":[2,3]}')), tensor_json(tensor_delta('fourierft', "
     "json_object('fourierft_spectrum', tensor_random('[2]', 1)), '{\"shape\":[2,3]}'))"},
    {"changes of other kinds", STAGE_SCRIPT,
     "SELECT tensor_json(tensor_delta('deft', json_object('deft_P', tensor_random('[3,1]', 1)), "
     "'{\"decomposition_method\":\"qr\"}', " WEIGHT ")), tensor_json(tensor_delta('hra', "
     "json_object('hra_u', tensor_random('[2,2]', 1)), '{}', " WEIGHT "))"},
    {"a kind that is none", STAGE_STEPS,
     "SELECT tensor_shape(tensor_delta('lorra', json_object('lora_A', 'plain#bias')))"},
    {"a text that is no expression", STAGE_STEPS, "SELECT tensor_shape('{\"op\":\"ad\"}')"},
    {"an expression in a text", STAGE_STEPS,
     "SELECT tensor_json('{\"op\":\"neg\",\"args\":[\"{\\\"op\\\":\\\"abs\\\",\\\"args\\\":"
     "[\\\"plain#bias\\\"]}\"]}')"},
    {"shapes that do not fit", STAGE_STEPS,
     "SELECT tensor_shape(tensor_add('plain#bias', " WEIGHT "))"},
    {"a builder's bad argument", STAGE_STEPS, "SELECT tensor_reshape('plain#bias', '[-1,-1]')"},
    {"files that are read, not mapped", STAGE_SCRIPT,
     "SELECT safetensors_config('io', 'pread');"
     "SELECT data, tensor_data(ref) FROM safetensors_tensors('plain');"
     "SELECT tensor_data('plain#model.layers.3.weight', ':, ::2'), tensor_json('plain#bias'), "
     "tensor_item('plain#bias', 0), tensor_cast('plain#model.layers.3.weight', 'BF16');"
     "SELECT coord, value FROM tensor_elements('plain#model.layers.3.weight') ORDER BY idx DESC;"
     "SELECT data, tensor_json(ref) FROM tensor_rows('plain#model.layers.3.weight')"},
    {"blob", STAGE_SCRIPT,
     "SELECT " ALL_COLUMNS " FROM safetensors_tensors(:blob) t;"
     "SELECT name FROM safetensors_tensors(:blob) WHERE name = 'ab';"
     "SELECT key, value FROM safetensors_metadata(:blob); SELECT * FROM safetensors_files(:blob)"},
    {"bad blob", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors(:bad_blob)"},
    {"short blob", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors(x'0102')"},
    {"UTF-16", STAGE_SCRIPT,
     "PRAGMA encoding='UTF-16le'; CREATE TABLE IF NOT EXISTS n(name); DELETE FROM n;"
     "INSERT INTO n SELECT name FROM safetensors_tensors('tricky');"
     "SELECT n.name, t.pattern, t.ref, tensor_data(t.ref), key, value FROM n "
     "JOIN safetensors_tensors('tricky') t ON t.name = n.name, safetensors_metadata('tricky');"
     "SELECT tensor_data(x'0001', 'U8', '[2]', '1'), tensor_ref('p#', 'n'); "
     "SELECT safetensors_config('i' || 'o'); SELECT tensor_data(x'0001', 'U8', '[3]')"},
    {"unlike UTF-16", STAGE_SCRIPT,
     "PRAGMA encoding='UTF-16le'; CREATE TABLE IF NOT EXISTS n(name); "
     "SELECT * FROM safetensors_tensors('missing')"},
    {"model", STAGE_STEPS,
     "SELECT name, file, ref, data FROM safetensors_tensors('hf://o/n');"
     "SELECT name FROM safetensors_tensors('m') WHERE name IN ('bias', 'none', 'x');"
     "SELECT file, status, error FROM safetensors_files('m/model.safetensors.index.json');"
     "SELECT key FROM safetensors_metadata('m'); SELECT tensor_json('hf://o/n@main#ab')"},
    {"model by offset", STAGE_STEPS, "SELECT name FROM safetensors_tensors('m') ORDER BY offset"},
    {"model, misplaced", STAGE_STEPS,
     "SELECT * FROM safetensors_tensors('misplaced.safetensors.index.json')"},
    {"model, in two shards", STAGE_STEPS,
     "SELECT * FROM safetensors_tensors('in_two.safetensors.index.json')"},
    {"model, unindexed in two shards", STAGE_STEPS,
     "SELECT * FROM safetensors_tensors('unindexed_in_two.safetensors.index.json')"},
    {"model, bad name", STAGE_STEPS,
     "SELECT * FROM safetensors_files('bad_name.safetensors.index.json')"},
    {"model, bad JSON", STAGE_STEPS,
     "SELECT * FROM safetensors_files('bad_json.safetensors.index.json')"},
    {"several indexes", STAGE_STEPS, "SELECT * FROM safetensors_files('.')"},
    {"pattern", STAGE_STEPS,
     "SELECT name, file FROM safetensors_tensors('m/[!x]*/?.safetensors');"
     "SELECT a.name, b.rowid FROM safetensors_tensors('plain') a LEFT JOIN "
     "safetensors_tensors('[po][lt]*[nr]') b USING (name)"},
    {"pattern without matches", STAGE_STEPS, "SELECT * FROM safetensors_tensors('m/none*')"},
    {"pattern in a missing directory", STAGE_STEPS, "SELECT * FROM safetensors_tensors('none/*')"},
    {"write refs", STAGE_STEPS,
     "INSERT INTO " NEW_FILES "SELECT 'w/out.safetensors', name, dtype, shape, ref, "
     "'{\"k\":\"v\"}', NULL, 'replace' FROM safetensors_tensors('tricky');"
     "SELECT * FROM safetensors_files('w/out.safetensors')"},
    {"write bytes, casts, slices", STAGE_STEPS,
     "INSERT INTO " NEW_FILES "SELECT 'w/out.safetensors', column1, column2, column3, column4, "
     "NULL, NULL, 'replace' FROM (VALUES "
     "('a', 'U8', '[2]', x'0102'), ('b', 'BF16', NULL, 'plain#model.layers.3.weight'), "
     "('c', NULL, '[2]', 'plain?slice=::2#bias')) RETURNING name;"
     "SELECT data FROM safetensors_tensors('w/out.safetensors')"},
    {"write over a link", STAGE_STEPS,
     "INSERT INTO " NEW_FILES "VALUES ('w/link.safetensors', 'a', 'U8', '[1]', x'00', NULL, NULL, "
     "'replace')"},
    {"write shards", STAGE_STEPS,
     "INSERT INTO " NEW_FILES "SELECT 'w/m.safetensors.index.json', name, dtype, shape, ref, "
     "NULL, 4, 'replace' FROM safetensors_tensors('plain');"
     "SELECT name FROM safetensors_tensors('w/m.safetensors.index.json');"
     "INSERT INTO " NEW_FILES "VALUES ('w/m.safetensors.index.json', 'a', 'U8', '[1]', x'00', "
     "NULL, 9, 'replace')"},
    {"several files", STAGE_STEPS,
     "INSERT INTO " NEW_FILES "SELECT 'w/' || column1 || '.safetensors', 'a', 'U8', '[1]', x'00', "
     "NULL, NULL, 'replace' FROM (VALUES ('one'), ('two'), ('one.x'))"},
    {"pending rows", STAGE_STEPS,
     "BEGIN; INSERT INTO " NEW_FILES "VALUES ('w/p.safetensors', 'a', 'U8', '[1]', x'07', "
     "'{\"k\":\"v\"}', NULL, 'replace'), ('w/p.safetensors', 'b', 'BF16', NULL, "
     "'plain#model.layers.3.weight', NULL, NULL, NULL);"
     "SELECT * FROM safetensors_write; SELECT metadata, max_shard_bytes, mode, data "
     "FROM safetensors_write; SAVEPOINT s; "
     "INSERT INTO safetensors_write VALUES ('w/p.safetensors', 'c', 'U8', '[1]', x'07');"
     "ROLLBACK TO s; SELECT name FROM safetensors_write; ROLLBACK"},
    {"directories that are made", STAGE_STEPS,
     "BEGIN; INSERT INTO safetensors_write(path, name, dtype, shape, data, make_directory) "
     "VALUES ('w/new/er/p.safetensors', 'a', 'U8', '[1]', x'07', 1); "
     "SELECT name FROM safetensors_write; ROLLBACK; "
     "INSERT INTO safetensors_write(path, name, dtype, shape, data, mode, make_directory) "
     "VALUES ('w/made/p.safetensors', 'a', 'U8', '[1]', x'07', 'replace', 1); "
     "SELECT data FROM safetensors_tensors('w/made/p.safetensors')"},
    {"edit tensors", STAGE_STEPS,
     EDIT "UPDATE m SET name = 'x.' || name; INSERT INTO m(name, dtype, shape, data) "
          "VALUES ('y', 'U8', '[1]', x'01'); INSERT OR REPLACE INTO m(name, data) "
          "SELECT name, ref FROM m WHERE name = 'x.u'; SELECT name, dtype, shape, data, ref, file, "
          "rank, layer, pattern, n, offset FROM m; UPDATE m SET dtype = 'F32', shape = '[1, 1]' "
          "WHERE name = 'x.w'; DELETE FROM m WHERE name = 'y'; SELECT name, hex(data) FROM m"},
    {"edit metadata", STAGE_STEPS,
     EDIT "DROP TABLE IF EXISTS temp.meta; CREATE VIRTUAL TABLE temp.meta USING "
          "safetensors_metadata('w/e.safetensors'); INSERT OR REPLACE INTO meta(key, value) "
          "VALUES ('a', 'b'); UPDATE meta SET value = key; SELECT * FROM meta; "
          "DELETE FROM meta WHERE key = 'a'; SELECT * FROM meta; DROP TABLE temp.meta"},
    {"edit shards", STAGE_STEPS,
     "DROP TABLE IF EXISTS temp.s; INSERT INTO " NEW_FILES
     "SELECT 'w/s.safetensors.index.json', name, dtype, shape, ref, '{\"k\":\"v\"}', 4, 'replace' "
     "FROM safetensors_tensors('plain'); CREATE VIRTUAL TABLE temp.s USING "
     "safetensors('w/s.safetensors.index.json'); UPDATE s SET name = 'new' WHERE name = 'bias';"
     "INSERT INTO s(name, dtype, shape, data) VALUES ('z', 'U8', '[1]', x'01');"
     "SELECT name FROM s ORDER BY 1; DROP TABLE temp.s"},
    {"edit to a name that is there", STAGE_STEPS,
     EDIT "INSERT INTO m(name, dtype, shape, data) VALUES ('u', 'U8', '[1]', x'01')"},
    {"edit to the same name", STAGE_STEPS, EDIT "UPDATE m SET name = 'same'"},
    {"write expressions", STAGE_STEPS,
     "BEGIN; INSERT INTO " NEW_FILES "VALUES ('w/x.safetensors', 'a', 'F16', NULL, "
     "tensor_matmul(" WEIGHT ", tensor_transpose(tensor_neg(" WEIGHT "))), NULL, NULL, 'replace'), "
     "('w/x.safetensors', 'b', NULL, NULL, tensor_slerp(" WEIGHT ", tensor_neg(" WEIGHT
     "), 0.5), NULL, "
     "NULL, NULL); SELECT name, data FROM safetensors_write; COMMIT; "
     "SELECT name, dtype, data FROM safetensors_tensors('w/x.safetensors')"},
    {"edit by expressions", STAGE_STEPS,
     EDIT "UPDATE m SET data = tensor_neg(ref) WHERE name = 'w'; "
          "SELECT name, hex(data) FROM m"},
    {"serialize expressions", STAGE_STEPS,
     "SELECT safetensors_serialize('a', 'U8', '[4]', tensor_minimum('plain#bias', 2))"},
    {"serialize", STAGE_STEPS,
     "SELECT safetensors_serialize(name, dtype, shape, data, '{\"k\":\"v\"}') "
     "FROM safetensors_tensors('plain'); SELECT safetensors_serialize(NULL, NULL, NULL, NULL)"},
    {"write two of a name", STAGE_STEPS,
     "INSERT INTO safetensors_write SELECT 'w/no.safetensors', 'a', 'U8', '[0]', x'' "
     "FROM (VALUES (1), (2))"},
    {"write bad metadata", STAGE_STEPS,
     "INSERT INTO safetensors_write(path, metadata) VALUES ('w/no.safetensors', '{\"k\":1}')"},
    {"write a missing ref", STAGE_STEPS,
     "INSERT INTO safetensors_write VALUES ('w/no.safetensors', 'a', NULL, NULL, 'missing#x')"},
    {"write over a file", STAGE_STEPS,
     "INSERT INTO safetensors_write VALUES ('m/2.safetensors', 'a', 'U8', '[0]', x'')"},
    {"write nothing", STAGE_STEPS,
     "INSERT INTO safetensors_write SELECT 'w/no.safetensors', 1, 2, 3, 4 WHERE 0"},
    {"missing revision", STAGE_STEPS, "SELECT * FROM safetensors_tensors('hf://o/n@v1')"},
    {"missing model", STAGE_STEPS, "SELECT * FROM safetensors_tensors('hf://o/none')"},
    {"model by its web address", STAGE_STEPS,
     "SELECT count(*) FROM safetensors_tensors('https://hf.co/o/n/tree/main?x')"},
    {"model without hf://", STAGE_STEPS, "SELECT * FROM safetensors_tensors('o/n')"},
    {"file near to one", STAGE_STEPS, "SELECT * FROM safetensors_tensors('plian')"},
    {"tensor near to one", STAGE_STEPS, "SELECT tensor_shape('plain#bais')"},
    {"tensor near to a model's", STAGE_STEPS,
     "SELECT tensor_shape('model.safetensors.index.json#bais')"},
    {"directory above others", STAGE_STEPS, "SELECT * FROM safetensors_tensors('hub')"},
    {"pattern to any depth", STAGE_STEPS,
     "SELECT file FROM safetensors_files('hub/**/m*[t]?r?.*')"},
    {"pattern of links and escapes", STAGE_STEPS,
     "SELECT file FROM safetensors_files('hub/*/*/c0ff\\ee/**'), safetensors_check('hub/m*/[')"},
    {"links within", STAGE_STEPS,
     "SELECT safetensors_config('links', 'within'); SELECT count(*) FROM "
     "safetensors_tensors('hf://o/n'); "
     "SELECT * FROM safetensors_check('hf://o/n'); SELECT safetensors_config('links', 'follow')"},
    {"web address", STAGE_STEPS, "SELECT * FROM safetensors_tensors('https://example.com/x')"},
    {"file address", STAGE_STEPS, "SELECT * FROM safetensors_tensors('file:///x%20y')"},
    {"missing file in metadata", STAGE_STEPS, "SELECT * FROM safetensors_metadata('missing')"},
    {"path with NUL", STAGE_STEPS, "SELECT * FROM safetensors_tensors('a' || char(0))"},
    {"number as path", STAGE_STEPS, "SELECT * FROM safetensors_tensors(1)"},
    {"no path", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors"},
    {"two paths", STAGE_SCRIPT, "SELECT * FROM safetensors_tensors('plain', 'other')"},
    {"bad ref", STAGE_STEPS, "SELECT tensor_data('plain')"},
    {"bad escape in a ref", STAGE_STEPS, "SELECT tensor_shape('100%#x')"},
    {"bad query in a ref", STAGE_STEPS, "SELECT tensor_shape('plain?x=1#bias')"},
    {"ref to a missing file", STAGE_STEPS, "SELECT tensor_dtype('missing#x')"},
    {"unknown tensor", STAGE_STEPS, "SELECT tensor_numel('plain#unknown')"},
    {"bad slice", STAGE_STEPS, "SELECT tensor_data('plain#bias', 'x')"},
    {"index out of range", STAGE_STEPS, "SELECT tensor_data('plain#bias', '4')"},
    {"slice inside a byte", STAGE_STEPS, "SELECT tensor_data('tricky#" LONG_WORD "', ':,1:2')"},
    {"unknown dtype of raw bytes", STAGE_STEPS, "SELECT tensor_data(x'00', 'F31')"},
    {"bad shape of raw bytes", STAGE_STEPS, "SELECT tensor_data(x'00', 'U8', '[1,2]')"},
    {"number as tensor", STAGE_STEPS, "SELECT tensor_data(1)"},
    {"bad index of an item", STAGE_STEPS, "SELECT tensor_item('plain#bias', 'x')"},
    {"bad dtype to cast to", STAGE_STEPS, "SELECT tensor_cast('plain#bias', 'F31')"},
    {"elements of no tensor", STAGE_STEPS, "SELECT * FROM tensor_elements('plain#unknown')"},
    {"statistics", STAGE_STEPS,
     "SELECT s.* FROM safetensors_tensors('plain') t, tensor_stats(t.ref) s;"
     "SELECT mean FROM tensor_stats('plain?slice=:,1#model.layers.3.weight') WHERE std >= 0"},
    {"histogram", STAGE_STEPS,
     "SELECT * FROM tensor_histogram('plain?slice=:,1#model.layers.3.weight', 5);"
     "SELECT count FROM tensor_histogram('plain#bias', 5, 0, 1) WHERE bin > 2"},
    {"nearest rows", STAGE_STEPS,
     "SELECT i, score, ref, data FROM tensor_nearest('plain#model.layers.3.weight', "
     "'plain?slice=1#model.layers.3.weight');"
     "SELECT i, score FROM tensor_nearest(tensor_neg('plain?slice=:,1#model.layers.3.weight'), "
     "x'02', 'U8', 1, 'l2');"
     "SELECT i FROM tensor_nearest(zeroblob(1024), 'U8', '[256,4]', zeroblob(16), 2, 'dot')"},
    {"singular values", STAGE_STEPS,
     "SELECT *, left, right FROM tensor_svd('plain#model.layers.3.weight', 2);"
     "SELECT value FROM tensor_svd(tensor_random('[700,640]', 1), 1)"},
    {"singular values of no matrix", STAGE_STEPS, "SELECT * FROM tensor_svd('plain#bias', 2)"},
    {"nearest to a query of another size", STAGE_STEPS,
     "SELECT i FROM tensor_nearest('plain#model.layers.3.weight', x'0102', 'U8')"},
    {"no metric", STAGE_STEPS, "SELECT i FROM tensor_nearest('plain#bias', x'01', 'U8', 1, 'l3')"},
    {"hash", STAGE_STEPS,
     "SELECT tensor_hash(ref), tensor_hash(data, 'U8') FROM safetensors_tensors('plain')"},
    {"comparison", STAGE_STEPS,
     "SELECT *, l2_diff FROM tensor_compare('plain#model.layers.3.weight', '[2,3]', "
     "'plain#model.layers.3.weight', '[2,3]');"
     "SELECT equal FROM tensor_compare('plain?slice=:2#bias', x'0001', 'U8')"},
    {"comparison of other shapes", STAGE_STEPS,
     "SELECT equal FROM tensor_compare('plain#model.layers.3.weight', x'000000000000', 'U8')"},
    {"comparing functions", STAGE_STEPS,
     "SELECT tensor_equal('plain#bias', x'00010203', 'U8'), "
     "tensor_cosine('plain?slice=:2#bias', 'other#bias'), "
     "tensor_max_abs_diff('plain?slice=:,1#model.layers.3.weight', x'000000000000', 'F16'), "
     "tensor_allclose('plain?slice=:2#bias', 'other#bias', 0, 9.5)"},
    {"tensors of other sizes", STAGE_STEPS, "SELECT tensor_equal('plain#bias', 'other#bias')"},
    {"no tolerance", STAGE_STEPS, "SELECT tensor_allclose(x'00', 'U8', x'00', 'U8', 'x')"},
    {"diff", STAGE_SCRIPT,
     "SELECT *, ref_a, ref_b, layer, pattern, numel, l2_diff, d.rowid, checkpoint_a "
     "FROM safetensors_diff('plain', 'other') d;"
     "SELECT name, status FROM safetensors_diff('plain', 'tricky') WHERE status <> 'x'"},
    {"diff, looked up", STAGE_SCRIPT,
     "SELECT status FROM safetensors_diff('plain', 'other') WHERE name = 'bias';"
     "SELECT name FROM safetensors_diff('plain', 'other') WHERE status IN ('only_b', 'changed') "
     "AND name IN ('bias', 'extra')"},
    {"diff of many and a blob", STAGE_SCRIPT,
     "SELECT name, status, ref_b, d.rowid FROM safetensors_diff('[op]*[rn]', :blob) d;"
     "SELECT name, status FROM safetensors_diff(:blob, :blob) WHERE name >= 'a'"},
    {"diff of one path", STAGE_SCRIPT, "SELECT * FROM safetensors_diff('plain')"},
    {"diff of a missing file", STAGE_STEPS, "SELECT * FROM safetensors_diff('plain', 'missing')"},
    {"rows of a scalar", STAGE_STEPS, "SELECT * FROM tensor_rows(x'00', 'U8', '[]')"},
    {"tensor_ref of a blob", STAGE_STEPS, "SELECT tensor_ref(x'00', 'n')"},
};

/* Also listed, each by itself: what is no good, or not plain. */
static const char *const files[] = {
    "missing",
    ".",
    "empty",
    "pointer",
    "cut_header",
    "cut_data",
    "not_json",
    "bad_entry",
    "bad_long_entry",
    "bad_long_token",
    "bad_escape",
    "bad_dtype",
    "bad_shape",
    "bad_offsets",
    "bad_size",
    "overflow",
    "hole",
    "deep_entry",
    "duplicate_key",
    "duplicate_name",
    "bad_utf8",
    "bad_metadata",
    "duplicate_metadata",
    "tricky",
};

void run_all_scripts(void (*run)(const Script *script)) {
  static const char *const tables[] = {"safetensors_tensors", "safetensors_check"};
  enum { FILES = sizeof files / sizeof files[0], TABLES = sizeof tables / sizeof tables[0] };
  for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) run(&scripts[i]);
  for (size_t i = 0; i < FILES * TABLES; i++) {
    char sql[200];
    Script script = {files[i / TABLES], STAGE_STEPS, sql};
    snprintf(sql, sizeof sql, "SELECT * FROM %s('%s') t", tables[i % TABLES], files[i / TABLES]);
    run(&script);
  }
}
