-- Is anything wrong with the values?
--
-- Finds NaN and infinities: in which tensor and layer, how many, and at which coordinates the first one is. Then dead
-- and constant tensors, the norms of the layers, and tensors whose norm is an outlier among those of the same pattern
-- (the name with each number as '#'). Packed weights are examined as what they stand for. A path with many models is
-- many models, each for itself.
--
-- The script reads all bytes once, and what has NaN or infinities up to the first one again. In the shell,
-- `PRAGMA threads = 3` before it makes that faster.
--
-- @alias stat
-- @param path path required   a model, or a folder or pattern of them
-- @param format enum text|json|csv|junit|sarif  how to print the tables
-- @table health(model, name, scheme, dtype, shape, layer, pattern, numel, n_nan, n_inf, first_nan, first_inf,
--    bad_rows, bad_columns, part, n_zero, min, max, mean, std, abs_max, l2, rms, status)   one row per weight: what
--    tensor_stats says, the coordinates of the first NaN and infinity, in how many rows and columns they are (of the
--    nine tensors that have the most; a row is what the first dimension counts), which part of a packed weight has
--    them, and the root mean square of what is finite
-- @table health_models(model, kind, tensors, numel, n_nan, n_inf, bad, zero, constant, extremes, layers, status,
--    error)   one row per model. bad, zero, constant and extremes count tensors; layers says in which ones NaN or
--    infinities are
-- @table health_layers(model, numbering, layer, tensors, numel, l2, rms, abs_max, zeros, n_bad)   one row per layer.
--    numbering is what stands before its number, zeros the share of them, and n_bad counts NaN and infinities
-- @table health_extremes(model, name, rms, median, n, times)   tensors whose norm stands out among the n of their kind
-- @table health_findings(rule, level, file, tensor, message)   what is wrong, for JUnit and SARIF
-- @status 1                   when there are NaN or infinities, or a model cannot be read
-- @example safetensors-sql health model.safetensors

.bail on
DROP TABLE IF EXISTS temp.parameters;
CREATE TEMP TABLE parameters(
  path TEXT CONSTRAINT ":path is set" CHECK (path IS NOT NULL),
  format TEXT CONSTRAINT ":format is text, json, csv, junit or sarif" CHECK (format IN ('text', 'json', 'csv', 'junit', 'sarif'))
);
INSERT INTO parameters SELECT :path, ifnull(:format, 'text') WHERE safetensors_parameters(':path', ':format');

DROP TABLE IF EXISTS temp.health_models;
CREATE TEMP TABLE health_models AS
  SELECT model, kind, NULL AS tensors, NULL AS numel, NULL AS n_nan, NULL AS n_inf, NULL AS bad, NULL AS zero, NULL AS constant,
         NULL AS extremes, NULL AS layers, status, error
  FROM safetensors_models(:path) WHERE status <> 'empty';
DROP TABLE IF EXISTS temp.needs;
CREATE TEMP TABLE needs(models CONSTRAINT ":path has a model with tensors" CHECK (models > 0));
INSERT INTO needs(models) SELECT count(*) FROM health_models;

-- Of a model that is not whole, the rest is read.
DROP TABLE IF EXISTS temp.health_setting;
CREATE TEMP TABLE health_setting AS
  SELECT safetensors_config('errors') AS errors, safetensors_config('errors', 'skip') FROM (
    SELECT 1 FROM health_models WHERE status <> 'ok' LIMIT 1);
DROP TABLE IF EXISTS temp.health_read;
CREATE TEMP TABLE health_read AS
  SELECT m.model, w.name, w.scheme, w.dtype, w.shape, w.layer, w.pattern, w.numel, s.n_nan, s.n_inf, NULL AS first_nan,
         NULL AS first_inf, NULL AS bad_rows, NULL AS bad_columns, NULL AS part, s.n_zero, s.min, s.max, s.mean, s.std, s.abs_max, s.l2,
         s.l2 / sqrt(nullif(w.numel - s.n_nan - s.n_inf, 0)) AS rms, w.status, w.parts, w.ref,
         (w.role = 'weight' AND w.dtype NOT GLOB '[IU][0-9]*' AND w.dtype <> 'BOOL') AS is_number
  FROM health_models AS m JOIN safetensors_weights(m.model) AS w LEFT JOIN tensor_stats(w.ref) AS s
  WHERE w.copy_of IS NULL;

