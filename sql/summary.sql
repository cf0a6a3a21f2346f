-- What is in this checkpoint?
--
-- Shows its parameters, files, metadata and largest tensors. Parameters are those of the model as its modules see it:
-- a packed weight counts as the weight that it stands for, once, and its scales count nothing. Neither do buffers, such
-- as running_mean and position_ids. Bits are those that a parameter takes with all parts. Elements are what is stored.
-- The script reads only headers and configurations, so the checkpoint may have any size. A path with many models is
-- a row for each, and a total.
--
-- @alias info
-- @param path path required   a model, or a folder or pattern of them
-- @param format enum text|json|csv  how to print the tables
-- @table summary(model, kind, what, files, tensors, weights, numel, elements, nbytes, bits_per_weight, dtypes, status,
--    error)   one row per model. what says of an adapter its kinds, ranks and modules; numel counts parameters,
--    elements what is stored; dtypes has those of plain weights and the schemes of packed ones, by their size
-- @table summary_kinds(model, kind, weights, numel, nbytes, bits_per_weight)   one row per dtype of plain weights, and
--    per scheme of packed ones
-- @table summary_files(model, file, size, tensors, numel, nbytes, status, error)   one row per file
-- @table summary_dtypes(model, dtype, tensors, numel, nbytes)   one row per dtype that is stored
-- @table summary_metadata(model, key, value, file)   the metadata of each file
-- @table summary_largest(model, name, dtype, shape, nbytes)   the ten largest tensors of each model
-- @status 1                   when a model cannot be read, or is not whole
-- @example safetensors-sql summary model.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json or csv" CHECK (format IN ('text', 'json', 'csv'))
);
INSERT INTO parameters SELECT :path, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':format');

DROP TABLE IF EXISTS temp.summary;
CREATE TEMP TABLE summary AS
  SELECT model, kind, NULL AS what, files, NULL AS tensors, NULL AS weights, NULL AS numel, NULL AS elements, NULL AS nbytes,
         NULL AS bits_per_weight, NULL AS dtypes, status, error
  FROM safetensors_models(:path) WHERE status <> 'empty';
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(models CONSTRAINT ":path has a model with tensors" CHECK (models > 0));
INSERT INTO needs(models) SELECT count(*) FROM summary;

DROP TABLE IF EXISTS temp.summary_files;
CREATE TEMP TABLE summary_files AS
  SELECT m.model, f.file, f.size, f.tensors, f.numel, f.nbytes, f.status, f.error
  FROM summary AS m JOIN safetensors_files(m.model) AS f;
-- If some files cannot be read, the others are read without them.
DROP TABLE IF EXISTS temp.summary_setting;
CREATE TEMP TABLE summary_setting AS
  SELECT safetensors_config('errors') AS errors, safetensors_config('errors', 'skip') FROM (
    SELECT 1 FROM summary WHERE status <> 'ok' UNION ALL SELECT 1 FROM summary_files WHERE status <> 'ok' LIMIT 1);
DROP TABLE IF EXISTS temp.summary_tensors;
CREATE TEMP TABLE summary_tensors AS
  SELECT m.model, t.name, t.dtype, t.shape, t.numel, t.nbytes FROM summary AS m JOIN safetensors_tensors(m.model) AS t;
DROP TABLE IF EXISTS temp.summary_weights;
CREATE TEMP TABLE summary_weights AS
  SELECT m.model, w.role, w.scheme, iif(w.scheme = 'none', w.dtype, w.scheme) AS kind, w.numel, w.nbytes, w.status
  FROM summary AS m JOIN safetensors_weights(m.model) AS w;
DROP TABLE IF EXISTS temp.summary_metadata;
CREATE TEMP TABLE summary_metadata AS
  SELECT m.model, d.key, d.value, d.file FROM summary AS m JOIN safetensors_metadata(m.model) AS d;
DROP TABLE IF EXISTS temp.summary_modules;
CREATE TEMP TABLE summary_modules AS
  SELECT m.model, a.kind, a.rank FROM summary AS m JOIN safetensors_adapter(iif(m.kind = 'adapter', m.model, NULL)) AS a;
