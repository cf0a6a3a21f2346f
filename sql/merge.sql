-- Merges models into one.
--
-- The models are a JSON array of paths, or of objects {"model": PATH, "weight": NUMBER}; or an object with a weight
-- for each path. A weight is 1 unless it is given. "weights" gives other ones by patterns (*, ?, [...]) of tensors'
-- names, of which the first that matches counts: {"model": "b", "weight": 0.5, "weights": {"*.mlp.*": 0.3}}.
--
--   linear           the weighted average; with --sum, the sum
--   slerp            between two models, along the arc: t is the weight of the
--                    second, by default 0.5. If they are nearly parallel or
--                    opposite, (1 - t) of the first and t of the second
--   task_arithmetic  base + lambda * the weighted sum of differences from base
--   ties             the same, of differences of elected sign. Of each, the
--                    greatest are kept, as many as density says, and all that
--                    are equal to the last of them; the sign is that of their
--                    sum. The sum of those with this sign is divided by the
--                    sum of their weights, but not with --sum
--   dare_linear      as task_arithmetic, of differences that are kept with the
--                    probability density, and divided by it. The choice is
--                    another one for each tensor of each model; seed decides
--   dare_ties        likewise, of elected sign, and not divided by weights
--   passthrough      a stack of layers: {"model": PATH, "layers": [FIRST, END]}
--                    takes the layers from FIRST up to END, without END, and
--                    all of them are numbered from 0 on. A weight is a factor.
--                    Without "layers", one model is copied
--
-- ties and dare_* take "density" for a model, too. All is computed in double, rounded to F32 (F64 if a tensor is F64),
-- and then to the dtype that is written. A NaN in a model makes a NaN.
--
-- The names, shapes and dtypes are those of base, or without a base those of the first model; what is merged are
-- tensors of floats. A model takes part in a tensor if it has it in the same shape. Overlap: if vocabularies differ in
-- size, which shows in tensors outside the layers that differ in their first dimension alone (and in vectors with
-- these numbers of rows), the rows that all have are merged, and the rest of base stays as it is. What no other model
-- has is copied. Everything that takes no part is in the table left_out and is printed: tensors that base does not
-- have (--all copies these, too), or that have another shape, rows beyond those of all, integers that differ. If
-- models have packed weights, the verdict is no: merge what they were made of.
--
-- `out` is a file, an index (*.safetensors.index.json) or a directory, which is made if it is not there. Into a
-- directory go model.safetensors, or shards if there is a limit, and the files beside the weights of base that a
-- loader needs: *.json, tokenizers, chat templates, *.py, licences. Its config.json then has the new dtype and number
-- of layers.
--
-- Each path is one model: a folder of several is refused.
--
-- After writing, the script counts values that overflowed: all that went into them is finite, and they are not.
--
-- @param models text required   the models, as JSON
-- @param out path required    the file, the index or the directory to write
-- @param method enum linear|slerp|task_arithmetic|ties|dare_linear|dare_ties|passthrough   how
-- @param base path            the model that the others come from
-- @param dtype text           F64, F32, F16 or BF16 for all tensors of these; without it, each keeps that of base
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
-- @param lambda real 1        the factor of all differences
-- @param density real 0.5     how many differences are kept: more than 0, at most 1
-- @param seed integer 0       of the choices of dare_*
-- @param sum flag             linear and ties do not divide by the sum of the weights
-- @param all flag             also copy tensors that only other models than base have
-- @param replace flag         replace what is there
-- @param format enum text|json|csv  how to print the tables
-- @table merged(name, action, dtype, shape, numel, models, merged_rows, overflowed, not_finite)   one row per tensor of
--    the result. action is merged or copied; merged_rows is NULL if these are all. not_finite counts NaN and infinity,
--    overflowed those of them that come from finite values; both are NULL in a dry run
-- @table left_out(name, model, shape, why)   one row per tensor, or rows of one, of a model that took no part
-- @table beside(file, nbytes, status)   one row per file that is copied beside the weights
-- @status 1                   when no tensor can be merged, or when a model has packed weights; then nothing is written
-- @writes out
-- @example safetensors-sql merge '{"base.safetensors":0.7,"tune.safetensors":0.3}' merged.safetensors
-- @example safetensors-sql merge '["a","b","c"]' merged --method ties --base base --density 0.3 --dtype BF16

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  models TEXT CONSTRAINT ":models is set" CHECK (models IS NOT NULL)
    CONSTRAINT ":models is a JSON array of models, or an object of their weights"
      CHECK (json_valid(models) AND json_type(models) IN ('array', 'object')),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL AND out <> ''),
  method TEXT
    CONSTRAINT ":method is linear, slerp, task_arithmetic, ties, dare_linear, dare_ties or passthrough"
      CHECK (method IN ('linear', 'slerp', 'task_arithmetic', 'ties', 'dare_linear', 'dare_ties', 'passthrough')),
  base TEXT CONSTRAINT ":base is set for a method that takes differences"
    CHECK (base IS NOT NULL OR method NOT IN ('task_arithmetic', 'ties', 'dare_linear', 'dare_ties')),
  dtype TEXT CONSTRAINT ":dtype is F64, F32, F16 or BF16" CHECK (dtype IN ('F64', 'F32', 'F16', 'BF16')),
  "limit" INTEGER CONSTRAINT ":limit is a number of bytes" CHECK (typeof("limit") IN ('integer', 'null'))
    CONSTRAINT ":limit is greater than 0" CHECK ("limit" > 0)
    CONSTRAINT ":limit is set if :out is an index"
      CHECK ("limit" IS NOT NULL OR out NOT LIKE '%.safetensors.index.json')
    CONSTRAINT ":limit is not set if :out is one file" CHECK ("limit" IS NULL OR out NOT LIKE '%.safetensors'),
  lambda REAL CONSTRAINT ":lambda is a number" CHECK (typeof(lambda) = 'real' AND abs(lambda) < 9e999),
  density REAL CONSTRAINT ":density is a number" CHECK (typeof(density) = 'real')
    CONSTRAINT ":density is greater than 0, and at most 1" CHECK (density > 0 AND density <= 1),
  seed INTEGER CONSTRAINT ":seed is a whole number" CHECK (typeof(seed) = 'integer'),
  "sum" INTEGER,
  "all" INTEGER,
  "replace" INTEGER,
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters
SELECT :models, :out, ifnull(:method, 'linear'), :base, :dtype, :limit, ifnull(:lambda, 1), ifnull(:density, 0.5),
       ifnull(:seed, 0), ifnull(:sum, 0), ifnull(:all, 0), ifnull(:replace, 0), ifnull(:format, 'text')