-- Of packed weights: which part has them. If one cannot be unpacked, its parts are all that can be examined.
DROP TABLE IF EXISTS temp.health_parts;
CREATE TEMP TABLE health_parts AS
  SELECT h.rowid AS weight, t.name AS part, s.n_nan, s.n_inf
  FROM health_read AS h JOIN json_each(h.parts) AS p JOIN safetensors_tensors(h.model) AS t ON t.name = p.value
  JOIN tensor_stats(t.ref) AS s
  WHERE h.parts IS NOT NULL AND (h.ref IS NULL OR h.n_nan + h.n_inf > 0) AND s.n_nan + s.n_inf > 0;
UPDATE health_read SET part = p.part, n_nan = ifnull(health_read.n_nan, p.n_nan), n_inf = ifnull(health_read.n_inf, p.n_inf)
FROM health_parts AS p WHERE p.weight = health_read.rowid;

-- Where the first one is: in steps that double until one is passed, and then by halves.
DROP TABLE IF EXISTS temp.health_places;
CREATE TEMP TABLE health_places AS
  WITH RECURSIVE wanted(id, ref, numel, infinite) AS (
    SELECT rowid, ref, numel, 0 FROM health_read WHERE n_nan > 0 AND ref IS NOT NULL
    UNION ALL SELECT rowid, ref, numel, 1 FROM health_read WHERE n_inf > 0 AND ref IS NOT NULL
  ),
  steps(id, ref, numel, infinite, passed, lo, hi) AS (
    SELECT id, ref, numel, infinite, numel <= 4096, 0, min(4096, numel) FROM wanted
    UNION ALL
    SELECT id, ref, numel, infinite,
           passed OR iif(infinite, s.n_inf, s.n_nan) > 0 OR hi + 2 * (hi - lo) >= numel,
           CASE WHEN iif(infinite, s.n_inf, s.n_nan) > 0 THEN lo WHEN passed THEN (lo + hi) / 2 ELSE hi END,
           CASE WHEN iif(infinite, s.n_inf, s.n_nan) > 0 THEN iif(passed, (lo + hi) / 2, hi)
                WHEN passed THEN hi ELSE min(numel, hi + 2 * (hi - lo)) END
    FROM steps JOIN tensor_stats(tensor_slice(tensor_reshape(ref, json_array(numel)),
                                              printf('%d:%d', lo, iif(passed, (lo + hi) / 2, hi)))) AS s
    WHERE NOT (passed AND hi - lo <= 4096)
  )
  SELECT id, infinite, (
    SELECT e.coord FROM tensor_elements(ref) AS e
    WHERE e.idx >= lo AND e.idx < hi AND (iif(infinite, abs(e.value) = 9e999, e.value IS NULL) OR e.value LIKE '[%null%')
    ORDER BY e.idx LIMIT 1) AS coord
  FROM steps WHERE passed AND hi - lo <= 4096;
UPDATE health_read SET first_nan = p.coord FROM health_places AS p WHERE p.id = health_read.rowid AND NOT p.infinite;
UPDATE health_read SET first_inf = p.coord FROM health_places AS p WHERE p.id = health_read.rowid AND p.infinite;
-- Whether they are everywhere, in one row or in one column: of a difference to itself, what is not finite is NaN.
UPDATE health_read SET bad_rows = json_extract(shape, '$[0]'), bad_columns = numel / json_extract(shape, '$[0]')
WHERE n_nan + n_inf = numel AND numel > 0 AND json_array_length(shape) > 1;
UPDATE health_read SET bad_rows = rows - r.n_zero, bad_columns = columns - c.n_zero
FROM (SELECT id, rows, columns, tensor_isnan(tensor_sub(matrix, matrix)) AS bad
      FROM (SELECT rowid AS id, json_extract(shape, '$[0]') AS rows, numel / json_extract(shape, '$[0]') AS columns,
                   tensor_reshape(ref, json_array(json_extract(shape, '$[0]'), numel / json_extract(shape, '$[0]'))) AS matrix
            FROM health_read WHERE n_nan + n_inf > 0 AND n_nan + n_inf < numel AND ref IS NOT NULL AND json_array_length(shape) > 1
              AND dtype <> 'C64'
            ORDER BY n_nan + n_inf DESC LIMIT 9)) AS b
