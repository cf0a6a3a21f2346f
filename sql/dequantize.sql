-- Unpacks a packed model into one of plain weights.
--
-- Each packed or scaled weight becomes the tensor that it stands for, by the formula of its scheme, under the name that
-- it has in the unpacked model; its parts, scales and markers are gone. All other tensors are copied. What the schemes
-- are, and what safetensors_weights says of each weight, the reference lists. Weights are unpacked while they are
-- written, so the model may have any size.
--
-- The numbers are computed exactly, rounded to F32, and then to the dtype that is written: that of :dtype, else the one
-- in which the tool that packed them computes. Tensors that are copied keep theirs; convert_dtype.sql converts all of
-- them. After writing, the script counts values that overflowed: they are finite as packed, and not in the dtype that
-- is written, which can happen in F16.
--
-- `out` is a file, an index (*.safetensors.index.json) or a directory, which is made if it is not there. Into a
-- directory go model.safetensors, or shards if there is a limit, and the files beside the weights that a loader needs:
-- *.json, tokenizers, chat templates, *.py, licences. Its config.json then announces no quantization, and has the new
-- dtype; files that only describe the packing are left out. Beside a file or an index, that is left to you, and the
-- script says what to change.
--
-- The path is one model: a folder of several is refused.
--
-- If a weight is not whole, or safetensors_weights has anything else to say of it, the verdict is no, and nothing is
-- written. With --accept, weights are unpacked of which it says something, but nothing that keeps them from it, such as
-- that a configuration differs; and scales without a weight are left out.
--
-- @param path path required   the packed model
-- @param out path required    the file, the index or the directory to write
-- @param dtype text           BF16, F16 or F32 for all weights that are unpacked
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
-- @param accept flag          also unpack weights that are in doubt
-- @param replace flag         replace what is there
-- @param format enum text|json|csv  how to print the tables
-- @table dequantized(name, action, scheme, dtype, shape, numel, overflowed, not_finite)   one row per tensor of the
--    result. action is dequantized or copied; not_finite counts NaN and infinity in what was dequantized, overflowed
--    those of them that are finite as packed; both are NULL in a dry run, and for copies
-- @table refused(name, scheme, status)   weights that are not whole, in doubt or of no known scheme, and scales
--    without a weight
-- @table taken_out(name, part_of, role)   tensors of the packed model that the result does not have under their name
-- @table configuration(key, was, becomes)   what to change in config.json; becomes is NULL for what is to be removed
-- @table beside(file, nbytes, status)   one row per file beside the weights
-- @status 1                   when a weight is not whole, in doubt or cannot be unpacked, when none is packed, or a
--    name occurs twice; then nothing is written
-- @writes out
-- @example safetensors-sql dequantize packed.safetensors plain.safetensors --dtype BF16
-- @example safetensors-sql dequantize packed_directory plain_directory --limit 5000000000

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL AND out <> ''),
  dtype TEXT CONSTRAINT ":dtype is BF16, F16 or F32" CHECK (dtype IN ('BF16', 'F16', 'F32')),
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") IN ('integer', 'null'))
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0)
    CONSTRAINT ":limit is set if :out is an index"
      CHECK ("limit" IS NOT NULL OR out NOT LIKE '%.safetensors.index.json')
    CONSTRAINT ":limit is not set if :out is one file" CHECK ("limit" IS NULL OR out NOT LIKE '%.safetensors'),
  accept INTEGER,
  "replace" INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, :out, :dtype, :limit, ifnull(:accept, 0), ifnull(:replace, 0), ifnull(:format, 'text')
WHERE safetensors_parameters(':path', ':out', ':dtype', ':limit', ':accept', ':replace', ':format');

-- :path is a path that is read as one model, or has only one below it.
DROP TABLE IF EXISTS temp.dequantize_path_models;
CREATE TEMP TABLE dequantize_path_models AS
  SELECT m.model, m.model = rtrim(p.path, '/') AS is_it, rtrim(m.model, replace(m.model, '/', '')) = rtrim(p.path, '/') || '/' AS is_top
  FROM parameters AS p, safetensors_models(p.path) AS m WHERE m.kind NOT IN ('adapter', 'embedding', 'optimizer');
