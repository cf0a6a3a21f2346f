-- Does this adapter fit this base?
--
-- Answers yes if the base has every weight that the adapter changes, in the shape of the change, and no if it lacks
-- one or has another shape. Names are matched as the adapter's naming (PEFT's, kohya's, diffusers') writes them. A
-- packed (quantized) base is taken in the shapes that its weights stand for. Values are not read: whether the adapter
-- was trained on this base they would not tell either, and what the adapter says of its base is printed.
--
-- The weights of an image model have other names in a single file of the original code (input_blocks, double_blocks)
-- than in a folder of diffusers (down_blocks, transformer_blocks). If the adapter has those of one and the base those
-- of the other, it cannot be said whether it fits: give the base in the adapter's names.
--
-- Of a directory or a pattern, each file is an adapter of its own, and the answer is no if one of them does not fit.
-- What is no adapter is left out. The base is one model: a folder of several is refused.
--
-- @param path path required   the adapter, or a directory or pattern of adapters
-- @param base path required   the model
-- @param format enum text|json|csv|junit|sarif  how to print the tables
-- @table fitting_files(file, status, error, modules, fit, misfit, fits, made_for)   one row per adapter, the worst
--    first; fits is 1, 0, or NULL if no module changes a weight, or it cannot be said; made_for the base by the
--    adapter's own words
-- @table fitting(file, module, kind, weight, shape, base_shape, base_dtype, fits, why)   one row per module. fits is
--    1, 0, or NULL if the module changes no weight; why says what was expected, or what else there is to know
-- @table fitting_checks(rule, level, file, tensor, message)   the same as findings, for junit and sarif
-- @status 1                   when an adapter does not fit, changes no weight at all, or cannot be read, or it cannot
--    be said
-- @example safetensors-sql lora-fit lora.safetensors base.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  base TEXT CONSTRAINT ":base is set" CHECK (base IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json, csv, junit or sarif" CHECK (format IN ('text', 'json', 'csv', 'junit', 'sarif'))
);
INSERT INTO parameters SELECT :path, :base, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':base', ':format');

-- The base: a path that is read as one model, or has only one below it.
DROP TABLE IF EXISTS temp.lora_base_models;
CREATE TEMP TABLE lora_base_models AS
  SELECT m.model, m.model = rtrim(p.base, '/') AS is_base, rtrim(m.model, replace(m.model, '/', '')) = rtrim(p.base, '/') || '/' AS is_top
  FROM parameters AS p, safetensors_models(p.base) AS m WHERE m.kind NOT IN ('adapter', 'embedding', 'optimizer');
INSERT INTO parameters(base)
  SELECT safetensors_refuse(printf(':base is one model, found %d: ', n) || group_concat(safetensors_label(model), ', ') || iif(n > 8, ', ...', ''))
  FROM (SELECT model, count(*) OVER () AS n FROM lora_base_models
        WHERE is_top = (SELECT max(is_top) FROM lora_base_models) AND NOT (SELECT max(is_base) FROM lora_base_models) LIMIT 8) HAVING n > 1;
DROP TABLE IF EXISTS temp.lora_base;
CREATE TEMP TABLE lora_base AS
  SELECT w.name, w.scheme, w.dtype, w.shape, w.status, w.role FROM parameters AS p, safetensors_weights(p.base) AS w;
CREATE INDEX temp.lora_base_by_name ON lora_base(name);

-- What each module changes by its own naming: with a base, a weight that it lacks has no name.
DROP TABLE IF EXISTS temp.fitting_found;
CREATE TEMP TABLE fitting_found AS
  SELECT m.model AS file, m.kind, m.status, iif(m.status = 'empty', 'expected an adapter, found a file without tensors', m.error) AS error, m.config
  FROM parameters AS p, safetensors_models(p.path) AS m;
-- A file that is alone and cannot be read ends the script.
INSERT INTO parameters(path) SELECT t.name FROM fitting_found AS f, safetensors_tensors(f.file) AS t WHERE f.status <> 'ok' AND (SELECT count(*) FROM fitting_found) = 1;
INSERT INTO parameters(path) SELECT safetensors_refuse(file || ': ' || error) FROM fitting_found WHERE status <> 'ok' AND (SELECT count(*) FROM fitting_found) = 1;
DROP TABLE IF EXISTS temp.lora_alone;
CREATE TEMP TABLE lora_alone AS
  SELECT f.file, a.parts, a.kind, a.weight FROM fitting_found AS f, safetensors_adapter(iif(f.status = 'ok', f.file, NULL)) AS a;