WHERE safetensors_parameters(':models', ':out', ':method', ':base', ':dtype', ':limit', ':lambda', ':density', ':seed', ':sum', ':all', ':replace',
                             ':format');

-- Position 0 is the base. What the result is like is what the model with the lowest position is like.
DROP TABLE IF EXISTS temp.merge_models;
CREATE TEMP TABLE merge_models(
  position INTEGER PRIMARY KEY,
  path TEXT CONSTRAINT ":models has a path for each model" CHECK (path <> '' AND path IS NOT NULL),
  weight REAL CONSTRAINT ":models has numbers as weights" CHECK (weight IS NULL OR typeof(weight) = 'real' AND abs(weight) < 9e999),
  weights TEXT CONSTRAINT ":models has objects of numbers as ""weights""" CHECK (weights IS NULL OR json_type(weights) = 'object'),
  density REAL CONSTRAINT ":models has numbers greater than 0, and at most 1, as ""density"""
    CHECK (density IS NULL OR typeof(density) = 'real' AND density > 0 AND density <= 1),
  layers TEXT CONSTRAINT ":models has pairs [FIRST, END] as ""layers"""
    CHECK (layers IS NULL OR json_type(layers) = 'array' AND json_array_length(layers) = 2
           AND json_type(layers, '$[0]') = 'integer' AND json_type(layers, '$[1]') = 'integer'
           AND json_extract(layers, '$[0]') >= 0 AND json_extract(layers, '$[0]') < json_extract(layers, '$[1]')),
  surplus TEXT CONSTRAINT ":models has no other keys than model, weight, weights, density and layers" CHECK (surplus IS NULL)
);
INSERT INTO merge_models(position, path) SELECT 0, base FROM parameters WHERE base IS NOT NULL;
INSERT INTO merge_models
  SELECT row_number() OVER (ORDER BY id), CASE WHEN is_object THEN key WHEN type = 'text' THEN value ELSE item ->> '$.model' END,
         iif(is_object, iif(type IN ('integer', 'real'), value, 'none'), item ->> '$.weight'), item -> '$.weights',
         item ->> '$.density', item -> '$.layers',
         (SELECT min(k.key) FROM json_each(item) AS k WHERE k.key NOT IN ('model', 'weight', 'weights', 'density', 'layers'))
  FROM (SELECT j.*, json_type(p.models) = 'object' AS is_object,
               iif(j.type = 'object' AND json_type(p.models) = 'array', j.value, NULL) AS item
        FROM parameters AS p, json_each(p.models) AS j);
DROP TABLE IF EXISTS temp.merge_weights;
CREATE TEMP TABLE merge_weights(
  position INTEGER, pattern TEXT,
  weight REAL CONSTRAINT ":models has numbers as ""weights""" CHECK (typeof(weight) = 'real' AND abs(weight) < 9e999)
);
INSERT INTO merge_weights
  SELECT m.position, j.key, iif(j.type IN ('integer', 'real'), j.value, 'none')
  FROM merge_models AS m, json_each(m.weights) AS j ORDER BY m.position, j.id;

DROP TABLE IF EXISTS temp.merge_needs;
CREATE TEMP TABLE merge_needs(
  models CONSTRAINT ":models has a model" CHECK (models > 0),
  two CONSTRAINT ":models has two models for slerp" CHECK (two),
  t CONSTRAINT ":models has for slerp a weight of the second model alone, which is t" CHECK (t),
  layered CONSTRAINT ":models has ""layers"" of each model for passthrough, or is one model without a base" CHECK (layered),
  unlayered CONSTRAINT ":models has ""layers"" only for passthrough" CHECK (unlayered),
  fresh CONSTRAINT ":out is not there, or :replace is set" CHECK (fresh),
  alone CONSTRAINT ":out is a directory without other models" CHECK (alone),
  has_layers CONSTRAINT ":models has ""layers"" that the model has" CHECK (has_layers),
  not_0 CONSTRAINT ":models has weights that do not add up to 0" CHECK (not_0)
);
INSERT INTO merge_needs(models, two, t, layered, unlayered)
  SELECT count(m.position), p.method <> 'slerp' OR count(*) = 2,
         p.method <> 'slerp' OR total((m.weight IS NOT NULL OR m.weights IS NOT NULL) AND m.position = 1) = 0,
         p.method <> 'passthrough' OR count(m.layers) = count(*) OR count(*) = 1 AND p.base IS NULL,
         p.method = 'passthrough' OR count(m.layers) = 0
  FROM parameters AS p LEFT JOIN merge_models AS m ON m.position > 0;