CREATE INDEX temp.summary_modules_of_model ON summary_modules(model);
UPDATE summary_setting SET errors = safetensors_config('errors', errors);
-- If there is only one, and nothing of it can be read, this raises why.
INSERT INTO needs(models)
SELECT 1 + count(*) FROM summary AS m JOIN safetensors_tensors(m.model) AS t
WHERE NOT EXISTS (SELECT 1 FROM summary_tensors) AND (SELECT count(*) FROM summary) = 1;

DROP TABLE IF EXISTS temp.summary_dtypes;
CREATE TEMP TABLE summary_dtypes AS
  SELECT model, dtype, count(*) AS tensors, sum(numel) AS numel, sum(nbytes) AS nbytes
  FROM summary_tensors GROUP BY model, dtype ORDER BY min(summary_tensors.rowid) OVER (PARTITION BY model), sum(numel) DESC, dtype;
DROP TABLE IF EXISTS temp.summary_kinds;
CREATE TEMP TABLE summary_kinds AS
  SELECT model, kind, count(*) AS weights, sum(numel) AS numel, sum(nbytes) AS nbytes,
         8.0 * sum(iif(numel IS NULL, NULL, nbytes)) / nullif(sum(numel), 0) AS bits_per_weight
  FROM summary_weights WHERE role = 'weight' GROUP BY model, kind ORDER BY model, sum(numel) DESC, kind;
DROP TABLE IF EXISTS temp.summary_largest;
CREATE TEMP TABLE summary_largest AS
  SELECT model, name, dtype, shape, nbytes
  FROM (SELECT t.*, t.rowid AS place, row_number() OVER (PARTITION BY model ORDER BY nbytes DESC, name) AS rank
        FROM summary_tensors AS t)
  WHERE rank <= 10 ORDER BY model, rank;

UPDATE summary SET tensors = t.tensors, elements = t.elements, nbytes = t.nbytes
FROM (SELECT model, count(*) AS tensors, sum(numel) AS elements, sum(nbytes) AS nbytes FROM summary_tensors GROUP BY model) AS t
WHERE t.model = summary.model;
UPDATE summary SET weights = k.weights, numel = k.numel, bits_per_weight = 8.0 * k.nbytes / nullif(k.numel, 0), dtypes = k.dtypes
FROM (SELECT model, sum(weights) AS weights, sum(numel) AS numel, sum(iif(numel IS NULL, NULL, nbytes)) AS nbytes,
             group_concat(kind, ', ') AS dtypes
      FROM (SELECT * FROM summary_kinds ORDER BY model, nbytes DESC) GROUP BY model) AS k
WHERE k.model = summary.model;
-- Of an adapter: its kinds and ranks, the most frequent first.
UPDATE summary SET what = (
  SELECT group_concat(kind || ifnull(' of rank ' || ranks, '') || printf(', %,d module%s', modules, iif(modules = 1, '', 's')), '; ')
  FROM (SELECT kind, sum(n) AS modules, iif(count(DISTINCT rank) > 3, min(rank) || '-' || max(rank), group_concat(rank, ',')) AS ranks
        FROM (SELECT kind, rank, count(*) AS n FROM summary_modules AS a WHERE a.model = summary.model
              GROUP BY kind, rank ORDER BY count(*) DESC, rank)
        GROUP BY kind ORDER BY sum(n) DESC, kind))
WHERE kind = 'adapter';

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT safetensors_print(format, 'summary', 'summary_kinds', 'summary_files', 'summary_dtypes', 'summary_metadata', 'summary_largest')
FROM parameters WHERE format <> 'text';

DROP TABLE IF EXISTS temp.summary_common;
CREATE TEMP TABLE summary_common AS
  SELECT iif(count(*) > 1, safetensors_common(model), '') AS common, count(*) AS models, count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders,
         total(status <> 'ok') AS unread
  FROM summary;