CREATE INDEX temp.lora_alone_by_parts ON lora_alone(file, parts);
DELETE FROM fitting_found WHERE status = 'ok' AND (SELECT count(*) FROM fitting_found) > 1 AND file NOT IN (SELECT file FROM lora_alone WHERE kind <> 'unknown');
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(adapters CONSTRAINT ":path has an adapter in it" CHECK (adapters > 0));
INSERT INTO needs SELECT count(*) FROM fitting_found;

DROP TABLE IF EXISTS temp.fitting;
CREATE TEMP TABLE fitting AS
  SELECT file, module, kind, weight, shape, base_shape, base_dtype, fits,
         CASE WHEN fits THEN nullif(status, 'ok')
              WHEN fits IS NULL THEN iif(status = 'ok', 'it changes no weight', status)
              WHEN status <> 'ok' AND (base_shape IS NULL OR NOT has_change) THEN status
              WHEN base_shape IS NULL THEN printf('expected a weight %s, found none', weight)
              WHEN shape <> base_shape THEN printf('expected the shape %s, found %s', shape, base_shape)
              ELSE printf('expected a weight of floats, found %s', base_dtype) END AS why
  FROM (SELECT f.file, a.module, a.kind, ifnull(a.weight, o.weight) AS weight, json(a.shape) AS shape, json(b.shape) AS base_shape,
               b.dtype AS base_dtype, a.status, a.ref IS NOT NULL AS has_change,
               CASE WHEN ifnull(a.weight, o.weight) IS NULL THEN NULL
                    ELSE b.name IS NOT NULL AND ifnull(json(a.shape) = json(b.shape), a.status NOT LIKE '%does not fit%')
                         AND (b.scheme <> 'none' OR b.dtype NOT GLOB '[BIU]*' OR b.dtype = 'BF16') END AS fits
        FROM parameters AS p, fitting_found AS f, safetensors_adapter(iif(f.status = 'ok', f.file, NULL), p.base) AS a
        LEFT JOIN lora_alone AS o ON o.file = f.file AND o.parts = a.parts
        LEFT JOIN lora_base AS b ON b.name = a.weight);
CREATE INDEX temp.fitting_by_file ON fitting(file, fits);
-- Names of the original code and of diffusers: of adapters that have no weight in the base, whose names are the others'.
DROP TABLE IF EXISTS temp.fitting_foreign;
CREATE TEMP TABLE fitting_foreign AS
  SELECT a.file, a.naming AS adapter, b.naming AS base
  FROM (SELECT file, CASE WHEN max(module GLOB '*input_blocks*' OR module GLOB '*output_blocks*' OR module GLOB '*middle_block*' OR module GLOB '*double_blocks*'
                                   OR module GLOB '*single_blocks*' OR module GLOB '*joint_blocks*') THEN 'the original code'
                          WHEN max(module GLOB '*down_blocks*' OR module GLOB '*up_blocks*' OR module GLOB '*mid_block*' OR module GLOB '*transformer_blocks*') THEN 'diffusers' END AS naming
        FROM fitting GROUP BY file HAVING total(base_shape IS NOT NULL) = 0 AND total(fits = 0) > 0) AS a,
    (SELECT CASE WHEN max(name GLOB '*input_blocks.*' OR name GLOB '*double_blocks.*' OR name GLOB '*joint_blocks.*') THEN 'the original code'
                 WHEN max(name GLOB '*down_blocks.*' OR name GLOB '*transformer_blocks.*') THEN 'diffusers' END AS naming FROM lora_base) AS b
  WHERE a.naming <> b.naming;