-- Each is a path that is read as one model, or has only one below it.
DROP TABLE IF EXISTS temp.merge_found;
CREATE TEMP TABLE merge_found AS
  SELECT p.position, p.path, m.model, m.model = rtrim(p.path, '/') AS is_it, rtrim(m.model, replace(m.model, '/', '')) = rtrim(p.path, '/') || '/' AS is_top
  FROM merge_models AS p, safetensors_models(p.path) AS m WHERE m.kind <> 'optimizer';
INSERT INTO parameters(models)
  SELECT safetensors_refuse(printf('each of :models is one model, found %d in %s: ', n, safetensors_label(path)) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT f.path, f.model, count(*) OVER (PARTITION BY position) AS n, row_number() OVER (PARTITION BY position) AS place, position
        FROM merge_found AS f JOIN (SELECT position, max(is_top) AS top, max(is_it) AS it FROM merge_found GROUP BY position) AS x USING (position)
        WHERE f.is_top = x.top AND NOT x.it)
  WHERE n > 1 AND place <= 8 GROUP BY position ORDER BY position LIMIT 1;

-- The file or index to write, and `out` if that is a directory.
DROP TABLE IF EXISTS temp.out_target;
CREATE TEMP TABLE out_target AS
  SELECT path, directory
  FROM (SELECT directory, ifnull(directory || (
                 SELECT iif(max(file LIKE '%adapter\_model.safetensors' ESCAPE '\'), '/adapter_model', '/model')
                 FROM safetensors_files((SELECT path FROM merge_models ORDER BY position LIMIT 1)))
               || iif("limit" IS NULL, '.safetensors', '.safetensors.index.json'), out) AS path
        FROM (SELECT *, iif(out LIKE '%.safetensors' OR out LIKE '%.safetensors.index.json', NULL,
                            ifnull(nullif(rtrim(out, '/'), ''), '/.')) AS directory FROM parameters));
INSERT INTO merge_needs(fresh, alone)
  SELECT p."replace" OR NOT EXISTS (
           SELECT 1 FROM safetensors_files(ifnull(t.directory, t.path))
           WHERE status <> 'missing' AND (t.directory IS NOT NULL OR file = t.path OR t.path LIKE '%.index.json')),
         NOT EXISTS (SELECT 1 FROM safetensors_files(t.directory)
                     WHERE status <> 'missing' AND file NOT IN (SELECT file FROM safetensors_files(t.path)))
  FROM parameters AS p, out_target AS t;

DROP TABLE IF EXISTS temp.merge_tensors;
CREATE TEMP TABLE merge_tensors(
  id INTEGER PRIMARY KEY, position INTEGER, name TEXT, dtype TEXT, shape TEXT, numel INTEGER, pattern TEXT, layer INTEGER,
  ref TEXT, rank INTEGER, "rows" INTEGER, columns TEXT, is_float INTEGER
);
INSERT INTO merge_tensors
  SELECT NULL, m.position, t.name, t.dtype, t.shape, t.numel, t.pattern, t.layer, t.ref, json_array_length(t.shape),
         json_extract(t.shape, '$[0]'), json_remove(t.shape, '$[0]'),
         t.dtype IN ('F64', 'F32', 'F16', 'BF16') OR t.dtype GLOB 'F8_E[45]*'
  FROM merge_models AS m, safetensors_tensors(m.path) AS t ORDER BY m.position;
CREATE INDEX temp.merge_tensors_by_name ON merge_tensors(position, name);

-- The layers that are stacked, and the number that the first of each range becomes.
DROP TABLE IF EXISTS temp.merge_ranges;
CREATE TEMP TABLE merge_ranges AS
  SELECT position, "first", "end",
         sum("end" - "first") OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) - ("end" - "first") AS becomes
  FROM (SELECT position, json_extract(layers, '$[0]') AS "first", json_extract(layers, '$[1]') AS "end"
        FROM merge_models WHERE layers IS NOT NULL);
INSERT INTO merge_needs(has_layers)
  SELECT count(DISTINCT t.layer) = r."end" - r."first"
  FROM merge_ranges AS r
  LEFT JOIN merge_tensors AS t ON t.position = r.position AND t.layer >= r."first" AND t.layer < r."end" GROUP BY r.position;

-- The tensors of the result, each with the one that it is like. The number of a layer is where the pattern has its
-- first #.
DROP TABLE IF EXISTS temp.merge_names;
CREATE TEMP TABLE merge_names(
  n INTEGER PRIMARY KEY, name TEXT, id INTEGER, models INTEGER DEFAULT 0, merged_rows INTEGER, value TEXT
);
INSERT INTO merge_names(name, id)
  SELECT iif(r.position IS NULL OR t.layer IS NULL OR substr(t.name, t.place, 1) NOT GLOB '[0-9]', t.name,
             substr(t.name, 1, t.place - 1) || (t.layer - r."first" + r.becomes) || ltrim(substr(t.name, t.place), '0123456789')),
         t.id
  FROM (SELECT *, instr(pattern, '#') AS place FROM merge_tensors) AS t LEFT JOIN merge_ranges AS r ON r.position = t.position
  WHERE iif(t.layer IS NULL OR NOT EXISTS (SELECT 1 FROM merge_ranges), t.position = (SELECT min(position) FROM merge_models),
            t.layer >= r."first" AND t.layer < r."end")
  ORDER BY t.id;

-- Which models take part in which tensor, and why others do not.
DROP TABLE IF EXISTS temp.merge_parts;
CREATE TEMP TABLE merge_parts AS
  SELECT r.n, m.position, t.id, t.ref AS x,
         coalesce((SELECT w.weight FROM merge_weights AS w WHERE w.position = m.position AND b.name GLOB w.pattern
                   ORDER BY w.rowid LIMIT 1), m.weight, iif(p.method = 'slerp', 0.5, 1.0)) AS weight,
         ifnull(m.density, p.density) AS density,
         CASE WHEN t.id IS NULL THEN 'it has no such tensor'
              WHEN p.method = 'passthrough' AND b.is_float THEN 'merged'
              WHEN t.id = b.id AND NOT b.is_float OR t.shape = b.shape AND b.numel = 0 THEN 'equal'
              WHEN NOT (b.is_float AND t.is_float) THEN
                iif(b.dtype = t.dtype AND b.shape = t.shape AND tensor_hash(b.ref) = tensor_hash(t.ref), 'equal',
                    'no floats, and not the same')
              WHEN t.shape = b.shape THEN 'merged'
              WHEN t.rank = b.rank AND t.layer IS NULL AND t."rows" > 0 AND b."rows" > 0 AND (
                     t.rank >= 2 AND t.columns = b.columns OR t.rank = 1 AND EXISTS (
                       SELECT 1 FROM merge_tensors AS v JOIN merge_tensors AS w ON w.position = t.position AND w.name = v.name
                       WHERE v.position = b.position AND v.layer IS NULL AND v.rank = 2 AND w.rank = 2
                         AND v.columns = w.columns AND v."rows" = b."rows" AND w."rows" = t."rows"))
              THEN 'merged'
              ELSE 'another shape' END AS status
  FROM parameters AS p JOIN merge_names AS r JOIN merge_tensors AS b ON b.id = r.id
  JOIN merge_models AS m ON iif(p.method = 'passthrough', m.position = b.position, m.position > 0)
  LEFT JOIN merge_tensors AS t ON t.position = m.position AND t.name = b.name;
CREATE INDEX temp.merge_parts_by_name ON merge_parts(n, position);

-- slerp and --sum need all models; the average of the tensor that the result is like with no other is a copy.
UPDATE merge_names SET models = c.models, merged_rows = c."rows"
FROM parameters AS p, merge_tensors AS b,
  (SELECT n, count(*) AS models, max(t.position) AS position, min(t."rows") AS "rows"
   FROM merge_parts AS m JOIN merge_tensors AS t USING (id) WHERE status = 'merged' GROUP BY n) AS c
WHERE c.n = merge_names.n AND b.id = merge_names.id AND CASE
        WHEN p.method = 'slerp' OR p.method = 'linear' AND p."sum"
        THEN c.models = (SELECT count(*) FROM merge_models WHERE position > 0)
        WHEN p.method = 'linear' THEN c.models > 1 OR c.position <> b.position
        WHEN p.method = 'passthrough' THEN EXISTS (SELECT 1 FROM merge_parts AS m WHERE m.n = c.n AND m.weight <> 1)
        ELSE 1 END;
UPDATE merge_names SET merged_rows = NULL
WHERE merged_rows >= (SELECT b."rows" FROM merge_tensors AS b WHERE b.id = merge_names.id);

DROP TABLE IF EXISTS temp.left_out;
CREATE TEMP TABLE left_out AS
  SELECT o.name, m.path AS model, o.shape, o.why FROM merge_models AS m JOIN (
  SELECT b.name, m.position, t.shape,
         iif(m.status = 'merged', 'not all models have it', m.status) AS why
  FROM parameters AS p, merge_parts AS m JOIN merge_names AS r USING (n) JOIN merge_tensors AS b ON b.id = r.id
  LEFT JOIN merge_tensors AS t ON t.id = m.id
  WHERE m.status NOT IN ('merged', 'equal')
     OR m.status = 'merged' AND r.models = 0 AND m.position <> b.position
  UNION ALL
  SELECT t.name, t.position, t.shape, printf('rows %d to %d, not in all', ifnull(r.merged_rows, b."rows"), t."rows" - 1)
  FROM merge_parts AS m JOIN merge_names AS r USING (n) JOIN merge_tensors AS b ON b.id = r.id
  JOIN merge_tensors AS t ON t.id = m.id
  WHERE m.status = 'merged' AND r.models > 0 AND t."rows" > ifnull(r.merged_rows, b."rows") AND t.position <> b.position
  UNION ALL
  SELECT t.name, t.position, t.shape,
         CASE WHEN p.method <> 'passthrough' THEN iif(p."all", 'only here: copied', 'not in the result')
              WHEN t.layer IS NULL THEN 'outside the layers' ELSE 'another layer' END
  FROM parameters AS p, merge_tensors AS t
  WHERE iif(p.method = 'passthrough', t.id NOT IN (SELECT id FROM merge_names) AND (t.position > 0 OR t.layer IS NULL),
            t.name NOT IN (SELECT name FROM merge_names))
  ) AS o USING (position) ORDER BY m.position;
INSERT INTO merge_names(name, id)
  SELECT t.name, t.id FROM parameters AS p, merge_tensors AS t
  WHERE p."all" AND p.method <> 'passthrough' AND t.name NOT IN (SELECT name FROM merge_names)
  GROUP BY t.name HAVING min(t.position) ORDER BY t.id;

INSERT INTO merge_needs(not_0)
  SELECT abs(total(m.weight)) > 1e-12 * total(abs(m.weight))
  FROM parameters AS p, merge_parts AS m JOIN merge_names AS r USING (n)
  WHERE p.method = 'linear' AND NOT p."sum" AND m.status = 'merged' AND r.models > 0 GROUP BY m.n;

-- A name of each model for people, without the folder that all are in.
DROP TABLE IF EXISTS temp.merge_labels;
CREATE TEMP TABLE merge_labels AS
  SELECT position, safetensors_label(substr(path, 1 + length(rtrim(c, replace(c, '/', ''))))) AS label FROM merge_models, (SELECT safetensors_common(path) AS c FROM merge_models);

-- Packed weights have a scale or the like in their module ("q_proj.") or under their own name ("q_proj.weight.").
DROP TABLE IF EXISTS temp.merge_scaled;
CREATE TEMP TABLE merge_scaled(position, module, PRIMARY KEY(position, module)) WITHOUT ROWID;
INSERT OR IGNORE INTO merge_scaled
  SELECT position, module
  FROM (SELECT position, module, substr(name, length(module) + 1) AS last
        FROM (SELECT position, name, rtrim(name, replace(name, '.', '')) AS module FROM merge_tensors))
  WHERE (last LIKE '%scale%' OR last LIKE '%zero%' OR last LIKE '%absmax%' OR last LIKE '%codebook%'
         OR last LIKE '%quant%map%' OR last = 'SCB')
    AND last NOT IN ('input_scale', 'output_scale', 'input_global_scale', 'scale_input', 'scale_output',
                     'k_scale', 'v_scale', 'q_scale');
DROP TABLE IF EXISTS temp.merge_packed;
CREATE TEMP TABLE merge_packed AS
  SELECT t.position, t.name FROM merge_tensors AS t
  WHERE t.rank >= 2 AND (t.dtype IN ('I8', 'U8', 'I16', 'U16', 'I32', 'U32', 'F4') OR t.dtype GLOB 'F[68]_*')
    AND EXISTS (SELECT 1 FROM merge_scaled AS s WHERE s.position = t.position
                AND s.module IN (t.name || '.', rtrim(t.name, replace(t.name, '.', ''))));

DROP TABLE IF EXISTS temp.merge_twice;
CREATE TEMP TABLE merge_twice AS
  SELECT name FROM merge_tensors GROUP BY position, name HAVING count(*) > 1
  UNION SELECT name FROM merge_names GROUP BY name HAVING count(*) > 1;

DROP TABLE IF EXISTS temp.merge_plan;
CREATE TEMP TABLE merge_plan AS
  SELECT r.name, iif(r.models > 0, 'merged', 'copied') AS action,
         iif(b.dtype IN ('F64', 'F32', 'F16', 'BF16'), ifnull(p.dtype, b.dtype), b.dtype) AS dtype, b.shape, b.numel,
         r.models, r.merged_rows, CAST(NULL AS INTEGER) AS overflowed, CAST(NULL AS INTEGER) AS not_finite, r.n
  FROM parameters AS p, merge_names AS r JOIN merge_tensors AS b USING (id) ORDER BY r.n;

-- What is beside the weights of the model that the result is like, and a loader needs.
DROP TABLE IF EXISTS temp.out_source;
CREATE TEMP TABLE out_source AS
  SELECT ifnull(nullif(rtrim(CASE WHEN file LIKE '%://%' THEN NULL WHEN path LIKE 'hf://%' OR path GLOB '*[*?[]*' THEN ifnull(nullif(of_file, ''), './')
                                  WHEN path LIKE '%.safetensors' OR path LIKE '%.json' THEN ifnull(nullif(of_path, ''), './')
                                  ELSE path END, '/'), ''), iif(file LIKE '%://%', NULL, '/.')) AS directory
  FROM (SELECT path, rtrim(path, replace(path, '/', '')) AS of_path, rtrim(file, replace(file, '/', '')) AS of_file, file
        FROM (SELECT m.path, (SELECT file FROM safetensors_files(m.path) LIMIT 1) AS file
              FROM merge_models AS m, out_target AS t WHERE t.directory IS NOT NULL ORDER BY m.position LIMIT 1));
DROP TABLE IF EXISTS temp.merge_beside;
CREATE TEMP TABLE merge_beside AS
  SELECT f.file, length(readfile(f.path)) AS nbytes,
         iif(p."replace" OR readfile(t.directory || '/' || f.file) IS NULL, 'copied', 'kept, as it was there') AS status, f.path
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

DROP TABLE IF EXISTS temp.merged;
CREATE TEMP TABLE merged AS SELECT name, action, dtype, shape, numel, models, merged_rows, overflowed, not_finite FROM merge_plan ORDER BY n;
DROP TABLE IF EXISTS temp.beside;
CREATE TEMP TABLE beside AS SELECT file, nbytes, status FROM merge_beside;

-- What cannot be merged: nothing is written then.
DROP TABLE IF EXISTS temp.merge_refusal;
CREATE TEMP TABLE merge_refusal AS
  SELECT (SELECT count(*) FROM merge_packed) AS packed, (SELECT count(*) FROM merge_twice) AS twice,
         (SELECT count(*) FROM merge_plan WHERE action = 'merged' OR p.method = 'passthrough') AS tensors
  FROM parameters AS p WHERE p.out IS NOT NULL;
CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'merged', 'left_out', 'beside') FROM parameters, merge_refusal WHERE format <> 'text' AND (packed + twice > 0 OR tensors = 0);
SELECT 'Nothing is written: ' || CASE WHEN packed > 0 THEN printf('%,d %s packed.', packed, iif(packed = 1, 'weight is', 'weights are'))
         WHEN twice > 0 THEN 'tensors occur twice.' ELSE 'no tensor can be merged.' END
