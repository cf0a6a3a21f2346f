-- Does this adapter fit this base?
--
-- Answers yes if the base has every weight that the adapter changes, in the shape of the change, and no if it lacks
-- one or has another shape. Names are matched as the adapter's naming (PEFT's, kohya's, diffusers') writes them. A
-- packed (quantized) base is taken in the shapes that its weights stand for. Values are not read: whether the adapter
-- was trained on this base they would not tell either, and what the adapter says of its base is printed.
--
-- Of a directory or a pattern, each file is an adapter of its own, and the answer is no if one of them does not fit.
--
-- @param path path required   the adapter, or a directory or pattern of adapters
-- @param base path required   the model
-- @table fitting(file, module, kind, weight, shape, base_shape, base_dtype, fits, why)   one row per module. fits is
--    1, 0, or NULL if the module changes no weight; why says what was expected, or what else there is to know
-- @table fitting_files(file, modules, fit, misfit, fits, made_for)   one row per adapter; fits is as above, and
--    made_for the base by the adapter's own words
-- @status 1                   when an adapter does not fit, or changes no weight at all
-- @example safetensors-sql lora-fit lora.safetensors base.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  base TEXT CONSTRAINT ":base is set" CHECK (base IS NOT NULL)
);
INSERT INTO parameters VALUES (:path, :base);
-- If no file can be read, this raises the error and ends the script.
DROP TABLE IF EXISTS temp.lora_opened;
CREATE TEMP TABLE lora_opened AS
  SELECT t.name FROM parameters AS p, (SELECT total(status = 'ok') AS ok FROM safetensors_files(:path)) AS f,
    safetensors_tensors(iif(f.ok > 0, NULL, p.path)) AS t;

DROP TABLE IF EXISTS temp.lora_base;
CREATE TEMP TABLE lora_base AS
  SELECT w.name, w.scheme, w.dtype, w.shape, w.status, w.role FROM parameters AS p, safetensors_weights(p.base) AS w;
CREATE INDEX temp.lora_base_by_name ON lora_base(name);

-- The adapters: files, or the index that was given.
DROP TABLE IF EXISTS temp.fitting_files;
CREATE TEMP TABLE fitting_files AS
  SELECT f.file, f.status, f.error, f.file AS label,
         CAST(NULL AS INTEGER) AS modules, CAST(NULL AS INTEGER) AS fit, CAST(NULL AS INTEGER) AS misfit, CAST(NULL AS INTEGER) AS fits,
         ifnull((SELECT c.value ->> '$.base_model_name_or_path'
                 FROM (SELECT CAST(readfile(rtrim(f.file, replace(f.file, '/', '')) || 'adapter_config.json') AS TEXT) AS value) AS c
                 WHERE json_valid(c.value)),
                (SELECT group_concat(value, ', ')
                 FROM safetensors_metadata(iif(f.status = 'ok', f.file, NULL))
                 WHERE key IN ('ss_base_model_version', 'modelspec.architecture', 'ss_sd_model_name', 'base_model'))) AS made_for
  FROM parameters AS p, (SELECT p.path AS file, 'ok' AS status, NULL AS error FROM parameters AS p WHERE p.path LIKE '%.index.json'
                         UNION ALL SELECT file, status, error FROM parameters AS p, safetensors_files(p.path)
                         WHERE p.path NOT LIKE '%.index.json') AS f;

-- What each module changes by its own naming: with a base, a weight that it lacks has no name.
DROP TABLE IF EXISTS temp.lora_alone;
CREATE TEMP TABLE lora_alone AS
  SELECT f.file, a.parts, a.weight FROM fitting_files AS f, safetensors_adapter(iif(f.status = 'ok', f.file, NULL)) AS a;
CREATE INDEX temp.lora_alone_by_parts ON lora_alone(file, parts);
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
        FROM parameters AS p, fitting_files AS f, safetensors_adapter(iif(f.status = 'ok', f.file, NULL), p.base) AS a
        LEFT JOIN lora_alone AS o ON o.file = f.file AND o.parts = a.parts
        LEFT JOIN lora_base AS b ON b.name = a.weight);
-- Labels: what is behind the folder that all have in common.
UPDATE fitting_files SET label = substr(file, 1 + (
  SELECT max(length(folder)) FROM (
    WITH RECURSIVE folders(folder) AS (
      SELECT rtrim(min(file), replace(min(file), '/', '')) FROM fitting_files
      UNION ALL SELECT rtrim(rtrim(folder, '/'), replace(rtrim(folder, '/'), '/', '')) FROM folders WHERE folder <> '')
    SELECT folder FROM folders WHERE NOT EXISTS (SELECT 1 FROM fitting_files WHERE substr(file, 1, length(folder)) <> folder))));