JOIN tensor_stats(tensor_total(b.bad, 1)) AS r JOIN tensor_stats(tensor_total(b.bad, 0)) AS c
WHERE b.id = health_read.rowid;
UPDATE health_setting SET errors = safetensors_config('errors', errors);
-- If there is only one, and nothing of it can be read, this raises why.
INSERT INTO needs(models)
SELECT 1 + count(*) FROM health_models AS m JOIN safetensors_tensors(m.model) AS t
WHERE NOT EXISTS (SELECT 1 FROM health_read) AND (SELECT count(*) FROM health_models) = 1;

CREATE TEMP VIEW IF NOT EXISTS health AS
  SELECT model, name, scheme, dtype, shape, layer, pattern, numel, n_nan, n_inf, first_nan, first_inf, bad_rows, bad_columns, part,
         n_zero, min, max, mean, std, abs_max, l2, rms, status
  FROM health_read;

-- Only kinds with three or more tensors count. The median is the middle one, or the lower of the two in the middle.
DROP TABLE IF EXISTS temp.health_extremes;
CREATE TEMP TABLE health_extremes AS
  WITH ranked AS (
    SELECT model, pattern, name, rms, count(*) OVER kind AS n,
           row_number() OVER (PARTITION BY model, pattern ORDER BY rms) AS position
    FROM health_read WHERE rms IS NOT NULL AND is_number WINDOW kind AS (PARTITION BY model, pattern)
  )
  SELECT r.model, r.name, r.rms, m.rms AS median, m.n, r.rms / m.rms AS times
  FROM ranked AS m JOIN ranked AS r ON r.model = m.model AND r.pattern = m.pattern
  WHERE m.position = (m.n + 1) / 2 AND m.n > 2 AND m.rms > 0 AND (r.rms >= 4 * m.rms OR r.rms <= m.rms / 4)
  ORDER BY max(r.rms / m.rms, m.rms / max(r.rms, 1e-300)) DESC, r.model, r.name;

-- The numbering of a layer is what stands before its number.
DROP TABLE IF EXISTS temp.health_layers;
CREATE TEMP TABLE health_layers AS
  SELECT model, iif(layer IS NULL, NULL, substr(pattern, 1, max(0, instr(pattern, '#') - 2))) AS numbering, layer,
         count(*) AS tensors, sum(numel) AS numel, sqrt(sum(l2 * l2)) AS l2,
         sqrt(sum(l2 * l2) / nullif(sum(numel - n_nan - n_inf), 0)) AS rms, max(abs_max) AS abs_max,
         1.0 * sum(n_zero) / nullif(sum(numel), 0) AS zeros, CAST(total(n_nan + n_inf) AS INTEGER) AS n_bad
  FROM health_read WHERE is_number AND n_nan IS NOT NULL GROUP BY 1, 2, 3
  ORDER BY health_read.model, min(min(health_read.rowid)) OVER (PARTITION BY model, 2), health_read.layer;

UPDATE health_models SET tensors = h.tensors, numel = h.numel, n_nan = h.n_nan, n_inf = h.n_inf, bad = h.bad, zero = h.zero,
                         constant = h.constant
FROM (SELECT model, count(*) AS tensors, sum(numel) AS numel, CAST(total(n_nan) AS INTEGER) AS n_nan,
             CAST(total(n_inf) AS INTEGER) AS n_inf, CAST(total(n_nan + n_inf > 0) AS INTEGER) AS bad,
             CAST(total(is_number AND numel > 1 AND n_nan + n_inf = 0 AND abs_max = 0) AS INTEGER) AS zero,
             CAST(total(is_number AND numel > 1 AND n_nan + n_inf = 0 AND min = max AND abs_max > 0) AS INTEGER) AS constant
      FROM health_read GROUP BY model) AS h WHERE h.model = health_models.model;