FROM as_text, merge_refusal WHERE packed + twice > 0 OR tensors = 0;
SELECT 'error: packed, as its scale is beside it: ' || l.label || '#' || safetensors_label(t.name)
FROM as_text, merge_packed AS t JOIN merge_labels AS l USING (position) ORDER BY t.rowid LIMIT 10;
SELECT 'error: occurs twice: ' || safetensors_label(name) FROM as_text, merge_twice LIMIT 10;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(packed, twice, tensors);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'a model has packed weights: merge what they were made of') WHERE new.packed > 0;
  SELECT RAISE(ABORT, 'a tensor occurs twice') WHERE new.twice > 0;
  SELECT RAISE(ABORT, 'no tensor can be merged') WHERE new.tensors = 0;
END;
INSERT INTO verdict SELECT packed, twice, tensors FROM merge_refusal;

-- Of vocabularies that differ in size, the rows that all have.
UPDATE merge_parts SET x = tensor_slice(x, '0:' || ifnull(r.merged_rows, b."rows"))
FROM merge_names AS r, merge_tensors AS b, merge_tensors AS t
WHERE r.n = merge_parts.n AND b.id = r.id AND t.id = merge_parts.id AND status = 'merged' AND r.models > 0
  AND t."rows" > ifnull(r.merged_rows, b."rows");