UPDATE fitting_files SET modules = n, fit = yes, misfit = no, fits = iif(no > 0, 0, iif(yes > 0, 1, NULL))
FROM (SELECT file, count(*) AS n, total(fits) AS yes, total(fits = 0) AS no FROM fitting GROUP BY file) AS c
WHERE c.file = fitting_files.file;

.mode list
.headers off
SELECT iif(n = 1, printf('warning: 1 of %,d files cannot be read, and is left out:', of),
           printf('warning: %,d of %,d files cannot be read, and are left out:', n, of))
FROM (SELECT total(status <> 'ok') AS n, count(*) AS of FROM fitting_files) WHERE n > 0;
SELECT error FROM fitting_files WHERE status <> 'ok' LIMIT 20;
SELECT printf('and %,d more' || char(10), count(*) - 20) FROM fitting_files WHERE status <> 'ok' HAVING count(*) > 20;

.print == Verdict
SELECT CASE WHEN misfits = 0 AND fits = adapters THEN
              iif(adapters = 1, 'Yes: ', printf('Yes, all %,d: ', adapters))
              || printf('the base has %s, in the shape of the change.', iif(weights = 1, 'the weight', printf('all %,d weights', weights)))
            WHEN adapters = 1 AND misfits = 1 THEN
              printf('No: %,d of %,d weights %s not fit.', wrong, wrong + weights, iif(wrong = 1, 'does', 'do'))
            WHEN adapters = 1 THEN 'No: nothing in the adapter changes a weight of a base.'
            ELSE printf('No: %,d of %,d adapters %s not fit.', adapters - fits, adapters, iif(adapters - fits = 1, 'does', 'do')) END
FROM (SELECT count(*) AS adapters, total(fits = 1) AS fits, total(fits = 0) AS misfits, total(misfit) AS wrong, total(fit) AS weights
      FROM fitting_files WHERE status = 'ok');
SELECT printf('By its own words it was made for: %s', iif(length(made_for) > 44, substr(made_for, 1, 20) || '...' || substr(made_for, -21), made_for))
FROM fitting_files AS f WHERE (SELECT count(*) FROM fitting_files) = 1 AND made_for <> '';

SELECT char(10) || '== Adapters' WHERE (SELECT count(*) FROM fitting_files WHERE status = 'ok') > 1;
.mode column
.headers on
SELECT iif(length(label) > 44, substr(label, 1, 21) || '...' || substr(label, -20), label) AS adapter,
       CASE fits WHEN 1 THEN 'yes' WHEN 0 THEN 'no' ELSE 'no weights' END AS fits, modules, misfit AS "do not fit"
FROM fitting_files AS f WHERE status = 'ok' AND (SELECT count(*) FROM fitting_files WHERE status = 'ok') > 1
ORDER BY f.fits = 1, f.rowid LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM fitting_files WHERE status = 'ok' HAVING count(*) > 40;

SELECT char(10) || '== What does not fit' WHERE EXISTS (SELECT 1 FROM fitting WHERE fits = 0);
-- Of several adapters, the first module of each.
SELECT iif(length(place) > 79, substr(place, 1, 38) || '...' || substr(place, -38), place) || char(10) || '  '
       || iif(length(why) > 77, substr(why, 1, 37) || '...' || substr(why, -37), why)
FROM (SELECT iif(one, '', label || ': ') || module AS place, why
      FROM (SELECT f.rowid AS id, o.label, f.module, f.why, x.one, row_number() OVER (PARTITION BY f.file ORDER BY f.rowid) AS place
            FROM fitting AS f JOIN fitting_files AS o USING (file), (SELECT count(*) = 1 AS one FROM fitting_files WHERE status = 'ok') AS x
            WHERE f.fits = 0)
      WHERE one OR place = 1 ORDER BY id LIMIT 20);
SELECT printf('and %,d more', n - 20)
FROM (SELECT iif((SELECT count(*) FROM fitting_files WHERE status = 'ok') = 1, count(*), count(DISTINCT file)) AS n FROM fitting WHERE fits = 0)
WHERE n > 20;

SELECT char(10) || '== Notes' WHERE EXISTS (SELECT 1 FROM fitting WHERE ifnull(fits, 1) AND why IS NOT NULL);
SELECT printf('%,d %s: %s', count(*), iif(count(*) = 1, 'module', 'modules'), iif(length(why) > 56, substr(why, 1, 53) || '...', why))
FROM fitting WHERE ifnull(fits, 1) AND why IS NOT NULL GROUP BY why ORDER BY count(*) DESC LIMIT 10;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(misfits, fits);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'an adapter does not fit this base') WHERE new.misfits > 0;
  SELECT RAISE(ABORT, 'an adapter changes no weight') WHERE new.fits = 0;
END;
INSERT INTO verdict SELECT total(fits = 0), total(fits = 1) = count(*) FROM fitting_files WHERE status = 'ok';
.mode column
.headers on