UPDATE fitting SET fits = NULL, why = x.why
FROM (SELECT file, printf('it has the names of %s, the base those of %s', adapter, base) AS why FROM fitting_foreign) AS x
WHERE x.file = fitting.file AND fitting.fits = 0;
DROP TABLE IF EXISTS temp.fitting_files;
CREATE TEMP TABLE fitting_files AS
  SELECT f.file, f.status, f.error, ifnull(c.n, 0) AS modules, CAST(c.yes AS INTEGER) AS fit, CAST(c.no AS INTEGER) AS misfit, iif(c.no > 0, 0, iif(c.yes > 0, 1, NULL)) AS fits,
         coalesce(CASE WHEN json_valid(f.config) THEN nullif(f.config ->> '$.base_model_name_or_path', '') END, (
           SELECT group_concat(value, ', ') FROM safetensors_metadata(iif(f.status = 'ok', f.file, NULL))
           WHERE key IN ('ss_base_model_version', 'modelspec.architecture', 'ss_sd_model_name', 'base_model'))) AS made_for
  FROM fitting_found AS f LEFT JOIN (SELECT file, count(*) AS n, total(fits) AS yes, total(fits = 0) AS no FROM fitting GROUP BY file) AS c USING (file)
  ORDER BY f.status = 'ok', iif(c.no > 0, 0, iif(c.yes > 0, 2, 1)), f.rowid;
DROP TABLE IF EXISTS temp.fitting_checks;
CREATE TEMP TABLE fitting_checks AS
  SELECT 'readable' AS rule, 'error' AS level, file, NULL AS tensor, error AS message FROM fitting_files WHERE status <> 'ok'
  UNION ALL SELECT 'named-alike', 'error', file, NULL, printf('it has the names of %s, the base those of %s', adapter, base) FROM fitting_foreign
  UNION ALL SELECT 'changes-a-weight', 'error', file, NULL, 'nothing in the adapter changes a weight of a base' FROM fitting_files
    WHERE status = 'ok' AND fits IS NULL AND file NOT IN (SELECT file FROM fitting_foreign)
  UNION ALL SELECT 'fits-the-base', 'error', file, module, why FROM fitting WHERE fits = 0
  UNION ALL SELECT 'fits-the-base', 'ok', file, NULL, printf('%d weights fit', fit) FROM fitting_files WHERE fits = 1;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
DROP TABLE IF EXISTS temp.fitting_labels;
CREATE TEMP TABLE fitting_labels AS
  SELECT f.file, safetensors_label(substr(f.file, 1 + length(rtrim(c, replace(c, '/', ''))))) AS label, n = 1 AS one
  FROM (SELECT safetensors_common(file) AS c, count(*) AS n FROM fitting_files), fitting_files AS f;
-- Lines of at most 80 characters, which end at a space, below the name that they are about; without one the first is
-- not indented.
DROP TABLE IF EXISTS temp.fitting_text;
CREATE TEMP TABLE fitting_text(section, name, text);
CREATE TEMP VIEW IF NOT EXISTS fitting_lines AS
  SELECT * FROM (SELECT section, rowid AS id, safetensors_wrap(name, text) AS line FROM fitting_text) WHERE line IS NOT NULL;
INSERT INTO fitting_text SELECT 'broken', label, safetensors_label(replace(iif(error GLOB 'safetensors: *', substr(error, 14), error), file || ': ', ''))
  FROM fitting_files AS f JOIN fitting_labels USING (file) WHERE status <> 'ok' ORDER BY f.rowid LIMIT 40;
-- Of several adapters, the first module of each.
INSERT INTO fitting_text SELECT 'misfits', iif(one, '', label || ': ') || safetensors_label(module), safetensors_label(why)
  FROM (SELECT f.rowid AS id, l.label, l.one, f.module, f.why, row_number() OVER (PARTITION BY f.file ORDER BY f.rowid) AS place
        FROM fitting AS f JOIN fitting_labels AS l USING (file) WHERE f.fits = 0)
  WHERE one OR place = 1 ORDER BY id LIMIT 20;
INSERT INTO fitting_text SELECT 'notes', '', printf('%,d %s: %s', count(*), iif(count(*) = 1, 'module', 'modules'), safetensors_label(why))
  FROM fitting WHERE ifnull(fits, 1) AND why IS NOT NULL GROUP BY why ORDER BY count(*) DESC LIMIT 10;