DROP TABLE IF EXISTS temp.merge_bases;
CREATE TEMP TABLE merge_bases AS
  SELECT r.n, iif(r.merged_rows IS NULL, b.ref, tensor_slice(b.ref, '0:' || r.merged_rows)) AS x,
         iif(r.merged_rows IS NULL, b.shape, json_set(b.shape, '$[0]', r.merged_rows)) AS shape,
         iif(r.merged_rows IS NULL, b.numel, b.numel / b."rows" * r.merged_rows) AS numel,
         iif(b.dtype = 'F64' OR EXISTS (SELECT 1 FROM merge_parts AS m JOIN merge_tensors AS t USING (id)
                                        WHERE m.n = r.n AND m.status = 'merged' AND t.dtype = 'F64'), 'F64', 'F32') AS dtype
  FROM merge_names AS r JOIN merge_tensors AS b USING (id) WHERE r.models > 0;
CREATE INDEX temp.merge_bases_by_name ON merge_bases(n);

-- The differences from the base, and what is kept of them. The smallest magnitude that ties keeps is a quantile, of
-- magnitudes that are all finite. A NaN is kept. The seed of dare is 52 bits of a hash.
DROP TABLE IF EXISTS temp.merge_kept;
CREATE TEMP TABLE merge_kept(n INTEGER, position INTEGER, weight REAL, kept TEXT, PRIMARY KEY(n, position));
INSERT INTO merge_kept
  SELECT m.n, m.position, m.weight, CASE
           WHEN m.method = 'task_arithmetic' OR m.density = 1 OR m.method = 'ties' AND m.least >= m.numel THEN m.difference
           WHEN m.method = 'ties' THEN tensor_where(tensor_less(m.magnitude, tensor_quantile(
             tensor_where(tensor_isnan(m.difference), 0, tensor_minimum(m.magnitude, iif(
               m.dtype = 'F64', 1.7976931348623157e308, 3.4028234663852886e38))),
             1.0 * (m.numel - m.least) / (m.numel - 1), 'nearest')), 0, m.difference)
           ELSE tensor_div(tensor_mul(m.difference, tensor_less(tensor_random(m.shape, (
             SELECT sum((instr('0123456789abcdef', substr(m.hash, 1 + value, 1)) - 1) << (4 * value))
             FROM json_each('[0,1,2,3,4,5,6,7,8,9,10,11,12]'))), m.density)), m.density) END
  FROM (SELECT *, tensor_convert(tensor_abs(difference), dtype) AS magnitude,
               max(1, CAST(density * numel AS INTEGER)) AS least
        FROM (SELECT m.n, m.position, m.weight, m.density, tensor_sub(m.x, b.x) AS difference, b.shape, b.numel, b.dtype,
                     p.method, tensor_hash(CAST(json_array(p.seed, m.position, r.name) AS BLOB), 'U8') AS hash
              FROM parameters AS p, merge_parts AS m JOIN merge_names AS r USING (n) JOIN merge_bases AS b USING (n)
              WHERE m.status = 'merged' AND p.method IN ('task_arithmetic', 'ties', 'dare_linear', 'dare_ties'))) AS m;

