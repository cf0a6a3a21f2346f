-- Where are the parameters?
--
-- Counts them by layer, and by kind of tensor (its name with each number as '#'). Parameters are those of the model as
-- its modules see it: a packed weight counts as the weight that it stands for, and bytes are those of all its parts.
-- Layers that are numbered apart, such as model.layers, visual.blocks and mtp.layers, are counted apart. The script
-- reads only headers and configurations. A path with many models is many models, each for itself.
--
-- @alias tree
-- @param path path required   a model, or a folder or pattern of them
-- @param format enum text|json|csv  how to print the tables
-- @table layers(model, numbering, layer, weights, tensors, numel, nbytes)   one row per layer. numbering is what stands
--    before its number; both are NULL for what is in none. numel counts parameters, tensors what is stored
-- @table layer_numberings(model, numbering, layers, weights, numel, nbytes)   one row per numbering of layers
-- @table layer_kinds(model, pattern, weights, dtypes, shapes, numel, nbytes)   one row per kind of weight; dtypes (of
--    packed weights their schemes) and shapes are JSON arrays
-- @status 1                   when a model cannot be read, or is not whole
-- @example safetensors-sql layers model.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':format');

DROP TABLE IF EXISTS temp.layer_models;
CREATE TEMP TABLE layer_models AS
  SELECT model, status, error FROM safetensors_models(:path) WHERE status <> 'empty';
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(models CONSTRAINT ":path has a model with tensors" CHECK (models > 0));
INSERT INTO needs(models) SELECT count(*) FROM layer_models;

-- Of a model that is not whole, the rest is read.
DROP TABLE IF EXISTS temp.layer_setting;
CREATE TEMP TABLE layer_setting AS
  SELECT safetensors_config('errors') AS errors, safetensors_config('errors', 'skip') FROM (
    SELECT 1 FROM layer_models WHERE status <> 'ok' LIMIT 1);
DROP TABLE IF EXISTS temp.layer_weights;
CREATE TEMP TABLE layer_weights AS
  SELECT m.rowid AS place, m.model, iif(w.layer IS NULL, NULL, substr(w.pattern, 1, max(0, instr(w.pattern, '#') - 2))) AS numbering,
         w.layer, w.pattern, iif(w.scheme = 'none', w.dtype, w.scheme) AS dtype, w.shape,
         iif(w.role = 'weight', w.numel, 0) AS numel, w.nbytes, w.role,
         iif(w.parts IS NULL, 1, (SELECT count(*) FROM json_each(w.parts))) AS tensors
  FROM layer_models AS m JOIN safetensors_weights(m.model) AS w;
UPDATE layer_setting SET errors = safetensors_config('errors', errors);
-- If there is only one, and nothing of it can be read, this raises why.
INSERT INTO needs(models)
SELECT 1 + count(*) FROM layer_models AS m JOIN safetensors_tensors(m.model) AS t
WHERE NOT EXISTS (SELECT 1 FROM layer_weights) AND (SELECT count(*) FROM layer_models) = 1;

DROP TABLE IF EXISTS temp.layers;
CREATE TEMP TABLE layers AS
  SELECT model, numbering, layer, sum(role = 'weight') AS weights, sum(tensors) AS tensors, sum(numel) AS numel, sum(nbytes) AS nbytes
  FROM (SELECT *, min(rowid) OVER (PARTITION BY place, numbering) AS first FROM layer_weights)
  GROUP BY place, numbering, layer ORDER BY place, numbering IS NOT NULL, first, numbering, layer;
DROP TABLE IF EXISTS temp.layer_numberings;
CREATE TEMP TABLE layer_numberings AS
  SELECT model, numbering, iif(numbering IS NULL, 0, count(*)) AS layers, sum(weights) AS weights, sum(numel) AS numel,
         sum(nbytes) AS nbytes
  FROM layers GROUP BY model, numbering ORDER BY min(layers.rowid);
DROP TABLE IF EXISTS temp.layer_kinds;
CREATE TEMP TABLE layer_kinds AS
  SELECT model, pattern, count(*) AS weights, json_group_array(DISTINCT dtype) AS dtypes,
         json_group_array(DISTINCT shape) AS shapes, sum(numel) AS numel, sum(nbytes) AS nbytes
  FROM layer_weights GROUP BY place, pattern ORDER BY place, sum(numel) DESC, pattern;

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'layers', 'layer_numberings', 'layer_kinds') FROM parameters WHERE format <> 'text';

DROP TABLE IF EXISTS temp.layer_common;
CREATE TEMP TABLE layer_common AS
  SELECT iif(count(*) > 1, safetensors_common(model), '') AS common, count(*) AS models,
         count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders, total(status <> 'ok') AS unread FROM layer_models;