-- Layers that have NaN or infinities: up to three runs of them, by numbering.
UPDATE health_models SET layers = (
  SELECT group_concat(runs, '; ') FROM (
    SELECT iif(numbering <> '', numbering || ' ', '') || iif(count(*) > 3, sum(n) || ' layers', group_concat(run, ', ')) AS runs
    FROM (SELECT numbering, count(*) AS n, min(layer) || iif(count(*) > 1, '-' || max(layer), '') AS run
          FROM (SELECT numbering, layer, layer - row_number() OVER (PARTITION BY numbering ORDER BY layer) AS start
                FROM health_layers AS l WHERE l.model = health_models.model AND l.n_bad > 0 AND layer IS NOT NULL)
          GROUP BY numbering, start ORDER BY min(layer))
    GROUP BY numbering))
WHERE bad > 0;
UPDATE health_models SET extremes = (SELECT count(*) FROM health_extremes AS e WHERE e.model = health_models.model)
WHERE tensors IS NOT NULL;

DROP TABLE IF EXISTS temp.health_findings;
CREATE TEMP TABLE health_findings AS
  SELECT 'readable' AS rule, 'error' AS level, model AS file, NULL AS tensor, ifnull(error, status) AS message
  FROM health_models WHERE status <> 'ok'
  UNION ALL
  SELECT 'finite', 'error', model, ifnull(part, name),
         ltrim(iif(n_nan > 0, printf('; %,d NaN', n_nan) || ifnull(', the first at ' || first_nan, ''), '')
               || iif(n_inf > 0, printf('; %,d Inf', n_inf) || ifnull(', the first at ' || first_inf, ''), '')
               || iif(bad_rows IS NULL, '', printf('; in %,d row%s and %,d column%s', bad_rows, iif(bad_rows = 1, '', 's'), bad_columns,
                                                  iif(bad_columns = 1, '', 's'))), '; ')
         || iif(part IS NOT NULL, ' of ' || name, '')
  FROM health_read WHERE n_nan + n_inf > 0
  UNION ALL
  SELECT iif(abs_max = 0, 'dead', 'constant'), 'warning', model, name,
         printf('all %,d elements are %s', numel, printf('%.6g', min))
  FROM health_read WHERE is_number AND numel > 1 AND n_nan + n_inf = 0 AND min = max
  UNION ALL
  SELECT 'unpacked', 'skipped', model, name, 'not examined: ' || status FROM health_read WHERE ref IS NULL
  UNION ALL
  SELECT 'norm', 'warning', model, name, printf('the RMS, %.4g, is %.3g times the median of its %,d peers', rms, times, n)
  FROM health_extremes
  UNION ALL
  SELECT r.column1, 'ok', m.model, NULL, printf('%,d tensors examined', m.tensors)
  FROM health_models AS m JOIN (VALUES ('readable', 0), ('finite', 1), ('dead', 2), ('constant', 3), ('norm', 4)) AS r
  WHERE CASE r.column2 WHEN 0 THEN m.status = 'ok' WHEN 1 THEN m.bad = 0 WHEN 2 THEN m.zero = 0 WHEN 3 THEN m.constant = 0
                       ELSE m.extremes = 0 END
    AND (m.status = 'ok' OR m.tensors > 0);

CREATE TEMP VIEW IF NOT EXISTS as_text AS SELECT 1 FROM parameters WHERE format = 'text';
.mode list
.headers off
SELECT CASE WHEN format IN ('junit', 'sarif') THEN safetensors_print(format, 'health_findings')
            ELSE safetensors_print(format, 'health', 'health_models', 'health_layers', 'health_extremes', 'health_findings') END
FROM parameters WHERE format <> 'text';