UPDATE merge_names SET value = (
  SELECT tensors_average(x, weight)
  FROM (SELECT x, weight FROM merge_parts AS m WHERE m.n = merge_names.n AND status = 'merged' ORDER BY position))
WHERE models > 0 AND (SELECT method = 'linear' AND NOT "sum" FROM parameters);
UPDATE merge_names SET value = (
  SELECT tensors_sum(x, weight)
  FROM (SELECT x, weight FROM merge_parts AS m WHERE m.n = merge_names.n AND status = 'merged' ORDER BY position))
WHERE models > 0 AND (SELECT method = 'linear' AND "sum" OR method = 'passthrough' FROM parameters);
UPDATE merge_names SET value = (
  SELECT tensor_slerp(a.x, b.x, b.weight) FROM merge_parts AS a, merge_parts AS b
  WHERE a.n = merge_names.n AND a.position = 1 AND b.n = merge_names.n AND b.position = 2)
WHERE models > 0 AND (SELECT method = 'slerp' FROM parameters);
UPDATE merge_names SET value = (
  SELECT tensor_add(b.x, tensor_mul(k.change, p.lambda))
  FROM parameters AS p, merge_bases AS b,
    (SELECT tensors_sum(kept, weight) AS change
     FROM (SELECT kept, weight FROM merge_kept AS k WHERE k.n = merge_names.n ORDER BY position)) AS k
  WHERE b.n = merge_names.n)
