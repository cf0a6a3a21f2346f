-- Averages the checkpoints of a training run.
--
-- `path` is the directory of the run; each entry of it whose name matches the pattern is a checkpoint: a directory or
-- a .safetensors file. They are ordered by the number at the end of their names, such as checkpoint-500. Averages are
-- over all of them, or the last so many:
--
--   plain        all count the same
--   weighted     by the JSON array `weights`, one for each in that order
--   exponential  the last counts 1, and each other one decay times what the
--                next one does
--
-- All weights are divided by their sum. All is computed in double, rounded to F32 (F64 if a tensor is F64), and then
-- to the dtype that is written. A NaN in a checkpoint makes a NaN.
--
-- Names, shapes and dtypes are those of the last checkpoint. A tensor of floats that all have in the same shape is
-- averaged; everything else is copied from the last one. What differs otherwise is in the table left_out, and is
-- printed: tensors that not all have, or not in one shape. Factors of a LoRA are averaged as they are. If there are
-- packed weights, the verdict is no.
--
-- `out` is a file, an index (*.safetensors.index.json) or a directory, which is made if it is not there. Into a
-- directory go model.safetensors (adapter_model.safetensors if the last one has that), or shards if there is a limit,
-- and the files beside the weights of the last checkpoint that a loader needs: *.json, tokenizers, chat templates,
-- *.py, licences.
--
-- After writing, the script counts values that overflowed: all that went into them is finite, and they are not.
--
-- @param path path required   the directory of the run
-- @param out path required    the file, the index or the directory to write
-- @param checkpoints text 'checkpoint-*'   a pattern (*, ?, [...]) of the checkpoints' names
-- @param last integer         how many there are at most, the last ones
-- @param method enum plain|weighted|exponential   how they count
-- @param weights text         for weighted: a JSON array of numbers
-- @param decay real 0.9       for exponential: more than 0, at most 1
-- @param dtype text           F64, F32, F16 or BF16 for all tensors of these; without it, each keeps its own
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
-- @param replace flag         replace what is there
-- @param format enum text|json|csv   how to print what was done
-- @table averaged(name, action, dtype, shape, numel, overflowed, not_finite)   one row per tensor of the result. action
--    is averaged or copied. not_finite counts NaN and infinity, overflowed those of them that come from finite values;
--    both are NULL in a dry run
-- @table run_checkpoints(position, path, weight)   one row per checkpoint, and what it counts
-- @table left_out(name, checkpoint, shape, why)   one row per tensor of a checkpoint that took no part
-- @table beside(file, nbytes, status)   one row per file that is copied beside the weights
-- @status 1                   when no tensor can be averaged, or when weights are packed; then nothing is written
-- @writes out
-- @example safetensors-sql average run averaged.safetensors --last 3

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL AND out <> ''),
  checkpoints TEXT,
  "last" INTEGER CONSTRAINT ":last is a whole number" CHECK (typeof("last") IN ('integer', 'null'))
    CONSTRAINT ":last is greater than 0" CHECK ("last" > 0),
  method TEXT CONSTRAINT ":method is plain, weighted or exponential" CHECK (method IN ('plain', 'weighted', 'exponential')),
  weights TEXT CONSTRAINT ":weights is a JSON array" CHECK (weights IS NULL OR json_valid(weights) AND json_type(weights) = 'array')
    CONSTRAINT ":weights is set for weighted, and only then" CHECK ((weights IS NOT NULL) = (method = 'weighted')),
  decay REAL CONSTRAINT ":decay is a number" CHECK (typeof(decay) = 'real')
    CONSTRAINT ":decay is greater than 0, and at most 1" CHECK (decay > 0 AND decay <= 1),
  dtype TEXT CONSTRAINT ":dtype is F64, F32, F16 or BF16" CHECK (dtype IN ('F64', 'F32', 'F16', 'BF16')),
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") IN ('integer', 'null'))
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0)
    CONSTRAINT ":limit is set if :out is an index"
      CHECK ("limit" IS NOT NULL OR out NOT LIKE '%.safetensors.index.json')
    CONSTRAINT ":limit is not set if :out is one file" CHECK ("limit" IS NULL OR out NOT LIKE '%.safetensors'),
  "replace" INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters
  SELECT :path, :out, ifnull(:checkpoints, 'checkpoint-*'), :last, ifnull(:method, 'plain'), :weights, ifnull(:decay, 0.9), :dtype,
         :limit, ifnull(:replace, 0), ifnull(:format, 'text')
  WHERE safetensors_parameters(':path', ':out', ':checkpoints', ':last', ':method', ':weights', ':decay', ':dtype', ':limit',
                               ':replace', ':format');