-- The verdict in words.
SELECT l.value FROM as_text, (
  SELECT count(*) AS models, total(status <> 'ok') AS unread, total(bad > 0) AS bad_models, total(bad) AS bad,
         total(n_nan) AS nan, total(n_inf) AS inf, total(zero) AS zero, total(constant) AS constant, total(extremes) AS extremes,
         total(tensors) AS tensors, max(layers) AS layers, max(error) AS error,
         EXISTS (SELECT 1 FROM health_layers WHERE layer IS NULL AND n_bad > 0) AS outside,
         (SELECT count(*) FROM health_read WHERE ref IS NULL) AS packed
  FROM health_models) AS n, json_each(json_array(
  CASE WHEN models > 1 AND bad > 0
       THEN printf('%,d of %,d models %s NaN or infinities: %,d NaN, %,d Inf in %,d tensor%s.', bad_models, models,
                   iif(bad_models = 1, 'has', 'have'), nan, inf, bad, iif(bad = 1, '', 's'))
       WHEN models > 1 THEN printf('No NaN and no infinities in %,d models, of %,d tensors.', models - unread, tensors)
       WHEN bad > 0
       THEN printf('%,d of %,d tensors %s %s%s.', bad, tensors, iif(bad = 1, 'has', 'have'),
                   ltrim(iif(nan > 0, printf(' and %,d NaN', nan), '') || iif(inf > 0, printf(' and %,d Inf', inf), ''), ' and'),
                   ifnull(', in ' || safetensors_label(iif(length(layers) <= 42, layers, NULL)) || iif(outside, ' and outside the layers', ''), ''))
       WHEN tensors = 1 THEN 'The only tensor is finite.'
       ELSE printf('All %,d tensors are finite.', tensors) END,
  iif(unread > 0 AND models = 1, 'error: it is not whole:' || char(10) || '  ' || safetensors_label(substr(error, 14)), NULL),
  iif(unread > 0 AND models > 1, printf('error: %,d of %,d models cannot be read, or not whole.', unread, models), NULL),
  iif(packed > 0, printf('warning: %,d weight%s cannot be unpacked: only parts are examined.', packed, iif(packed = 1, '', 's')), NULL),
  iif(zero + constant + extremes > 0, printf(
    '%,d tensor%s all zero, %,d %s all the same; %,d norm%s out.', zero, iif(zero = 1, ' is', 's are'), constant,
    iif(constant = 1, 'is', 'are'), extremes, iif(extremes = 1, ' stands', 's stand')),
    'No tensor is all zero or all the same, and no norm stands out.')
)) AS l WHERE l.value IS NOT NULL;

DROP TABLE IF EXISTS temp.health_common;
CREATE TEMP TABLE health_common AS SELECT iif(count(*) > 1, safetensors_common(model), '') AS common, count(*) AS models,
         count(DISTINCT rtrim(model, replace(model, '/', ''))) AS folders FROM health_models;
SELECT printf('%,d models in %,d folder%s were looked at.', models, folders, iif(folders = 1, '', 's')) FROM health_common, as_text WHERE models > 1;

SELECT char(10) || '== Models' FROM as_text, health_common WHERE models > 1;
.mode column --wrap 0
.headers on
SELECT printf('%6s', iif(n_nan IS NULL, '-', printf('%,d', n_nan))) AS "   nan",
       printf('%6s', iif(n_inf IS NULL, '-', printf('%,d', n_inf))) AS "   inf",
       printf('%5s', ifnull(zero, '-')) AS " zero", printf('%8s', ifnull(constant, '-')) AS constant,
       printf('%4s', ifnull(extremes, '-')) AS norm, printf('%7s', ifnull(tensors, '-')) AS tensors, status, safetensors_label(model, common) AS model
FROM health_models AS m, health_common, as_text WHERE models > 1
ORDER BY ifnull(n_nan + n_inf, 0) > 0 DESC, status <> 'ok' DESC, zero DESC, extremes DESC, m.rowid LIMIT 1000;
.mode list
.headers off
SELECT printf('and %,d more', models - 1000) FROM health_common, as_text WHERE models > 1000;
SELECT char(10) || '== Cannot be read' FROM as_text, health_common
WHERE models > 1 AND EXISTS (SELECT 1 FROM health_models WHERE status <> 'ok');
SELECT safetensors_label(model, common) || ':' || char(10) || '  '
       || safetensors_label(replace(replace(ifnull(substr(error, 14), status), model || ': ', ''), common, '...'))
FROM health_models, health_common, as_text
WHERE models > 1 AND status <> 'ok' LIMIT 40;