WHERE models > 0 AND (SELECT method IN ('task_arithmetic', 'dare_linear') FROM parameters);
-- The elected sign is that of the sum. What agrees with it are the positive changes, or the negative ones.
UPDATE merge_names SET value = (
  SELECT tensor_add(b.x, tensor_mul(iif(p.method = 'ties' AND NOT p."sum", tensor_div(
           k.change, tensor_where(tensor_equals(k.weight, 0), 1, k.weight)), k.change), p.lambda))
  FROM parameters AS p, merge_bases AS b,
    (SELECT tensor_where(is_positive, plus, minus) AS change, tensor_where(is_positive, plus_weight, minus_weight) AS weight
     FROM (SELECT tensor_greater_equal(tensors_sum(change), 0) AS is_positive,
                  tensors_sum(tensor_maximum(change, 0)) AS plus, tensors_sum(tensor_minimum(change, 0)) AS minus,
                  tensors_sum(tensor_greater(change, 0), weight) AS plus_weight,
                  tensors_sum(tensor_less(change, 0), weight) AS minus_weight
           FROM (SELECT tensor_mul(kept, weight) AS change, weight
                 FROM merge_kept AS k WHERE k.n = merge_names.n ORDER BY position))) AS k
  WHERE b.n = merge_names.n)
WHERE models > 0 AND (SELECT method IN ('ties', 'dare_ties') FROM parameters);
UPDATE merge_names SET value = tensor_concat(0, value, tensor_slice(b.ref, merged_rows || ':'))
FROM merge_tensors AS b WHERE b.id = merge_names.id AND merged_rows IS NOT NULL;

-- Its configuration, with the dtype and the layers that the result has.
DROP TABLE IF EXISTS temp.merge_config;
CREATE TEMP TABLE merge_config AS
  SELECT CAST(readfile(path) AS TEXT) AS config FROM merge_beside
  WHERE file = 'config.json' AND status = 'copied' AND json_valid(readfile(path));
DROP TABLE IF EXISTS temp.merge_edits;
CREATE TEMP TABLE merge_edits AS
  SELECT j.key, json_quote(CASE p.dtype WHEN 'F64' THEN 'float64' WHEN 'F32' THEN 'float32' WHEN 'F16' THEN 'float16'
                           ELSE 'bfloat16' END) AS value
  FROM parameters AS p, merge_config AS c, json_each(c.config) AS j
  WHERE p.dtype IS NOT NULL AND j.key IN ('dtype', 'torch_dtype') AND j.type = 'text'
  UNION ALL
  SELECT j.key, (SELECT sum("end" - "first") FROM merge_ranges) FROM merge_config AS c, json_each(c.config) AS j
  WHERE j.key IN ('num_hidden_layers', 'num_layers', 'n_layer', 'n_layers') AND EXISTS (SELECT 1 FROM merge_ranges)
  UNION ALL
  SELECT 'layer_types', (SELECT json_group_array(value) FROM (
           SELECT j.value FROM merge_ranges AS r JOIN json_each(c.config, '$.layer_types') AS j
             ON j.key >= r."first" AND j.key < r."end" ORDER BY r.position, j.key))
  FROM merge_config AS c WHERE json_type(c.config, '$.layer_types') = 'array' AND EXISTS (SELECT 1 FROM merge_ranges);
UPDATE merge_config SET config = json_patch(config, (SELECT json_group_object(key, json(value)) FROM merge_edits))
WHERE EXISTS (SELECT 1 FROM merge_edits);
UPDATE merge_beside SET status = 'copied, but for ' || (SELECT group_concat(key, ', ') FROM merge_edits)
WHERE file = 'config.json' AND status = 'copied' AND EXISTS (SELECT 1 FROM merge_edits);

INSERT INTO safetensors_write(path, name, dtype, shape, data, metadata, max_shard_bytes, mode, make_directory)
  SELECT t.path, m.name, m.dtype, m.shape, ifnull(r.value, b.ref),
         (SELECT json_group_object(key, value) FROM (
            SELECT key, value, min(rowid) FROM safetensors_metadata((SELECT path FROM merge_models ORDER BY position LIMIT 1))
            GROUP BY key ORDER BY 3)), p."limit", iif(p."replace", 'replace', 'create'), t.directory IS NOT NULL
  FROM parameters AS p, out_target AS t, merge_plan AS m JOIN merge_names AS r USING (n) JOIN merge_tensors AS b USING (id)
  ORDER BY m.n;
DROP TABLE IF EXISTS temp.out_made;
CREATE TEMP TABLE out_made AS
  SELECT writefile(t.directory || '/' || f.file, iif(f.file = 'config.json', ifnull((SELECT config FROM merge_config), readfile(f.path)),
                                                     readfile(f.path)))
  FROM out_target AS t, merge_beside AS f WHERE f.status LIKE 'copied%';

-- What came out. While a transaction is open, there is no file yet.
DROP TABLE IF EXISTS temp.out_files;
CREATE TEMP TABLE out_files AS
  SELECT f.file, f.nbytes, f.status FROM out_target AS t, safetensors_files(t.path) AS f
  WHERE NOT EXISTS (SELECT 1 FROM safetensors_write) AND f.status = 'ok';
-- The result is read once more: it is written at COMMIT, which has no rows to say in what it met, and what is counted here is
-- what is in the files. It takes no more than reading them, as n_nan and n_inf need no arithmetic.
DROP TABLE IF EXISTS temp.merge_stats;
CREATE TEMP TABLE merge_stats AS
  SELECT w.name, w.ref, s.n_nan + s.n_inf AS not_finite
  FROM out_target AS t, safetensors_tensors(iif(EXISTS (SELECT 1 FROM out_files), t.path, NULL)) AS w, tensor_stats(w.ref) AS s;