-- What it is, in words.
SELECT l.value FROM as_text, (
  SELECT s.*, c.models, c.folders, c.unread, w.*, k.*
  FROM summary_common AS c, (SELECT * FROM summary LIMIT 1) AS s,
       (SELECT total(scheme <> 'none' AND role = 'weight') AS packed, total(role = 'buffer') AS buffers,
               total(numel) FILTER (WHERE role = 'buffer') AS buffer_elements, total(status <> 'ok') AS not_whole,
               group_concat(DISTINCT scheme) FILTER (WHERE scheme <> 'none' AND role = 'weight') AS schemes
        FROM summary_weights) AS w,
       (SELECT CAST(total(numel) AS INTEGER) AS all_numel, CAST(total(elements) AS INTEGER) AS all_elements,
               CAST(total(tensors) AS INTEGER) AS all_tensors, CAST(total(nbytes) AS INTEGER) AS all_nbytes,
               (SELECT group_concat(printf('%,d %s%s', n, kind, iif(n = 1 OR kind = 'unknown', '', 's')), ', ')
                FROM (SELECT kind, count(*) AS n FROM summary WHERE status = 'ok' GROUP BY kind ORDER BY count(*) DESC)) AS by_kind
        FROM summary) AS k) AS n, json_each(json_array(
  CASE WHEN models > 1
       THEN printf('%,d models in %,d folder%s%s', models, folders, iif(folders = 1, '', 's'), iif(by_kind LIKE '% models', '', ': ' || ifnull(by_kind, 'none can be read')))
            || iif(unread > 0, printf('; %,d cannot be read, or %s not whole.', unread, iif(unread = 1, 'is', 'are')), '.')
       WHEN weights > 0
       THEN iif(kind = 'adapter', 'Adapter: ' || ifnull(what, 'of a kind that is not known') || '.' || char(10), '')
            || printf('%s parameters in %,d %s, at %.2f bits each%s', safetensors_pretty(numel), weights,
                      iif(weights = 1, 'weight', 'weights'), bits_per_weight,
                      iif(packed > 0, printf('; %,d %s packed (%s).', packed, iif(packed = 1, 'is', 'are'),
                                             iif(length(schemes) > 20, substr(schemes, 1, 17) || '...', replace(schemes, ',', ', '))), '.'))
       ELSE 'No parameters.' END,
  iif(models = 1 AND unread > 0, 'error: it is not whole.', NULL),
  iif(models > 1, printf('In all %s parameters; stored are %s elements in %,d tensors, %s.', safetensors_pretty(all_numel),
                         safetensors_pretty(all_elements), all_tensors, safetensors_pretty(all_nbytes, 'B')),
      printf('Stored are %s elements in %,d %s, %s.', safetensors_pretty(elements), tensors, iif(tensors = 1, 'tensor', 'tensors'),
             safetensors_pretty(nbytes, 'B'))),
  iif(models = 1 AND buffers > 0, printf('%,d buffer%s of %s elements %s not counted as parameters.', buffers, iif(buffers = 1, '', 's'),
                                         safetensors_pretty(CAST(buffer_elements AS INTEGER)), iif(buffers = 1, 'is', 'are')), NULL),
  iif(not_whole > 0, printf('warning: %,d %s not whole, or of unknown kind: see quantized.sql.', not_whole,
                            iif(not_whole = 1, 'weight is', 'weights are')), NULL)
)) AS l WHERE l.value IS NOT NULL;

SELECT char(10) || '== Models' FROM as_text, summary_common WHERE models > 1;
.mode column --wrap 0
.headers on
SELECT iif(s.status = 'ok', s.kind, s.status) AS kind, printf('%10s', ifnull(safetensors_pretty(s.numel), '-')) AS parameters,
       printf('%8s', ifnull(safetensors_pretty(s.nbytes, 'B'), '-')) AS "   bytes",
       printf('%6s', iif(s.bits_per_weight IS NULL, '-', printf('%.2f', s.bits_per_weight))) AS "  bits",
       ifnull(iif(length(s.dtypes) > 16, substr(s.dtypes, 1, 13) || '...', s.dtypes), '-') AS dtype, safetensors_label(s.model, c.common) AS model
FROM summary AS s, summary_common AS c, as_text WHERE c.models > 1 ORDER BY s.status <> 'ok' DESC, s.rowid LIMIT 1000;
.mode list
.headers off
SELECT printf('and %,d more', models - 1000) FROM summary_common, as_text WHERE models > 1000;

SELECT char(10) || '== Cannot be read, or not whole' FROM as_text, summary_common WHERE models > 1 AND unread > 0;
SELECT safetensors_label(model, common) || ':' || char(10) || '  '
       || safetensors_label(replace(replace(ifnull(substr(error, 14), status), model || ': ', ''), common, '...'))