-- In words: how many parameters are in how many layers, of how many numberings.
SELECT l.value FROM as_text, layer_common AS c, (
  SELECT total(numel) AS numel, total(numel) FILTER (WHERE numbering IS NULL) AS elsewhere, count(numbering) AS numberings,
         sum(layers) AS layers, iif(max(numbering) = '', 'no name', max(numbering)) AS only,
         group_concat(layers || ' of ' || iif(numbering = '', 'no name', numbering), ', ') FILTER (WHERE numbering IS NOT NULL) AS names
  FROM layer_numberings) AS n, json_each(json_array(
  CASE WHEN models > 1 THEN printf('%,d models with %s parameters.', models, safetensors_pretty(CAST(numel AS INTEGER)))
       WHEN numberings = 0 THEN printf('%s parameters, in no layers.', safetensors_pretty(CAST(numel AS INTEGER)))
       WHEN numberings = 1
       THEN printf('%s parameters, %.1f%% in %,d layer%s of %s.', safetensors_pretty(CAST(numel AS INTEGER)),
                   100 * (numel - elsewhere) / max(1, numel), layers, iif(layers = 1, '', 's'), iif(length(only) > 24, 'one numbering', safetensors_label(only)))
       ELSE printf('%s parameters, %.1f%% in %,d layer%s: %s.', safetensors_pretty(CAST(numel AS INTEGER)),
                   100 * (numel - elsewhere) / max(1, numel), layers, iif(layers = 1, '', 's'),
                   iif(numberings > 3 OR length(names) > 44, numberings || ' numberings', safetensors_label(names))) END,
  iif(unread > 0, (SELECT 'error: ' || iif(models = 1, 'it is not whole:' || char(10) || '  ' || safetensors_label(ifnull(substr(max(error), 14), max(status))),
                                           printf('%,d of %,d models cannot be read, or not whole.', unread, models))
                   FROM layer_models WHERE status <> 'ok'), NULL)
)) AS l WHERE l.value IS NOT NULL;
SELECT printf('%,d models in %,d folder%s were looked at.', models, folders, iif(folders = 1, '', 's')) FROM layer_common, as_text WHERE models > 1;
SELECT char(10) || '== Cannot be read, or not whole' FROM as_text, layer_common WHERE models > 1 AND unread > 0;
SELECT safetensors_label(model, common) || ':' || char(10) || '  '
       || safetensors_label(replace(replace(ifnull(substr(error, 14), status), model || ': ', ''), common, '...'))
FROM layer_models, as_text, layer_common
WHERE models > 1 AND status <> 'ok' LIMIT 40;
SELECT printf('and %,d more', unread - 40) FROM layer_common, as_text WHERE models > 1 AND unread > 40;

SELECT char(10) || '== Layers by model' FROM as_text, layer_common WHERE models > 1 AND EXISTS (SELECT 1 FROM layers);
.mode column --wrap 0
.headers on
SELECT printf('%6d', layers) AS layers, printf('%10s', safetensors_pretty(numel)) AS parameters,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       safetensors_label(model, common) || ifnull('#' || safetensors_label(numbering), '') AS "model#numbering"
FROM layer_numberings AS n, as_text, layer_common WHERE models > 1 ORDER BY n.rowid LIMIT 1000;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 1000) FROM layer_numberings, as_text, layer_common WHERE models > 1 HAVING count(*) > 1000;

SELECT char(10) || '== Parameters by layer' FROM as_text, layer_common WHERE models = 1;
.mode column --wrap 0
.headers on
SELECT printf('%7d', weights) AS weights, printf('%10s', safetensors_pretty(numel)) AS parameters,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       printf('%5.1f%%', 100.0 * numel / max(1, sum(numel) OVER ())) AS " share",
       substr('####################', 1, CAST(round(20.0 * numel / max(1, max(numel) OVER ())) AS INTEGER)) AS relative,
       iif(layer IS NULL, '-', safetensors_label(iif(numbering = '', '', numbering || '.') || layer)) AS layer
FROM layers AS l, as_text, layer_common WHERE models = 1 ORDER BY l.rowid;
.mode list
.headers off

SELECT char(10) || '== By numbering' FROM as_text, layer_common
WHERE models = 1 AND (SELECT count(numbering) FROM layer_numberings) > 1;
.mode column --wrap 0
.headers on
SELECT printf('%6d', layers) AS layers, printf('%10s', safetensors_pretty(numel)) AS parameters,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       printf('%5.1f%%', 100.0 * numel / max(1, sum(numel) OVER ())) AS " share", ifnull(safetensors_label(numbering), '-') AS numbering
FROM layer_numberings AS n, as_text, layer_common
WHERE models = 1 AND (SELECT count(numbering) FROM layer_numberings) > 1 ORDER BY n.rowid;
.mode list
.headers off

SELECT char(10) || '== Kinds of tensors' FROM as_text, layer_common WHERE models = 1;
.mode column --wrap 0
.headers on
SELECT printf('%4d', weights) AS "   n", iif(json_array_length(dtypes) > 1, json_array_length(dtypes) || ' dtypes', safetensors_label(dtypes ->> '$[0]')) AS dtype,
       iif(json_array_length(shapes) > 1, json_array_length(shapes) || ' shapes', ifnull(safetensors_label(iif(length(shapes ->> '$[0]') > 24, substr(shapes ->> '$[0]', 1, 21) || '...', shapes ->> '$[0]')), '-')) AS shape,
       printf('%10s', safetensors_pretty(numel)) AS parameters, safetensors_label(pattern) AS pattern
FROM layer_kinds AS k, as_text, layer_common WHERE models = 1 ORDER BY k.rowid LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM layer_kinds, as_text, layer_common WHERE models = 1 HAVING count(*) > 40;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(unread);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.unread > 0 BEGIN
  SELECT RAISE(ABORT, 'a model cannot be read, or is not whole');
END;
INSERT INTO verdict SELECT unread FROM layer_common;