.mode list
.headers off
SELECT CASE WHEN format IN ('junit', 'sarif') THEN safetensors_print(format, 'fitting_checks') ELSE safetensors_print(format, 'fitting_files', 'fitting', 'fitting_checks') END
FROM parameters WHERE format <> 'text';
SELECT CASE WHEN misfits = 0 AND fits = adapters THEN
              iif(adapters = 1, 'Yes: ', printf('Yes, all %,d: ', adapters))
              || printf('the base has %s, in the shape of the change.', iif(weights = 1, 'the weight', printf('all %,d weights', weights)))
            WHEN adapters = 1 AND misfits = 1 THEN
              printf('No: %,d of %,d weights %s not fit.', wrong, wrong + weights, iif(wrong = 1, 'does', 'do'))
            WHEN adapters = 1 AND foreigners = 1 THEN 'It cannot be said: the base has other names than the adapter.'
            WHEN adapters = 1 THEN 'No: nothing in the adapter changes a weight of a base.'
            ELSE printf('No: %,d of %,d adapters %s not fit%s.', adapters - fits, adapters, iif(adapters - fits = 1, 'does', 'do'),
                        iif(broken > 0, printf('; of these %,d cannot be read', broken), '')
                        || iif(foreigners > 0, printf('; of %,d it cannot be said, by other names', foreigners), '')) END
FROM as_text, (SELECT count(*) AS adapters, total(fits = 1) AS fits, total(fits = 0) AS misfits, total(misfit) AS wrong, total(fit) AS weights, total(status <> 'ok') AS broken,
             (SELECT count(*) FROM fitting_foreign) AS foreigners
      FROM fitting_files);
SELECT 'By its own words it was made for: ' || safetensors_label(made_for) FROM as_text, fitting_files AS f WHERE (SELECT count(*) FROM fitting_files) = 1 AND made_for <> '';

SELECT char(10) || '== Broken' FROM as_text WHERE EXISTS (SELECT 1 FROM fitting_files WHERE status <> 'ok');
SELECT line FROM as_text, fitting_lines WHERE section = 'broken' ORDER BY id;
SELECT printf('and %,d more', count(*) - 40) FROM as_text, fitting_files WHERE status <> 'ok' HAVING count(*) > 40;
SELECT char(10) || '== Adapters' FROM as_text, fitting_labels WHERE NOT one LIMIT 1;
.mode column --wrap 0
.headers on
SELECT CASE fits WHEN 1 THEN 'yes' WHEN 0 THEN 'no' ELSE iif(file IN (SELECT file FROM fitting_foreign), 'other names', 'no weights') END AS fits, printf('%7d', modules) AS modules, printf('%10d', misfit) AS "do not fit", label AS file
FROM as_text, fitting_files AS f JOIN fitting_labels USING (file) WHERE status = 'ok' AND NOT one ORDER BY f.rowid LIMIT 400;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 400) FROM as_text, fitting_files WHERE status = 'ok' HAVING count(*) > 400;

SELECT char(10) || '== What does not fit' FROM as_text WHERE EXISTS (SELECT 1 FROM fitting WHERE fits = 0);
SELECT line FROM as_text, fitting_lines WHERE section = 'misfits' ORDER BY id;
SELECT printf('and %,d more', n - 20)
FROM as_text, (SELECT iif((SELECT count(*) FROM fitting_files) = 1, count(*), count(DISTINCT file)) AS n FROM fitting WHERE fits = 0) WHERE n > 20;

SELECT char(10) || '== Notes' FROM as_text WHERE EXISTS (SELECT 1 FROM fitting WHERE ifnull(fits, 1) AND why IS NOT NULL);
SELECT line FROM as_text, fitting_lines WHERE section = 'notes' ORDER BY id;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(broken, misfits, foreigners, fits);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'an adapter cannot be read') WHERE new.broken > 0;
  SELECT RAISE(ABORT, 'an adapter does not fit this base') WHERE new.misfits > 0;
  SELECT RAISE(ABORT, 'the base has other names than an adapter') WHERE new.foreigners > 0;
  SELECT RAISE(ABORT, 'an adapter changes no weight') WHERE new.fits = 0;
END;
INSERT INTO verdict SELECT total(status <> 'ok'), total(fits = 0), (SELECT count(*) FROM fitting_foreign), total(fits = 1) = count(*) FROM fitting_files;
.mode column
.headers on