-- If there is no such directory, this raises the error and ends the script.
INSERT INTO parameters(path)
SELECT t.name FROM safetensors_files(:path) AS f, safetensors_tensors(iif(f.error LIKE '%: no such %', :path, NULL)) AS t;

-- The names in the directory; of an address those that models have there.
DROP TABLE IF EXISTS temp.run_names;
CREATE TEMP TABLE run_names AS
  SELECT substr(d.name, length(p.directory) + 2) AS file
  FROM (SELECT ifnull(nullif(rtrim(path, '/'), ''), '/.') AS directory FROM parameters WHERE path NOT LIKE '%://%') AS p, fsdir(p.directory) AS d
  UNION
  SELECT iif(instr(below, '/') > 0, substr(below, 1, instr(below, '/') - 1), below)
  FROM (SELECT substr(m.model, length(p.directory) + 2) AS below
        FROM (SELECT rtrim(path, '/') AS directory FROM parameters WHERE path LIKE '%://%') AS p, safetensors_models(p.directory) AS m);

-- The checkpoints, in order.
DROP TABLE IF EXISTS temp.run_checkpoints;
CREATE TEMP TABLE run_checkpoints(
  position INTEGER PRIMARY KEY, path TEXT, weight REAL CONSTRAINT ":weights has a number for each checkpoint" CHECK (typeof(weight) = 'real')
);
INSERT INTO run_checkpoints
  WITH RECURSIVE found AS (
    SELECT directory || '/' || file AS path, row_number() OVER (ORDER BY number, file) AS place, count(*) OVER () AS n
    FROM (SELECT file, directory, CAST(substr(stem, 1 + length(rtrim(stem, '0123456789'))) AS INTEGER) AS number
          FROM (SELECT *, iif(file GLOB '*.safetensors', substr(file, 1, length(file) - 12), file) AS stem
                FROM (SELECT DISTINCT file, p.directory, p.checkpoints
                      FROM (SELECT *, ifnull(nullif(rtrim(path, '/'), ''), '/.') AS directory FROM parameters) AS p, run_names AS r)
                WHERE instr(file, '/') = 0 AND file <> '' AND file GLOB checkpoints))
  ),
  chosen AS (
    SELECT f.path, row_number() OVER (ORDER BY f.place) AS position, count(*) OVER () AS n
    FROM parameters AS p, found AS f WHERE p."last" IS NULL OR f.place > f.n - p."last"
  ),
  powers(before, weight) AS (
    SELECT 0, 1.0 UNION ALL SELECT before + 1, weight * decay FROM powers, parameters WHERE before + 1 < (SELECT max(n) FROM chosen)
  )
  SELECT c.position, c.path, CASE p.method
           WHEN 'plain' THEN 1.0 WHEN 'exponential' THEN (SELECT weight FROM powers WHERE before = c.n - c.position)
           ELSE iif(json_array_length(p.weights) = c.n, json_extract(p.weights, '$[' || (c.position - 1) || ']'), 'none') END
  FROM parameters AS p, chosen AS c;
DROP TABLE IF EXISTS temp.average_needs;
CREATE TEMP TABLE average_needs(
  checkpoints CONSTRAINT ":checkpoints matches names in the directory" CHECK (checkpoints > 0),
  total CONSTRAINT ":weights do not add up to 0" CHECK (total)
);
INSERT INTO average_needs
  SELECT count(*), ifnull(abs(total(weight)) > 1e-12 * total(abs(weight)), 1) FROM run_checkpoints HAVING count(*) = 0 OR total(abs(weight)) < 9e999;