UPDATE merge_plan SET not_finite = ifnull(s.not_finite, 0), overflowed = 0 FROM merge_stats AS s WHERE s.name = merge_plan.name;
-- A value has overflowed if all that went into it is finite.
UPDATE merge_plan SET overflowed = (
  SELECT merge_plan.numel - s.n_zero
  FROM (SELECT iif(r.models = 0, tensor_less(tensor_abs(b.ref), 9e999), (
                 SELECT tensor_equals(tensors_sum(tensor_less(tensor_abs(x), 9e999)), count(*))
                 FROM (SELECT x FROM merge_parts AS m WHERE m.n = r.n AND m.status = 'merged'
                       UNION ALL SELECT x FROM parameters AS p, merge_bases AS o
                       WHERE o.n = r.n AND p.method IN ('task_arithmetic', 'ties', 'dare_linear', 'dare_ties')))) AS is_finite,
               r.merged_rows, b.ref
        FROM merge_names AS r JOIN merge_tensors AS b USING (id) WHERE r.n = merge_plan.n) AS f,
    (SELECT ref FROM merge_stats AS s WHERE s.name = merge_plan.name) AS w,
    tensor_stats(tensor_mul(tensor_sub(1, tensor_less(tensor_abs(w.ref), 9e999)), iif(
      f.merged_rows IS NULL, f.is_finite,
      tensor_concat(0, f.is_finite, tensor_less(tensor_abs(tensor_slice(f.ref, f.merged_rows || ':')), 9e999))))) AS s)
WHERE not_finite > 0;

DROP TABLE IF EXISTS temp.merged;
CREATE TEMP TABLE merged AS SELECT name, action, dtype, shape, numel, models, merged_rows, overflowed, not_finite FROM merge_plan ORDER BY n;
DROP TABLE IF EXISTS temp.beside;
CREATE TEMP TABLE beside AS SELECT file, nbytes, status FROM merge_beside;
.mode list
.headers off
SELECT safetensors_print(format, 'merged', 'left_out', 'beside') FROM parameters WHERE format <> 'text';
SELECT printf('error: %,d %s of %,d %s overflowed in %s.', sum(overflowed), iif(sum(overflowed) = 1, 'value', 'values'),
              count(*), iif(count(*) = 1, 'tensor', 'tensors'), group_concat(DISTINCT dtype))
FROM as_text, merge_plan WHERE overflowed > 0 HAVING count(*) > 0;
SELECT printf('error: %,d %s NaN or infinite, as in the models.', n, iif(n = 1, 'value is', 'values are'))
FROM as_text, (SELECT sum(not_finite - overflowed) AS n FROM merge_plan) WHERE n > 0;
SELECT printf('%,d of %,d tensors merged (%s), %,d copied.', total(action = 'merged'), count(*), p.method, total(action = 'copied'))
FROM as_text, parameters AS p, merge_plan WHERE p.out IS NOT NULL HAVING count(*) > 0;
SELECT printf('warning: %,d %s of the models took no part.', count(*), iif(count(*) = 1, 'tensor', 'tensors'))
FROM as_text, left_out WHERE why <> 'another layer' HAVING count(*) > 0;
SELECT printf('%,d of %,d rows merged: ', merged_rows, shape ->> '$[0]') || safetensors_label(name)
FROM as_text, merge_plan AS m WHERE merged_rows IS NOT NULL ORDER BY m.rowid LIMIT 10;
SELECT 'The other rows are as they were.' FROM as_text WHERE EXISTS (SELECT 1 FROM merge_plan WHERE merged_rows IS NOT NULL);

SELECT char(10) || '== Overflowed' FROM as_text WHERE EXISTS (SELECT 1 FROM merge_plan WHERE overflowed > 0);
.mode column --wrap 0
.headers on
SELECT printf('%,10d', overflowed) AS overflowed, dtype, safetensors_label(name) AS name
FROM as_text, merge_plan AS m WHERE overflowed > 0 ORDER BY m.overflowed DESC, m.n LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, merge_plan WHERE overflowed > 0 HAVING count(*) > 20;

SELECT char(10) || '== Took no part' FROM as_text WHERE EXISTS (SELECT 1 FROM left_out);
.mode column --wrap 0
.headers on
SELECT printf('%7d', count(*)) AS tensors, o.why, l.label || '#' || safetensors_label(min(o.name)) AS "first"
FROM as_text, left_out AS o JOIN merge_models AS m ON m.path = o.model JOIN merge_labels AS l USING (position)
GROUP BY m.position, o.why ORDER BY m.position, min(o.rowid) LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, (SELECT DISTINCT model, why FROM left_out) HAVING count(*) > 20;

SELECT char(10) || '== Written' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%5s', ifnull(nullif(o.shards, 0), '-')) AS files, printf('%7d', (SELECT count(*) FROM merge_plan)) AS tensors,
       printf('%8s', ifnull(safetensors_pretty(o.nbytes, 'B'), '-')) AS bytes, safetensors_label(path) AS file
FROM as_text, out_target AS t, (SELECT count(*) AS shards, sum(nbytes) AS nbytes FROM out_files) AS o;
.mode list
.headers off
SELECT char(10) || '== Beside the weights' FROM as_text, out_target WHERE directory IS NOT NULL;
SELECT iif((SELECT directory FROM out_source) IS NULL, 'Not copied, as it is at an address of the network.', 'Nothing.') FROM as_text, out_target WHERE directory IS NOT NULL AND NOT EXISTS (SELECT 1 FROM merge_beside);
.mode column --wrap 0
.headers on
SELECT printf('%8s', safetensors_pretty(nbytes, 'B')) AS bytes, status, safetensors_label(file) AS file
FROM as_text, merge_beside AS b ORDER BY b.file LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM as_text, merge_beside HAVING count(*) > 40;
.mode column
.headers on