FROM summary, as_text, summary_common
WHERE models > 1 AND status <> 'ok' LIMIT 40;
SELECT printf('and %,d more', unread - 40) FROM summary_common, as_text WHERE models > 1 AND unread > 40;

SELECT char(10) || '== Files' FROM as_text, summary_common WHERE models = 1;
.mode column --wrap 0
.headers on
SELECT iif(status = 'ok', printf('%7d', tensors), status) AS tensors, printf('%8s', ifnull(safetensors_pretty(numel), '-')) AS elements,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes", safetensors_label(file) AS file
FROM summary_files AS f, as_text, summary_common WHERE models = 1 ORDER BY status <> 'ok' DESC, f.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more: %,d files, %s elements, %s in all', count(*) - 20, count(*),
              safetensors_pretty(ifnull(sum(numel), 0)), safetensors_pretty(ifnull(sum(nbytes), 0), 'B'))
FROM summary_files, as_text, summary_common WHERE models = 1 HAVING count(*) > 20;
SELECT '  ' || safetensors_label(replace(error, 'safetensors: ' || file || ': ', '')) || ': ' || safetensors_label(file)
FROM summary_files, as_text, summary_common WHERE models = 1 AND error IS NOT NULL LIMIT 20;

SELECT char(10) || '== Parameters' FROM as_text, summary_common WHERE models = 1 AND EXISTS (SELECT 1 FROM summary_kinds);
.mode column --wrap 0
.headers on
SELECT kind, printf('%7d', weights) AS weights, printf('%10s', ifnull(safetensors_pretty(numel), '-')) AS parameters,
       printf('%6s', iif(bits_per_weight IS NULL, '-', printf('%.2f', bits_per_weight))) AS "  bits",
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       printf('%5.1f%%', 100.0 * numel / max(1, sum(numel) OVER ())) AS " share"
FROM summary_kinds AS k, as_text, summary_common WHERE models = 1 ORDER BY k.rowid;
.mode list
.headers off
-- What is stored is told by itself if it differs from the parameters.
DROP VIEW IF EXISTS temp.summary_stored;
CREATE TEMP VIEW summary_stored AS
  SELECT 1 FROM as_text, summary_common
  WHERE models = 1 AND EXISTS (SELECT 1 FROM summary_weights WHERE scheme <> 'none' OR role <> 'weight');
SELECT char(10) || '== Stored' FROM summary_stored;
.mode column --wrap 0
.headers on
SELECT dtype, printf('%7d', tensors) AS tensors, printf('%8s', safetensors_pretty(numel)) AS elements,
       printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes",
       printf('%5.1f%%', 100.0 * nbytes / max(1, sum(nbytes) OVER ())) AS " share"
FROM summary_dtypes AS d, summary_stored ORDER BY d.nbytes DESC, d.rowid;
.mode list
.headers off

-- Metadata that several files share is shown once.
SELECT char(10) || '== Metadata' FROM as_text, summary_common WHERE models = 1 AND EXISTS (SELECT 1 FROM summary_metadata);
.mode column --wrap 0
.headers on
SELECT safetensors_label(iif(length(value) > 50, substr(value, 1, 47) || '...', value)) AS value, safetensors_label(key) AS key
FROM (SELECT key, value, min(rowid) AS place FROM summary_metadata GROUP BY key, value), as_text, summary_common
WHERE models = 1 ORDER BY place LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM (SELECT DISTINCT key, value FROM summary_metadata), as_text, summary_common
WHERE models = 1 HAVING count(*) > 20;

SELECT char(10) || '== Largest tensors' FROM as_text, summary_common WHERE models = 1 AND EXISTS (SELECT 1 FROM summary_largest);
.mode column --wrap 0
.headers on
SELECT printf('%8s', safetensors_pretty(nbytes, 'B')) AS "   bytes", dtype,
       safetensors_label(iif(length(shape) > 24, substr(shape, 1, 21) || '...', shape)) AS shape, safetensors_label(name) AS name
FROM summary_largest AS l, as_text, summary_common WHERE models = 1 ORDER BY l.rowid;
.mode list
.headers off

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(unread);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict WHEN new.unread > 0 BEGIN
  SELECT RAISE(ABORT, 'a model cannot be read, or is not whole');
END;
INSERT INTO verdict SELECT unread FROM summary_common;