INSERT INTO parameters(path)
  SELECT safetensors_refuse(printf(':path is one model, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT model, count(*) OVER () AS n FROM dequantize_path_models
        WHERE is_top = (SELECT max(is_top) FROM dequantize_path_models) AND NOT (SELECT max(is_it) FROM dequantize_path_models) LIMIT 8) HAVING n > 1;

-- A file that cannot be read raises its error here, and ends the script.
DROP TABLE IF EXISTS temp.dequantize_weights;
CREATE TEMP TABLE dequantize_weights AS
  SELECT name, scheme, dtype, shape, numel, status, role, parts, ref,
         scheme NOT IN ('none', 'unknown') AND role = 'weight' AS is_packed
  FROM safetensors_weights(:path);

-- The file or index to write, and `out` if that is a directory.
DROP TABLE IF EXISTS temp.out_target;
CREATE TEMP TABLE out_target AS
  SELECT path, directory
  FROM (SELECT directory, ifnull(directory || (
                 SELECT iif(max(file LIKE '%/diffusion\_pytorch\_model%' ESCAPE '\'), '/diffusion_pytorch_model', '/model')
                 FROM safetensors_files(:path))
               || iif("limit" IS NULL, '.safetensors', '.safetensors.index.json'), out) AS path
        FROM (SELECT *, iif(out LIKE '%.safetensors' OR out LIKE '%.safetensors.index.json', NULL,
                            ifnull(nullif(rtrim(out, '/'), ''), '/.')) AS directory FROM parameters));
DROP TABLE IF EXISTS temp.out_needs;
CREATE TEMP TABLE out_needs(
  fresh CONSTRAINT ":out is not there, or :replace is set" CHECK (fresh),
  alone CONSTRAINT ":out is a directory without other models" CHECK (alone),
  apart CONSTRAINT ":out is not the packed model itself" CHECK (apart)
);
INSERT INTO out_needs
  SELECT p."replace" OR NOT EXISTS (
           SELECT 1 FROM safetensors_files(ifnull(t.directory, t.path))
           WHERE status <> 'missing' AND (t.directory IS NOT NULL OR file = t.path OR t.path LIKE '%.index.json')),
         NOT EXISTS (SELECT 1 FROM safetensors_files(t.directory)
                     WHERE status <> 'missing' AND file NOT IN (SELECT file FROM safetensors_files(t.path))),
         NOT EXISTS (SELECT 1 FROM safetensors_files(t.path)
                     WHERE status <> 'missing' AND file IN (SELECT file FROM safetensors_files(:path)))
  FROM parameters AS p, out_target AS t;

DROP TABLE IF EXISTS temp.dequantize_plan;
CREATE TEMP TABLE dequantize_plan AS
  SELECT w.name, iif(w.is_packed, 'dequantized', 'copied') AS action, w.scheme,
         iif(w.is_packed, ifnull(p.dtype, w.dtype), w.dtype) AS dtype, w.shape, w.numel,
         CAST(NULL AS INTEGER) AS overflowed, CAST(NULL AS INTEGER) AS not_finite, w.ref
  FROM parameters AS p, dequantize_weights AS w WHERE w.role IN ('weight', 'buffer') ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.refused;
CREATE TEMP TABLE refused AS
  SELECT w.name, w.scheme,
         CASE WHEN w.status <> 'ok' THEN w.status WHEN w.role = 'scale' THEN 'it has no weight' ELSE 'it cannot be unpacked' END AS status
  FROM parameters AS p, dequantize_weights AS w
  WHERE w.scheme = 'unknown' AND w.role <> 'scale' OR w.is_packed AND w.ref IS NULL
     OR (w.status <> 'ok' OR w.role = 'scale') AND NOT p.accept ORDER BY w.rowid;
DROP TABLE IF EXISTS temp.dequantize_twice;
CREATE TEMP TABLE dequantize_twice AS SELECT name FROM dequantize_plan GROUP BY name HAVING count(*) > 1;
DROP TABLE IF EXISTS temp.taken_out;
CREATE TEMP TABLE taken_out AS
  SELECT j.value AS name, w.name AS part_of, j.key AS role FROM dequantize_weights AS w, json_each(w.parts) AS j
  WHERE w.is_packed AND j.value NOT IN (SELECT name FROM dequantize_plan)
  UNION ALL
  SELECT name, NULL, role FROM dequantize_weights WHERE role NOT IN ('weight', 'buffer');

-- What is beside the weights, and a loader needs.
DROP TABLE IF EXISTS temp.out_source;
CREATE TEMP TABLE out_source AS
  SELECT ifnull(nullif(rtrim(CASE WHEN file LIKE '%://%' THEN NULL WHEN path LIKE 'hf://%' OR path GLOB '*[*?[]*' THEN ifnull(nullif(of_file, ''), './')
                                  WHEN path LIKE '%.safetensors' OR path LIKE '%.json' THEN ifnull(nullif(of_path, ''), './')
                                  ELSE path END, '/'), ''), iif(file LIKE '%://%', NULL, '/.')) AS directory
  FROM (SELECT path, rtrim(path, replace(path, '/', '')) AS of_path, rtrim(file, replace(file, '/', '')) AS of_file, file
        FROM (SELECT path, (SELECT file FROM safetensors_files(:path) LIMIT 1) AS file FROM parameters));
DROP TABLE IF EXISTS temp.dequantize_beside;
CREATE TEMP TABLE dequantize_beside AS
  SELECT f.file, length(readfile(f.path)) AS nbytes,
         CASE WHEN f.file IN ('quantize_config.json', 'quant_config.json', 'hf_quant_config.json', 'quanto_qmap.json',
                              'quantization_map.json') THEN 'left out: of the packing'
              WHEN p."replace" OR readfile(t.directory || '/' || f.file) IS NULL THEN 'copied'
              ELSE 'kept, as it was there' END AS status, f.path
  FROM parameters AS p, out_target AS t,
    (SELECT d.name AS path, substr(d.name, length(s.directory) + 2) AS file FROM out_source AS s, fsdir(ifnull(s.directory, '.')) AS d
     WHERE s.directory IS NOT NULL AND (d.mode & 0xF000) IN (0x8000, 0xA000)) AS f
  WHERE t.directory IS NOT NULL AND CASE WHEN instr(f.file, '/') = 0 AND (
          f.file GLOB '*.json' AND f.file NOT GLOB '*.index.json' AND f.file NOT GLOB 'train*' AND f.file NOT GLOB 'adapter_*'
            AND f.file NOT GLOB '*_results.json'
          OR f.file GLOB '*.model' OR f.file GLOB '*.jinja' OR f.file GLOB '*.py' OR f.file GLOB '*.tiktoken'
          OR f.file GLOB '*.spm' OR f.file GLOB '*.bpe' OR f.file GLOB '*.bpe.codes' OR f.file GLOB '*vocab*.txt'
          OR f.file = 'merges.txt' OR lower(f.file) GLOB 'licen[cs]e*' OR lower(f.file) GLOB 'notice*'
          OR lower(f.file) GLOB 'use_policy*' OR lower(f.file) GLOB 'copying*')
        THEN readfile(f.path) IS NOT NULL END -- which is not read before its name is seen to be one of these
  ORDER BY f.file;

-- Its configuration: what announces a quantization is removed, at the top and in the configurations of components,
-- and the dtype is the one that most of what is unpacked has.
DROP TABLE IF EXISTS temp.dequantize_config;
CREATE TEMP TABLE dequantize_config AS
  SELECT config FROM (SELECT CAST(readfile(directory || '/config.json') AS TEXT) AS config FROM out_source)
  WHERE json_valid(config) AND json_type(config) = 'object';
DROP TABLE IF EXISTS temp.dequantize_changes;
CREATE TEMP TABLE dequantize_changes AS
  SELECT j.component || j.key AS key, j.value AS was,
         iif(j.key IN ('dtype', 'torch_dtype'), CASE d.dtype WHEN 'F32' THEN 'float32' WHEN 'F16' THEN 'float16'
                                                             ELSE 'bfloat16' END, NULL) AS becomes, j.path
  FROM (SELECT dtype FROM dequantize_plan WHERE action = 'dequantized' GROUP BY dtype ORDER BY sum(numel) DESC, dtype LIMIT 1) AS d,
    (SELECT '' AS component, key, value, type, '$.' || json_quote(key) AS path
     FROM dequantize_config AS c, json_each(c.config)
     UNION ALL
     SELECT o.key || '.', i.key, i.value, i.type, '$.' || json_quote(o.key) || '.' || json_quote(i.key)
     FROM dequantize_config AS c, json_each(c.config) AS o, json_each(o.value) AS i
     WHERE o.type = 'object' AND o.key LIKE '%\_config' ESCAPE '\' AND o.key <> 'quantization_config') AS j
  WHERE j.key IN ('quantization_config', 'quantization', 'compression_config', '_pre_quantization_dtype')
     OR j.key IN ('dtype', 'torch_dtype') AND j.type = 'text'
          AND replace(j.value, 'torch.', '') <> CASE d.dtype WHEN 'F32' THEN 'float32' WHEN 'F16' THEN 'float16' ELSE 'bfloat16' END;
WITH RECURSIVE edits AS MATERIALIZED (
  SELECT row_number() OVER (ORDER BY rowid) AS n, path, becomes FROM dequantize_changes
), edited(n, config) AS (
  SELECT 0, config FROM dequantize_config
  UNION ALL
  SELECT e.n, iif(e.becomes IS NULL, json_remove(d.config, e.path), json_set(d.config, e.path, e.becomes))
  FROM edited AS d JOIN edits AS e ON e.n = d.n + 1
)
UPDATE dequantize_config SET config = (SELECT config FROM edited ORDER BY n DESC LIMIT 1);
UPDATE dequantize_beside SET status = 'copied, edited as below'
WHERE file = 'config.json' AND status = 'copied' AND EXISTS (SELECT 1 FROM dequantize_changes);

DROP TABLE IF EXISTS temp.dequantized;
CREATE TEMP TABLE dequantized AS SELECT name, action, scheme, dtype, shape, numel, overflowed, not_finite FROM dequantize_plan AS d ORDER BY d.rowid;
DROP TABLE IF EXISTS temp.configuration;
CREATE TEMP TABLE configuration AS SELECT key, was, becomes FROM dequantize_changes AS c ORDER BY c.rowid;
DROP TABLE IF EXISTS temp.beside;
CREATE TEMP TABLE beside AS SELECT file, nbytes, status FROM dequantize_beside;

-- What cannot be unpacked: nothing is written then.
DROP TABLE IF EXISTS temp.dequantize_refusal;
CREATE TEMP TABLE dequantize_refusal AS
  SELECT (SELECT count(*) FROM refused) AS refused, (SELECT count(*) FROM dequantize_twice) AS twice,
         (SELECT count(*) FROM dequantize_plan WHERE action = 'dequantized') AS packed;
CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
-- Lines of at most 80 characters, which end at a space, below the name that they are about; without one the first is
-- not indented.
DROP TABLE IF EXISTS temp.dequantize_text;
CREATE TEMP TABLE dequantize_text(section, name, text);
CREATE TEMP VIEW IF NOT EXISTS dequantize_lines AS
  SELECT * FROM (SELECT section, rowid AS id, safetensors_wrap(name, text) AS line FROM dequantize_text) WHERE line IS NOT NULL;
INSERT INTO dequantize_text
  SELECT 'errors', '', CASE WHEN refused > 0 THEN printf('error: %,d %s not unpacked, so nothing is written:', refused, iif(refused = 1, 'weight is', 'weights are'))
    ELSE 'error: tensors occur twice, so nothing is written:' END
  FROM dequantize_refusal WHERE refused + twice > 0;
INSERT INTO dequantize_text SELECT 'errors', safetensors_label(name) || ':', safetensors_label(status) FROM refused AS r ORDER BY r.rowid LIMIT 20;
INSERT INTO dequantize_text SELECT 'errors', '', printf('and %,d more', refused - 20) FROM dequantize_refusal WHERE refused > 20;
INSERT INTO dequantize_text SELECT 'errors', safetensors_label(name) || ':', 'it occurs twice' FROM dequantize_twice LIMIT 10;
.mode list
.headers off
SELECT safetensors_print(format, 'dequantized', 'refused', 'taken_out', 'configuration', 'beside') FROM parameters, dequantize_refusal
WHERE format <> 'text' AND refused + twice > 0;
SELECT line FROM as_text, dequantize_lines WHERE section = 'errors' ORDER BY id;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(refused, twice, packed);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'a weight is not whole, or in doubt') WHERE new.refused > 0;
  SELECT RAISE(ABORT, 'a tensor occurs twice') WHERE new.twice > 0;
  SELECT RAISE(ABORT, 'no weight is packed') WHERE new.packed = 0;
END;
INSERT INTO verdict SELECT refused, twice, packed FROM dequantize_refusal;

-- Metadata under the names of weights describes how torchao has packed them.
INSERT INTO safetensors_write(path, name, dtype, shape, data, metadata, max_shard_bytes, mode, make_directory)
  SELECT t.path, d.name, d.dtype, d.shape, d.ref,
         (SELECT json_group_object(key, value) FROM (
            SELECT key, value, min(rowid) FROM safetensors_metadata(:path) AS m
            WHERE m.key <> 'tensor_names' AND m.key NOT IN (SELECT name FROM dequantize_weights)
            GROUP BY key ORDER BY 3)), p."limit", iif(p."replace", 'replace', 'create'), t.directory IS NOT NULL
  FROM parameters AS p, out_target AS t, dequantize_plan AS d ORDER BY d.rowid;
DROP TABLE IF EXISTS temp.out_made;
CREATE TEMP TABLE out_made AS
  SELECT writefile(t.directory || '/' || f.file, iif(f.file = 'config.json', ifnull((SELECT config FROM dequantize_config), readfile(f.path)),
                                                     readfile(f.path)))
  FROM out_target AS t, dequantize_beside AS f WHERE f.status LIKE 'copied%';

-- What came out. While a transaction is open, there is no file yet. A value has overflowed if it is finite as packed.
DROP TABLE IF EXISTS temp.out_files;
CREATE TEMP TABLE out_files AS
  SELECT f.file, f.nbytes, f.status FROM out_target AS t, safetensors_files(t.path) AS f
  WHERE NOT EXISTS (SELECT 1 FROM safetensors_write) AND f.status = 'ok';
UPDATE dequantize_plan SET not_finite = (
  SELECT s.n_nan + s.n_inf FROM out_target AS t, tensor_stats(tensor_ref(t.path, dequantize_plan.name)) AS s), overflowed = 0
WHERE action = 'dequantized' AND EXISTS (SELECT 1 FROM out_files);
UPDATE dequantize_plan SET overflowed = (
  SELECT dequantize_plan.numel - s.n_zero
  FROM out_target AS t, tensor_stats(tensor_mul(
    tensor_sub(1, tensor_less(tensor_abs(tensor_ref(t.path, dequantize_plan.name)), 9e999)),
    tensor_less(tensor_abs(dequantize_plan.ref), 9e999))) AS s)
WHERE not_finite > 0;

DROP TABLE IF EXISTS temp.dequantized;
CREATE TEMP TABLE dequantized AS SELECT name, action, scheme, dtype, shape, numel, overflowed, not_finite FROM dequantize_plan AS d ORDER BY d.rowid;
DROP TABLE IF EXISTS temp.configuration;
CREATE TEMP TABLE configuration AS SELECT key, was, becomes FROM dequantize_changes AS c ORDER BY c.rowid;
DROP TABLE IF EXISTS temp.beside;
CREATE TEMP TABLE beside AS SELECT file, nbytes, status FROM dequantize_beside;
SELECT safetensors_print(format, 'dequantized', 'refused', 'taken_out', 'configuration', 'beside') FROM parameters WHERE format <> 'text';
SELECT printf('error: %,d %s of %,d %s overflowed in %s.', sum(overflowed), iif(sum(overflowed) = 1, 'value', 'values'),
              count(*), iif(count(*) = 1, 'weight', 'weights'), group_concat(DISTINCT dtype))
FROM as_text, dequantize_plan WHERE overflowed > 0 HAVING count(*) > 0;
SELECT printf('error: %,d %s NaN or infinite, as packed.', n, iif(n = 1, 'value is', 'values are'))
FROM as_text, (SELECT sum(not_finite - overflowed) AS n FROM dequantize_plan) WHERE n > 0;
INSERT INTO dequantize_text
  SELECT 'first', '', printf('%,d %s unpacked to %s (%s), %,d %s copied.', n, iif(n = 1, 'weight', 'weights'), dtypes, schemes, copied, iif(copied = 1, 'tensor', 'tensors'))
  FROM (SELECT total(action = 'dequantized') AS n, total(action = 'copied') AS copied, group_concat(DISTINCT iif(action = 'copied', NULL, dtype)) AS dtypes,
               replace(group_concat(DISTINCT iif(action = 'copied', NULL, scheme)), ',', ', ') AS schemes FROM dequantize_plan);
SELECT line FROM as_text, dequantize_lines WHERE section = 'first' ORDER BY id;
SELECT printf('%,d %s gone.', count(*), iif(count(*) = 1, 'part, scale or marker is', 'parts, scales and markers are')) FROM as_text, taken_out HAVING (SELECT 1 FROM as_text);

SELECT char(10) || '== Overflowed' FROM as_text WHERE EXISTS (SELECT 1 FROM dequantize_plan WHERE overflowed > 0);
.mode column --wrap 0
.headers on
SELECT printf('%,10d', overflowed) AS overflowed, dtype, safetensors_label(name) AS name
FROM as_text, dequantize_plan AS m WHERE overflowed > 0 ORDER BY m.overflowed DESC, m.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, dequantize_plan WHERE overflowed > 0 HAVING count(*) > 20;

SELECT char(10) || '== Tensors' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%7d', count(*)) AS tensors, printf('%10s', safetensors_pretty(sum(numel))) AS parameters, dtype, action, scheme
FROM as_text, dequantize_plan GROUP BY action, scheme, dtype ORDER BY action DESC, sum(numel) DESC, scheme, dtype;
.mode list
.headers off

SELECT char(10) || '== Written' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%5s', ifnull(nullif(o.shards, 0), '-')) AS files, printf('%7d', (SELECT count(*) FROM dequantize_plan)) AS tensors,
       printf('%8s', ifnull(safetensors_pretty(o.nbytes, 'B'), '-')) AS bytes, safetensors_label(path) AS file
FROM as_text, out_target AS t, (SELECT count(*) AS shards, sum(nbytes) AS nbytes FROM out_files) AS o;
.mode list
.headers off
SELECT char(10) || '== Beside the weights' FROM as_text, out_target WHERE directory IS NOT NULL;
SELECT iif((SELECT directory FROM out_source) IS NULL, 'Not copied, as it is at an address of the network.', 'Nothing.') FROM as_text, out_target WHERE directory IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dequantize_beside);
.mode column --wrap 0
.headers on
SELECT printf('%8s', safetensors_pretty(nbytes, 'B')) AS bytes, status, safetensors_label(file) AS file
FROM as_text, dequantize_beside AS b ORDER BY b.file LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM as_text, dequantize_beside HAVING count(*) > 40;

SELECT char(10) || '== config.json' FROM as_text;
SELECT CASE WHEN EXISTS (SELECT 1 FROM dequantize_beside WHERE file = 'config.json' AND status = 'copied, edited as below')
            THEN 'Written with these changes:'
            WHEN NOT EXISTS (SELECT 1 FROM dequantize_changes)
            THEN iif(EXISTS (SELECT 1 FROM dequantize_config), 'Nothing in it has to change.', iif((SELECT directory FROM out_source) IS NULL, 'It is at an address of the network, and not copied.',
                          'There is none beside the packed model.'))
            ELSE 'Beside the new model, change in it:' END
FROM as_text;
SELECT printf('  %s %s', iif(becomes IS NULL, 'remove', 'set'), safetensors_label(key)) || ifnull(' to "' || becomes || '"', '')
FROM as_text, dequantize_changes AS c ORDER BY c.rowid LIMIT 20;
.mode column
.headers on