SELECT char(10) || '== NaN and infinities' FROM as_text WHERE EXISTS (SELECT 1 FROM health_read WHERE n_nan + n_inf > 0);
.mode column --wrap 0
.headers on
SELECT printf('%8s', printf('%,d', n_nan)) AS "     nan", printf('%8s', printf('%,d', n_inf)) AS "     inf",
       printf('%6.2f%%', 100.0 * (n_nan + n_inf) / numel) AS "  share",
       ifnull(bad_rows || 'x' || bad_columns, '-') AS "rows x columns", ifnull(first_nan, '-') AS first_nan, ifnull(first_inf, '-') AS first_inf,
       iif(models > 1, safetensors_label(h.model, common) || '#', '') || safetensors_label(h.name)
       || ifnull(' (' || safetensors_label(part) || ')', '') AS tensor
FROM health_read AS h JOIN health_common JOIN as_text
WHERE h.n_nan + h.n_inf > 0 ORDER BY h.n_nan + h.n_inf DESC, h.rowid LIMIT 40;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 40) FROM health_read, as_text WHERE n_nan + n_inf > 0 HAVING count(*) > 40;

SELECT char(10) || '== All zero, or all the same' FROM as_text
WHERE EXISTS (SELECT 1 FROM health_findings WHERE rule IN ('dead', 'constant') AND level <> 'ok');
.mode column --wrap 0
.headers on
SELECT printf('%10.6g', h.min) AS "     value", h.dtype,
       safetensors_label(iif(length(h.shape) > 24, substr(h.shape, 1, 21) || '...', h.shape)) AS shape,
       iif(models > 1, safetensors_label(h.model, common) || '#', '') || safetensors_label(h.name) AS tensor
FROM health_read AS h JOIN health_common JOIN as_text
WHERE is_number AND h.min = h.max AND h.n_nan + h.n_inf = 0 AND h.numel > 1
ORDER BY h.abs_max <> 0, h.numel DESC, h.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM health_findings, as_text
WHERE rule IN ('dead', 'constant') AND level <> 'ok' HAVING count(*) > 20;

SELECT char(10) || '== Norms that stand out' FROM as_text WHERE EXISTS (SELECT 1 FROM health_extremes);
.mode column --wrap 0
.headers on
SELECT printf('%9.4g', e.rms) AS "      rms", printf('%9.4g', e.median) AS "   median", printf('%5d', e.n) AS among,
       printf('%8.3g', e.times) AS "   times",
       iif(models > 1, safetensors_label(e.model, common) || '#', '') || safetensors_label(e.name) AS tensor
FROM health_extremes AS e JOIN health_common JOIN as_text ORDER BY e.rowid LIMIT 20;
.mode list
.headers off
SELECT printf('and %,d more', count(*) - 20) FROM health_extremes, as_text HAVING count(*) > 20;

SELECT char(10) || '== Norms by layer' FROM as_text, health_common WHERE models = 1;
.mode column --wrap 0
.headers on
SELECT printf('%7d', tensors) AS tensors, printf('%9.4g', l2) AS "       l2", printf('%9.4g', rms) AS "      rms",
       printf('%9.4g', abs_max) AS "  abs_max", printf('%5.1f%%', 100 * zeros) AS " zeros",
       iif(n_bad > 0, 'NaN or Inf', substr('##########', 1, 10 * rms / nullif(max(rms) OVER (PARTITION BY numbering), 0))) AS relative,
       ifnull(safetensors_label(iif(numbering <> '', numbering || '.', '') || layer), '-') AS layer
FROM health_layers AS l, health_common, as_text WHERE models = 1 ORDER BY l.rowid;

DROP TABLE IF EXISTS temp.verdict;
CREATE TEMP TABLE verdict(bad, unread);
CREATE TEMP TRIGGER verdict_is_no BEFORE INSERT ON verdict BEGIN
  SELECT RAISE(ABORT, 'a tensor has NaN or infinities') WHERE new.bad > 0;
  SELECT RAISE(ABORT, 'a model cannot be read, or is not whole') WHERE new.unread > 0;
END;
INSERT INTO verdict SELECT total(bad > 0), total(status <> 'ok') FROM health_models;
