-- Merges adapters into a model.
--
-- Writes the base with the changes that the adapters stand for added to its weights, as PEFT's merge_and_unload does:
-- adapters of any kind whose change can be computed (LoRA, DoRA, LoHa, LoKr, (IA)3, OFT, VeRA and many others), by any
-- naming (PEFT's, kohya's, diffusers'), with modules that were saved whole. Ranks, alphas and scales are as each
-- adapter says, by modules.
--
-- The base is one model: a folder of several is refused. Of a folder of adapters each is merged.
--
-- The adapters are a path; or a JSON array of paths, or of objects {"adapter": PATH, "weight": NUMBER}; or an object
-- with a weight for each path. A weight is 1 unless it is given. "weights" gives other ones by patterns (*, ?, [...])
-- of modules or of weights, of which the first that matches counts: {"adapter": "a", "weights": {"*.mlp.*": 0.3}}.
-- Each change is multiplied by its weight and by `scale`, and all changes of one weight are added. A module that was
-- saved whole is a change too: what was saved less the base.
--
-- No change is passed over. If one cannot be computed, has no weight in the base or another shape than it, or has NaN
-- in the adapter, the script names it, the verdict is no, and nothing is written. `modules` and `without` choose by
-- patterns of modules' or of weights' names; what they leave out is in the table adapter_changes, and is counted.
--
-- If a weight that changes is packed (quantized), it is dequantized, and so are all others, as a loader takes all or
-- none: the result has no scales, and its config.json no quantization_config. All is computed in double, rounded to
-- F32 (F64 if the base is F64), and then to the dtype that is written: that of the base, or `dtype`.
--
-- `out` is a file, an index (*.safetensors.index.json) or a directory, which is made if it is not there. Into a
-- directory go model.safetensors (of a component of diffusers, diffusion_pytorch_model.safetensors), or shards if
-- there is a limit, and the files beside the weights of the base that a loader needs: *.json, tokenizers, chat
-- templates, *.py, licences. After writing, the script counts values that overflowed: all that went into them is
-- finite, and they are not.
--
-- @param base path required   the model
-- @param adapters text required   the adapters: a path, or JSON
-- @param out path required    the file, the index or the directory to write
-- @param scale real 1         a factor of all changes
-- @param modules text '*'     a pattern of the modules or weights to change
-- @param without text         a pattern of those to leave as they are; without it, none
-- @param dtype text           F64, F32, F16 or BF16 for all tensors of floats; without it, each keeps that of the base
-- @param limit integer        the most bytes of tensors in a shard, which an index needs
-- @param replace flag         replace what is there
-- @param format enum text|json|csv  how to print the tables
-- @table merged(name, action, dtype, shape, numel, adapters, scheme, overflowed, not_finite)   one row per tensor of
--    the result. action is merged, dequantized or copied; scheme is how the base had packed it, or none. not_finite
--    counts NaN and infinity, overflowed those of them that come from finite values; both are NULL in a dry run
-- @table adapter_changes(adapter, module, kind, weight, rank, alpha, scale, factor, action, status)   one row per
--    module of an adapter. factor is what its change is multiplied by; action is merged, left out or impossible, status
--    why
-- @table beside(file, nbytes, status)   one row per file that is copied beside the weights
-- @status 1                   when a change cannot be merged, or there is none; then nothing is written
-- @writes out
-- @example safetensors-sql lora-merge base.safetensors lora.safetensors with_lora.safetensors
-- @example safetensors-sql lora-merge base '{"style":0.7,"subject":1}' merged --modules '*.self_attn.*' --dtype BF16

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  base TEXT CONSTRAINT ":base is set" CHECK (base IS NOT NULL AND base <> ''),
  adapters TEXT CONSTRAINT ":adapters is set" CHECK (adapters IS NOT NULL AND adapters <> '')
    CONSTRAINT ":adapters is a path, a JSON array of adapters, or an object of their weights"
      CHECK (adapters NOT GLOB '[[{]*' OR json_valid(adapters)),
  out TEXT CONSTRAINT ":out is set" CHECK (out IS NOT NULL AND out <> ''),
  scale REAL CONSTRAINT ":scale is a number" CHECK (typeof(scale) = 'real' AND abs(scale) < 9e999),
  modules TEXT,
  without TEXT,
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
SELECT :base, :adapters, :out, ifnull(:scale, 1), ifnull(:modules, '*'), :without, :dtype, :limit, ifnull(:replace, 0), ifnull(:format, 'text')
WHERE safetensors_parameters(':base', ':adapters', ':out', ':scale', ':modules', ':without', ':dtype', ':limit', ':replace', ':format');

DROP TABLE IF EXISTS temp.lora_adapters;
CREATE TEMP TABLE lora_adapters(
  position INTEGER PRIMARY KEY,
  path TEXT CONSTRAINT ":adapters has a path for each adapter" CHECK (path <> '' AND path IS NOT NULL),
  weight REAL CONSTRAINT ":adapters has numbers as weights" CHECK (typeof(weight) = 'real' AND abs(weight) < 9e999),
  weights TEXT CONSTRAINT ":adapters has objects of numbers as ""weights"""
    CHECK (weights IS NULL OR json_type(weights) = 'object'),
  surplus TEXT CONSTRAINT ":adapters has no other keys than adapter, weight and weights" CHECK (surplus IS NULL)
);
INSERT INTO lora_adapters(position, path, weight) SELECT 1, adapters, 1 FROM parameters WHERE adapters NOT GLOB '[[{]*';
INSERT INTO lora_adapters
  SELECT row_number() OVER (ORDER BY id), CASE WHEN is_object THEN key WHEN type = 'text' THEN value ELSE item ->> '$.adapter' END,
         CASE WHEN is_object THEN iif(type IN ('integer', 'real'), value, 'none')
              WHEN json_type(item, '$.weight') IS NULL THEN 1 ELSE ifnull(item ->> '$.weight', 'none') END,
         item -> '$.weights',
         (SELECT min(k.key) FROM json_each(item) AS k WHERE k.key NOT IN ('adapter', 'weight', 'weights'))
  FROM (SELECT j.*, json_type(p.adapters) = 'object' AS is_object,
               iif(j.type = 'object' AND json_type(p.adapters) = 'array', j.value, NULL) AS item
        FROM parameters AS p, json_each(iif(p.adapters GLOB '[[{]*', p.adapters, '[]')) AS j WHERE p.adapters GLOB '[[{]*');
DROP TABLE IF EXISTS temp.lora_weights;
CREATE TEMP TABLE lora_weights(
  position INTEGER, pattern TEXT,
  weight REAL CONSTRAINT ":adapters has numbers as ""weights""" CHECK (typeof(weight) = 'real' AND abs(weight) < 9e999)
);
INSERT INTO lora_weights
  SELECT a.position, j.key, iif(j.type IN ('integer', 'real'), j.value, 'none')
  FROM lora_adapters AS a, json_each(a.weights) AS j ORDER BY a.position, j.id;

-- Of a folder, each adapter that is in it.
DROP TABLE IF EXISTS temp.lora_sources;
CREATE TEMP TABLE lora_sources AS
  SELECT row_number() OVER (ORDER BY position, id) AS position, position AS given, iif(n > 1, model, path) AS path, weight
  FROM (SELECT a.position, a.path, a.weight, m.model, m.id, count(*) OVER (PARTITION BY a.position) AS n
        FROM lora_adapters AS a LEFT JOIN (
          SELECT o.position, m.model, row_number() OVER () AS id FROM lora_adapters AS o, safetensors_models(o.path) AS m
          WHERE m.kind NOT IN ('model', 'component', 'optimizer')) AS m USING (position));

-- :base is a path that is read as one model, or has only one below it.
DROP TABLE IF EXISTS temp.lora_merge_base_models;
CREATE TEMP TABLE lora_merge_base_models AS
  SELECT m.model, m.model = rtrim(p.base, '/') AS is_it, rtrim(m.model, replace(m.model, '/', '')) = rtrim(p.base, '/') || '/' AS is_top
  FROM parameters AS p, safetensors_models(p.base) AS m WHERE m.kind NOT IN ('adapter', 'embedding', 'optimizer');
INSERT INTO parameters(base)
  SELECT safetensors_refuse(printf(':base is one model, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT model, count(*) OVER () AS n FROM lora_merge_base_models
        WHERE is_top = (SELECT max(is_top) FROM lora_merge_base_models) AND NOT (SELECT max(is_it) FROM lora_merge_base_models) LIMIT 8) HAVING n > 1;
DROP TABLE IF EXISTS temp.lora_needs;
CREATE TEMP TABLE lora_needs(
  adapters CONSTRAINT ":adapters has an adapter" CHECK (adapters > 0),
  fresh CONSTRAINT ":out is not there, or :replace is set" CHECK (fresh),
  alone CONSTRAINT ":out is a directory without other models" CHECK (alone),
  modules CONSTRAINT ":modules matches a module of an adapter" CHECK (modules > 0),
  without CONSTRAINT ":without matches a module of an adapter" CHECK (without > 0)
);
INSERT INTO lora_needs(adapters) SELECT count(*) FROM lora_adapters;

-- The file or index to write, and `out` if that is a directory.
DROP TABLE IF EXISTS temp.out_target;
CREATE TEMP TABLE out_target AS
  SELECT path, directory
  FROM (SELECT directory, ifnull(directory || (
                 SELECT iif(max(file LIKE '%diffusion\_pytorch\_model%' ESCAPE '\'), '/diffusion_pytorch_model', '/model')
                 FROM safetensors_files(base))
               || iif("limit" IS NULL, '.safetensors', '.safetensors.index.json'), out) AS path
        FROM (SELECT *, iif(out LIKE '%.safetensors' OR out LIKE '%.safetensors.index.json', NULL,
                            ifnull(nullif(rtrim(out, '/'), ''), '/.')) AS directory FROM parameters));
INSERT INTO lora_needs(fresh, alone)
  SELECT p."replace" OR NOT EXISTS (
           SELECT 1 FROM safetensors_files(ifnull(t.directory, t.path))
           WHERE status <> 'missing' AND (t.directory IS NOT NULL OR file = t.path OR t.path LIKE '%.index.json')),
         NOT EXISTS (SELECT 1 FROM safetensors_files(t.directory)
                     WHERE status <> 'missing' AND file NOT IN (SELECT file FROM safetensors_files(t.path)))
  FROM parameters AS p, out_target AS t;

-- What the base has: its weights as their modules see them, and its tensors.
DROP TABLE IF EXISTS temp.lora_base;
CREATE TEMP TABLE lora_base AS
  SELECT w.name, w.scheme, w.dtype, w.shape, w.numel, w.status, w.role, w.ref,
         w.dtype IN ('F64', 'F32', 'F16', 'BF16') OR w.dtype GLOB 'F8_E[45]*' AS is_float
  FROM parameters AS p, safetensors_weights(p.base) AS w;
CREATE INDEX temp.lora_base_by_name ON lora_base(name);

DROP TABLE IF EXISTS temp.lora_changes;
CREATE TEMP TABLE lora_changes(
  n INTEGER PRIMARY KEY, position INTEGER, adapter TEXT, module TEXT, kind TEXT, weight TEXT, rank INTEGER, alpha REAL,
  scale REAL, factor REAL, action TEXT, status TEXT, parts TEXT, ref TEXT
);
INSERT INTO lora_changes
  SELECT NULL, l.position, l.path, a.module, a.kind, a.weight, a.rank, a.alpha, a.scale,
         p.scale * coalesce((SELECT w.weight FROM lora_weights AS w
                             WHERE w.position = l.given AND (a.module GLOB w.pattern OR a.weight GLOB w.pattern)
                             ORDER BY w.rowid LIMIT 1), l.weight),
         iif((a.module GLOB p.modules OR ifnull(a.weight GLOB p.modules, 0))
             AND NOT ifnull(a.module GLOB p.without OR a.weight GLOB p.without, 0), 'merged', 'left out'),
         a.status, a.parts, a.ref
  FROM parameters AS p, lora_sources AS l, safetensors_adapter(l.path, p.base) AS a ORDER BY l.position;
INSERT INTO lora_needs(modules, without)
  SELECT total(c.module GLOB p.modules OR c.weight GLOB p.modules),
         p.without IS NULL OR total(c.module GLOB p.without OR c.weight GLOB p.without) > 0
  FROM parameters AS p, lora_changes AS c HAVING count(*) > 0;

-- Values of an adapter that are not finite. Those of the base are only counted.
DROP TABLE IF EXISTS temp.lora_not_finite;
CREATE TEMP TABLE lora_not_finite AS
  SELECT c.n, printf('%s has %s', t.name, iif(s.n_nan > 0, 'NaN', 'infinities')) AS why
  FROM lora_sources AS l JOIN safetensors_tensors(l.path) AS t JOIN tensor_stats(t.ref) AS s
  JOIN (SELECT c.n, c.position, j.value AS name FROM lora_changes AS c, json_each(c.parts) AS j WHERE c.action = 'merged') AS c
    ON c.position = l.position AND c.name = t.name
  WHERE s.n_nan + s.n_inf > 0;
UPDATE lora_changes SET action = 'impossible', status = x.why
FROM (SELECT c.n, CASE
               WHEN c.ref IS NULL THEN iif(c.status = 'ok', 'its change cannot be computed', c.status)
               WHEN c.weight IS NULL THEN iif(c.status = 'ok', 'expected a weight of that name in the base, found none', c.status)
               WHEN b.name IS NULL THEN iif(c.status = 'ok', printf('expected a weight %s in the base, found none', c.weight), c.status)
               WHEN b.scheme <> 'none' AND (b.ref IS NULL OR b.scheme = 'unknown') THEN
                 printf('the weight is packed (%s), and cannot be dequantized: %s', b.scheme, b.status)
               WHEN b.scheme = 'none' AND NOT b.is_float THEN printf('expected a weight of floats, found %s', b.dtype)
               WHEN json(tensor_shape(c.ref)) <> json(b.shape) THEN
                 printf('its change has the shape %s, expected that of the base, %s', tensor_shape(c.ref), b.shape)
               ELSE (SELECT f.why FROM lora_not_finite AS f WHERE f.n = c.n LIMIT 1) END AS why
      FROM lora_changes AS c LEFT JOIN lora_base AS b ON b.name = c.weight WHERE c.action = 'merged') AS x
WHERE x.n = lora_changes.n AND x.why IS NOT NULL;
CREATE INDEX temp.lora_changes_by_weight ON lora_changes(weight);

-- Whether the packed weights are dequantized: all are, if one of them changes.
DROP TABLE IF EXISTS temp.lora_unpacking;
CREATE TEMP TABLE lora_unpacking AS
  SELECT EXISTS (SELECT 1 FROM lora_changes AS c JOIN lora_base AS b ON b.name = c.weight
                 WHERE c.action = 'merged' AND b.scheme <> 'none') AS unpacks;
DROP TABLE IF EXISTS temp.lora_locked;
CREATE TEMP TABLE lora_locked AS
  SELECT b.name, b.scheme, b.status FROM lora_unpacking AS u, lora_base AS b
  WHERE u.unpacks AND b.scheme <> 'none' AND (b.ref IS NULL OR b.scheme = 'unknown') AND b.role = 'weight';

-- The tensors of the result. Where nothing is dequantized they are those of the base, packed ones too.
DROP TABLE IF EXISTS temp.lora_plan;
CREATE TEMP TABLE lora_plan(
  n INTEGER PRIMARY KEY, name TEXT, action TEXT, dtype TEXT, shape TEXT, numel INTEGER, adapters INTEGER, scheme TEXT,
  overflowed INTEGER, not_finite INTEGER, ref TEXT, value TEXT
);
INSERT INTO lora_plan(name, dtype, shape, numel, scheme, ref)
  SELECT b.name, iif(b.scheme <> 'none' OR b.dtype IN ('F64', 'F32', 'F16', 'BF16'), ifnull(p.dtype, b.dtype), b.dtype),
         b.shape, b.numel, b.scheme, b.ref
  FROM parameters AS p, lora_unpacking AS u, lora_base AS b
  WHERE u.unpacks AND ifnull(b.role, '') NOT IN ('scale', 'marker') ORDER BY b.rowid;
INSERT INTO lora_plan(name, dtype, shape, numel, scheme, ref)
  SELECT t.name, iif(t.dtype IN ('F64', 'F32', 'F16', 'BF16') AND (b.name IS NOT NULL OR NOT x.packed), ifnull(p.dtype, t.dtype), t.dtype),
         t.shape, t.numel, ifnull(b.scheme, 'a part'), t.ref
  FROM parameters AS p, lora_unpacking AS u, (SELECT total(scheme <> 'none') > 0 AS packed FROM lora_base) AS x,
    safetensors_tensors(iif(u.unpacks, NULL, p.base)) AS t
  LEFT JOIN lora_base AS b ON b.name = t.name AND b.scheme = 'none' AND b.role IN ('weight', 'buffer');
UPDATE lora_plan SET adapters = (SELECT count(*) FROM lora_changes AS c WHERE c.weight = lora_plan.name AND c.action = 'merged');
UPDATE lora_plan SET action = iif(adapters > 0, 'merged', iif(scheme NOT IN ('none', 'a part') AND (SELECT unpacks FROM lora_unpacking),
                                                           'dequantized', 'copied'));

-- What is beside the weights of the base, and a loader needs.
DROP TABLE IF EXISTS temp.out_source;
CREATE TEMP TABLE out_source AS
  SELECT ifnull(nullif(rtrim(CASE WHEN file LIKE '%://%' THEN NULL WHEN path LIKE 'hf://%' OR path GLOB '*[*?[]*' THEN ifnull(nullif(of_file, ''), './')
                                  WHEN path LIKE '%.safetensors' OR path LIKE '%.json' THEN ifnull(nullif(of_path, ''), './')
                                  ELSE path END, '/'), ''), iif(file LIKE '%://%', NULL, '/.')) AS directory
  FROM (SELECT path, rtrim(path, replace(path, '/', '')) AS of_path, rtrim(file, replace(file, '/', '')) AS of_file, file
        FROM (SELECT p.base AS path, (SELECT file FROM safetensors_files(p.base) LIMIT 1) AS file
              FROM parameters AS p, out_target AS t WHERE t.directory IS NOT NULL));
DROP TABLE IF EXISTS temp.lora_beside;
CREATE TEMP TABLE lora_beside AS
  SELECT f.file, length(readfile(f.path)) AS nbytes,
         iif(p."replace" OR readfile(t.directory || '/' || f.file) IS NULL, 'copied', 'kept, as it was there') AS status, f.path
  FROM parameters AS p, out_target AS t, lora_unpacking AS u,
    (SELECT d.name AS path, substr(d.name, length(s.directory) + 2) AS file FROM out_source AS s, fsdir(ifnull(s.directory, '.')) AS d
     WHERE s.directory IS NOT NULL AND (d.mode & 0xF000) IN (0x8000, 0xA000)) AS f
  WHERE CASE WHEN instr(f.file, '/') = 0 AND (
          f.file GLOB '*.json' AND f.file NOT GLOB '*.index.json' AND f.file NOT GLOB '*.index.*.json' AND f.file NOT GLOB 'train*'
            AND f.file NOT GLOB 'adapter_*' AND f.file NOT GLOB '*_results.json'
            AND NOT (u.unpacks AND f.file IN ('hf_quant_config.json', 'quantize_config.json', 'quant_config.json'))
          OR f.file GLOB '*.model' OR f.file GLOB '*.jinja' OR f.file GLOB '*.py' OR f.file GLOB '*.tiktoken'
          OR f.file GLOB '*.spm' OR f.file GLOB '*.bpe' OR f.file GLOB '*.bpe.codes' OR f.file GLOB '*vocab*.txt'
          OR f.file = 'merges.txt' OR lower(f.file) GLOB 'licen[cs]e*' OR lower(f.file) GLOB 'notice*'
          OR lower(f.file) GLOB 'use_policy*' OR lower(f.file) GLOB 'copying*')
        THEN readfile(f.path) IS NOT NULL END -- which is not read before its name is seen to be one of these
  ORDER BY f.file;

DROP TABLE IF EXISTS temp.adapter_changes;
CREATE TEMP TABLE adapter_changes AS SELECT adapter, module, kind, weight, rank, alpha, scale, factor, action, status FROM lora_changes ORDER BY n;
DROP TABLE IF EXISTS temp.merged;
CREATE TEMP TABLE merged AS SELECT name, action, dtype, shape, numel, adapters, scheme, overflowed, not_finite FROM lora_plan ORDER BY n;
DROP TABLE IF EXISTS temp.beside;
CREATE TEMP TABLE beside AS SELECT file, nbytes, status FROM lora_beside;

-- What cannot be merged: nothing is written then.
DROP TABLE IF EXISTS temp.lora_refusal;
CREATE TEMP TABLE lora_refusal AS
  SELECT (SELECT count(*) - count(DISTINCT name) FROM lora_plan) AS twice, (SELECT count(*) FROM lora_changes WHERE action = 'impossible') AS impossible,
         (SELECT count(*) FROM lora_locked) AS locked, (SELECT count(*) FROM lora_changes WHERE action = 'merged') AS merged;
CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
-- Lines of at most 80 characters, which end at a space, below the name that they are about; without one the first is
-- not indented.
DROP TABLE IF EXISTS temp.lora_merge_text;
CREATE TEMP TABLE lora_merge_text(section, name, text);
CREATE TEMP VIEW IF NOT EXISTS lora_merge_lines AS
  SELECT * FROM (SELECT section, rowid AS id, safetensors_wrap(name, text) AS line FROM lora_merge_text) WHERE line IS NOT NULL;
INSERT INTO lora_merge_text
  SELECT 'errors', '', 'Nothing is written: ' || CASE WHEN twice > 0 THEN 'tensors occur twice in the base.' WHEN impossible > 0 THEN printf('%,d %s be merged.', impossible, iif(impossible = 1, 'change cannot', 'changes cannot'))
    WHEN locked > 0 THEN 'weights of the base cannot be dequantized.' ELSE 'no change is left.' END
  FROM lora_refusal WHERE twice + impossible + locked > 0 OR merged = 0;
INSERT INTO lora_merge_text SELECT 'errors', 'error: ' || safetensors_label(module), safetensors_label(status) FROM lora_changes WHERE action = 'impossible' ORDER BY n LIMIT 10;
INSERT INTO lora_merge_text SELECT 'errors', '', printf('error: and %,d more', count(*) - 10) FROM lora_changes WHERE action = 'impossible' HAVING count(*) > 10;
INSERT INTO lora_merge_text
  SELECT 'errors', 'error: ' || safetensors_label(name), printf('it is packed in the base (%s), and cannot be dequantized: %s', scheme, safetensors_label(status)) FROM lora_locked LIMIT 10;
INSERT INTO lora_merge_text SELECT 'errors', 'error: ' || safetensors_label(name), 'it occurs twice in the base' FROM lora_plan GROUP BY name HAVING count(*) > 1 LIMIT 10;
.mode list
.headers off
SELECT safetensors_print(format, 'merged', 'adapter_changes', 'beside') FROM parameters, lora_refusal
WHERE format <> 'text' AND (twice + impossible + locked > 0 OR merged = 0);
SELECT line FROM as_text, lora_merge_lines WHERE section = 'errors' ORDER BY id;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(twice, impossible, locked, merged);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'a tensor occurs twice in the base') WHERE new.twice > 0;
  SELECT RAISE(ABORT, 'a change cannot be merged into this base') WHERE new.impossible > 0;
  SELECT RAISE(ABORT, 'a weight of the base cannot be dequantized') WHERE new.locked > 0;
  SELECT RAISE(ABORT, 'there is nothing to merge') WHERE new.merged = 0;
END;
INSERT INTO verdict SELECT twice, impossible, locked, merged FROM lora_refusal;

UPDATE lora_plan SET value = (
  SELECT tensor_add(lora_plan.ref, iif(count(*) = 1 AND max(factor) = 1, max(c.ref), tensors_sum(c.ref, c.factor)))
  FROM (SELECT ref, factor FROM lora_changes AS o WHERE o.weight = lora_plan.name AND o.action = 'merged' ORDER BY n) AS c)
WHERE action = 'merged';

-- Its configuration, with the dtype that the result has.
DROP TABLE IF EXISTS temp.merge_config;
CREATE TEMP TABLE merge_config AS
  SELECT CAST(readfile(path) AS TEXT) AS config FROM lora_beside
  WHERE file = 'config.json' AND status = 'copied' AND json_valid(readfile(path));
DROP TABLE IF EXISTS temp.merge_edits;
CREATE TEMP TABLE merge_edits AS
  SELECT j.key, json_quote(CASE p.dtype WHEN 'F64' THEN 'float64' WHEN 'F32' THEN 'float32' WHEN 'F16' THEN 'float16'
                           ELSE 'bfloat16' END) AS value
  FROM parameters AS p, merge_config AS c, json_each(c.config) AS j
  WHERE p.dtype IS NOT NULL AND j.key IN ('dtype', 'torch_dtype') AND j.type = 'text'
  UNION ALL
  SELECT j.key, 'null' FROM lora_unpacking AS u, merge_config AS c, json_each(c.config) AS j
  WHERE u.unpacks AND j.key IN ('quantization_config', 'compression_config', 'quantization');
UPDATE merge_config SET config = json_patch(config, (SELECT json_group_object(key, json(value)) FROM merge_edits))
WHERE EXISTS (SELECT 1 FROM merge_edits);
UPDATE lora_beside SET status = 'copied, but for ' || (SELECT group_concat(key, ', ') FROM merge_edits)
WHERE file = 'config.json' AND status = 'copied' AND EXISTS (SELECT 1 FROM merge_edits);

INSERT INTO safetensors_write(path, name, dtype, shape, data, metadata, max_shard_bytes, mode, make_directory)
  SELECT t.path, m.name, m.dtype, m.shape, iif(m.action = 'merged', m.value, m.ref),
         (SELECT json_group_object(key, value) FROM (
            SELECT key, value, min(rowid) FROM safetensors_metadata(p.base) GROUP BY key ORDER BY 3)),
         p."limit", iif(p."replace", 'replace', 'create'), t.directory IS NOT NULL
  FROM parameters AS p, out_target AS t, lora_plan AS m ORDER BY m.n;
DROP TABLE IF EXISTS temp.out_made;
CREATE TEMP TABLE out_made AS
  SELECT writefile(t.directory || '/' || f.file, iif(f.file = 'config.json', ifnull((SELECT config FROM merge_config), readfile(f.path)),
                                                     readfile(f.path)))
  FROM out_target AS t, lora_beside AS f WHERE f.status LIKE 'copied%';

-- What came out. While a transaction is open, there is no file yet.
DROP TABLE IF EXISTS temp.out_files;
CREATE TEMP TABLE out_files AS
  SELECT f.file, f.nbytes, f.status FROM out_target AS t, safetensors_files(t.path) AS f
  WHERE NOT EXISTS (SELECT 1 FROM safetensors_write) AND f.status = 'ok';
DROP TABLE IF EXISTS temp.merge_stats;
CREATE TEMP TABLE merge_stats AS
  SELECT w.name, w.ref, s.n_nan + s.n_inf AS not_finite
  FROM out_target AS t, safetensors_tensors(iif(EXISTS (SELECT 1 FROM out_files), t.path, NULL)) AS w, tensor_stats(w.ref) AS s;
UPDATE lora_plan SET not_finite = ifnull(s.not_finite, 0), overflowed = 0 FROM merge_stats AS s WHERE s.name = lora_plan.name;
-- A value has overflowed if what it was in the base is finite; adapters that are not finite are refused above.
UPDATE lora_plan SET overflowed = (
  SELECT lora_plan.numel - s.n_zero
  FROM merge_stats AS w, tensor_stats(tensor_mul(tensor_sub(1, tensor_less(tensor_abs(w.ref), 9e999)),
                                                 tensor_less(tensor_abs(lora_plan.ref), 9e999))) AS s
  WHERE w.name = lora_plan.name)
WHERE not_finite > 0;

DROP TABLE IF EXISTS temp.merged;
CREATE TEMP TABLE merged AS SELECT name, action, dtype, shape, numel, adapters, scheme, overflowed, not_finite FROM lora_plan ORDER BY n;
DROP TABLE IF EXISTS temp.beside;
CREATE TEMP TABLE beside AS SELECT file, nbytes, status FROM lora_beside;
.mode list
.headers off
SELECT safetensors_print(format, 'merged', 'adapter_changes', 'beside') FROM parameters WHERE format <> 'text';
SELECT printf('error: %,d %s of %,d %s overflowed in %s.', sum(overflowed), iif(sum(overflowed) = 1, 'value', 'values'),
              count(*), iif(count(*) = 1, 'tensor', 'tensors'), group_concat(DISTINCT dtype))
FROM as_text, lora_plan WHERE overflowed > 0 HAVING count(*) > 0;
SELECT printf('error: %,d %s NaN or infinite, as in the base.', n, iif(n = 1, 'value is', 'values are'))
FROM as_text, (SELECT sum(not_finite - overflowed) AS n FROM lora_plan) WHERE n > 0;
SELECT printf('%,d of %,d tensors merged, %,d copied%s.', total(action = 'merged'), count(*), total(action = 'copied'),
              iif(total(action = 'dequantized') > 0, printf(', %,d dequantized', total(action = 'dequantized')), ''))
FROM as_text, lora_plan HAVING count(*) > 0;
SELECT printf('The base was packed (%s): the result is not.', group_concat(scheme, ', '))
FROM as_text, (SELECT DISTINCT b.scheme FROM lora_unpacking AS u, lora_base AS b WHERE u.unpacks AND b.scheme <> 'none') HAVING count(*) > 0;
SELECT printf('%,d %s left out, by :modules or :without.', count(*), iif(count(*) = 1, 'module is', 'modules are'))
FROM as_text, lora_changes WHERE action = 'left out' HAVING count(*) > 0;

SELECT char(10) || '== Overflowed' FROM as_text WHERE EXISTS (SELECT 1 FROM lora_plan WHERE overflowed > 0);
.mode column --wrap 0
.headers on
SELECT printf('%,10d', overflowed) AS overflowed, dtype, safetensors_label(name) AS name
FROM as_text, lora_plan AS m WHERE overflowed > 0 ORDER BY m.overflowed DESC, m.n LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM as_text, lora_plan WHERE overflowed > 0 HAVING count(*) > 20;

SELECT char(10) || '== Adapters' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%6d', sum(c.action = 'merged')) AS merged, printf('%8d', sum(c.action = 'left out')) AS "left out",
       iif(min(c.factor) = max(c.factor), printf('%.4g', min(c.factor)), printf('%.4g to %.4g', min(c.factor), max(c.factor))) AS "times", c.kind,
       safetensors_label(c.adapter) AS adapter
FROM as_text, lora_changes AS c GROUP BY c.position, c.kind ORDER BY c.position, 1 DESC LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM as_text, (SELECT DISTINCT position, kind FROM lora_changes) HAVING count(*) > 40;
-- What an adapter does not say, though its change is known.
SELECT char(10) || '== Notes' FROM as_text WHERE EXISTS (SELECT 1 FROM lora_changes WHERE action = 'merged' AND status <> 'ok');
INSERT INTO lora_merge_text
  SELECT 'notes', '', printf('%,d %s: %s', count(*), iif(count(*) = 1, 'module', 'modules'), safetensors_label(status))
  FROM lora_changes WHERE action = 'merged' AND status <> 'ok' GROUP BY status ORDER BY count(*) DESC LIMIT 10;
SELECT line FROM as_text, lora_merge_lines WHERE section = 'notes' ORDER BY id;

SELECT char(10) || '== Written' FROM as_text;
.mode column --wrap 0
.headers on
SELECT printf('%5s', ifnull(nullif(o.shards, 0), '-')) AS files, printf('%7d', (SELECT count(*) FROM lora_plan)) AS tensors,
       printf('%8s', ifnull(safetensors_pretty(o.nbytes, 'B'), '-')) AS bytes, safetensors_label(path) AS file
FROM as_text, out_target AS t, (SELECT count(*) AS shards, sum(nbytes) AS nbytes FROM out_files) AS o;
.mode list
.headers off
SELECT char(10) || '== Beside the weights' FROM as_text, out_target WHERE directory IS NOT NULL;
SELECT iif((SELECT directory FROM out_source) IS NULL, 'Not copied, as it is at an address of the network.', 'Nothing.') FROM as_text, out_target WHERE directory IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lora_beside);
.mode column --wrap 0
.headers on
SELECT printf('%8s', safetensors_pretty(nbytes, 'B')) AS bytes, status, safetensors_label(file) AS file
FROM as_text, lora_beside AS b ORDER BY b.file LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM as_text, lora_beside HAVING count(*) > 40;
.mode column
.headers on