-- The file or index to write, and `out` if that is a directory.
DROP TABLE IF EXISTS temp.out_target;
CREATE TEMP TABLE out_target AS
  SELECT path, directory
  FROM (SELECT directory, ifnull(directory || (
                 SELECT iif(max(file LIKE '%adapter\_model.safetensors' ESCAPE '\'), '/adapter_model', '/model')
                 FROM safetensors_files((SELECT path FROM run_checkpoints ORDER BY position DESC LIMIT 1)))
               || iif("limit" IS NULL, '.safetensors', '.safetensors.index.json'), out) AS path
        FROM (SELECT *, iif(out LIKE '%.safetensors' OR out LIKE '%.safetensors.index.json', NULL,
                            ifnull(nullif(rtrim(out, '/'), ''), '/.')) AS directory FROM parameters));
DROP TABLE IF EXISTS temp.out_needs;
CREATE TEMP TABLE out_needs(
  fresh CONSTRAINT ":out is not there, or :replace is set" CHECK (fresh),
  alone CONSTRAINT ":out is a directory without other models" CHECK (alone)
);
INSERT INTO out_needs
  SELECT p."replace" OR NOT EXISTS (
           SELECT 1 FROM safetensors_files(ifnull(t.directory, t.path))
           WHERE status <> 'missing' AND (t.directory IS NOT NULL OR file = t.path OR t.path LIKE '%.index.json')),
         NOT EXISTS (SELECT 1 FROM safetensors_files(t.directory)
                     WHERE status <> 'missing' AND file NOT IN (SELECT file FROM safetensors_files(t.path)))
  FROM parameters AS p, out_target AS t;

DROP TABLE IF EXISTS temp.average_tensors;
CREATE TEMP TABLE average_tensors AS
  SELECT c.position, c.position = max(c.position) OVER () AS is_last, c.weight, t.name, t.dtype, t.shape, t.numel, t.ref,
         t.dtype IN ('F64', 'F32', 'F16', 'BF16') OR t.dtype GLOB 'F8_E[45]*' AS is_float
  FROM run_checkpoints AS c, safetensors_tensors(c.path) AS t ORDER BY c.position;
CREATE INDEX temp.average_tensors_by_name ON average_tensors(name, position);
-- What the last checkpoint has, and whether all have it alike.
DROP TABLE IF EXISTS temp.average_results;
CREATE TEMP TABLE average_results AS
  SELECT l.name, iif(l.is_float AND l.numel > 0 AND (
                       SELECT count(*) = (SELECT count(*) FROM run_checkpoints) FROM average_tensors AS t
                       WHERE t.name = l.name AND t.is_float AND t.shape = l.shape), 'averaged', 'copied') AS action,
         iif(l.dtype IN ('F64', 'F32', 'F16', 'BF16'), ifnull(p.dtype, l.dtype), l.dtype) AS dtype, l.shape, l.numel,
         CAST(NULL AS INTEGER) AS overflowed, CAST(NULL AS INTEGER) AS not_finite, l.ref, l.is_float
  FROM parameters AS p, average_tensors AS l WHERE l.is_last ORDER BY l.rowid;
CREATE TEMP VIEW IF NOT EXISTS averaged AS
  SELECT name, action, dtype, shape, numel, overflowed, not_finite FROM average_results;
DROP TABLE IF EXISTS temp.left_out;
CREATE TEMP TABLE left_out AS
  SELECT ifnull(t.name, a.name) AS name, c.path AS checkpoint, t.shape, CASE
           WHEN t.name IS NULL THEN 'it has no such tensor' WHEN t.shape <> a.shape THEN 'another shape'
           WHEN NOT (t.is_float AND a.is_float) THEN 'no floats' ELSE 'not all have it alike' END AS why
  FROM average_results AS a JOIN run_checkpoints AS c LEFT JOIN average_tensors AS t ON t.name = a.name AND t.position = c.position
  WHERE a.action = 'copied' AND c.position < (SELECT max(position) FROM run_checkpoints) AND a.numel > 0
    AND (a.is_float OR t.name IS NULL OR t.shape <> a.shape)
  UNION ALL
  SELECT t.name, c.path, t.shape, 'the last has no such tensor'
  FROM average_tensors AS t JOIN run_checkpoints AS c USING (position) WHERE t.name NOT IN (SELECT name FROM averaged);

-- Packed weights have a scale or the like in their module ("q_proj.") or under their own name ("q_proj.weight.").
DROP TABLE IF EXISTS temp.average_scaled;
CREATE TEMP TABLE average_scaled(position, module, PRIMARY KEY(position, module)) WITHOUT ROWID;
INSERT OR IGNORE INTO average_scaled
  SELECT position, module
  FROM (SELECT position, module, substr(name, length(module) + 1) AS last
        FROM (SELECT position, name, rtrim(name, replace(name, '.', '')) AS module FROM average_tensors))
  WHERE (last LIKE '%scale%' OR last LIKE '%zero%' OR last LIKE '%absmax%' OR last LIKE '%codebook%'
         OR last LIKE '%quant%map%' OR last = 'SCB')
    AND last NOT IN ('input_scale', 'output_scale', 'input_global_scale', 'scale_input', 'scale_output',
                     'k_scale', 'v_scale', 'q_scale');
DROP TABLE IF EXISTS temp.average_packed;
CREATE TEMP TABLE average_packed AS
  SELECT t.position, t.name FROM average_tensors AS t
  WHERE t.shape LIKE '[%,%' AND (t.dtype IN ('I8', 'U8', 'I16', 'U16', 'I32', 'U32', 'F4') OR t.dtype GLOB 'F[68]_*')
    AND EXISTS (SELECT 1 FROM average_scaled AS s WHERE s.position = t.position
                AND s.module IN (t.name || '.', rtrim(t.name, replace(t.name, '.', ''))));

-- What is beside the weights of the last checkpoint, and a loader needs.
DROP TABLE IF EXISTS temp.out_source;
CREATE TEMP TABLE out_source AS
  SELECT iif(c.path LIKE '%://%', NULL, iif(c.path LIKE '%.safetensors', rtrim(rtrim(c.path, replace(c.path, '/', '')), '/'), c.path)) AS directory
  FROM run_checkpoints AS c, out_target AS t WHERE t.directory IS NOT NULL ORDER BY c.position DESC LIMIT 1;
DROP TABLE IF EXISTS temp.beside;
CREATE TEMP TABLE beside AS
  SELECT f.file, length(readfile(f.path)) AS nbytes,
         iif(p."replace" OR readfile(t.directory || '/' || f.file) IS NULL, 'copied', 'kept, as it was there') AS status
  FROM parameters AS p, out_target AS t,
    (SELECT d.name AS path, substr(d.name, length(s.directory) + 2) AS file FROM out_source AS s, fsdir(ifnull(s.directory, '.')) AS d
     WHERE s.directory IS NOT NULL AND (d.mode & 0xF000) IN (0x8000, 0xA000)) AS f
  WHERE CASE WHEN instr(f.file, '/') = 0 AND (
          f.file GLOB '*.json' AND f.file NOT GLOB '*.index.json' AND f.file NOT GLOB 'train*'
            AND (f.file NOT GLOB 'adapter_*' OR t.path LIKE '%/adapter\_model.safetensors%' ESCAPE '\')
            AND f.file NOT GLOB '*_results.json'
          OR f.file GLOB '*.model' OR f.file GLOB '*.jinja' OR f.file GLOB '*.py' OR f.file GLOB '*.tiktoken'
          OR f.file GLOB '*.spm' OR f.file GLOB '*.bpe' OR f.file GLOB '*.bpe.codes' OR f.file GLOB '*vocab*.txt'
          OR f.file = 'merges.txt' OR lower(f.file) GLOB 'licen[cs]e*' OR lower(f.file) GLOB 'notice*'
          OR lower(f.file) GLOB 'use_policy*' OR lower(f.file) GLOB 'copying*')
        THEN readfile(f.path) IS NOT NULL END -- which is not read before its name is seen to be one of these
  ORDER BY f.file;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT printf('error: %s is packed: its scale is beside it', safetensors_label(name)) FROM as_text, average_packed GROUP BY name LIMIT 10;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(packed, twice, tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'a checkpoint has packed weights: average what they were made of') WHERE new.packed > 0;
  SELECT RAISE(ABORT, 'a tensor occurs twice in a checkpoint') WHERE new.twice > 0;
  SELECT RAISE(ABORT, 'no tensor can be averaged') WHERE new.tensors = 0;
END;
INSERT INTO verdict
  SELECT (SELECT count(*) FROM average_packed), (SELECT count(*) FROM average_tensors GROUP BY name, position HAVING count(*) > 1),
         (SELECT count(*) FROM averaged WHERE action = 'averaged');

-- Its configuration, with the new dtype.
DROP TABLE IF EXISTS temp.average_config;
CREATE TEMP TABLE average_config AS
  SELECT config FROM (SELECT CAST(readfile(s.directory || '/config.json') AS TEXT) AS config FROM out_source AS s, beside AS b
                      WHERE b.file = 'config.json' AND b.status = 'copied')
  WHERE json_valid(config);
UPDATE average_config SET config = json_replace(config, CASE WHEN json_type(config, '$.torch_dtype') = 'text' THEN '$.torch_dtype'
                                                             ELSE '$.dtype' END, CASE p.dtype
         WHEN 'F64' THEN 'float64' WHEN 'F32' THEN 'float32' WHEN 'F16' THEN 'float16' ELSE 'bfloat16' END)
FROM parameters AS p WHERE p.dtype IS NOT NULL AND 'text' IN (json_type(config, '$.torch_dtype'), json_type(config, '$.dtype'));
UPDATE beside SET status = 'copied, but for dtype'
WHERE file = 'config.json' AND (SELECT c.config <> CAST(readfile(s.directory || '/config.json') AS TEXT) FROM out_source AS s, average_config AS c);

INSERT INTO safetensors_write(path, name, dtype, shape, data, metadata, max_shard_bytes, mode, make_directory)
  SELECT t.path, a.name, a.dtype, a.shape, iif(a.action = 'copied', a.ref, (
           SELECT tensors_average(ref, weight)
           FROM (SELECT ref, weight FROM average_tensors AS o WHERE o.name = a.name ORDER BY position))),
         (SELECT json_group_object(key, value) FROM (
            SELECT key, value, min(rowid) FROM safetensors_metadata((SELECT path FROM run_checkpoints ORDER BY position DESC LIMIT 1))
            GROUP BY key ORDER BY 3)), p."limit", iif(p."replace", 'replace', 'create'), t.directory IS NOT NULL
  FROM parameters AS p, out_target AS t, average_results AS a ORDER BY a.rowid;
DROP TABLE IF EXISTS temp.out_made;
CREATE TEMP TABLE out_made AS
  SELECT writefile(t.directory || '/' || f.file, ifnull(iif(f.file = 'config.json', (SELECT config FROM average_config), NULL),
                                                   readfile(s.directory || '/' || f.file)))
  FROM out_target AS t, out_source AS s, beside AS f WHERE f.status LIKE 'copied%';

-- What came out. While a transaction is open, there is no file yet.
DROP TABLE IF EXISTS temp.out_files;
CREATE TEMP TABLE out_files AS
  SELECT f.file, f.nbytes, f.status FROM out_target AS t, safetensors_files(t.path) AS f
  WHERE NOT EXISTS (SELECT 1 FROM safetensors_write) AND f.status = 'ok';
DROP TABLE IF EXISTS temp.average_stats;
CREATE TEMP TABLE average_stats AS
  SELECT w.name, w.ref, s.n_nan + s.n_inf AS not_finite
  FROM out_target AS t, safetensors_tensors(iif(EXISTS (SELECT 1 FROM out_files), t.path, NULL)) AS w, tensor_stats(w.ref) AS s;
UPDATE average_results SET not_finite = ifnull(s.not_finite, 0), overflowed = 0 FROM average_stats AS s WHERE s.name = average_results.name;
-- A value has overflowed if all that went into it is finite.
UPDATE average_results SET overflowed = (
  SELECT average_results.numel - s.n_zero
  FROM (SELECT tensors_sum(tensor_less(tensor_abs(ref), 9e999)) AS finite, count(*) AS n
        FROM average_tensors AS o WHERE o.name = average_results.name AND (average_results.action = 'averaged' OR o.is_last)) AS f,
    (SELECT ref FROM average_stats AS w WHERE w.name = average_results.name) AS w,
    tensor_stats(tensor_mul(tensor_sub(1, tensor_less(tensor_abs(w.ref), 9e999)), tensor_equals(f.finite, f.n))) AS s)
WHERE not_finite > 0;

SELECT safetensors_print(format, 'averaged', 'run_checkpoints', 'left_out', 'beside') FROM parameters WHERE format <> 'text';

SELECT printf('error: %,d %s of %,d %s overflowed in %s.', sum(overflowed), iif(sum(overflowed) = 1, 'value', 'values'),
              count(*), iif(count(*) = 1, 'tensor', 'tensors'), group_concat(DISTINCT dtype))
FROM as_text, averaged WHERE overflowed > 0 HAVING count(*) > 0;
SELECT printf('error: %,d %s NaN or infinite, as in the checkpoints.', n, iif(n = 1, 'value is', 'values are'))
FROM as_text, (SELECT sum(not_finite - overflowed) AS n FROM averaged) WHERE n > 0;
SELECT printf('%,d of %,d tensors averaged over %,d checkpoints (%s), %,d copied.', total(action = 'averaged'),
              count(*), (SELECT count(*) FROM run_checkpoints), p.method, total(action = 'copied'))
FROM as_text, parameters AS p, averaged HAVING count(*) > 0;
SELECT printf('warning: %,d %s of the checkpoints took no part.', count(*), iif(count(*) = 1, 'tensor', 'tensors'))
FROM as_text, left_out HAVING count(*) > 0;

SELECT char(10) || '== Not finite' FROM as_text WHERE EXISTS (SELECT 1 FROM averaged WHERE not_finite > 0);
.mode column
.headers on
SELECT printf('%,10d', not_finite) AS not_finite, printf('%,10d', overflowed) AS overflowed, safetensors_label(name) AS name
FROM as_text, average_results AS a WHERE a.not_finite > 0 ORDER BY a.overflowed DESC, a.not_finite DESC, a.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, averaged WHERE not_finite > 0 HAVING count(*) > 20;

SELECT char(10) || '== Took no part' FROM as_text WHERE EXISTS (SELECT 1 FROM left_out);
.mode column
.headers on
SELECT printf('%,7d', count(*)) AS tensors, why, safetensors_label(min(name)) AS "first"
FROM as_text, left_out AS o GROUP BY o.why ORDER BY count(*) DESC, o.why;

.mode list
.headers off
SELECT char(10) || '== Checkpoints' FROM as_text;
.mode column
.headers on
SELECT printf('%7.4f', weight / (SELECT total(weight) FROM run_checkpoints)) AS "  share", safetensors_label(path) AS checkpoint
FROM as_text, run_checkpoints AS c ORDER BY c.position DESC LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d before', count(*) - 20) FROM as_text, run_checkpoints HAVING count(*) > 20;

SELECT char(10) || '== Written' FROM as_text;
.mode column
.headers on
SELECT printf('%,5d', nullif(o.shards, 0)) AS files, printf('%,7d', (SELECT count(*) FROM averaged)) AS tensors,
       printf('%8s', safetensors_pretty(o.nbytes, 'B')) AS "   bytes", safetensors_label(path) AS file
FROM as_text, out_target AS t, (SELECT count(*) AS shards, sum(nbytes) AS nbytes FROM out_files) AS o;
.mode list
.headers off
SELECT char(10) || 'What is beside the weights is not copied, as it is at an address of the network.'
FROM as_text, out_target AS t, out_source AS s WHERE t.directory IS NOT NULL AND s.directory IS NULL;
SELECT char(10) || '== Beside the weights' FROM as_text WHERE EXISTS (SELECT 1 FROM beside);
.mode column
.headers on
SELECT printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes", status, safetensors_label(file) AS file
FROM as_text, beside AS b ORDER BY b.file LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM as_text, beside HAVING count(*) > 40;
